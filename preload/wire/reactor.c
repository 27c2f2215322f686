#include "wire/reactor.h"

#include "base/clock.h"
#include "wire/contests.h"
#include "wire/report.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

/* The thread stays this long after the last contest, so that one after another share it. */
#define LINGER_NS CLOCK_NS_PER_S

/* Eight attempts each, the default limit; what does not fit is looked at every tick instead. */
#define WATCHED_MAX (CONTESTS_MAX * 8)

/* Its own frames are small; the C library's thread-local storage lies on the stack as well. */
#define STACK_BYTES (256 * 1024)

/* Protected by the contests' lock. */
static bool running;
static uint64_t longest_sleep_ns;

/* The reactor's own. */
static struct pollfd watched[WATCHED_MAX];
static struct watch {
	struct contest *contest;
	uint32_t generation;
} watched_for[WATCHED_MAX];

static size_t watch_attempts(struct contest *contest, size_t count)
{
	for (unsigned i = 0; i < contest->race.next && count < WATCHED_MAX; i++) {
		/* The thread that waits in connect() sees what happens to the seated one. */
		if (contest->race.attempts[i].state != RACE_RUNNING ||
		    (i == contest->seat && !contest->unattended))
			continue;
		watched[count] = (struct pollfd){.fd = contest->attempts[i].fd, .events = POLLOUT};
		watched_for[count] = (struct watch){contest, contest->generation};
		count++;
	}
	return count;
}

static void mark_touched(size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (watched[i].revents != 0 &&
		    watched_for[i].contest->generation == watched_for[i].generation)
			watched_for[i].contest->touched = true;
}

/*
 * A contest whose thread will not come for the outcome soon, because its socket was closed under
 * it, or did not come, because it was cancelled or left by siglongjmp(): told in its place.
 */
static bool wants_telling(const struct contest *contest, uint64_t now_ns)
{
	if (!report_is_due(contest))
		return false;
	return contest->outcome == CONTEST_LEFT || now_ns - contest->settled_ns > LINGER_NS / 2;
}

static struct contest *look_at_all(uint64_t now_ns, uint64_t *ret_until_ns, size_t *ret_count)
{
	struct contest *table = contests_table();
	struct contest *untold = NULL;

	*ret_until_ns = clock_add_ns(now_ns, longest_sleep_ns);
	*ret_count = 0;
	for (size_t i = 0; i < CONTESTS_MAX; i++) {
		struct contest *contest = &table[i];

		if (contest->state == CONTEST_OPEN &&
		    (contest->touched || now_ns >= contest->due_ns))
			contest_look(contest, now_ns);
		if (wants_telling(contest, now_ns))
			untold = contest;
		if (contest->state != CONTEST_OPEN)
			continue;
		if (contest->due_ns < *ret_until_ns)
			*ret_until_ns = contest->due_ns;
		*ret_count = watch_attempts(contest, *ret_count);
	}
	return untold;
}

static void *run(void *unused)
{
	uint64_t busy_ns = clock_now_ns();
	size_t count = 0;

	(void)unused;
	(void)pthread_setname_np(pthread_self(), "libhe");
	for (;;) {
		struct quiet quiet;
		struct contest *untold;
		struct timespec sleep;
		uint64_t now_ns, until_ns;
		int ready;

		contests_lock(&quiet);
		now_ns = clock_now_ns();
		mark_touched(count);
		untold = look_at_all(now_ns, &until_ns, &count);
		if (untold != NULL) {
			report_and_unlock(untold, &quiet);
			continue;
		}
		if (contests_exist())
			busy_ns = now_ns;
		if (now_ns - busy_ns >= LINGER_NS) {
			running = false;
			contests_unlock(&quiet);
			return NULL;
		}
		contests_unlock(&quiet);

		sleep = clock_until(now_ns, until_ns);
		ready = ppoll(watched, count, &sleep, NULL);
		/* Refused (a lowered RLIMIT_NOFILE, seccomp): then look again every tick. */
		if (ready < 0)
			(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &sleep, NULL);
		if (ready <= 0)
			count = 0;
	}
}

static bool is_fault(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
	       number == SIGTRAP || number == SIGSYS || number == SIGABRT;
}

/*
 * pthread_create() allocates, and a connect() in a signal handler may have interrupted malloc().
 * Inside a handler the kernel blocks the signal that is being handled, or has been told not to
 * (SA_NODEFER). So when no signal with a handler is blocked, and no handler asked for that, this is
 * none. Handlers of faults ask for it often (crash reporters, sanitizers), and do not count: they
 * run where the program has come to its end.
 */
static bool may_be_handler(const sigset_t *mask)
{
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action;

		if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN &&
		    (sigismember(mask, number) == 1 ||
		     ((action.sa_flags & SA_NODEFER) != 0 && !is_fault(number))))
			return true;
	}
	return false;
}

int reactor_ensure(uint64_t tick_ns, const sigset_t *mask)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	longest_sleep_ns = tick_ns;
	if (running)
		return 0;
	if (may_be_handler(mask))
		return -EWOULDBLOCK;

	r = pthread_attr_init(&attributes);
	if (r != 0)
		return -r;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/*
	 * Where thread-local storage is larger than this, the thread is refused and nothing races.
	 */
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	r = pthread_create(&thread, &attributes, run, NULL);
	(void)pthread_attr_destroy(&attributes);
	running = r == 0;
	return -r;
}

void reactor_after_fork(void)
{
	running = false;
}
