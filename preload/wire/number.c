#include "wire/number.h"

#include "base/clock.h"
#include "base/libc.h"
#include "wire/contests.h"
#include "wire/interests.h"
#include "wire/places.h"
#include "wire/report.h"
#include "wire/seat.h"

#include <errno.h>
#include <stddef.h>

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
	return number_races(fd) && contests_lock_on(fd, ret_quiet) != NULL;
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

	if (contest->number_count > 1) {
		interests_forget(number->fd);
		contests_drop_number(contest, (unsigned)(number - contest->numbers));
		return;
	}
	/* It is closed, but the reactor may sleep on it, and the sets would have it meanwhile. */
	if (contest->seat != 0 && own_is(number->fd, contest->attempts[contest->seat].cookie))
		(void)interests_detach(number->fd);
	interests_forget(number->fd);
	contest_leave(contest, clock_now_ns());
}

/* An epoll set is closed. If it has another number, its registrations are there still. */
static void lose_set(int set)
{
	int fd;

	while (interests_may_be_in(set) && (fd = interests_lose_set(set)) >= 0) {
		struct contest *contest = contests_find(fd);

		if (contest != NULL)
			seat_check_record(contest);
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

static void end(int fd, bool dissolves)
{
	struct quiet quiet;
	struct contest *contest;

	if (!number_races(fd) || (contest = contests_lock_on(fd, &quiet)) == NULL)
		return;
	/* From a thread that waits in connect(), its socket is not taken. */
	if (dissolves && contest->unattended)
		seat_give_back(contest);
	contest_leave(contest, clock_now_ns());
	report_and_unlock(contest, &quiet);
}

void number_stand_down(int fd)
{
	end(fd, false);
}

void number_dissolve(int fd)
{
	end(fd, true);
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
		interests_note(set, operation, fd, cookie, cookie, event);
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

	if (!number_races(fd) || (contest = contests_lock_on(fd, &quiet)) == NULL)
		return control_idle(set, operation, fd, event);
	interests_change(true);
	r = libc_epoll_ctl(set, operation, fd, event);
	/* What we took out to mute it, the program may take out as well. */
	if (r < 0 && errno == ENOENT && operation == EPOLL_CTL_DEL && contest->hidden &&
	    interests_of(set, fd) != NULL)
		r = 0;
	if (r == 0)
		interests_note(set, operation, fd, contest->attempts[0].cookie,
		               contest->attempts[contest->seat].cookie, event);
	interests_change(false);
	if (r < 0) {
		quiet.error = errno;
		contests_unlock(&quiet);
		return r;
	}
	if (interests_have(fd, contest->attempts[contest->seat].cookie) && contest->unattended)
		contest_know(contest, WAITERS_RECORD, clock_now_ns());
	report_and_unlock(contest, &quiet);
	return r;
}
