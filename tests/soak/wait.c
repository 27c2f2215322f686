/* All the ways to wait for a descriptor. */
#include "soak.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool wait_is_epoll(const struct plan *plan)
{
	return plan->api == EPOLL_WAIT || plan->api == EPOLL_PWAIT || plan->api == EPOLL_PWAIT2 ||
	       plan->api == RAW_EPOLL_WAIT;
}

/* The data of a registration in the n-th set; an outer set has that of the second. */
static uint64_t data_of(const struct race *race, int n)
{
	return (race->number << 8 | (unsigned)n) ^ (uint64_t)race->port << 48;
}

static uint32_t events_of(const struct race *race, int n)
{
	const struct plan *plan = &race->plan;
	uint32_t events = 0;

	if (plan->want & WANT_OUT)
		events |= EPOLLOUT;
	if (plan->want & WANT_IN)
		events |= EPOLLIN;
	if (plan->set == TWO_SETS && n == 1)
		events = EPOLLIN;
	if (plan->set == EDGE)
		events |= EPOLLET;
	if (plan->set == ONESHOT)
		events |= EPOLLONESHOT;
	if (plan->set == EXCLUSIVE)
		events |= EPOLLEXCLUSIVE;
	return events;
}

static void control(const struct race *race, int set, int operation, int fd, uint32_t events, int n)
{
	struct epoll_event event = {.events = events, .data.u64 = data_of(race, n)};

	if (race->plan.set == RAW_ADDED || race->plan.api == RAW_EPOLL_WAIT)
		MUST(syscall(SYS_epoll_ctl, set, operation, fd, &event) == 0);
	else
		MUST(epoll_ctl(set, operation, fd, &event) == 0);
}

static bool two(const struct race *race)
{
	return race->plan.set == NESTED || race->plan.set == TWO_SETS;
}

/* The set that holds the number. */
static int inner(const struct race *race)
{
	return race->plan.set == NESTED ? 1 : 0;
}

void wait_register(struct race *race)
{
	bool fresh = race->sets[0] < 0;

	if (!wait_is_epoll(&race->plan))
		return;
	for (int n = 0; fresh && n <= two(race); n++) {
		race->sets[n] = epoll_create1(EPOLL_CLOEXEC);
		MUST(race->sets[n] >= 0);
	}
	control(race, race->sets[inner(race)], EPOLL_CTL_ADD, race->fd,
	        events_of(race, inner(race)), inner(race));
	if (race->plan.set == TWO_SETS)
		control(race, race->sets[1], EPOLL_CTL_ADD, race->fd, events_of(race, 1), 1);
	if (race->plan.set == NESTED && fresh)
		control(race, race->sets[0], EPOLL_CTL_ADD, race->sets[1], EPOLLIN, 0);
	step("added");
}

/* To no event at all, or back. */
void wait_modify(struct race *race, bool nothing)
{
	int n = inner(race);

	control(race, race->sets[n], EPOLL_CTL_MOD, race->fd, nothing ? 0 : events_of(race, n), n);
	step(nothing ? "no events" : "events again");
}

void wait_remove(struct race *race)
{
	if (race->sets[0] < 0)
		return;
	control(race, race->sets[inner(race)], EPOLL_CTL_DEL, race->fd, 0, 0);
	if (race->plan.set == TWO_SETS)
		control(race, race->sets[1], EPOLL_CTL_DEL, race->fd, 0, 0);
	step("removed");
}

static int from_poll(int events)
{
	return (events & POLLOUT ? WANT_OUT : 0) | (events & POLLIN ? WANT_IN : 0) |
	       (events & (POLLERR | POLLHUP | POLLNVAL) ? READY_ERROR : 0);
}

static struct timespec *timespec_of(int ms, struct timespec *ret_time)
{
	*ret_time = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	return ms < 0 ? NULL : ret_time;
}

/* What a call returned that waits: 1 ready, 0 time over, READY_INTERRUPTED. */
static int judge(int status)
{
	if (status < 0 && errno == EINTR)
		return READY_INTERRUPTED;
	/* Who waits for a number that another thread closes; wait_for() knows. */
	if (status < 0 && errno == EBADF)
		return READY_INTERRUPTED;
	MUST(status >= 0);
	return status > 0;
}

int wait_poll(int fd, int want, int timeout_ms)
{
	struct pollfd one = {
	    .fd = fd,
	    .events = (short)((want & WANT_OUT ? POLLOUT : 0) | (want & WANT_IN ? POLLIN : 0))};
	int status = judge(poll(&one, 1, timeout_ms));

	return status == 1 ? from_poll(one.revents) : status;
}

static int polled(const struct race *race, int timeout_ms)
{
	const struct plan *plan = &race->plan;
	struct pollfd one = {.fd = race->fd,
	                     .events = (short)((plan->want & WANT_OUT ? POLLOUT : 0) |
	                                       (plan->want & WANT_IN ? POLLIN : 0))};
	struct timespec time;
	sigset_t none;
	int status;

	sigemptyset(&none);
	if (plan->api == PPOLL)
		status = ppoll(&one, 1, timespec_of(timeout_ms, &time), &none);
	else if (plan->api == RAW_POLL)
		status = (int)syscall(SYS_ppoll, &one, 1, timespec_of(timeout_ms, &time), NULL, 8);
	else
		status = poll(&one, 1, timeout_ms);
	status = judge(status);
	return status == 1 ? from_poll(one.revents) : status;
}

