#include "wire/contests.h"

#include "base/clock.h"
#include "wire/agenda.h"
#include "wire/errors.h"
#include "wire/interests.h"
#include "wire/needs.h"
#include "wire/places.h"
#include "wire/reactor.h"
#include "wire/report.h"
#include "wire/seat.h"
#include "wire/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

/* Numbers, modulo this, that contests run on: close() asks here first. */
#define BUCKETS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct contest *by_request[BUCKETS]; /* lists by next and previous, newest first */
static void (*tell_lost)(const struct contest *contest);

static _Atomic(struct contest_number *) numbers[BUCKETS];
static atomic_uint open_count, blind_count;
static atomic_int wait_count;
static atomic_bool saw_waits;
static atomic_bool guarded;  /* the fork handler stands */
static atomic_bool prepared; /* there may be contests */
static _Atomic pid_t owner;  /* the process whose contests these are; 0: nobody's yet */

void contests_lock(struct quiet *ret_quiet)
{
	quiet_begin(ret_quiet);
	pthread_mutex_lock(&lock);
}

void contests_let_others(void)
{
	unsigned release = watch_take_release();

	pthread_mutex_unlock(&lock);
	if (release != 0)
		watch_await_release(release);
}

void contests_unlock(const struct quiet *quiet)
{
	contests_let_others();
	quiet_end(quiet);
}

void contests_lock_again(void)
{
	pthread_mutex_lock(&lock);
}

bool contests_exist(void)
{
	return atomic_load_explicit(&open_count, memory_order_relaxed) != 0;
}

bool contests_are_blind(void)
{
	return atomic_load_explicit(&blind_count, memory_order_relaxed) != 0;
}

bool contests_saw_waits(void)
{
	return atomic_load_explicit(&saw_waits, memory_order_relaxed);
}

bool contests_see_waits(void)
{
	return !contests_saw_waits() &&
	       !atomic_exchange_explicit(&saw_waits, true, memory_order_relaxed);
}

void contests_count_wait(int change)
{
	atomic_fetch_add_explicit(&wait_count, change, memory_order_relaxed);
}

bool contests_are_waited_for(void)
{
	/* A handler that forks in a wait makes it -1 in the child, where that wait ends. */
	return atomic_load_explicit(&wait_count, memory_order_relaxed) > 0;
}

static _Atomic(struct contest_number *) *bucket_of(int fd)
{
	return &numbers[(unsigned)fd % BUCKETS];
}

bool contests_may_have(int fd)
{
	return contests_exist() && fd >= 0 &&
	       atomic_load_explicit(bucket_of(fd), memory_order_relaxed) != NULL;
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

static void store_count(atomic_uint *count, unsigned value)
{
	atomic_store_explicit(count, value, memory_order_relaxed);
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
	places_clear();
	needs_clear();
	for (size_t i = 0; i < BUCKETS; i++)
		if (atomic_load_explicit(&numbers[i], memory_order_relaxed) != NULL)
			atomic_store_explicit(&numbers[i], NULL, memory_order_relaxed);
	for (size_t i = 0; i < BUCKETS; i++)
		if (by_request[i] != NULL)
			by_request[i] = NULL;
	store_count(&open_count, 0);
	store_count(&blind_count, 0);
	/* Those who waited are in the parent. */
	atomic_store_explicit(&wait_count, 0, memory_order_relaxed);
	atomic_store_explicit(&owner, 0, memory_order_relaxed);
	agenda_clear();
	errors_clear();
	interests_clear();
	reactor_after_fork();
	report_after_fork();
	quiet_end(&quiet);
}

static void stand_guard(void)
{
	bool stands = pthread_atfork(NULL, NULL, after_fork_child) == 0;

	atomic_store_explicit(&guarded, stands, memory_order_release);
}

bool contests_guard(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, stand_guard);
	return atomic_load_explicit(&guarded, memory_order_acquire);
}

