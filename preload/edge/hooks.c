/*
 * edge/hooks: the functions that libhe.so stands in for. Each asks whether the call is ours, makes
 * one call, converts one error. Whatever is not ours goes to the next definition with the caller's
 * own arguments, and errno is as that left it.
 */
#include "base/addr.h"
#include "base/libc.h"
#include "edge/known.h"
#include "edge/resolve.h"
#include "he.h"
#include "memory/answers.h"
#include "memory/marks.h"
#include "memory/settings.h"
#include "wire/contests.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Our own prototypes for what glibc declares with attributes that a definition cannot repeat. */
#define EXPORT __attribute__((visibility("default")))

EXPORT const char libhe_version[] = HE_VERSION;

/*
 * The kernel answers EFAULT to a bad pointer; we would die of it. What programs really pass, NULL,
 * small numbers and -1, lies in the first page or the kernel's half, which are never mapped. Any
 * other bad pointer could only be told by a system call, and that is too much for every connect().
 */
static bool may_be_read(const struct sockaddr *sa)
{
	uintptr_t at = (uintptr_t)sa;

	return at >= 4096 && at < (sizeof(sa) == 4 ? UINTPTR_MAX - 4096 : UINTPTR_MAX / 2);
}

/* Whether a race may run on the number, in this process. */
static bool is_racing(int fd)
{
	return contests_may_have(fd) && contests_are_ours();
}

/* Gives up the race that runs on the number, if one does. */
static void let_go(int fd)
{
	int saved_errno = errno;

	if (is_racing(fd))
		contests_let_go((unsigned)fd, (unsigned)fd);
	errno = saved_errno;
}

EXPORT int connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct addr addr;
	struct addr_extra extra;
	int saved_errno = errno;
	int r = KNOWN_PASS;

	/*
	 * Nothing was resolved in this process, or what was given is not an address of the
	 * Internet.
	 */
	if (!settings_are_read() || !may_be_read(sa) || len > sizeof(struct sockaddr_storage))
		return libc_connect(fd, sa, len);
	if (addr_from_sockaddr(sa, len, &addr, &extra) < 0) {
		/* AF_UNSPEC among them, which dissolves what connect() began. */
		let_go(fd);
		return libc_connect(fd, sa, len);
	}

	if (contests_may_have(fd))
		r = known_reconnect(fd, sa, len, &extra);
	if (r == KNOWN_PASS && answers_may_have(&addr))
		r = known_connect(fd, sa, len, &addr, &extra);
	if (r == KNOWN_PASS) {
		errno = saved_errno;
		return libc_connect(fd, sa, len);
	}
	errno = r < 0 ? -r : saved_errno;
	return r < 0 ? -1 : 0;
}

EXPORT int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list)
{
	int r = libc_getaddrinfo(node, service, hints, ret_list);

	if (r == 0)
		resolve_record_list(node, hints, *ret_list);
	return r;
}

EXPORT struct hostent *gethostbyname(const char *name)
{
	struct hostent *host = libc_gethostbyname(name);

	if (host != NULL)
		resolve_record_host(name, host->h_addrtype, host);
	return host;
}

EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
	struct hostent *host = libc_gethostbyname2(name, family);

	if (host != NULL)
		resolve_record_host(name, family, host);
	return host;
}

EXPORT int gethostbyname_r(const char *name, struct hostent *host, char *buffer, size_t size,
                           struct hostent **ret_host, int *ret_error)
{
	int r = libc_gethostbyname_r(name, host, buffer, size, ret_host, ret_error);

	if (r == 0 && *ret_host != NULL)
		resolve_record_host(name, (*ret_host)->h_addrtype, *ret_host);
	return r;
}

EXPORT int gethostbyname2_r(const char *name, int family, struct hostent *host, char *buffer,
                            size_t size, struct hostent **ret_host, int *ret_error)
{
	int r = libc_gethostbyname2_r(name, family, host, buffer, size, ret_host, ret_error);

	if (r == 0 && *ret_host != NULL)
		resolve_record_host(name, family, *ret_host);
	return r;
}

EXPORT int close(int fd)
{
	let_go(fd);
	return libc_close(fd);
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	bool closes = ((unsigned)flags & CLOSE_RANGE_CLOEXEC) == 0;

	if (closes && first <= last && contests_exist() && contests_are_ours())
		contests_let_go(first, last);
	return libc_close_range(first, last, flags);
}

