#include "wire/number.h"

#include "base/clock.h"
#include "base/libc.h"
#include "wire/agenda.h"
#include "wire/contests.h"
#include "wire/interests.h"
#include "wire/reactor.h"
#include "wire/report.h"
#include "wire/seat.h"

#include <errno.h>
#include <stddef.h>

/* What a connecting socket reports when it has failed, and one that has connected does not. */
#define FAILED ((uint32_t)(EPOLLERR | EPOLLHUP))

bool number_races(int fd)
{
	return contests_may_have(fd) && contests_are_ours();
}

bool number_matters(int fd)
{
	return contests_may_have(fd) || interests_may_have(fd);
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

void number_release(const struct quiet *quiet)
{
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
	}
}

void number_copied(int fd, int copy)
{
	struct contest *contest = contests_find(fd);

	if (contest == NULL)
		return;
	if (contest->number_count < CONTEST_NUMBERS_MAX)
		contests_add_number(contest, copy);
	else
		contest_leave(contest, clock_now_ns());
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

static void let_go_of(int fd)
{
	struct quiet quiet;
	struct contest *contest;

	contests_lock(&quiet);
	contest = contests_find(fd);
	for (unsigned i = 0; contest != NULL && i < contest->number_count; i++) {
		if (contest->numbers[i].fd == fd) {
			drop(&contest->numbers[i]);
			break;
		}
	}
	interests_forget(fd);
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

/* Worth remembering: a TCP socket that may still be connected by the program. */
static bool may_race(int fd)
{
	enum own_progress progress;

	return own_progress(fd, &progress) == 0 && progress != OWN_CONNECTED;
}

/* One that does not race, or not yet: nothing moves it meanwhile. */
static int control_idle(int set, int operation, int fd, struct epoll_event *event)
{
	int r = libc_epoll_ctl(set, operation, fd, event);
	int saved_errno = errno;
	struct quiet quiet;
	uint64_t cookie;

	if (r < 0 || (operation == EPOLL_CTL_ADD ? !may_race(fd) : !interests_may_have(fd)) ||
	    own_cookie(fd, &cookie) < 0) {
		errno = saved_errno;
		return r;
	}
	contests_lock(&quiet);
	interests_note(set, operation, fd, cookie, event);
	contests_unlock(&quiet);
	errno = saved_errno;
	return r;
}

int number_control(int set, int operation, int fd, struct epoll_event *event)
{
	struct quiet quiet;
	struct contest *contest;
	int r;

	if (!contests_may_open())
		return libc_epoll_ctl(set, operation, fd, event);
	if (!number_hold(fd, &quiet))
		return control_idle(set, operation, fd, event);
	r = libc_epoll_ctl(set, operation, fd, event);
	if (r < 0) {
		quiet.error = errno;
		contests_unlock(&quiet);
		return r;
	}
	contest = contests_find(fd);
	interests_note(set, operation, fd, contest->attempts[contest->seat].cookie, event);
	if (interests_have(fd) && contest->unattended)
		contest_know(contest, WAITERS_RECORD, clock_now_ns());
	report_and_unlock(contest, &quiet);
	return r;
}

void number_wait(int fd)
{
	struct quiet quiet;
	struct contest *contest;

	contests_lock(&quiet);
	contest = contests_find(fd);
	if (contest == NULL || !contest->unattended || contest->known >= WAITERS_POLL) {
		contests_unlock(&quiet);
		return;
	}
	contest_know(contest, WAITERS_POLL, clock_now_ns());
	report_and_unlock(contest, &quiet);
}

/* With the lock. `known` is how the program asks. */
static enum number_readiness judge(struct contest *contest, enum contest_waiters known)
{
	unsigned moves = seat_moves();

	if (contest->known < known)
		contest->known = known;
	contests_recount(contest);
	contest_look(contest, clock_now_ns());
	if (contest->state == CONTEST_OPEN)
		return NUMBER_HIDDEN;
	return seat_moves() == moves ? NUMBER_TRUE : NUMBER_MOVED;
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

/* Its socket has failed, and the next attempt may not start yet. */
static bool is_between(const struct contest *contest)
{
	return contest->race.attempts[contest->seat].state == RACE_FAILED;
}

uint64_t number_muted_until(int fd)
{
	struct quiet quiet;
	struct contest *contest;
	uint64_t until_ns = 0;

	contests_lock(&quiet);
	contest = contests_find(fd);
	if (contest != NULL && is_between(contest))
		until_ns = clock_add_ns(clock_now_ns(), RACE_PACE_NS);
	if (until_ns > 0 && contest->due_ns < until_ns)
		until_ns = contest->due_ns;
	contests_unlock(&quiet);
	return until_ns;
}

/* The number, which does not race, fails at this moment. */
static bool fails_now(int fd)
{
	static const struct timespec at_once;
	struct pollfd watch = {.fd = fd};

	return libc_ppoll(&watch, 1, &at_once, NULL) > 0 &&
	       (watch.revents & (POLLERR | POLLHUP)) != 0;
}

/* An event of a number on which nothing races, or not any more. */
static bool keeps_idle(struct interest *interest, uint32_t events)
{
	if ((events & FAILED) == 0) {
		/* It has connected, and that was all that we need to know it for. */
		interests_forget(interest->fd);
		return true;
	}
	/* Reported for a socket that has been replaced since; the set has the new one's readiness.
	 */
	if (!fails_now(interest->fd))
		return false;
	interest->disarmed = (interest->events & EPOLLONESHOT) != 0;
	return true;
}

/* Whether an event of a number that races is for the program. */
static bool keeps_racing(struct contest *contest, int fd, uint32_t events)
{
	enum number_readiness readiness = judge(contest, WAITERS_RECORD);

	if ((events & FAILED) == 0 || readiness == NUMBER_TRUE)
		return true;
	if (readiness == NUMBER_HIDDEN && is_between(contest)) {
		contest->hidden = true;
		interests_mute(fd);
	}
	return false;
}

static bool keeps(int set, const struct epoll_event *event)
{
	struct quiet quiet;
	struct contest *contest = NULL;
	struct interest *interest;
	bool kept = true;

	contests_lock(&quiet);
	interest = interests_find(set, event->data.u64);
	if (interest != NULL) {
		contest = contests_find(interest->fd);
		kept = contest != NULL ? keeps_racing(contest, interest->fd, event->events)
		                       : keeps_idle(interest, event->events);
	}
	if (contest != NULL)
		report_and_unlock(contest, &quiet);
	else
		contests_unlock(&quiet);
	return kept;
}

int number_filter(int set, struct epoll_event *events, int count)
{
	int kept = 0;

	if (!contests_may_open())
		return count;
	for (int i = 0; i < count; i++) {
		/* The program's memory is only written where something goes. */
		if (interests_may_know(set, events[i].data.u64) && !keeps(set, &events[i]))
			continue;
		if (kept != i)
			events[kept] = events[i];
		kept++;
	}
	return kept;
}

uint64_t number_tend(void)
{
	uint64_t overslept_ns = agenda_overslept(), now_ns;
	struct quiet quiet;

	if ((overslept_ns == CLOCK_NEVER && !contests_are_lean()) || !contests_are_ours())
		return CLOCK_NEVER;
	now_ns = clock_now_ns();
	contests_lock(&quiet);
	contests_feed(now_ns);
	if (overslept_ns <= now_ns)
		agenda_run(now_ns);
	contests_unlock(&quiet);
	overslept_ns = agenda_overslept();
	/* Sockets are made before the attempt that needs them is due. */
	now_ns = contests_are_lean() ? clock_add_ns(now_ns, reactor_tick_ns() / 2) : CLOCK_NEVER;
	return overslept_ns < now_ns ? overslept_ns : now_ns;
}
