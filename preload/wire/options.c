#include "wire/options.h"

#include "base/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

/* From <linux/in.h>, which cannot be included beside the C library's own names for the rest. */
#include <netinet/ip.h>

/* Newer than the oldest kernel headers that libhe builds with; the values are the kernel's ABI. */
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif
#define BUF_LOCK_SEND 1
#define BUF_LOCK_RECEIVE 2

struct name {
	int level, name;
};

/* One meaning in two families: an IPv4 socket has the first, an IPv6 socket has both. */
static const struct {
	int ip, ipv6;
	bool when_chosen; /* the families have defaults of their own, from sysctl or the route */
} family_pairs[] = {
    {IP_TOS, IPV6_TCLASS, false},
    {IP_TTL, IPV6_UNICAST_HOPS, true},
    {IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, true},
    {IP_RECVERR, IPV6_RECVERR, false},
    {IP_FREEBIND, IPV6_FREEBIND, false},
    {IP_TRANSPARENT, IPV6_TRANSPARENT, false},
    {IP_UNICAST_IF, IPV6_UNICAST_IF, false},
};

/* Without a twin: copied between sockets of a domain that has them. */
static const struct name ipv4_only[] = {
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT},
    {IPPROTO_IP, IP_MINTTL},
};
static const struct name ipv6_only[] = {
    {IPPROTO_IPV6, IPV6_DONTFRAG},
    {IPPROTO_IPV6, IPV6_AUTOFLOWLABEL},
    {IPPROTO_IPV6, IPV6_FLOWINFO_SEND},
    {IPPROTO_IPV6, IPV6_MINHOPCOUNT},
};

/* Cannot be changed once there is a port, and reads differently then on an MPTCP socket. */
static const struct name ipv6_before_port = {IPPROTO_IPV6, IPV6_V6ONLY};

/* SO_PRIORITY stands after the pairs are done, because setting IP_TOS changes it. */
static const struct name common[] = {
    {SOL_SOCKET, SO_PRIORITY},
    {SOL_SOCKET, SO_MARK},
    {SOL_SOCKET, SO_BINDTODEVICE},
    {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_REUSEPORT},
    {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_DONTROUTE},
    {SOL_SOCKET, SO_RCVTIMEO},
    {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_RCVLOWAT},
    {SOL_SOCKET, SO_BUSY_POLL},
    {SOL_SOCKET, SO_PREFER_BUSY_POLL},
    {SOL_SOCKET, SO_BUSY_POLL_BUDGET},
    {SOL_SOCKET, SO_MAX_PACING_RATE},
    {SOL_SOCKET, SO_TIMESTAMP},
    {SOL_SOCKET, SO_TIMESTAMPNS},
    {SOL_SOCKET, SO_TIMESTAMPING},
    {SOL_SOCKET, SO_SELECT_ERR_QUEUE},
    {SOL_SOCKET, SO_ZEROCOPY},
    {IPPROTO_TCP, TCP_CONGESTION},
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_SYNCNT},
    {IPPROTO_TCP, TCP_LINGER2},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {IPPROTO_TCP, TCP_QUICKACK},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS},
    {IPPROTO_TCP, TCP_THIN_DUPACK},
    {IPPROTO_TCP, TCP_SAVE_SYN},
    {IPPROTO_TCP, TCP_INQ},
};

static const struct name linger = {SOL_SOCKET, SO_LINGER};

/* The largest is a device or congestion control name. */
union value {
	char bytes[IFNAMSIZ > 16 ? IFNAMSIZ : 16];
	int number;
	long align;
};

/*
 * Copies one option when the two sockets differ in it. An option that this kernel, or this kind
 * of socket, does not have cannot have been set by the program either.
 */
static int mirror(int from, struct name from_name, int to, struct name to_name)
{
	union value wanted = {{0}}, present = {{0}};
	socklen_t wanted_len = sizeof(wanted), present_len = sizeof(present);

	if (libc_getsockopt(from, from_name.level, from_name.name, &wanted, &wanted_len) < 0)
		return 0;
	if (libc_getsockopt(to, to_name.level, to_name.name, &present, &present_len) < 0)
		return 0;
	if (wanted_len == present_len && memcmp(&wanted, &present, wanted_len) == 0)
		return 0;
	if (libc_setsockopt(to, to_name.level, to_name.name, &wanted, wanted_len) < 0)
		return -errno;
	return 0;
}

