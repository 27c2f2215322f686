#include "wire/number.h"

#include "base/clock.h"
#include "base/libc.h"
#include "wire/agenda.h"
#include "wire/contests.h"
#include "wire/errors.h"
#include "wire/interests.h"
#include "wire/places.h"
#include "wire/report.h"
#include "wire/seat.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

/* What a connecting socket reports when it has failed, and one that has connected does not. */
#define FAILED ((uint32_t)(EPOLLERR | EPOLLHUP))

bool number_races(int fd)
{
	return contests_may_have(fd) && contests_are_ours();
}

bool number_matters(int fd)
{
	return contests_may_have(fd) || interests_may_have(fd) || interests_may_be_in(fd);
}

bool number_hold(int fd, struct quiet *ret_quiet)
{
	if (!number_races(fd))
		return false;
	contests_lock(ret_quiet);
	if (contests_find(fd) != NULL)
		return true;
	contests_unlock(ret_quiet);
	return false;
}

bool number_hold_all(struct quiet *ret_quiet)
{
	if (!contests_may_open())
		return false;
	contests_lock(ret_quiet);
	return true;
}

void number_release(const struct quiet *quiet)
{
	/* What has ended meanwhile is told by the thread that ended it, as everywhere. */
	struct contest *untold = places_untold(clock_now_ns());

	if (untold != NULL)
		report_and_unlock(untold, quiet);
	else
		contests_unlock(quiet);
}

void number_chose_hops(int fd)
{
	struct contest *contest = contests_find(fd);

	if (contest != NULL)
		contest->own.chose_hops = true;
}

void number_blocks(int fd)
{
	struct contest *contest = contests_find(fd);

	/* A thread may wait in recv() now, and another socket would leave it behind for ever. */
	if (contest != NULL && contest->seat == 0) {
		contest->known = WAITERS_UNKNOWN;
		contests_recount(contest);
		contest_reveal(contest);
	}
}

bool number_copied(int fd, int copy)
{
	struct contest *contest = contests_find(fd);

	if (contest == NULL)
		return false;
	if (contest->number_count == CONTEST_NUMBERS_MAX) {
		contest_leave(contest, clock_now_ns());
		return false;
	}
	contests_add_number(contest, copy);
	return true;
}

/* One of the contest's numbers goes; with the last one, the contest. */
static void drop(struct contest_number *number)
{
	struct contest *contest = number->contest;

	interests_forget(number->fd);
	if (contest->number_count == 1) {
		contest_leave(contest, clock_now_ns());
		return;
	}
	contests_drop_number(contest, (unsigned)(number - contest->numbers));
}

/* An epoll set is closed. If it has another number, its registrations are there still. */
static void lose_set(int set)
{
	int fd;

	while (interests_may_be_in(set) && (fd = interests_lose_set(set)) >= 0) {
		struct contest *contest = contests_find(fd);

		if (contest != NULL &&
		    !interests_have(fd, contest->attempts[contest->seat].cookie) &&
		    (contest->known & WAITERS_RECORD) != 0) {
			contest->known &= ~(unsigned)WAITERS_RECORD;
			contests_recount(contest);
		}
	}
}

void number_gone(int fd)
{
	struct contest_number *number = contests_number(fd);

	if (number != NULL)
		drop(number);
	interests_forget(fd);
	lose_set(fd);
}

static void let_go_of(int fd)
{
	struct quiet quiet;
	struct contest *contest;

	contests_lock(&quiet);
	contest = contests_find(fd);
	number_gone(fd);
	if (contest != NULL)
		report_and_unlock(contest, &quiet);
	else
		contests_unlock(&quiet);
}

void number_let_go(unsigned first, unsigned last)
{
	uint32_t place = 0;

	if (first == last) {
		int fd = (int)first;

		if (number_matters(fd) && contests_may_open())
			let_go_of(fd);
		return;
	}
	while (contests_exist() && contests_are_ours()) {
		struct quiet quiet;
		struct contest_number *number;
		struct contest *contest;

		contests_lock(&quiet);
		number = contests_in_range(first, last, &place);
		if (number == NULL) {
			contests_unlock(&quiet);
			return;
		}
		contest = number->contest;
		drop(number);
		report_and_unlock(contest, &quiet);
	}
}

void number_stand_down(int fd)
{
	struct quiet quiet;
	struct contest *contest;

	if (!number_races(fd))
		return;
	contests_lock(&quiet);
	contest = contests_find(fd);
	if (contest == NULL) {
		contests_unlock(&quiet);
		return;
	}
	contest_leave(contest, clock_now_ns());
	report_and_unlock(contest, &quiet);
}

/* Worth remembering: a socket that the program may still connect. Cheaper to ask than TCP_INFO. */
static bool may_race(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	return getpeername(fd, (struct sockaddr *)&name, &len) < 0 && errno == ENOTCONN;
}

