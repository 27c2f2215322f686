/*
 * api/lookup: one name being looked up by getaddrinfo(), in a thread of its own, so that those who
 * wait for it can leave. The lookup itself cannot be ended: it runs on until it has its answer.
 *
 * References are counted: each thread that waits has one, the running lookup has one, and whoever
 * keeps the answer. In a forked child nothing runs on: it may only release what it inherited.
 * Safe in: threads; cancellation (disabled by the caller, but for lookup_wait()).
 */
#ifndef API_LOOKUP_H
#define API_LOOKUP_H

#include <netdb.h>
#include <stdatomic.h>
#include <stdint.h>

struct lookup {
	atomic_uint references;
	_Atomic uint64_t ended_ns; /* 0: it has not; written after the answer, and read before */
	int gai;                   /* EAI_...; 0: there are addresses */
	struct addrinfo *list;     /* of getaddrinfo(), without ports */
	int family;                /* AF_UNSPEC, AF_INET or AF_INET6 */
	int end_fd;                /* an eventfd, readable at the end */
	atomic_uint end_users;     /* the lookup, until then, and who waits: the last closes it */
	char name[];
};

/*
 * The addresses of a numeric host, which needs no waiting: as getaddrinfo(), with EAI_NONAME for
 * what is not numeric. ret_list is to be freed by freeaddrinfo().
 */
int lookup_numeric(const char *host, int family, struct addrinfo **ret_list);

/*
 * Makes a lookup that has not begun, with one reference. `name` is copied. Returns 0; or -ENOMEM,
 * or another -errno when there is no descriptor to wait with.
 */
int lookup_new(const char *name, int family, struct lookup **ret_lookup);

/* One more reference. Returns its argument. */
struct lookup *lookup_share(struct lookup *lookup);

/* One reference less; with the last one the lookup goes. */
void lookup_release(struct lookup *lookup);

/*
 * Begins a lookup, once. Where no thread can be made it is done right here, and has ended when this
 * returns.
 */
void lookup_start(struct lookup *lookup);

/* When it ended, and its answer may be read; 0: not yet. */
uint64_t lookup_ended_ns(const struct lookup *lookup);

/*
 * Waits until the lookup has ended. Returns 0; or -ETIMEDOUT at `until_ns`, -ECANCELED when
 * `cancel_fd` (-1: none) is readable, another -errno as of ppoll(2). A cancellation point: a thread
 * that is cancelled in it has left nothing.
 */
int lookup_wait(struct lookup *lookup, uint64_t until_ns, int cancel_fd);

#endif
