/*
 * edge/hooks: the functions that libhe.so stands in for. Each asks whether the call is ours, makes
 * one call, converts one error. Whatever is not ours goes to the next definition with the caller's
 * own arguments, and errno is as that left it.
 */
#include "base/addr.h"
#include "base/libc.h"
#include "base/pointer.h"
#include "edge/known.h"
#include "edge/resolve.h"
#include "he.h"
#include "memory/answers.h"
#include "memory/marks.h"
#include "memory/settings.h"
#include "wire/contests.h"
#include "wire/number.h"
#include "wire/readiness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Our own prototypes for what glibc declares with attributes that a definition cannot repeat. */
#define EXPORT __attribute__((visibility("default")))

EXPORT const char libhe_version[] = HE_VERSION;

/* Gives up the race that runs on the number, if one does. */
static void stand_down(int fd)
{
	int saved_errno = errno;

	number_stand_down(fd);
	errno = saved_errno;
}

/* connect() with an address that is none of the Internet: AF_UNSPEC dissolves what it began. */
static void begin_anew(int fd, const struct sockaddr *sa, socklen_t len)
{
	int saved_errno = errno;

	if (len >= sizeof(sa->sa_family) && sa->sa_family == AF_UNSPEC)
		number_dissolve(fd);
	else
		number_stand_down(fd);
	errno = saved_errno;
}

/* The program closes the number, or puts something else there. */
static void let_go(int fd)
{
	int saved_errno = errno;

	if (fd >= 0)
		number_let_go((unsigned)fd, (unsigned)fd);
	errno = saved_errno;
}

/* The real one; after a race that was lost, the error may be another than the socket's. */
static int real_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	int r = libc_connect(fd, sa, len);

	if (r < 0 && errno != EINPROGRESS && errno != EALREADY && errno != EISCONN)
		errno = known_error(fd, errno);
	return r;
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
	if (!settings_are_read() || !pointer_may_be_read(sa) ||
	    len > sizeof(struct sockaddr_storage))
		return libc_connect(fd, sa, len);
	if (addr_from_sockaddr(sa, len, &addr, &extra) < 0) {
		begin_anew(fd, sa, len);
		return libc_connect(fd, sa, len);
	}

	if (contests_may_have(fd))
		r = known_reconnect(fd, sa, len);
	if (r == KNOWN_PASS && answers_may_have(&addr))
		r = known_connect(fd, sa, len, &addr, &extra);
	if (r == KNOWN_PASS) {
		errno = saved_errno;
		return real_connect(fd, sa, len);
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
	/* With others it closes nothing, or is refused. */
	if ((flags & ~(int)CLOSE_RANGE_UNSHARE) == 0 && first <= last)
		number_let_go(first, last);
	return libc_close_range(first, last, flags);
}

EXPORT void closefrom(int first)
{
	number_let_go(first > 0 ? (unsigned)first : 0, ~0u);
	libc_closefrom(first);
}

static void set_mark(enum mark mark, int fd)
{
	int saved_errno = errno;
	uint64_t cookie;

	if (own_cookie(fd, &cookie) == 0)
		marks_set(mark, fd, cookie);
	errno = saved_errno;
}

/* How the number is copied: the four ways that programs have. */
enum copy_call { COPY_DUP, COPY_DUP2, COPY_DUP3, COPY_FCNTL, COPY_FCNTL64 };

struct copy {
	enum copy_call call;
	int fd, to, flags; /* `flags` is the command of fcntl() */
	long argument;
};

static int make_copy(const struct copy *copy)
{
	switch (copy->call) {
	case COPY_DUP: return libc_dup(copy->fd);
	case COPY_DUP2: return libc_dup2(copy->fd, copy->to);
	case COPY_DUP3: return libc_dup3(copy->fd, copy->to, copy->flags);
	case COPY_FCNTL: return libc_fcntl(copy->fd, copy->flags, copy->argument);
	default: return libc_fcntl64(copy->fd, copy->flags, copy->argument);
	}
}

/* dup2() and dup3() put it on a number that may be taken. */
static bool replaces(const struct copy *copy)
{
	return (copy->call == COPY_DUP2 || copy->call == COPY_DUP3) && copy->fd != copy->to;
}

/*
 * A second number for a socket that races gets the winner, too. One that had a second number before
 * is not raced: that other number would keep the old socket, when another takes the first one's
 * place.
 */
static int share(const struct copy *copy)
{
	struct quiet quiet;
	bool concerns = number_matters(copy->fd) || (replaces(copy) && number_matters(copy->to));
	bool held = concerns && number_hold_all(&quiet);
	bool follows = false;
	int made = make_copy(copy);

	if (held && made < 0)
		quiet.error = errno;
	if (held && made >= 0 && replaces(copy))
		number_gone(copy->to);
	if (held && made >= 0 && made != copy->fd)
		follows = number_copied(copy->fd, made);
	if (held)
		number_release(&quiet);
	if (made < 0 || made == copy->fd || follows)
		return made;
	set_mark(MARK_SHARED, copy->fd);
	set_mark(MARK_SHARED, made);
	/* A race that another thread has begun since has not seen the mark. */
	if (!held && number_hold(copy->fd, &quiet)) {
		(void)number_copied(copy->fd, made);
		number_release(&quiet);
	}
	return made;
}

