#include "wire/wait.h"

#include "base/clock.h"
#include "base/libc.h"
#include "wire/contests.h"
#include "wire/interests.h"
#include "wire/number.h"
#include "wire/patience.h"
#include "wire/readiness.h"
#include "wire/unseen.h"

/* Which of the three calls it is, and what all of them are given. */
struct epoll_call {
	enum { EPOLL_PLAIN, EPOLL_P, EPOLL_P2 } kind;
	int set;
	struct epoll_event *events;
	int max;
	const sigset_t *mask;
};

static int ask(const struct epoll_call *call, const struct patience *patience)
{
	struct timespec room;

	switch (call->kind) {
	case EPOLL_PLAIN:
		return libc_epoll_wait(call->set, call->events, call->max, patience_ms(patience));
	case EPOLL_P:
		return libc_epoll_pwait(call->set, call->events, call->max, patience_ms(patience),
		                        call->mask);
	default:
		return libc_epoll_pwait2(call->set, call->events, call->max,
		                         patience_timespec(patience, &room), call->mask);
	}
}

static int wait_for(const struct epoll_call *call, struct patience patience)
{
	readiness_sees_waits();
	for (;;) {
		unsigned moves = interests_moves();
		int r, kept;

		if (contests_are_blind())
			unseen_find(call->set);
		patience.slice_ns = readiness_tend();
		contests_count_wait(1);
		r = ask(call, &patience);
		contests_count_wait(-1);
		kept = r > 0 ? readiness_filter(call->set, call->events, r, moves) : r;
		/* What was taken out may have had the place of something else. */
		if (kept != 0 || (r == 0 && patience_ended(&patience)))
			return kept;
	}
}

int wait_epoll(int set, struct epoll_event *events, int max, int timeout_ms)
{
	struct epoll_call call = {EPOLL_PLAIN, set, events, max, NULL};

	return wait_for(&call, patience_from_ms(timeout_ms));
}

int wait_epoll_p(int set, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask)
{
	struct epoll_call call = {EPOLL_P, set, events, max, mask};

	return wait_for(&call, patience_from_ms(timeout_ms));
}

int wait_epoll_p2(int set, struct epoll_event *events, int max, const struct timespec *timeout,
                  const sigset_t *mask)
{
	struct epoll_call call = {EPOLL_P2, set, events, max, mask};

	if (!patience_takes(timeout))
		return libc_epoll_pwait2(set, events, max, timeout, mask);
	return wait_for(&call, patience_from_timespec(timeout));
}