int contests_prepare(void (*on_lost)(const struct contest *contest))
{
	if (!contests_guard())
		return -ENOMEM;
	tell_lost = on_lost;
	atomic_store_explicit(&prepared, true, memory_order_release);
	return 0;
}

struct contest_number *contests_number(int fd)
{
	struct contest_number *number = atomic_load_explicit(bucket_of(fd), memory_order_relaxed);

	while (number != NULL && number->fd != fd)
		number = number->next;
	return number;
}

static void leave_bucket(struct contest_number *number)
{
	_Atomic(struct contest_number *) *bucket = bucket_of(number->fd);
	struct contest_number *before = atomic_load_explicit(bucket, memory_order_relaxed);

	if (before == number) {
		atomic_store_explicit(bucket, number->next, memory_order_relaxed);
		return;
	}
	while (before->next != number)
		before = before->next;
	before->next = number->next;
}

static void enter_bucket(struct contest_number *number)
{
	_Atomic(struct contest_number *) *bucket = bucket_of(number->fd);

	number->next = atomic_load_explicit(bucket, memory_order_relaxed);
	atomic_store_explicit(bucket, number, memory_order_relaxed);
}

void contests_add_number(struct contest *contest, int fd)
{
	struct contest_number *number = &contest->numbers[contest->number_count++];

	*number = (struct contest_number){.fd = fd, .contest = contest};
	enter_bucket(number);
}

void contests_drop_number(struct contest *contest, unsigned index)
{
	struct contest_number *number = &contest->numbers[index];
	struct contest_number *last = &contest->numbers[--contest->number_count];

	leave_bucket(number);
	if (number == last)
		return;
	leave_bucket(last);
	*number = *last;
	enter_bucket(number);
}

struct contest *contests_find(int fd)
{
	struct contest_number *number;

	while ((number = contests_number(fd)) != NULL) {
		struct contest *contest = number->contest;

		if (!own_is_gone(fd, contest->attempts[contest->seat].cookie))
			return contest;
		/* Closed by a raw system call, and perhaps somebody else's by now. */
		if (contest->number_count > 1)
			contests_drop_number(contest, (unsigned)(number - contest->numbers));
		else
			contest_leave(contest, clock_now_ns());
	}
	return NULL;
}

struct contest *contests_lock_on(int fd, struct quiet *ret_quiet)
{
	struct contest *contest;

	contests_lock(ret_quiet);
	contest = contests_find(fd);
	if (contest == NULL)
		contests_unlock(ret_quiet);
	return contest;
}

struct contest_number *contests_in_range(unsigned first, unsigned last, uint32_t *place)
{
	for (; *place < places_used(); ++*place) {
		struct contest *contest = places_at(*place);

		for (unsigned i = 0; contest->state == CONTEST_OPEN && i < contest->number_count;
		     i++) {
			unsigned fd = (unsigned)contest->numbers[i].fd;

			if (fd >= first && fd <= last)
				return &contest->numbers[i];
		}
	}
	return NULL;
}

void contests_recount(struct contest *contest)
{
	bool is_blind = contest->state == CONTEST_OPEN && contest->unattended &&
	                (contest->known & WAITERS_RECORD) == 0;

	if (contest->is_blind == is_blind)
		return;
	contest->is_blind = is_blind;
	atomic_fetch_add_explicit(&blind_count, is_blind ? 1u : -1u, memory_order_relaxed);
}

static struct contest **requests_for(const struct addr *addr, uint16_t port)
{
	return &by_request[(addr_hash(addr) ^ port) % BUCKETS];
}

void contests_opened(struct contest *contest)
{
	struct contest **first = requests_for(&contest->attempts[0].addr, contest->extra.port);

	contest->state = CONTEST_OPEN;
	atomic_fetch_add_explicit(&open_count, 1, memory_order_relaxed);
	contests_recount(contest);
	contest->previous = NULL;
	contest->next = *first;
	if (*first != NULL)
		(*first)->previous = contest;
	*first = contest;
}

