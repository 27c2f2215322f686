/*
 * A second preload, behind libhe.so, that makes one call of libhe fail and no call of the program:
 *
 *     LD_PRELOAD="libhe.so fault.so" FAULT=getsockopt:3:EPERM FAULT_FILE=fired program
 *
 * fails the third getsockopt() that libhe.so makes, and creates the file when it does.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static bool from_libhe(const void *caller)
{
	Dl_info info;

	return dladdr(caller, &info) != 0 && strstr(info.dli_fname, "libhe.so") != NULL;
}

static int errno_named(const char *name)
{
	for (int number = 1; number < 256; number++) {
		const char *known = strerrorname_np(number);

		if (known != NULL && strcmp(known, name) == 0)
			return number;
	}
	abort();
}

/* Whether this call, from `caller`, is the one to fail; sets errno then. */
static bool fails(const char *function, const void *caller)
{
	const char *fault = getenv("FAULT"), *file = getenv("FAULT_FILE");
	char wanted[32], error[32];
	long nth;

	if (fault == NULL || sscanf(fault, "%31[^:]:%ld:%31s", wanted, &nth, error) != 3 ||
	    strcmp(wanted, function) != 0 || !from_libhe(caller) ||
	    atomic_fetch_add(&calls, 1) + 1 != nth)
		return false;
	/* Without a descriptor, which another thread might be counting in this moment. */
	if (file != NULL)
		(void)mknod(file, S_IFREG | 0600, 0);
	errno = errno_named(error);
	return true;
}

#define NEXT(function) (__typeof__(&function))dlsym(RTLD_NEXT, #function)
#define FAILS(function) fails(#function, __builtin_return_address(0))

/* The project builds with hidden symbols; these are there to be found. */
#pragma GCC visibility push(default)

int socket(int domain, int type, int protocol)
{
	return FAILS(socket) ? -1 : (NEXT(socket))(domain, type, protocol);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return FAILS(connect) ? -1 : (NEXT(connect))(fd, addr, len);
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return FAILS(bind) ? -1 : (NEXT(bind))(fd, addr, len);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return FAILS(getsockopt) ? -1 : (NEXT(getsockopt))(fd, level, name, value, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return FAILS(setsockopt) ? -1 : (NEXT(setsockopt))(fd, level, name, value, len);
}

int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return FAILS(getsockname) ? -1 : (NEXT(getsockname))(fd, addr, len);
}

int shutdown(int fd, int how)
{
	return FAILS(shutdown) ? -1 : (NEXT(shutdown))(fd, how);
}

int dup3(int old_fd, int new_fd, int flags)
{
	return FAILS(dup3) ? -1 : (NEXT(dup3))(old_fd, new_fd, flags);
}

int fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return FAILS(fcntl) ? -1 : (NEXT(fcntl))(fd, command, argument);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	return FAILS(ppoll) ? -1 : (NEXT(ppoll))(fds, count, timeout, mask);
}

int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	return FAILS(epoll_ctl) ? -1 : (NEXT(epoll_ctl))(set, operation, fd, event);
}

int getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
	return FAILS(getrlimit) ? -1 : (NEXT(getrlimit))(resource, limit);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument)
{
	if (FAILS(pthread_create))
		return errno;
	return (NEXT(pthread_create))(thread, attributes, start, argument);
}
