#include "base/clock.h"

#define YEAR_NS (UINT64_C(365) * 24 * 3600 * CLOCK_NS_PER_S)

uint64_t clock_now_ns(void)
{
	struct timespec now;

	/* Cannot fail: the clock exists on every Linux and the pointer is valid. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_add_ns(uint64_t at_ns, uint64_t delay_ns)
{
	return delay_ns > CLOCK_NEVER - at_ns ? CLOCK_NEVER : at_ns + delay_ns;
}

struct timespec clock_until(uint64_t now_ns, uint64_t until_ns)
{
	uint64_t left = until_ns > now_ns ? until_ns - now_ns : 0;

	if (left > YEAR_NS)
		left = YEAR_NS;
	return (struct timespec){.tv_sec = (time_t)(left / CLOCK_NS_PER_S),
	                         .tv_nsec = (long)(left % CLOCK_NS_PER_S)};
}
