#include "wire/watch.h"

#include "base/clock.h"
#include "base/libc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* Side by side, because ppoll() wants the first alone. */
static struct pollfd watched[WATCH_MAX];
struct watched_for {
	struct attempt *attempt;
	uint64_t id;
};
static struct watched_for watched_for[WATCH_MAX];
static unsigned watched_count;

/* The reactor's own: others change the table while it sleeps. */
static struct pollfd copied[WATCH_MAX];
static struct watched_for copied_for[WATCH_MAX];

/*
 * The reactor's sleeps are numbered. When the numbers are used up, one has the number that stands
 * for none, and is not waited for.
 */
static unsigned sleeps;
static atomic_uint sleeps_over;
static unsigned release; /* the one that is to be waited for; 0: none */

/* A thread that is ready to run has a processor after some microseconds, where not all are taken.
 */
#define RELEASE_NAP_NS 20000
/* Longer than it is ever kept from one; and whatever is wrong then, the program goes on. */
#define RELEASE_MOST_NS CLOCK_NS_PER_S

void watch_add(struct attempt *attempt, uint64_t id)
{
	unsigned at = watched_count;

	if (at == WATCH_MAX)
		return;
	watched_count++;
	watched[at] = (struct pollfd){.fd = attempt->fd, .events = POLLOUT};
	watched_for[at].attempt = attempt;
	watched_for[at].id = id;
	attempt->watched_at = at + 1;
	attempt->watched_from = sleeps;
}

void watch_remove(struct attempt *attempt)
{
	unsigned at = attempt->watched_at - 1, last = watched_count - 1;

	if (attempt->watched_at == 0)
		return;
	attempt->watched_at = 0;
	if (attempt->watched_from != sleeps)
		attempt->slept_on = sleeps;
	watched_count--;
	if (at == last)
		return;
	watched[at] = watched[last];
	watched_for[at] = watched_for[last];
	watched_for[at].attempt->watched_at = at + 1;
}

static bool is_over(unsigned sleep)
{
	return (int)(atomic_load_explicit(&sleeps_over, memory_order_acquire) - sleep) >= 0;
}

void watch_release(const struct attempt *attempt)
{
	if (attempt->slept_on != 0 && !is_over(attempt->slept_on))
		release = attempt->slept_on;
}

unsigned watch_take_release(void)
{
	unsigned taken = release;

	release = 0;
	return taken;
}

void watch_await_release(unsigned sleep)
{
	static const struct timespec nap = {.tv_nsec = RELEASE_NAP_NS};
	uint64_t until_ns = clock_add_ns(clock_now_ns(), RELEASE_MOST_NS);

	while (!is_over(sleep) && clock_now_ns() < until_ns)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

unsigned watch_copy(void)
{
	sleeps++;
	memcpy(copied, watched, watched_count * sizeof(copied[0]));
	memcpy(copied_for, watched_for, watched_count * sizeof(copied_for[0]));
	return watched_count;
}

unsigned watch_wait(unsigned count, uint64_t now_ns, uint64_t until_ns)
{
	struct timespec sleep = clock_until(now_ns, until_ns);
	int ready = libc_ppoll(copied, count, &sleep, NULL);

	/* The table of sleeps is the reactor's until it has the lock: there is no other one. */
	atomic_store_explicit(&sleeps_over, sleeps, memory_order_release);
	if (ready >= 0)
		return (unsigned)ready;
	/* Refused (a lowered RLIMIT_NOFILE, seccomp): then everything is looked at when it is due.
	 */
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &sleep, NULL);
	return 0;
}

/* Its place is another race's by now, or it is not waited for any more. */
static bool is_still_watched(const struct watched_for *was)
{
	unsigned at = was->attempt->watched_at;

	return at != 0 && watched_for[at - 1].attempt == was->attempt &&
	       watched_for[at - 1].id == was->id;
}

uint64_t watch_next(unsigned count, unsigned *at)
{
	while (*at < count) {
		unsigned i = (*at)++;

		if (copied[i].revents == 0)
			continue;
		if (is_still_watched(&copied_for[i]))
			watch_remove(copied_for[i].attempt);
		return copied_for[i].id;
	}
	return 0;
}

void watch_clear(void)
{
	watched_count = 0;
	release = 0;
	atomic_store_explicit(&sleeps_over, sleeps, memory_order_release);
}
