#include "wire/patience.h"

#include "base/clock.h"

#include <limits.h>
#include <stddef.h>

static struct patience patience_for(uint64_t wait_ns)
{
	return (struct patience){.deadline_ns =
	                             wait_ns == 0 ? 0 : clock_add_ns(clock_now_ns(), wait_ns),
	                         .slice_ns = CLOCK_NEVER};
}

bool patience_takes(const struct timespec *timeout)
{
	return timeout == NULL || (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 &&
	                           timeout->tv_nsec < (long)CLOCK_NS_PER_S);
}

struct patience patience_from_ms(int timeout_ms)
{
	if (timeout_ms < 0)
		return (struct patience){CLOCK_NEVER, CLOCK_NEVER};
	return patience_for((uint64_t)timeout_ms * CLOCK_NS_PER_MS);
}

struct patience patience_from_timespec(const struct timespec *timeout)
{
	if (timeout == NULL || (uint64_t)timeout->tv_sec > CLOCK_NEVER / CLOCK_NS_PER_S - 1)
		return (struct patience){CLOCK_NEVER, CLOCK_NEVER};
	return patience_for((uint64_t)timeout->tv_sec * CLOCK_NS_PER_S +
	                    (uint64_t)timeout->tv_nsec);
}

static uint64_t until_ns(const struct patience *patience)
{
	return patience->slice_ns < patience->deadline_ns ? patience->slice_ns
	                                                  : patience->deadline_ns;
}

int patience_ms(const struct patience *patience)
{
	uint64_t end_ns = until_ns(patience), now_ns, left_ms;

	if (end_ns == CLOCK_NEVER)
		return -1;
	if (end_ns == 0)
		return 0;
	now_ns = clock_now_ns();
	if (end_ns <= now_ns)
		return 0;
	left_ms = (end_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
	return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

const struct timespec *patience_timespec(const struct patience *patience, struct timespec *room)
{
	uint64_t end_ns = until_ns(patience);

	if (end_ns == CLOCK_NEVER)
		return NULL;
	*room = (struct timespec){0};
	if (end_ns != 0)
		*room = clock_until(clock_now_ns(), end_ns);
	return room;
}

bool patience_ended(const struct patience *patience)
{
	return patience->deadline_ns == 0 ||
	       (patience->deadline_ns != CLOCK_NEVER && clock_now_ns() >= patience->deadline_ns);
}
