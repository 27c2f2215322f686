#include "wire/reactor.h"

#include "base/clock.h"
#include "wire/agenda.h"
#include "wire/contests.h"
#include "wire/places.h"
#include "wire/report.h"
#include "wire/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

/* The thread stays this long after the last contest, so that one after another share it. */
#define LINGER_NS CLOCK_NS_PER_S

/*
 * To wait for many sockets costs about this for each of them, however few are ready. So where there
 * are many, those that get ready are looked at in batches, and half of the time is left to others.
 */
#define WAIT_COST_NS 150
#define BATCH_FROM 128

/* Its own frames are small; the C library's thread-local storage lies on the stack as well. */
#define STACK_BYTES (256 * 1024)

static bool running; /* under the contests' lock */
static _Atomic uint64_t longest_sleep_ns;

uint64_t reactor_tick_ns(void)
{
	return atomic_load_explicit(&longest_sleep_ns, memory_order_relaxed);
}

static void look_at_ready(unsigned count, uint64_t now_ns)
{
	unsigned at = 0;
	uint64_t id;

	while ((id = watch_next(count, &at)) != 0) {
		struct contest *contest = places_by_id(id);

		if (contest != NULL)
			contest_look(contest, now_ns);
	}
}

static uint64_t next_look_ns(uint64_t now_ns)
{
	const struct contest *first = agenda_first();
	uint64_t until_ns = clock_add_ns(now_ns, reactor_tick_ns());

	if (first != NULL && first->due_ns < until_ns)
		until_ns = first->due_ns;
	return until_ns;
}

static void nap(long ns)
{
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = ns}, NULL);
}

static void *run(void *unused)
{
	uint64_t busy_ns = clock_now_ns();
	unsigned count = 0, ready = 0;

	(void)unused;
	(void)pthread_setname_np(pthread_self(), "libhe");
	for (;;) {
		struct quiet quiet;
		struct contest *untold;
		uint64_t now_ns, until_ns;

		contests_lock(&quiet);
		now_ns = clock_now_ns();
		if (ready > 0)
			look_at_ready(count, now_ns);
		ready = 0;
		agenda_run(now_ns, contest_look);
		untold = places_untold(now_ns);
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
		until_ns = next_look_ns(now_ns);
		agenda_sleeps_until(until_ns);
		count = watch_copy();
		contests_unlock(&quiet);

		if (count >= BATCH_FROM)
			nap(count * WAIT_COST_NS);
		ready = watch_wait(count, clock_now_ns(), until_ns);
	}
}

/* Bit s - 1: signal s was blocked by the program itself, at least once. */
static _Atomic uint64_t blocked_before;

void reactor_note_blocked(const sigset_t *set)
{
	uint64_t bits = 0;

	for (int number = 1; number <= 64 && number < NSIG; number++)
		if (sigismember(set, number) == 1)
			bits |= UINT64_C(1) << (number - 1);
	if ((bits & ~atomic_load_explicit(&blocked_before, memory_order_relaxed)) != 0)
		atomic_fetch_or_explicit(&blocked_before, bits, memory_order_relaxed);
}

/* Blocked now, and never by the program's own call: then it was the kernel, for a handler. */
static bool is_blocked_by_kernel(const sigset_t *mask, int number)
{
	uint64_t before = atomic_load_explicit(&blocked_before, memory_order_relaxed);

	return sigismember(mask, number) == 1 && (number > 64 || (before >> (number - 1) & 1) == 0);
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
 * none. A signal that the program blocks by itself, to let it through in ppoll() or pselect()
 * alone, has its handler run there, which is no place in malloc(). Handlers of faults ask for it
 * often (crash reporters, sanitizers), and do not count: they run where the program has come to its
 * end.
 */
static bool may_be_handler(const sigset_t *mask)
{
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action;

		if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN &&
		    (is_blocked_by_kernel(mask, number) ||
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

	atomic_store_explicit(&longest_sleep_ns, tick_ns, memory_order_relaxed);
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
	watch_clear();
}
