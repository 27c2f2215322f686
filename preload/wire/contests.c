#include "wire/contests.h"

#include "base/clock.h"
#include "wire/reactor.h"
#include "wire/report.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* Descriptor numbers, modulo this, that contests run on: close() asks here first. */
#define NUMBERS_MAX 1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct contest contests[CONTESTS_MAX];
static _Atomic uint16_t numbers[NUMBERS_MAX];
static atomic_uint open_count;
static atomic_bool prepared; /* the fork handler stands */
static _Atomic pid_t owner;  /* the process whose contests these are; 0: nobody's yet */

void contests_lock(struct quiet *ret_quiet)
{
	quiet_begin(ret_quiet);
	pthread_mutex_lock(&lock);
}

void contests_unlock(const struct quiet *quiet)
{
	pthread_mutex_unlock(&lock);
	quiet_end(quiet);
}

bool contests_exist(void)
{
	return atomic_load_explicit(&open_count, memory_order_relaxed) != 0;
}

bool contests_may_have(int fd)
{
	return contests_exist() && fd >= 0 &&
	       atomic_load_explicit(&numbers[fd % NUMBERS_MAX], memory_order_relaxed) != 0;
}

bool contests_are_ours(void)
{
	return atomic_load_explicit(&owner, memory_order_relaxed) == getpid();
}

bool contests_may_open(void)
{
	pid_t present = atomic_load_explicit(&owner, memory_order_relaxed);

	return present == 0 || present == getpid();
}

struct contest *contests_table(void)
{
	return contests;
}

/*
 * The child has no thread that waits and no reactor; its numbers hold plain connecting sockets. The
 * private ones are closed, and the table starts anew. No lock is taken before fork(): a handler of
 * the program, run between, might wait for a thread that waits for us. So the table may be in the
 * middle of a change here, of which nothing is used but numbers, and those are checked. A number
 * that another thread closed while fork() ran may stay open in the child, until it executes.
 */
static void after_fork_child(void)
{
	struct quiet quiet;

	quiet_begin(&quiet);
	pthread_mutex_init(&lock, NULL);
	/* Places are used from the front; what nobody used costs the child no memory of its own. */
	for (size_t i = 0; i < CONTESTS_MAX && contests[i].generation != 0; i++)
		contest_forget(&contests[i]);
	for (size_t i = 0; i < NUMBERS_MAX; i++)
		if (atomic_load_explicit(&numbers[i], memory_order_relaxed) != 0)
			atomic_store_explicit(&numbers[i], 0, memory_order_relaxed);
	atomic_store_explicit(&open_count, 0, memory_order_relaxed);
	atomic_store_explicit(&owner, 0, memory_order_relaxed);
	reactor_after_fork();
	quiet_end(&quiet);
}

int contests_prepare(void)
{
	int r = pthread_atfork(NULL, NULL, after_fork_child);

	if (r == 0)
		atomic_store_explicit(&prepared, true, memory_order_release);
	return -r;
}

struct contest *contests_find(int fd)
{
	for (size_t i = 0; i < CONTESTS_MAX; i++) {
		struct contest *contest = &contests[i];

		if (contest->state != CONTEST_OPEN || contest->own.fd != fd)
			continue;
		if (own_is(fd, contest->attempts[contest->seat].cookie))
			return contest;
		/* Closed by a raw system call, and perhaps somebody else's by now. */
		contest_leave(contest, clock_now_ns());
	}
	return NULL;
}

/* A free place, or else that of the settled contest whose thread never came for the outcome. */
static struct contest *find_place(void)
{
	struct contest *oldest = NULL;

	for (size_t i = 0; i < CONTESTS_MAX; i++) {
		struct contest *contest = &contests[i];

		if (contest->state == CONTEST_FREE)
			return contest;
		if (contest->state == CONTEST_SETTLED &&
		    (oldest == NULL || contest->settled_ns < oldest->settled_ns))
			oldest = contest;
	}
	return oldest;
}

void contests_count(const struct contest *contest, int change)
{
	atomic_fetch_add_explicit(&numbers[contest->own.fd % NUMBERS_MAX], (uint16_t)change,
	                          memory_order_relaxed);
	atomic_fetch_add_explicit(&open_count, (unsigned)change, memory_order_relaxed);
}

/* A child that shares our memory, or copied it without telling us, must not touch it. */
static bool take_ownership(void)
{
	pid_t self = getpid();
	pid_t nobody = 0;

	return atomic_load_explicit(&prepared, memory_order_acquire) &&
	       (atomic_compare_exchange_strong(&owner, &nobody, self) || nobody == self);
}

struct contest *contests_open(const struct contest_request *request, const struct quiet *quiet,
                              uint64_t now_ns)
{
	struct contest *contest;

	if (!take_ownership())
		return NULL;
	contest = find_place();
	if (contest == NULL)
		return NULL;
	if (contest->state == CONTEST_SETTLED)
		contest_free(contest);
	return contest_begin(contest, request, quiet, now_ns) < 0 ? NULL : contest;
}

void contests_chose_hops(int fd)
{
	struct quiet quiet;
	struct contest *contest;

	contests_lock(&quiet);
	contest = contests_find(fd);
	if (contest != NULL)
		contest->own.chose_hops = true;
	contests_unlock(&quiet);
}

/* A contest for another address than `addr`, which is one of its candidates. */
static bool has_as_sibling(const struct contest *contest, const struct addr *addr)
{
	for (unsigned i = 1; i < contest->race.count; i++)
		if (addr_equal(&contest->attempts[i].addr, addr))
			return true;
	return false;
}

bool contests_stand_down(const struct own *own, const struct addr *addrs, size_t count,
                         size_t requested, uint16_t port)
{
	bool found = false;

	for (size_t i = 0; i < CONTESTS_MAX; i++) {
		struct contest *contest = &contests[i];

		if (contest->state != CONTEST_OPEN || contest->own.fd == own->fd ||
		    (!own->nonblocking && contest->waiters > 0) || contest->extra.port != port ||
		    !has_as_sibling(contest, &addrs[requested]) ||
		    !addr_stands_in(&contest->attempts[0].addr, addrs, count))
			continue;
		race_stand_down(&contest->race);
		found = true;
	}
	return found;
}

static struct contest *open_in_range(unsigned first, unsigned last)
{
	for (size_t i = 0; i < CONTESTS_MAX; i++) {
		unsigned fd = (unsigned)contests[i].own.fd;

		if (contests[i].state == CONTEST_OPEN && fd >= first && fd <= last)
			return &contests[i];
	}
	return NULL;
}

void contests_let_go(unsigned first, unsigned last)
{
	for (;;) {
		struct quiet quiet;
		struct contest *contest;

		contests_lock(&quiet);
		contest = open_in_range(first, last);
		if (contest == NULL) {
			contests_unlock(&quiet);
			return;
		}
		contest_leave(contest, clock_now_ns());
		report_and_unlock(contest, &quiet);
	}
}