/* One that does not race, or not yet: nothing moves it meanwhile. */
static int control_idle(int set, int operation, int fd, struct epoll_event *event)
{
	bool known = interests_may_have(fd) && contests_may_open();
	struct quiet quiet;
	uint64_t cookie;
	int r, saved_errno;

	/* With the lock, where a number that raced may be out of its set for a moment. */
	if (known)
		contests_lock(&quiet);
	r = libc_epoll_ctl(set, operation, fd, event);
	saved_errno = errno;
	if (r == 0 && (known || (operation == EPOLL_CTL_ADD && may_race(fd))) &&
	    own_cookie(fd, &cookie) == 0 && contests_guard() && contests_may_open()) {
		if (!known)
			contests_lock(&quiet);
		known = true;
		interests_note(set, operation, fd, cookie, event);
	}
	if (known)
		contests_unlock(&quiet);
	errno = saved_errno;
	return r;
}

int number_control(int set, int operation, int fd, struct epoll_event *event)
{
	struct quiet quiet;
	struct contest *contest;
	int r;

	if (!number_hold(fd, &quiet))
		return control_idle(set, operation, fd, event);
	contest = contests_find(fd);
	r = libc_epoll_ctl(set, operation, fd, event);
	/* What we took out to mute it, the program may take out as well. */
	if (r < 0 && errno == ENOENT && operation == EPOLL_CTL_DEL && contest->hidden &&
	    interests_of(set, fd) != NULL)
		r = 0;
	if (r < 0) {
		quiet.error = errno;
		contests_unlock(&quiet);
		return r;
	}
	interests_note(set, operation, fd, contest->attempts[contest->seat].cookie, event);
	if (interests_have(fd, contest->attempts[contest->seat].cookie) && contest->unattended)
		contest_know(contest, WAITERS_RECORD, clock_now_ns());
	report_and_unlock(contest, &quiet);
	return r;
}

/*
 * The thread that asks is the one that is said to wait in connect(): it has left that through
 * siglongjmp(), and the race is as one of a socket that does not block.
 */
static void notice_absence(struct contest *contest)
{
	if (contest->unattended || contest->waiters != 1 ||
	    !pthread_equal(contest->waiter, pthread_self()))
		return;
	contest->waiters = 0;
	contest_unattend(contest);
}

void number_waits_are_seen(void)
{
	struct quiet quiet;

	if (!contests_see_waits() || !contests_exist() || !contests_are_ours())
		return;
	/* The first time: what was held back for not knowing it is done now. */
	contests_lock(&quiet);
	for (uint32_t i = 0; i < places_used(); i++)
		if (places_at(i)->state == CONTEST_OPEN)
			contest_look(places_at(i), clock_now_ns());
	contests_unlock(&quiet);
}

/* With the lock. `how` is how the program asks. */
static void learn(struct contest *contest, enum contest_waiters how)
{
	notice_absence(contest);
	contest->known |= how;
	contests_recount(contest);
}

static bool has_failed(const struct contest *contest)
{
	enum own_progress progress;

	return own_progress(seat_of(contest).fd, &progress) == 0 && progress == OWN_CLOSED;
}

/*
 * After a look: what is on its number has failed, and no other attempt has taken the place yet.
 * What a thread in connect() learns, it may not have reported yet.
 */
static bool is_between(const struct contest *contest)
{
	return contest->unattended ? contest->race.attempts[contest->seat].state == RACE_FAILED
	                           : has_failed(contest);
}

uint64_t number_wait(int fd)
{
	uint64_t now_ns = clock_now_ns(), until_ns = 0;
	struct contest *contest;
	struct quiet quiet;

	contests_lock(&quiet);
	contest = contests_find(fd);
	if (contest == NULL) {
		contests_unlock(&quiet);
		return 0;
	}
	/* What was held back for not knowing it is done now. */
	if ((contest->known & WAITERS_POLL) == 0 || !contest->unattended) {
		learn(contest, WAITERS_POLL);
		contest_tend(contest, now_ns);
	}
	if (contest->state == CONTEST_OPEN && is_between(contest)) {
		until_ns = clock_add_ns(now_ns, RACE_PACE_NS);
		if (contest->due_ns < until_ns)
			until_ns = contest->due_ns;
	}
	report_and_unlock(contest, &quiet);
	return until_ns;
}

static enum number_readiness judge(struct contest *contest, enum contest_waiters how)
{
	unsigned moves = interests_moves();

	learn(contest, how);
	contest_tend(contest, clock_now_ns());
	if (contest->state == CONTEST_OPEN)
		return NUMBER_HIDDEN;
	return interests_moves() == moves ? NUMBER_TRUE : NUMBER_MOVED;
}

enum number_readiness number_judge(int fd)
{
	struct quiet quiet;
	struct contest *contest;
	enum number_readiness readiness;

	contests_lock(&quiet);
	contest = contests_find(fd);
	if (contest == NULL) {
		contests_unlock(&quiet);
		return NUMBER_TRUE;
	}
	readiness = judge(contest, WAITERS_POLL);
	report_and_unlock(contest, &quiet);
	return readiness;
}

