/*
 * base/addr: an IP address without a port, in the one form that every room compares and stores.
 *
 * Knows sockaddr_in and sockaddr_in6, nothing else. Pure; calls nothing that can fail or block.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * An IPv4 address uses bytes[0..3], the rest is zero, so that equal addresses are equal memory.
 * v4-mapped IPv6 addresses are always held as IPv4: the program means the IPv4 host.
 */
struct addr {
	uint8_t bytes[16];
	uint32_t scope_id; /* sin6_scope_id; 0 for IPv4 and for global IPv6 */
	uint16_t family;   /* AF_INET or AF_INET6; 0: no address */
	uint16_t reserved; /* zero: keeps the memory comparable */
};

/* "%u" of a scope, brackets never: INET6_ADDRSTRLEN and a scope identifier. */
#define ADDR_TEXT_MAX 64

/* What a socket address says beside the address. */
struct addr_extra {
	uint16_t port;     /* host byte order */
	bool mapped;       /* it was written ::ffff:a.b.c.d in an AF_INET6 socket address */
	uint32_t flowinfo; /* network byte order, as in sin6_flowinfo */
};

/*
 * Takes a socket address apart. `len` is the caller's length, and may be larger than needed.
 * Returns 0, or -EAFNOSUPPORT for another family, or -EINVAL when `len` is too short for it.
 * On failure nothing is written.
 */
int addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *ret_addr,
                       struct addr_extra *ret_extra);

/*
 * Writes `addr` as a socket address; an IPv4 address becomes ::ffff:a.b.c.d in AF_INET6 when
 * extra->mapped is set. Returns the length to pass to connect().
 */
socklen_t addr_to_sockaddr(const struct addr *addr, const struct addr_extra *extra,
                           struct sockaddr_storage *ret_sa);

bool addr_equal(const struct addr *a, const struct addr *b);
/* True when `addr` is one of `count` addresses. */
bool addr_stands_in(const struct addr *addr, const struct addr *addrs, size_t count);

bool addr_is_loopback(const struct addr *addr);

/* True for 0.0.0.0 and ::, the address of a socket that is not bound to one. */
bool addr_is_any(const struct addr *addr);

/* A well mixed 32-bit value, equal for equal addresses, the same in every run. */
uint32_t addr_hash(const struct addr *addr);

/* Writes the usual text form with its terminator; `ret_text` has ADDR_TEXT_MAX bytes. */
void addr_format(const struct addr *addr, char *ret_text);

#endif
