/*
 * A second preload, behind libhe.so, that makes one call of libhe fail and no call of the program:
 *
 *     LD_PRELOAD="libhe.so fault.so" FAULT=getsockopt:3:EPERM FAULT_FILE=fired program
 *
 * fails the third getsockopt() that libhe.so makes, and creates the file when it does. With LATE
 * for an error it does not fail but takes 100 ms, which is where a busy machine lets others go
 * first; with LONG it takes 2.5 s. FAULT=connected:1:LATE has what connect() has returned be in the
 * thread's hands for as long. FAULT=event:1:LATE has the events of the first epoll_wait() that
 * tells of any be in the thread's hands for as long, before libhe sees them. FAULT=state:1:LATE has
 * the kernel be late: it sets a socket's error a moment before the state that TCP_INFO tells, and
 * so epoll_wait() is told of nothing but an error the first time there is one, and the next
 * question of that thread says that the socket connects still.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
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

/* Whether this call, from `caller`, is the one; with what is to become of it. */
static bool is_wanted(const char *function, const void *caller, char ret_error[32])
{
	const char *fault = getenv("FAULT"), *file = getenv("FAULT_FILE");
	char wanted[32];
	long nth;

	if (fault == NULL || sscanf(fault, "%31[^:]:%ld:%31s", wanted, &nth, ret_error) != 3 ||
	    strcmp(wanted, function) != 0 || !from_libhe(caller) ||
	    atomic_fetch_add(&calls, 1) + 1 != nth)
		return false;
	/* Without a descriptor, which another thread might be counting in this moment. */
	if (file != NULL)
		(void)mknod(file, S_IFREG | 0600, 0);
	return true;
}

/* Whether this call, from `caller`, is the one to fail; sets errno then. */
static bool fails(const char *function, const void *caller)
{
	char error[32];

	if (!is_wanted(function, caller, error))
		return false;
	if (strcmp(error, "LATE") == 0 || strcmp(error, "LONG") == 0) {
		int saved_errno = errno;

		(void)poll(NULL, 0, strcmp(error, "LONG") == 0 ? 2500 : 100);
		errno = saved_errno;
		return false;
	}
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
	int r, saved_errno;

	if (FAILS(connect))
		return -1;
	r = (NEXT(connect))(fd, addr, len);
	saved_errno = errno;
	if (FAILS(connected))
		return -1;
	errno = saved_errno;
	return r;
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return FAILS(bind) ? -1 : (NEXT(bind))(fd, addr, len);
}

/* Of a socket that has failed, this thread was told the error, and not yet the state. */
static _Thread_local bool state_is_late;

int epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms)
{
	int count = (NEXT(epoll_wait))(set, events, max, timeout_ms);
	char how[32];

	if (count > 0)
		(void)FAILS(event);

	for (int i = 0; i < count; i++) {
		if ((events[i].events & EPOLLERR) == 0 ||
		    !is_wanted("state", __builtin_return_address(0), how))
			continue;
		events[i].events = EPOLLERR;
		state_is_late = true;
	}
	return count;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int r;

	if (FAILS(getsockopt))
		return -1;
	r = (NEXT(getsockopt))(fd, level, name, value, len);
	if (r == 0 && level == IPPROTO_TCP && name == TCP_INFO && state_is_late) {
		((struct tcp_info *)value)->tcpi_state = 2; /* SYN_SENT */
		state_is_late = false;
	}
	return r;
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