bool number_hides_error(int fd)
{
	struct quiet quiet;
	struct contest *contest;
	bool hides = false;

	contests_lock(&quiet);
	contest = contests_find(fd);
	if (contest == NULL) {
		contests_unlock(&quiet);
		return false;
	}
	contests_feed(clock_now_ns());
	/*
	 * Who asks again and again is told when there is something to tell. Who asks for the first
	 * time when the socket has failed was told so by a wait that we did not see.
	 */
	if (has_failed(contest) && !contest->asked) {
		contest_leave(contest, clock_now_ns());
	} else {
		contest->asked = true;
		hides = judge(contest, WAITERS_POLL) == NUMBER_HIDDEN;
	}
	report_and_unlock(contest, &quiet);
	return hides;
}

int number_other_error(int fd)
{
	struct quiet quiet;
	uint64_t cookie;
	int error = 0;

	if (!errors_exist() || !contests_are_ours() || own_cookie(fd, &cookie) < 0)
		return 0;
	contests_lock(&quiet);
	error = errors_take(cookie);
	contests_unlock(&quiet);
	return error;
}

/* One of the numbers that an event may be about. */
struct suspect {
	int set;
	int fd;
	uint32_t events;
	unsigned moves; /* interests_moves() before the wait that reported it */
};

/* Put in by us since that wait began: what it reported may be about the socket before. */
static bool may_be_stale(const struct suspect *suspect, const struct interest *interest)
{
	return interest != NULL && interest->attached != 0 &&
	       (int)(interest->attached - suspect->moves) > 0;
}

/* On the number no race goes on. Whether the event is none for the program. */
static bool explains_idle(const struct suspect *suspect)
{
	struct interest *interest = interests_of(suspect->set, suspect->fd);

	if ((suspect->events & FAILED) == 0) {
		/* It has connected, and that was all that we need to know it for. */
		interests_forget(suspect->fd);
		return false;
	}
	if (may_be_stale(suspect, interest)) {
		interests_renew(interest);
		return true;
	}
	if (interest != NULL) {
		interest->reported = true;
		interest->disarmed = (interest->events & EPOLLONESHOT) != 0;
	}
	return false;
}

/* The same while a race goes on, or did when this was asked. */
static bool explains(const struct suspect *suspect, struct contest *contest)
{
	enum number_readiness readiness;

	if (contest == NULL)
		return explains_idle(suspect);
	readiness = judge(contest, WAITERS_FDINFO);
	if (readiness != NUMBER_HIDDEN)
		return explains_idle(suspect);
	if ((suspect->events & FAILED) == 0)
		return false;
	if (is_between(contest)) {
		/* Once: to be muted makes the sets report once more. */
		if (!contest->hidden)
			interests_mute(suspect->fd);
		contest->hidden = true;
		return true;
	}
	return may_be_stale(suspect, interests_of(suspect->set, suspect->fd));
}

/* More numbers of one set with the same data were never seen to fail at the same time. */
#define SUSPECTS_MAX 8

/* Whether the event is for the program. */
static bool keeps(int set, const struct epoll_event *event, unsigned moves)
{
	struct suspect suspects[SUSPECTS_MAX];
	struct interest *interest = NULL;
	struct contest *contest = NULL;
	unsigned count = 0;
	bool explained = false;
	struct quiet quiet;

	contests_lock(&quiet);
	while (count < SUSPECTS_MAX &&
	       (interest = interests_find(set, event->data.u64, interest)) != NULL)
		/* Of a number that was closed behind our back, another one's race is not to blame.
		 */
		if (own_is(interest->fd, interest->cookie))
			suspects[count++] = (struct suspect){interest->set, interest->fd,
			                                     (uint32_t)event->events, moves};
	for (unsigned i = 0; i < count && !explained; i++) {
		contest = contests_find(suspects[i].fd);
		explained = explains(&suspects[i], contest);
	}
	if (contest != NULL)
		report_and_unlock(contest, &quiet);
	else
		contests_unlock(&quiet);
	return !explained;
}

int number_filter(int set, struct epoll_event *events, int count, unsigned moves)
{
	int kept = 0;

	for (int i = 0; i < count; i++) {
		/* The program's memory is only written where something goes. */
		if (interests_may_know(events[i].data.u64) && contests_may_open() &&
		    !keeps(set, &events[i], moves))
			continue;
		if (kept != i)
			events[kept] = events[i];
		kept++;
	}
	return kept;
}

uint64_t number_tend(void)
{
	uint64_t overslept_ns = agenda_overslept(), feeding_ns = contests_next_feeding_ns(), now_ns;
	struct quiet quiet;

	if ((overslept_ns == CLOCK_NEVER && feeding_ns == CLOCK_NEVER) || !contests_are_ours())
		return CLOCK_NEVER;
	now_ns = clock_now_ns();
	if (overslept_ns <= now_ns || feeding_ns <= now_ns) {
		contests_lock(&quiet);
		contests_feed(now_ns);
		if (overslept_ns <= now_ns)
			agenda_run(now_ns, contest_tend);
		contests_unlock(&quiet);
		overslept_ns = agenda_overslept();
		feeding_ns = contests_next_feeding_ns();
	}
	return overslept_ns < feeding_ns ? overslept_ns : feeding_ns;
}
