#include "wire/watch.h"

#include "base/clock.h"
#include "base/libc.h"

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
}

void watch_remove(struct attempt *attempt)
{
	unsigned at = attempt->watched_at - 1, last = watched_count - 1;

	if (attempt->watched_at == 0)
		return;
	attempt->watched_at = 0;
	watched_count--;
	if (at == last)
		return;
	watched[at] = watched[last];
	watched_for[at] = watched_for[last];
	watched_for[at].attempt->watched_at = at + 1;
}

unsigned watch_copy(void)
{
	memcpy(copied, watched, watched_count * sizeof(copied[0]));
	memcpy(copied_for, watched_for, watched_count * sizeof(copied_for[0]));
	return watched_count;
}

unsigned watch_wait(unsigned count, uint64_t now_ns, uint64_t until_ns)
{
	struct timespec sleep = clock_until(now_ns, until_ns);
	int ready = libc_ppoll(copied, count, &sleep, NULL);

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
}
