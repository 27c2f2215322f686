/*
 * wire/wait: the program's poll(), select() and epoll_wait() while it races: they tell it nothing
 * until there is a winner or every attempt failed. Each waits by the call that the program made;
 * what is hidden from it, it waits for again, for the time that is left.
 *
 * A wait by number that sleeps on a socket which is replaced is woken and must ask anew, because
 * the kernel has it on the old socket's queue alone. Such a wait is for POLLOUT as well, which is
 * kept from the program that did not ask for it.
 *
 * Each returns as the C library's function of that name, with errno.
 * Safe in: threads, signal handlers, fork, cancellation (cancellation points). A wait for more than
 * 512 numbers that a siglongjmp() or cancellation ends may leave POLLOUT asked for in `fds`.
 */
#ifndef WIRE_WAIT_H
#define WIRE_WAIT_H

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

int wait_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int wait_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
               const sigset_t *mask);

int wait_select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                struct timeval *timeout);
int wait_pselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                 const struct timespec *timeout, const sigset_t *mask);

int wait_epoll(int set, struct epoll_event *events, int max, int timeout_ms);
int wait_epoll_p(int set, struct epoll_event *events, int max, int timeout_ms,
                 const sigset_t *mask);
int wait_epoll_p2(int set, struct epoll_event *events, int max, const struct timespec *timeout,
                  const sigset_t *mask);

#endif
