#include "base/libc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

static const char *const names[LIBC_FUNCTIONS] = {
    [LIBC_POLL_CHK] = "__poll_chk",
    [LIBC_PPOLL_CHK] = "__ppoll_chk",
    [LIBC_BIND] = "bind",
    [LIBC_CLOSE] = "close",
    [LIBC_CLOSE_RANGE] = "close_range",
    [LIBC_CLOSEFROM] = "closefrom",
    [LIBC_CONNECT] = "connect",
    [LIBC_DUP] = "dup",
    [LIBC_DUP2] = "dup2",
    [LIBC_DUP3] = "dup3",
    [LIBC_EPOLL_CTL] = "epoll_ctl",
    [LIBC_EPOLL_PWAIT] = "epoll_pwait",
    [LIBC_EPOLL_PWAIT2] = "epoll_pwait2",
    [LIBC_EPOLL_WAIT] = "epoll_wait",
    [LIBC_FCNTL] = "fcntl",
    [LIBC_FCNTL64] = "fcntl64",
    [LIBC_GETADDRINFO] = "getaddrinfo",
    [LIBC_GETHOSTBYNAME] = "gethostbyname",
    [LIBC_GETHOSTBYNAME2] = "gethostbyname2",
    [LIBC_GETHOSTBYNAME2_R] = "gethostbyname2_r",
    [LIBC_GETHOSTBYNAME_R] = "gethostbyname_r",
    [LIBC_GETSOCKOPT] = "getsockopt",
    [LIBC_IOCTL] = "ioctl",
    [LIBC_POLL] = "poll",
    [LIBC_PPOLL] = "ppoll",
    [LIBC_PSELECT] = "pselect",
    [LIBC_PTHREAD_SIGMASK] = "pthread_sigmask",
    [LIBC_SELECT] = "select",
    [LIBC_SETSOCKOPT] = "setsockopt",
    [LIBC_SHUTDOWN] = "shutdown",
    [LIBC_SIGPROCMASK] = "sigprocmask",
};

/* Every writer of an entry writes the same value, so threads may fill it at the same time. */
static _Atomic(void *) found[LIBC_FUNCTIONS];

void *libc_next(enum libc_function which)
{
	void *next = atomic_load_explicit(&found[which], memory_order_acquire);

	if (next == NULL) {
		next = dlsym(RTLD_NEXT, names[which]);
		atomic_store_explicit(&found[which], next, memory_order_release);
	}
	return next;
}

/* Before any handler or thread of the program: dlsym() is not for signal handlers. */
__attribute__((constructor)) static void resolve_all(void)
{
	int saved_errno = errno;

	for (int i = 0; i < LIBC_FUNCTIONS; i++)
		(void)libc_next((enum libc_function)i);
	errno = saved_errno;
}

int libc_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*next)(int, const struct sockaddr *, socklen_t) = libc_next(LIBC_BIND);

	return next(fd, addr, len);
}

int libc_close(int fd)
{
	int (*next)(int) = libc_next(LIBC_CLOSE);

	return next(fd);
}

int libc_close_range(unsigned first, unsigned last, int flags)
{
	int (*next)(unsigned, unsigned, int) = libc_next(LIBC_CLOSE_RANGE);

	if (next == NULL) {
		errno = ENOSYS;
		return -1;
	}
	return next(first, last, flags);
}

void libc_closefrom(int first)
{
	void (*next)(int) = libc_next(LIBC_CLOSEFROM);

	if (next != NULL)
		next(first);
}

int libc_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*next)(int, const struct sockaddr *, socklen_t) = libc_next(LIBC_CONNECT);

	return next(fd, addr, len);
}

int libc_dup(int fd)
{
	int (*next)(int) = libc_next(LIBC_DUP);

	return next(fd);
}

int libc_dup2(int old_fd, int new_fd)
{
	int (*next)(int, int) = libc_next(LIBC_DUP2);

	return next(old_fd, new_fd);
}

int libc_dup3(int old_fd, int new_fd, int flags)
{
	int (*next)(int, int, int) = libc_next(LIBC_DUP3);

	return next(old_fd, new_fd, flags);
}

int libc_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	int (*next)(int, int, int, struct epoll_event *) = libc_next(LIBC_EPOLL_CTL);

	return next(set, operation, fd, event);
}

int libc_epoll_pwait(int set, struct epoll_event *events, int max, int timeout_ms,
                     const sigset_t *mask)
{
	int (*next)(int, struct epoll_event *, int, int, const sigset_t *) =
	    libc_next(LIBC_EPOLL_PWAIT);

	return next(set, events, max, timeout_ms, mask);
}

