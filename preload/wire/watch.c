#include "wire/watch.h"

#include "base/clock.h"
#include "base/libc.h"

#include <string.h>
#include <time.h>

/* Side by side, because ppoll() wants the first alone. */
static struct pollfd watched[WATCH_MAX];
static struct {
	struct attempt *attempt;
	uint64_t id;
} watched_for[WATCH_MAX];
static unsigned watched_count;

/* The reactor's own: others change the table while it sleeps. */
static struct pollfd copied[WATCH_MAX];
static uint64_t copied_ids[WATCH_MAX];

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
	for (unsigned i = 0; i < watched_count; i++)
		copied_ids[i] = watched_for[i].id;
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

uint64_t watch_next(unsigned count, unsigned *at)
{
	while (*at < count) {
		unsigned i = (*at)++;

		if (copied[i].revents != 0)
			return copied_ids[i];
	}
	return 0;
}

void watch_clear(void)
{
	watched_count = 0;
}
