#include "wire/own.h"

#include "base/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>

/* RFC 9293 section 3.7.1: what TCP_MAXSEG reads while nobody has set it. */
#define MAX_SEGMENT_UNSET 536

/* Newer than the oldest kernel headers that libhe builds with. */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Values of tcpi_state, which are the kernel's stable interface. */
#define STATE_SYN_SENT 2
#define STATE_SYN_RECEIVED 3 /* both sides connected at the same time */
#define STATE_CLOSE 7

int own_option(int fd, int level, int name, int fallback)
{
	int value;
	socklen_t len = sizeof(value);

	return libc_getsockopt(fd, level, name, &value, &len) == 0 ? value : fallback;
}

static int look_bound(int fd, struct own *own)
{
	struct sockaddr_storage name;
	struct addr_extra extra;
	socklen_t len = sizeof(name);
	int r;

	if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
		return -errno;
	own->domain = name.ss_family;
	r = addr_from_sockaddr((struct sockaddr *)&name, len, &own->bound, &extra);
	if (r < 0)
		return r;
	own->bound_port = extra.port;
	if (addr_is_any(&own->bound))
		own->bound = (struct addr){0};
	return 0;
}

static bool has_error(int fd)
{
	static const struct timespec at_once;
	struct pollfd watch = {.fd = fd};

	return libc_ppoll(&watch, 1, &at_once, NULL) > 0 && (watch.revents & POLLERR) != 0;
}

int own_look(int fd, struct own *ret_own)
{
	struct own own = {.fd = fd};
	enum own_progress progress;
	socklen_t len = sizeof(own.protocol);
	int flags, r;

	if (libc_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &own.protocol, &len) < 0)
		return -errno;
	if (own.protocol != IPPROTO_TCP && own.protocol != IPPROTO_MPTCP)
		return -ENOPROTOOPT;
	flags = libc_fcntl(fd, F_GETFL, 0);
	if (flags < 0)
		return -errno;
	own.nonblocking = (flags & O_NONBLOCK) != 0;

	r = look_bound(fd, &own);
	if (r == 0)
		r = own_progress(fd, &progress);
	if (r < 0)
		return r;
	/* A port without a choice of the program is left by an attempt before, whose error is due.
	 */
	own.idle = progress == OWN_CLOSED && (own.bound_port == 0 || !has_error(fd));
	r = own_cookie(fd, &own.cookie);
	if (r < 0)
		return r;
	*ret_own = own;
	return 0;
}

void own_look_at_rare(struct own *own)
{
	own->fast_open = own_option(own->fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0) != 0;
	own->repairing = own_option(own->fd, IPPROTO_TCP, TCP_REPAIR, 0) != 0;
	own->max_segment = own_option(own->fd, IPPROTO_TCP, TCP_MAXSEG, MAX_SEGMENT_UNSET);
	if (own->max_segment == MAX_SEGMENT_UNSET)
		own->max_segment = 0;
	own->window_clamp = own_option(own->fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0);
}

/* As the kernel's state has it, which knows nothing of errors. Returns 0 or -errno. */
static int look_at_state(int fd, enum own_progress *ret_progress)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (libc_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	/*
	 * The peer's first acknowledgement is that of our SYN. It tells a connection that was reset
	 * from one that never was.
	 */
	if (info.tcpi_state == STATE_SYN_SENT || info.tcpi_state == STATE_SYN_RECEIVED)
		*ret_progress = OWN_CONNECTING;
	else if (info.tcpi_state == STATE_CLOSE && info.tcpi_bytes_acked == 0)
		*ret_progress = OWN_CLOSED;
	else
		*ret_progress = OWN_CONNECTED;
	return 0;
}

bool own_is_pending(int fd)
{
	enum own_progress progress;

	return look_at_state(fd, &progress) == 0 && progress == OWN_CONNECTING;
}

int own_progress(int fd, enum own_progress *ret_progress)
{
	int r = look_at_state(fd, ret_progress);

	/*
	 * The kernel sets the error a moment before the state. And an ICMP message that comes while
	 * a thread is in connect() sets the error alone, unless the socket is one of IPv6.
	 */
	if (r == 0 && *ret_progress == OWN_CONNECTING && has_error(fd))
		*ret_progress = OWN_FAILING;
	return r;
}

int own_cookie(int fd, uint64_t *ret_cookie)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	if (libc_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0)
		return -errno;
	*ret_cookie = cookie;
	return 0;
}

int own_netns(int fd, uint64_t *ret_netns)
{
	uint64_t netns = 0;
	socklen_t len = sizeof(netns);

	if (libc_getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &netns, &len) < 0 &&
	    errno != ENOPROTOOPT)
		return -errno;
	*ret_netns = netns;
	return 0;
}

bool own_is(int fd, uint64_t cookie)
{
	uint64_t now = 0;

	return own_cookie(fd, &now) == 0 && now == cookie;
}

bool own_is_gone(int fd, uint64_t cookie)
{
	uint64_t now = 0;
	int r = own_cookie(fd, &now);

	return r == 0 ? now != cookie : r == -EBADF || r == -ENOTSOCK;
}
