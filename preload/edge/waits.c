/*
 * edge/waits: the functions by which programs wait for descriptors, the one that says what an epoll
 * set is to wait for, and those that say which signals may come meanwhile. Each is one call of
 * wire/wait, wire/number or wire/reactor.
 */
#include "base/libc.h"
#include "wire/number.h"
#include "wire/reactor.h"
#include "wire/wait.h"

/* Our own prototypes for what the C library's headers declare only where it is fortified. */
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t size);

#define EXPORT __attribute__((visibility("default")))

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	return wait_poll(fds, count, timeout_ms);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask)
{
	return wait_ppoll(fds, count, timeout, mask);
}

/* Programs built with _FORTIFY_SOURCE: the real one ends a program whose array is too small. */
EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size)
{
	if (size / sizeof(*fds) < count)
		return libc_poll_chk(fds, count, timeout_ms, size);
	return wait_poll(fds, count, timeout_ms);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                       const sigset_t *mask, size_t size)
{
	if (size / sizeof(*fds) < count)
		return libc_ppoll_chk(fds, count, timeout, mask, size);
	return wait_ppoll(fds, count, timeout, mask);
}

EXPORT int select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                  struct timeval *timeout)
{
	return wait_select(count, readable, writable, exceptional, timeout);
}

EXPORT int pselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                   const struct timespec *timeout, const sigset_t *mask)
{
	return wait_pselect(count, readable, writable, exceptional, timeout, mask);
}

EXPORT int epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms)
{
	return wait_epoll(set, events, max, timeout_ms);
}

EXPORT int epoll_pwait(int set, struct epoll_event *events, int max, int timeout_ms,
                       const sigset_t *mask)
{
	return wait_epoll_p(set, events, max, timeout_ms, mask);
}

EXPORT int epoll_pwait2(int set, struct epoll_event *events, int max,
                        const struct timespec *timeout, const sigset_t *mask)
{
	return wait_epoll_p2(set, events, max, timeout, mask);
}

EXPORT int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	return number_control(set, operation, fd, event);
}

/* A signal that the program blocks by itself is no sign of a handler: see wire/reactor. */
static void note_blocked(int how, const sigset_t *set)
{
	if (set != NULL && how != SIG_UNBLOCK)
		reactor_note_blocked(set);
}

EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *ret_old)
{
	int r = libc_sigprocmask(how, set, ret_old);

	if (r == 0)
		note_blocked(how, set);
	return r;
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *ret_old)
{
	int r = libc_pthread_sigmask(how, set, ret_old);

	if (r == 0)
		note_blocked(how, set);
	return r;
}