int libc_epoll_pwait2(int set, struct epoll_event *events, int max, const struct timespec *timeout,
                      const sigset_t *mask)
{
	int (*next)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *) =
	    libc_next(LIBC_EPOLL_PWAIT2);

	if (next == NULL) {
		errno = ENOSYS;
		return -1;
	}
	return next(set, events, max, timeout, mask);
}

int libc_epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms)
{
	int (*next)(int, struct epoll_event *, int, int) = libc_next(LIBC_EPOLL_WAIT);

	return next(set, events, max, timeout_ms);
}

int libc_fcntl(int fd, int command, long argument)
{
	int (*next)(int, int, ...) = libc_next(LIBC_FCNTL);

	return next(fd, command, argument);
}

int libc_fcntl64(int fd, int command, long argument)
{
	int (*next)(int, int, ...) = libc_next(LIBC_FCNTL64);

	return next != NULL ? next(fd, command, argument) : libc_fcntl(fd, command, argument);
}

int libc_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                     struct addrinfo **ret_list)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
	    libc_next(LIBC_GETADDRINFO);

	return next(node, service, hints, ret_list);
}

struct hostent *libc_gethostbyname(const char *name)
{
	struct hostent *(*next)(const char *) = libc_next(LIBC_GETHOSTBYNAME);

	return next(name);
}

struct hostent *libc_gethostbyname2(const char *name, int family)
{
	struct hostent *(*next)(const char *, int) = libc_next(LIBC_GETHOSTBYNAME2);

	return next(name, family);
}

int libc_gethostbyname_r(const char *name, struct hostent *host, char *buffer, size_t size,
                         struct hostent **ret_host, int *ret_error)
{
	int (*next)(const char *, struct hostent *, char *, size_t, struct hostent **, int *) =
	    libc_next(LIBC_GETHOSTBYNAME_R);

	return next(name, host, buffer, size, ret_host, ret_error);
}

int libc_gethostbyname2_r(const char *name, int family, struct hostent *host, char *buffer,
                          size_t size, struct hostent **ret_host, int *ret_error)
{
	int (*next)(const char *, int, struct hostent *, char *, size_t, struct hostent **, int *) =
	    libc_next(LIBC_GETHOSTBYNAME2_R);

	return next(name, family, host, buffer, size, ret_host, ret_error);
}

int libc_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int (*next)(int, int, int, void *, socklen_t *) = libc_next(LIBC_GETSOCKOPT);

	return next(fd, level, name, value, len);
}

int libc_ioctl(int fd, unsigned long request, long argument)
{
	int (*next)(int, unsigned long, ...) = libc_next(LIBC_IOCTL);

	return next(fd, request, argument);
}

int libc_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	int (*next)(struct pollfd *, nfds_t, int) = libc_next(LIBC_POLL);

	return next(fds, count, timeout_ms);
}

int libc_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
               const sigset_t *mask)
{
	int (*next)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *) =
	    libc_next(LIBC_PPOLL);

	return next(fds, count, timeout, mask);
}

int libc_poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size)
{
	int (*next)(struct pollfd *, nfds_t, int, size_t) = libc_next(LIBC_POLL_CHK);

	return next(fds, count, timeout_ms, size);
}

int libc_ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                   const sigset_t *mask, size_t size)
{
	int (*next)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t) =
	    libc_next(LIBC_PPOLL_CHK);

	return next(fds, count, timeout, mask, size);
}

int libc_pselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                 const struct timespec *timeout, const sigset_t *mask)
{
	int (*next)(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *) =
	    libc_next(LIBC_PSELECT);

	return next(count, readable, writable, exceptional, timeout, mask);
}

int libc_pthread_sigmask(int how, const sigset_t *set, sigset_t *ret_old)
{
	int (*next)(int, const sigset_t *, sigset_t *) = libc_next(LIBC_PTHREAD_SIGMASK);

	return next(how, set, ret_old);
}

int libc_select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                struct timeval *timeout)
{
	int (*next)(int, fd_set *, fd_set *, fd_set *, struct timeval *) = libc_next(LIBC_SELECT);

	return next(count, readable, writable, exceptional, timeout);
}

int libc_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int (*next)(int, int, int, const void *, socklen_t) = libc_next(LIBC_SETSOCKOPT);

	return next(fd, level, name, value, len);
}

int libc_shutdown(int fd, int how)
{
	int (*next)(int, int) = libc_next(LIBC_SHUTDOWN);

	return next(fd, how);
}

int libc_sigprocmask(int how, const sigset_t *set, sigset_t *ret_old)
{
	int (*next)(int, const sigset_t *, sigset_t *) = libc_next(LIBC_SIGPROCMASK);

	return next(how, set, ret_old);
}
