#include "wire/readiness.h"

#include "base/clock.h"
#include "base/libc.h"
#include "wire/agenda.h"
#include "wire/contests.h"
#include "wire/errors.h"
#include "wire/interests.h"
#include "wire/needs.h"
#include "wire/places.h"
#include "wire/report.h"
#include "wire/seat.h"

#include <poll.h>
#include <pthread.h>
#include <stddef.h>

/* What a connecting socket reports when it has failed, and one that has connected does not. */
#define FAILED ((uint32_t)(EPOLLERR | EPOLLHUP))

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

void readiness_sees_waits(void)
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

	return own_progress(seat_of(contest).fd, &progress) == 0 &&
	       (progress == OWN_CLOSED || progress == OWN_FAILING);
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

uint64_t readiness_wait(int fd)
{
	uint64_t now_ns, until_ns = 0;
	struct contest *contest;
	struct quiet quiet;

	contest = contests_lock_on(fd, &quiet);
	if (contest == NULL)
		return 0;
	now_ns = clock_now_ns();
	/* What was held back for not knowing it is done now. */
	if ((contest->known & WAITERS_POLL) == 0 || !contest->unattended) {
		learn(contest, WAITERS_POLL);
		contest_await(contest, now_ns);
	}
	if (contest->state == CONTEST_OPEN && is_between(contest)) {
		until_ns = clock_add_ns(now_ns, RACE_PACE_NS);
		if (contest->due_ns < until_ns)
			until_ns = contest->due_ns;
	}
	report_and_unlock(contest, &quiet);
	return until_ns;
}

static enum readiness judge(struct contest *contest, enum contest_waiters how)
{
	unsigned moves = interests_moves();

	learn(contest, how);
	contest_tend(contest, clock_now_ns());
	if (contest->state == CONTEST_OPEN)
		return READINESS_HIDDEN;
	return interests_moves() == moves ? READINESS_TRUE : READINESS_MOVED;
}

enum readiness readiness_judge(int fd)
{
	struct quiet quiet;
	struct contest *contest;
	enum readiness readiness;

	contest = contests_lock_on(fd, &quiet);
	if (contest == NULL)
		return READINESS_TRUE;
	readiness = judge(contest, WAITERS_POLL);
	report_and_unlock(contest, &quiet);
	return readiness;
}

bool readiness_hides_error(int fd)
{
	struct quiet quiet;
	struct contest *contest;
	bool hides = false;

	contests_lock(&quiet);
	needs_meet(clock_now_ns());
	contest = contests_find(fd);
	if (contest == NULL) {
		contests_unlock(&quiet);
		return false;
	}
	/*
	 * Who asks again and again is told when there is something to tell. Who asks for the first
	 * time when the socket has failed was told so by a wait that we did not see.
	 */
	if (has_failed(contest) && !contest->asked) {
		contest_leave(contest, clock_now_ns());
	} else {
		contest->asked = true;
		hides = judge(contest, WAITERS_POLL) == READINESS_HIDDEN;
	}
	report_and_unlock(contest, &quiet);
	return hides;
}

bool readiness_has_other_error(int fd, struct errors_entry *ret_entry)
{
	struct quiet quiet;
	uint64_t cookie;
	bool has;

	if (!errors_exist() || !contests_are_ours() || own_cookie(fd, &cookie) < 0)
		return false;
	contests_lock(&quiet);
	has = errors_take(cookie, ret_entry);
	contests_unlock(&quiet);
	return has;
}

/* One of the numbers that an event may be about. */
struct suspect {
	int set;
	int fd;
	uint32_t events;
	unsigned moves; /* interests_moves() before the wait that reported it */
	bool alone;     /* no other number has the same data in that set */
};

/*
 * Put in by us since a wait began that counted so many moves: what it reported may be about the
 * socket before.
 */
static bool is_put_in_since(const struct interest *interest, unsigned moves)
{
	return interest != NULL && interest->attached != 0 && (int)(interest->attached - moves) > 0;
}

/* A failure that was told before disarmed it already. */
static bool is_for_once(const struct interest *interest)
{
	return (interest->events & EPOLLONESHOT) != 0 && !interest->reported;
}