EXPORT void closefrom(int first)
{
	if (contests_exist() && contests_are_ours())
		contests_let_go(first > 0 ? (unsigned)first : 0, ~0u);
	libc_closefrom(first);
}

/* dup2() and dup3() close the new number only if the old one is good and another. */
static void let_go_of_target(int old_fd, int new_fd)
{
	int saved_errno = errno;

	if (old_fd != new_fd && is_racing(new_fd) && libc_fcntl(old_fd, F_GETFD, 0) >= 0)
		let_go(new_fd);
	errno = saved_errno;
}

static void set_mark(enum mark mark, int fd)
{
	int saved_errno = errno;
	uint64_t cookie;

	if (own_cookie(fd, &cookie) == 0)
		marks_set(mark, fd, cookie);
	errno = saved_errno;
}

/*
 * A second number for a socket: it would keep the old one when another takes the first number's
 * place. So neither is raced any more, and a race that runs is given up, before there are two.
 */
static int share(int old_fd, int new_fd)
{
	int saved_errno = errno;
	uint64_t cookie;

	if (new_fd >= 0 && new_fd != old_fd && own_cookie(old_fd, &cookie) == 0) {
		marks_set(MARK_SHARED, old_fd, cookie);
		marks_set(MARK_SHARED, new_fd, cookie);
	}
	errno = saved_errno;
	return new_fd;
}

EXPORT int dup(int fd)
{
	let_go(fd);
	return share(fd, libc_dup(fd));
}

EXPORT int dup2(int old_fd, int new_fd)
{
	let_go_of_target(old_fd, new_fd);
	if (old_fd != new_fd)
		let_go(old_fd);
	return share(old_fd, libc_dup2(old_fd, new_fd));
}

EXPORT int dup3(int old_fd, int new_fd, int flags)
{
	let_go_of_target(old_fd, new_fd);
	if (old_fd != new_fd)
		let_go(old_fd);
	return share(old_fd, libc_dup3(old_fd, new_fd, flags));
}

/* Every argument of every command fits into a long, as it fits into the kernel's register. */
static int control(int (*next)(int, int, long), int fd, int command, va_list arguments)
{
	long argument = va_arg(arguments, long);

	if (command != F_DUPFD && command != F_DUPFD_CLOEXEC)
		return next(fd, command, argument);
	let_go(fd);
	return share(fd, next(fd, command, argument));
}

EXPORT int fcntl(int fd, int command, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, command);
	r = control(libc_fcntl, fd, command, arguments);
	va_end(arguments);
	return r;
}

/* What programs that were built with 64-bit file offsets call. */
EXPORT int fcntl64(int fd, int command, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, command);
	r = control(libc_fcntl64, fd, command, arguments);
	va_end(arguments);
	return r;
}

/* The kernel chooses a port at bind() already and does not tell later that it was its choice. */
EXPORT int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct addr addr;
	struct addr_extra extra;
	int r = libc_bind(fd, sa, len);

	if (r == 0 && addr_from_sockaddr(sa, len, &addr, &extra) == 0 && extra.port == 0)
		set_mark(MARK_ANY_PORT, fd);
	return r;
}

static bool chooses_hops(int level, int name)
{
	if (level == IPPROTO_IP)
		return name == IP_TTL || name == IP_MTU_DISCOVER;
	return level == IPPROTO_IPV6 && (name == IPV6_UNICAST_HOPS || name == IPV6_MTU_DISCOVER);
}

/* IPV6_V6ONLY is off in most sockets anyway; what counts is that the program said so. */
EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int r = libc_setsockopt(fd, level, name, value, len);
	int on;

	if (r == 0 && chooses_hops(level, name)) {
		set_mark(MARK_HOPS, fd);
		if (is_racing(fd))
			contests_chose_hops(fd);
	}
	if (r == 0 && level == IPPROTO_IPV6 && name == IPV6_V6ONLY && len >= sizeof(on)) {
		memcpy(&on, value, sizeof(on)); /* the kernel could read it, so we can */
		if (on == 0)
			set_mark(MARK_DUAL_STACK, fd);
	}
	return r;
}

/*
 * A socket in an epoll set stays what it is: registrations belong to the socket, and would be lost
 * with it. So a race that runs is given up, and one that would begin does not.
 */
EXPORT int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	int r;

	if (operation == EPOLL_CTL_ADD)
		let_go(fd);
	r = libc_epoll_ctl(set, operation, fd, event);
	if (r == 0 && operation == EPOLL_CTL_ADD)
		set_mark(MARK_IN_EPOLL, fd);
	return r;
}
