#include "wire/launch.h"

#include "base/clock.h"
#include "base/libc.h"
#include "wire/contests.h"
#include "wire/dial.h"
#include "wire/interests.h"
#include "wire/report.h"
#include "wire/unseen.h"

#include <errno.h>
#include <pthread.h>

/* What the kernel says at once when it finds no way to an address; another one may have one. */
static bool is_no_way(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH || error == ENETDOWN ||
	       error == EHOSTDOWN || error == EADDRNOTAVAIL || error == EACCES || error == EPERM ||
	       error == ECONNREFUSED;
}

/*
 * The own attempt failed before anything runs on the number, and the program is in our hands: all
 * that is needed for the next one is done now. Returns what connect() says.
 */
static int replace_at_once(struct contest *contest, int error)
{
	uint64_t now_ns = clock_now_ns();
	unsigned known = contest->known;

	contest->known |= WAITERS_POLL; /* this once: nobody waits yet */
	contest->searched = true;
	contest_tend(contest, now_ns);
	/* Nor is the pace kept, where others failed while it was looked for who waits. */
	now_ns = clock_add_ns(now_ns, RACE_PACE_NS);
	while (contest->state == CONTEST_OPEN && contest->race.running == 0) {
		uint64_t start_ns = race_next_start_ns(&contest->race);

		if (contest->race.next == contest->race.ready)
			contest_prepare_next(contest);
		now_ns = start_ns > now_ns ? start_ns : now_ns;
		contest_advance(contest, now_ns);
	}
	if (contest->state == CONTEST_OPEN && contest->seat == 0)
		contest_leave(contest, now_ns); /* no other socket could stand in */
	contest->known = known;
	contest->searched = false;
	contests_recount(contest);
	if (contest->state == CONTEST_OPEN || contest->outcome == CONTEST_WON)
		return -EINPROGRESS;
	return -error;
}

static bool is_closed(int fd)
{
	enum own_progress progress;

	return own_progress(fd, &progress) < 0 || progress == OWN_CLOSED;
}

/*
 * The same, when it is known where the number is registered: what was registered behind our back is
 * looked for everywhere, by this thread of the program, without the lock.
 */
static int replace_if_known(struct contest *contest, struct quiet *quiet, int error)
{
	uint32_t generation = contest->generation;
	int fd = contest->own.fd;

	contest_seat_refused(contest, error, clock_now_ns());
	if (contest->known == WAITERS_UNKNOWN) {
		bool looked;

		contests_unlock(quiet);
		looked = unseen_find_everywhere(fd);
		contests_lock(quiet);
		/* Another thread has closed the number meanwhile, or waited for it already. */
		if (contest->generation != generation || contest->state != CONTEST_OPEN)
			return is_closed(fd) ? -error : -EINPROGRESS;
		if (!looked) {
			contest_leave(contest, clock_now_ns());
			return -error;
		}
	}
	return replace_at_once(contest, error);
}

/*
 * The first attempt, which is on its way before anything else is made ready. Returns what connect()
 * says; `ret_races`: something is left to be raced.
 */
static int connect_own(int fd, const struct sockaddr *sa, socklen_t len, bool *ret_races,
                       enum own_progress *ret_progress)
{
	int error = libc_connect(fd, sa, len) == 0 ? 0 : errno;

	*ret_progress = OWN_CLOSED;
	if (error != EINPROGRESS) {
		*ret_races = is_no_way(error);
	} else if (own_is_pending(fd)) {
		*ret_races = true;
		*ret_progress = OWN_CONNECTING;
	} else {
		/* One on this machine has connected already. */
		*ret_races = own_progress(fd, ret_progress) == 0 && *ret_progress != OWN_CONNECTED;
	}
	return -error;
}

int launch(const struct contest_request *request, const struct sockaddr *sa, socklen_t len)
{
	uint64_t now_ns = clock_now_ns();
	bool is_watched = interests_may_have(request->own.fd) && contests_may_open(), races;
	enum own_progress progress;
	struct contest *contest = NULL;
	struct quiet quiet;
	int r;

	/* A thread that waits already may be told of the end: not before there is a contest. */
	if (is_watched) {
		pthread_testcancel(); /* which connect() does, but not in the lock */
		contests_lock(&quiet);
	}
	r = connect_own(request->own.fd, sa, len, &races, &progress);
	races = races && contests_may_open();
	if (races && !is_watched)
		contests_lock(&quiet);
	if (races)
		contest = contests_open(request, false, &quiet, now_ns);
	if (contest == NULL) {
		if (races || is_watched)
			contests_unlock(&quiet);
		return r;
	}
	if (r != -EINPROGRESS)
		r = replace_if_known(contest, &quiet, -r);
	else if (progress != OWN_CONNECTING)
		contest_tend(contest, clock_now_ns());
	report_and_unlock(contest, &quiet);
	return r;
}

int launch_again(struct contest *contest, const struct quiet *quiet, uint64_t now_ns)
{
	bool goes_on;

	contest_know(contest, WAITERS_POLL, now_ns);
	/* The kernel would tell of the socket that happens to be there, which may fail just now. */
	goes_on = contest->state == CONTEST_OPEN;
	report_and_unlock(contest, quiet);
	return goes_on ? -EALREADY : DIAL_IMPOSSIBLE;
}