/* On the number no race goes on. Whether the event is none for the program. */
static bool explains_idle(const struct suspect *suspect)
{
	struct interest *interest = interests_of(suspect->set, suspect->fd);

	/*
	 * What was put in armed while the event was on its way would report once more: that is
	 * hidden for a failure, and for what is to be reported once.
	 */
	if (is_put_in_since(interest, suspect->moves) &&
	    ((suspect->events & FAILED) != 0 || (suspect->alone && is_for_once(interest)))) {
		interests_renew(interest);
		return true;
	}
	if ((suspect->events & FAILED) == 0) {
		/* It has connected, and that was all that we need to know it for. */
		interests_forget(suspect->fd);
		return false;
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
	enum readiness readiness;

	if (contest == NULL)
		return explains_idle(suspect);
	readiness = judge(contest, WAITERS_FDINFO);
	if (readiness != READINESS_HIDDEN)
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
	return is_put_in_since(interests_of(suspect->set, suspect->fd), suspect->moves);
}

static bool fails_now(int fd)
{
	struct pollfd asked = {.fd = fd};

	return libc_poll(&asked, 1, 0) != 0;
}

/* It tells of a failure, and since that wait began a socket was replaced that had failed. */
static bool may_be_of_another(const struct epoll_event *event, unsigned moves)
{
	return (event->events & FAILED) != 0 && interests_moves() != moves;
}

/*
 * A socket that could not connect has an error and can be written to, as far as it was asked; what
 * has only hung up is something else with the same data.
 */
static bool may_report(const struct interest *interest, uint32_t events)
{
	return (interest->events & EPOLLOUT) == 0 ||
	       (events & (EPOLLHUP | EPOLLERR | EPOLLOUT)) != EPOLLHUP;
}

/*
 * A failure was on its way to this thread while another one gave the number other data, or was told
 * that the next socket has connected, and all that was known of the number was forgotten.
 */
static bool is_of_socket_before(int set, const struct epoll_event *event, unsigned moves)
{
	const struct interest *was = NULL;

	while ((was = interests_find_former(set, event->data.u64, was)) != NULL) {
		const struct interest *is = interests_of(was->set, was->fd);

		/*
		 * The numbers, of the set and in it, and the data may be those of something else by
		 * now.
		 */
		if (!may_report(was, event->events))
			continue;
		if (is == NULL ? own_is(was->fd, was->cookie) && interests_set_has(set, was->fd) &&
		                     !fails_now(was->fd)
		               : is->own == was->own && is_put_in_since(is, moves))
			return true;
	}
	return false;
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
		if (may_report(interest, event->events) && own_is(interest->fd, interest->cookie))
			suspects[count++] = (struct suspect){interest->set, interest->fd,
			                                     (uint32_t)event->events, moves, false};
	suspects[0].alone = count == 1;
	for (unsigned i = 0; i < count && !explained; i++) {
		contest = contests_find(suspects[i].fd);
		explained = explains(&suspects[i], contest);
	}
	if (count == 0 && may_be_of_another(event, moves))
		explained = is_of_socket_before(set, event, moves);
	if (contest != NULL)
		report_and_unlock(contest, &quiet);
	else
		contests_unlock(&quiet);
	return !explained;
}

int readiness_filter(int set, struct epoll_event *events, int count, unsigned moves)
{
	int kept = 0;

	for (int i = 0; i < count; i++) {
		/* The program's memory is only written where something goes. */
		if ((interests_may_know(events[i].data.u64) ||
		     may_be_of_another(&events[i], moves)) &&
		    contests_may_open() && !keeps(set, &events[i], moves))
			continue;
		if (kept != i)
			events[kept] = events[i];
		kept++;
	}
	return kept;
}

uint64_t readiness_tend(void)
{
	uint64_t overslept_ns = agenda_overslept(), feeding_ns = needs_next_ns(), now_ns;
	struct quiet quiet;

	if ((overslept_ns == CLOCK_NEVER && feeding_ns == CLOCK_NEVER) || !contests_are_ours())
		return CLOCK_NEVER;
	now_ns = clock_now_ns();
	if (overslept_ns <= now_ns || feeding_ns <= now_ns) {
		contests_lock(&quiet);
		/* It may have taken long to get it, and others have looked meanwhile. */
		now_ns = clock_now_ns();
		needs_meet(now_ns);
		if (agenda_overslept() <= now_ns)
			agenda_run(now_ns, contest_tend);
		contests_unlock(&quiet);
		overslept_ns = agenda_overslept();
		feeding_ns = needs_next_ns();
	}
	return overslept_ns < feeding_ns ? overslept_ns : feeding_ns;
}