static void leave_requests(struct contest *contest)
{
	if (contest->previous != NULL)
		contest->previous->next = contest->next;
	else
		*requests_for(&contest->attempts[0].addr, contest->extra.port) = contest->next;
	if (contest->next != NULL)
		contest->next->previous = contest->previous;
}

void contests_settled(struct contest *contest)
{
	leave_requests(contest);
	needs_leave(contest);
	contest->state = CONTEST_SETTLED;
	atomic_fetch_sub_explicit(&open_count, 1, memory_order_relaxed);
	contests_recount(contest);
	places_settle(contest);
}

void contests_lost(const struct contest *contest)
{
	if (tell_lost != NULL)
		tell_lost(contest);
}

/* A child that shares our memory, or copied it without telling us, must not touch it. */
static bool take_ownership(void)
{
	pid_t self = getpid();
	pid_t nobody = 0;

	return atomic_load_explicit(&prepared, memory_order_acquire) &&
	       (atomic_compare_exchange_strong(&owner, &nobody, self) || nobody == self);
}

struct contest *contests_open(const struct contest_request *request, bool attended,
                              const struct quiet *quiet, uint64_t now_ns)
{
	struct contest *contest;

	if (!take_ownership())
		return NULL;
	contest = places_take();
	if (contest == NULL)
		return NULL;
	return contest_begin(contest, request, attended, quiet, now_ns) < 0 ? NULL : contest;
}

/* A contest for another address than `addr`, which is one of its candidates. */
static bool has_as_sibling(const struct contest *contest, const struct addr *addr)
{
	for (unsigned i = 1; i < contest->race.count; i++)
		if (addr_equal(&contest->attempts[i].addr, addr))
			return true;
	return false;
}

/* Its own socket connects still, or another one does for it. */
static bool is_pending(const struct contest *contest)
{
	enum own_progress progress;

	return own_progress(seat_of(contest).fd, &progress) < 0 || progress != OWN_CONNECTED;
}

/* What the open contests for `first` are to `requested`, of which the program makes one more. */
static enum contests_beside look_beside(const struct addr *first, const struct own *own,
                                        const struct addr *requested, uint16_t port,
                                        uint64_t now_ns)
{
	enum contests_beside beside = CONTESTS_NONE;

	for (struct contest *contest = *requests_for(first, port); contest != NULL;
	     contest = contest->next) {
		if (contest->own.fd == own->fd || (!own->nonblocking && contest->waiters > 0) ||
		    contest->extra.port != port || !addr_equal(&contest->attempts[0].addr, first) ||
		    !has_as_sibling(contest, requested) || !is_pending(contest))
			continue;
		/* Newest first. The older ones were told when one that stands down was. */
		if (now_ns - contest->begun_ns < CONTESTS_RACING_AFTER_NS)
			return CONTESTS_TURNS;
		beside = CONTESTS_OWN_RACE;
		if (contest->race.standing_down)
			break;
	}
	return beside;
}

enum contests_beside contests_look_beside(const struct own *own, const struct addr *addrs,
                                          size_t count, size_t requested, uint16_t port)
{
	enum contests_beside beside = CONTESTS_NONE;
	uint64_t now_ns = clock_now_ns();

	for (size_t i = 0; i < count && beside != CONTESTS_TURNS; i++) {
		enum contests_beside one = CONTESTS_NONE;

		if (i != requested)
			one = look_beside(&addrs[i], own, &addrs[requested], port, now_ns);
		if (one > beside)
			beside = one;
	}
	return beside;
}

void contests_stand_down(const struct addr *addrs, size_t count, size_t requested, uint16_t port)
{
	for (size_t i = 0; i < count; i++) {
		if (i == requested)
			continue;
		for (struct contest *contest = *requests_for(&addrs[i], port); contest != NULL;
		     contest = contest->next)
			if (contest->extra.port == port &&
			    addr_equal(&contest->attempts[0].addr, &addrs[i]) &&
			    has_as_sibling(contest, &addrs[requested]))
				race_stand_down(&contest->race);
	}
}
