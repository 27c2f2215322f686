/*
 * The calls of the race, seen and put into its way. Defined in the program, these functions come
 * before those of libc for the archive and for the shared library alike.
 */
#include "conform.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct seen seen;
struct hooks hooks;
_Thread_local bool watching;

#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

/* Whether `error` is one; sets errno then. */
static bool fails(int error)
{
	if (error != 0)
		errno = error;
	return error != 0;
}

int seen_socket(int fd)
{
	struct stat facts;

	if (fd < 0)
		return fd;
	CHECK(seen.sockets < SEEN_MAX && fstat(fd, &facts) == 0);
	seen.inode[seen.sockets++] = facts.st_ino;
	return fd;
}

/* What a hook of ours calls is not the library's. */
#define HOOKED(hook, ...) (watching && hooks.hook != NULL && fails(unwatched_##hook(__VA_ARGS__)))
#define UNWATCHED(hook, type)                                                                      \
	static int unwatched_##hook(type argument)                                                 \
	{                                                                                          \
		int error;                                                                         \
                                                                                                   \
		watching = false;                                                                  \
		error = hooks.hook(argument);                                                      \
		watching = true;                                                                   \
		return error;                                                                      \
	}

UNWATCHED(socket, int)
UNWATCHED(connect, const struct peer *)
UNWATCHED(set_flags, int)
UNWATCHED(close, int)
UNWATCHED(watch, int)

#pragma GCC visibility push(default)

int socket(int family, int type, int protocol)
{
	if (!watching)
		return NEXT(socket)(family, type, protocol);
	return HOOKED(socket, family) ? -1 : seen_socket(NEXT(socket)(family, type, protocol));
}

int bind(int fd, const struct sockaddr *name, socklen_t len)
{
	if (watching)
		seen.binds++;
	return NEXT(bind)(fd, name, len);
}

int connect(int fd, const struct sockaddr *name, socklen_t len)
{
	int r, error;

	if (!watching)
		return NEXT(connect)(fd, name, len);
	CHECK(seen.connects < SEEN_MAX && len <= sizeof(seen.connect[0].name));
	memcpy(&seen.connect[seen.connects].name, name, len);
	seen.connect[seen.connects].fd = fd;
	seen.connect[seen.connects].at_ns = now_ns();
	seen.connects++;
	r = HOOKED(connect, peer_named(name)) ? -1 : NEXT(connect)(fd, name, len);
	error = errno;
	if (hooks.connected != NULL) {
		watching = false;
		hooks.connected(peer_named(name));
		watching = true;
	}
	errno = error;
	return r;
}

int fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return command == F_SETFL && HOOKED(set_flags, fd) ? -1
	                                                   : NEXT(fcntl)(fd, command, argument);
}

int close(int fd)
{
	int r = NEXT(close)(fd);

	return HOOKED(close, fd) ? -1 : r;
}

int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	return HOOKED(watch, fd) ? -1 : NEXT(epoll_ctl)(set, operation, fd, event);
}

int timerfd_create(clockid_t clock, int flags)
{
	if (watching)
		seen.timers++;
	return NEXT(timerfd_create)(clock, flags);
}

#pragma GCC visibility pop

void seen_all_connected(void)
{
	for (unsigned i = 0; i < seen.connects; i++) {
		struct pollfd watch = {.fd = seen.connect[i].fd, .events = POLLOUT};

		CHECK(poll(&watch, 1, 10000) == 1 && watch.revents == POLLOUT);
	}
}

int make_socket(const struct addrinfo *addr, void *made)
{
	struct made *log = made;
	int fd;

	CHECK(log->count < SEEN_MAX);
	watching = false;
	fd = socket(addr->ai_family, addr->ai_socktype, addr->ai_protocol);
	watching = true;
	CHECK(fd >= 0);
	log->addr[log->count] = addr;
	log->fd[log->count++] = fd;
	return seen_socket(fd);
}