static int selected(const struct race *race, int timeout_ms)
{
	const struct plan *plan = &race->plan;
	struct timeval left = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	struct timespec time;
	fd_set reads, writes, excepts;
	int fd = race->fd, status;
	sigset_t none;

	sigemptyset(&none);
	FD_ZERO(&reads);
	FD_ZERO(&writes);
	FD_ZERO(&excepts);
	FD_SET(fd, &excepts);
	if (plan->want & WANT_IN)
		FD_SET(fd, &reads);
	if (plan->want & WANT_OUT)
		FD_SET(fd, &writes);
	if (plan->api == PSELECT)
		status = pselect(fd + 1, &reads, &writes, &excepts, timespec_of(timeout_ms, &time),
		                 &none);
	else
		status = select(fd + 1, &reads, &writes, &excepts, timeout_ms < 0 ? NULL : &left);
	status = judge(status);
	if (status != 1)
		return status;
	return (FD_ISSET(fd, &reads) ? WANT_IN : 0) | (FD_ISSET(fd, &writes) ? WANT_OUT : 0) |
	       (FD_ISSET(fd, &excepts) ? READY_ERROR : 0);
}

static int harvest(const struct race *race, int set, int timeout_ms, struct epoll_event *event)
{
	struct timespec time;
	sigset_t none;

	sigemptyset(&none);
	switch (race->plan.api) {
	case EPOLL_PWAIT: return judge(epoll_pwait(set, event, 1, timeout_ms, &none));
	case EPOLL_PWAIT2:
		return judge(epoll_pwait2(set, event, 1, timespec_of(timeout_ms, &time), &none));
	case RAW_EPOLL_WAIT:
		return judge((int)syscall(SYS_epoll_pwait, set, event, 1, timeout_ms, NULL, 8));
	default: return judge(epoll_wait(set, event, 1, timeout_ms));
	}
}

static int epolled(const struct race *race, int timeout_ms)
{
	struct epoll_event event = {0};
	int status = harvest(race, race->sets[0], timeout_ms, &event);

	if (status != 1)
		return status;
	MUST(event.data.u64 == data_of(race, 0));
	if (race->plan.set == NESTED) {
		/* That the inner set has nothing after all is no event, and no error either. */
		MUST(event.events == EPOLLIN);
		status = harvest(race, race->sets[1], 0, &event);
		if (status != 1)
			return READY_INTERRUPTED;
		MUST(event.data.u64 == data_of(race, 1));
	}
	return from_poll((int)event.events);
}

/* Without waiting: until the call that began it tells its end. */
static int connected_again(struct race *race)
{
	int error = race_connect(race);

	if (error == EALREADY)
		return 0;
	if (error == 0)
		return WANT_OUT;
	race->error_taken = true;
	race->error = error;
	return READY_ERROR;
}

static int busily(struct race *race, int timeout_ms)
{
	uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000;
	int ready;

	do {
		ready = race->plan.api == CONNECT_POLLED ? connected_again(race) : polled(race, 0);
		if (ready != 0)
			return ready;
		sleep_ms(1);
	} while (timeout_ms < 0 || now_ns() < end);
	return 0;
}

int wait_once(struct race *race, int timeout_ms)
{
	uint64_t start = now_ns();
	int ready;

	switch (race->plan.api) {
	case POLL_ZERO:
	case CONNECT_POLLED: return busily(race, timeout_ms);
	case SELECT:
	case PSELECT:
		/* A set has no place for higher numbers. */
		ready = race->fd < FD_SETSIZE ? selected(race, timeout_ms)
		                              : wait_poll(race->fd, race->plan.want, timeout_ms);
		break;
	case EPOLL_WAIT:
	case EPOLL_PWAIT:
	case EPOLL_PWAIT2:
	case RAW_EPOLL_WAIT: ready = epolled(race, timeout_ms); break;
	default: ready = polled(race, timeout_ms);
	}
	if (ready == 0 &&
	    (timeout_ms < 0 || now_ns() - start + 1000000 < (uint64_t)timeout_ms * 1000000))
		FAIL("a wait of %d ms was over after %.1f ms", timeout_ms,
		     (double)(now_ns() - start) / 1e6);
	return ready;
}

int wait_for(struct race *race, int total_ms)
{
	const struct plan *plan = &race->plan;
	uint64_t start = now_ns();
	bool until_acted = plan->by_thread && act_ends_it(plan->action);

	for (;;) {
		int passed_ms = (int)((now_ns() - start) / 1000000), slice_ms = plan->slice_ms,
		    ready;

		if (until_acted)
			slice_ms = 5;
		if (total_ms >= 0 && passed_ms >= total_ms)
			return 0;
		if (total_ms >= 0 && (slice_ms < 0 || slice_ms > total_ms - passed_ms))
			slice_ms = total_ms - passed_ms;
		ready = wait_once(race, slice_ms);
		if (until_acted && atomic_load(&race->acted))
			return 0;
		if ((ready & ~READY_INTERRUPTED) != 0)
			return ready;
	}
}

void wait_check_once(struct race *race)
{
	const struct plan *plan = &race->plan;
	struct epoll_event event = {0};

	if (race->sets[0] < 0 || plan->mptcp)
		return;
	/* Edge would prove nothing: natively, too, one end of a connect can be told twice. */
	if (plan->set == ONESHOT)
		MUST(harvest(race, race->sets[0], 0, &event) != 1);
	if (plan->set == TWO_SETS) {
		int status;

		do
			status = harvest(race, race->sets[1], 10000, &event);
		while (status == READY_INTERRUPTED);
		MUST(status == 1 && event.data.u64 == data_of(race, 1) && event.events == EPOLLIN);
	}
}
