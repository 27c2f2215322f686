#include "api/pollable.h"

#include "base/clock.h"
#include "base/libc.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static int add(const struct pollable *pollable, int fd, uint32_t events, uint32_t what)
{
	struct epoll_event event = {.events = events, .data = {.u32 = what}};

	return libc_epoll_ctl(pollable->set, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int pollable_open(struct pollable *ret_pollable, bool timed)
{
	struct pollable pollable = {.set = epoll_create1(EPOLL_CLOEXEC), .timer = -1};
	int r = pollable.set < 0 ? -errno : 0;

	if (r == 0 && timed) {
		pollable.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		r = pollable.timer < 0 ? -errno
		                       : add(&pollable, pollable.timer, EPOLLIN, POLLABLE_TIMER);
	}
	if (r < 0) {
		pollable_close(&pollable);
		return r;
	}
	*ret_pollable = pollable;
	return 0;
}

void pollable_close(struct pollable *pollable)
{
	if (pollable->timer >= 0)
		(void)libc_close(pollable->timer);
	if (pollable->set >= 0)
		(void)libc_close(pollable->set);
	pollable->set = pollable->timer = -1;
}

int pollable_add_cancel(struct pollable *pollable, int fd)
{
	return add(pollable, fd, EPOLLIN, POLLABLE_CANCEL);
}

int pollable_add_attempt(struct pollable *pollable, int fd, unsigned i)
{
	return add(pollable, fd, EPOLLOUT, POLLABLE_ATTEMPT + i);
}

void pollable_remove(struct pollable *pollable, int fd)
{
	(void)libc_epoll_ctl(pollable->set, EPOLL_CTL_DEL, fd, NULL);
}

void pollable_wait_until(struct pollable *pollable, uint64_t until_ns)
{
	struct itimerspec at = {0}; /* disarms */

	if (pollable->timer < 0 || until_ns == pollable->due_ns)
		return;
	pollable->due_ns = until_ns;
	if (until_ns != CLOCK_NEVER) {
		at.it_value.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S);
		at.it_value.tv_nsec = (long)(until_ns % CLOCK_NS_PER_S);
	}
	(void)timerfd_settime(pollable->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

unsigned pollable_take(const struct pollable *pollable, uint32_t *ret_ready)
{
	struct epoll_event events[POLLABLE_BATCH];
	int count = libc_epoll_wait(pollable->set, events, POLLABLE_BATCH, 0);

	for (int i = 0; i < count; i++)
		ret_ready[i] = events[i].data.u32;
	return count > 0 ? (unsigned)count : 0;
}