static int mirror_all(const struct name *names, size_t count, int from, int to)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = mirror(from, names[i], to, names[i]);
	return r;
}

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static int mirror_families(const struct own *own, int from, int from_domain, int to, int to_domain,
                           bool fresh)
{
	int r = 0;

	for (size_t i = 0; i < LENGTH(family_pairs) && r == 0; i++) {
		struct name ip = {IPPROTO_IP, family_pairs[i].ip};
		struct name ipv6 = {IPPROTO_IPV6, family_pairs[i].ipv6};

		if (family_pairs[i].when_chosen && !own->chose_hops)
			continue;
		if (from_domain != to_domain) {
			r = mirror(from, from_domain == AF_INET ? ip : ipv6, to,
			           to_domain == AF_INET ? ip : ipv6);
			continue;
		}
		r = mirror(from, ip, to, ip);
		if (r == 0 && to_domain == AF_INET6)
			r = mirror(from, ipv6, to, ipv6);
	}
	if (r == 0 && from_domain == to_domain)
		r = mirror_all(ipv4_only, LENGTH(ipv4_only), from, to);
	if (r == 0 && from_domain == AF_INET6 && to_domain == AF_INET6)
		r = mirror_all(ipv6_only, LENGTH(ipv6_only), from, to);
	if (r == 0 && fresh && from_domain == AF_INET6 && to_domain == AF_INET6)
		r = mirror(from, ipv6_before_port, to, ipv6_before_port);
	return r;
}

/* The kernel reports twice what was set: it counts its own bookkeeping (socket(7)). */
static int mirror_buffer(int from, int to, int name, int force_name)
{
	int wanted = own_option(from, SOL_SOCKET, name, 0);
	int half = wanted / 2;

	if (wanted == 0 || wanted == own_option(to, SOL_SOCKET, name, 0))
		return 0;
	if (libc_setsockopt(to, SOL_SOCKET, name, &half, sizeof(half)) < 0)
		return -errno;
	/* Larger than net.core.[rw]mem_max: the program had the privilege, so try the same. */
	if (own_option(to, SOL_SOCKET, name, wanted) != wanted)
		(void)libc_setsockopt(to, SOL_SOCKET, force_name, &half, sizeof(half));
	return 0;
}

/*
 * Only sizes that the program fixed: the kernel tunes the others. A kernel before 5.14 does not
 * tell which those are; there a size that differs from a new socket's was set.
 */
static int mirror_buffers(int from, int to, bool fresh)
{
	int unknown = fresh ? BUF_LOCK_SEND | BUF_LOCK_RECEIVE : 0;
	int locks = own_option(from, SOL_SOCKET, SO_BUF_LOCK, unknown);
	int r = 0;

	if (locks & BUF_LOCK_SEND)
		r = mirror_buffer(from, to, SO_SNDBUF, SO_SNDBUFFORCE);
	if (r == 0 && (locks & BUF_LOCK_RECEIVE))
		r = mirror_buffer(from, to, SO_RCVBUF, SO_RCVBUFFORCE);
	return r;
}

/* Longer filters than any program attaches before it connects; 2 KiB of stack. */
#define FILTER_MAX 256

static int mirror_filter(int from, int to)
{
	struct sock_filter code[FILTER_MAX];
	socklen_t count = 0;

	/* For this option alone the length counts instructions. EACCES: an eBPF program. */
	if (libc_getsockopt(from, SOL_SOCKET, SO_GET_FILTER, NULL, &count) < 0)
		return errno == ENOPROTOOPT ? 0 : -errno;
	if (count == 0)
		return 0;
	if (count > FILTER_MAX)
		return -E2BIG;
	if (libc_getsockopt(from, SOL_SOCKET, SO_GET_FILTER, code, &count) < 0)
		return -errno;

	struct sock_fprog program = {.len = (unsigned short)count, .filter = code};

	return libc_setsockopt(to, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0
	           ? -errno
	           : 0;
}

static int set_int(int fd, int level, int name, int value)
{
	return libc_setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

int options_mirror(const struct own *own, int from, int from_domain, int to, int to_domain,
                   bool fresh)
{
	int r = mirror_families(own, from, from_domain, to, to_domain, fresh);

	if (r == 0)
		r = mirror_all(common, LENGTH(common), from, to);
	if (r == 0)
		r = mirror_buffers(from, to, fresh);
	/* Only on what stands in: the close of one that lost must not wait, as the lock is held. */
	if (r == 0 && !fresh)
		r = mirror(from, linger, to, linger);
	if (r == 0 && fresh)
		r = mirror_filter(from, to);
	if (r == 0 && fresh && own->max_segment != 0)
		r = set_int(to, IPPROTO_TCP, TCP_MAXSEG, own->max_segment);
	if (r == 0 && fresh && own->window_clamp != 0)
		r = set_int(to, IPPROTO_TCP, TCP_WINDOW_CLAMP, own->window_clamp);
	return r;
}

int options_mirror_file(int from, int to)
{
	struct f_owner_ex owner;
	int flags = libc_fcntl(from, F_GETFL, 0);
	int signal = libc_fcntl(from, F_GETSIG, 0);

	if (flags < 0 || signal < 0 || libc_fcntl(from, F_GETOWN_EX, (long)&owner) < 0)
		return -errno;
	/* The owner before the flags: O_ASYNC must not signal anybody else meanwhile. */
	if (owner.pid != 0 && libc_fcntl(to, F_SETOWN_EX, (long)&owner) < 0)
		return -errno;
	if (signal != 0 && libc_fcntl(to, F_SETSIG, signal) < 0)
		return -errno;
	return libc_fcntl(to, F_SETFL, flags) < 0 ? -errno : 0;
}