EXPORT int dup(int fd)
{
	return share(&(struct copy){.call = COPY_DUP, .fd = fd});
}

EXPORT int dup2(int old_fd, int new_fd)
{
	return share(&(struct copy){.call = COPY_DUP2, .fd = old_fd, .to = new_fd});
}

EXPORT int dup3(int old_fd, int new_fd, int flags)
{
	return share(&(struct copy){.call = COPY_DUP3, .fd = old_fd, .to = new_fd, .flags = flags});
}

/* What another socket must have as well when it takes the number's place. */
static bool changes_file(int command)
{
	return command == F_SETFL || command == F_SETFD || command == F_SETOWN ||
	       command == F_SETOWN_EX || command == F_SETSIG;
}

/* Every argument of every command fits into a long, as it fits into the kernel's register. */
static int control(enum copy_call call, int fd, int command, va_list arguments)
{
	long argument = va_arg(arguments, long);
	struct copy copy = {.call = call, .fd = fd, .flags = command, .argument = argument};
	struct quiet quiet;
	int r;

	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		return share(&copy);
	if (!changes_file(command) || !number_hold(fd, &quiet))
		return make_copy(&copy);
	r = make_copy(&copy);
	if (r < 0)
		quiet.error = errno;
	else if (command == F_SETFL && (argument & O_NONBLOCK) == 0)
		number_blocks(fd);
	number_release(&quiet);
	return r;
}

EXPORT int fcntl(int fd, int command, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, command);
	r = control(COPY_FCNTL, fd, command, arguments);
	va_end(arguments);
	return r;
}

/* What programs that were built with 64-bit file offsets call. */
EXPORT int fcntl64(int fd, int command, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, command);
	r = control(COPY_FCNTL64, fd, command, arguments);
	va_end(arguments);
	return r;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct quiet quiet;
	va_list arguments;
	long argument;
	int r;

	va_start(arguments, request);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (!number_hold(fd, &quiet))
		return libc_ioctl(fd, request, argument);
	r = libc_ioctl(fd, request, argument);
	if (r < 0)
		quiet.error = errno;
	else if (request == FIONBIO && *(const int *)argument == 0)
		number_blocks(fd);
	number_release(&quiet);
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

/* What own_look_at_rare() reads. */
static bool is_rare(int level, int name)
{
	return level == IPPROTO_TCP && (name == TCP_FASTOPEN_CONNECT || name == TCP_REPAIR ||
	                                name == TCP_MAXSEG || name == TCP_WINDOW_CLAMP);
}

/* IPV6_V6ONLY is off in most sockets anyway; what counts is that the program said so. */
static bool becomes_dual_stack(int level, int name, const void *value, socklen_t len)
{
	int on;

	if (level != IPPROTO_IPV6 || name != IPV6_V6ONLY || len < sizeof(on))
		return false;
	memcpy(&on, value, sizeof(on)); /* the kernel could read it, so we can */
	return on == 0;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct quiet quiet;
	bool races = number_hold(fd, &quiet);
	int r = libc_setsockopt(fd, level, name, value, len);

	if (r == 0 && chooses_hops(level, name)) {
		set_mark(MARK_HOPS, fd);
		if (races)
			number_chose_hops(fd);
	}
	if (r == 0 && is_rare(level, name))
		set_mark(MARK_RARE, fd);
	if (r == 0 && becomes_dual_stack(level, name, value, len))
		set_mark(MARK_DUAL_STACK, fd);
	if (r < 0 && races)
		quiet.error = errno;
	if (races)
		number_release(&quiet);
	return r;
}

/* Behind a socket that has failed another one may be about to connect. */
static int read_error(int fd, void *value, socklen_t *len)
{
	int saved_errno = errno, error = 0, r;

	if (number_races(fd) && readiness_hides_error(fd))
		/* The same answer in form, from an option that is 0 for each such socket. */
		r = libc_getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, value, len);
	else
		r = libc_getsockopt(fd, SOL_SOCKET, SO_ERROR, value, len);
	if (r == 0 && *len == sizeof(error))
		memcpy(&error, value, sizeof(error));
	if (error != 0) {
		error = known_error(fd, error);
		memcpy(value, &error, sizeof(error));
	}
	if (r == 0)
		errno = saved_errno;
	return r;
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (level == SOL_SOCKET && name == SO_ERROR)
		return read_error(fd, value, len);
	return libc_getsockopt(fd, level, name, value, len);
}

/* It ends what connect() began: there is nothing to be raced for any more. */
EXPORT int shutdown(int fd, int how)
{
	stand_down(fd);
	return libc_shutdown(fd, how);
}
