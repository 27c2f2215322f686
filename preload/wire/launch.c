#include "wire/launch.h"

#include "base/clock.h"
#include "base/libc.h"
#include "wire/contests.h"
#include "wire/dial.h"
#include "wire/needs.h"
#include "wire/report.h"
#include "wire/unseen.h"

#include <errno.h>

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
	contest_tend(contest, now_ns);
	/* Nor is the pace kept, where others failed while it was looked for who waits. */
	now_ns = clock_add_ns(now_ns, RACE_PACE_NS);
	while (contest->state == CONTEST_OPEN && contest->race.running == 0) {
		if (contest->race.next == contest->race.ready)
			contest_prepare_next(contest);
		contest_advance(contest, now_ns);
	}
	if (contest->state == CONTEST_OPEN && contest->seat == 0)
		contest_leave(contest, now_ns); /* no other socket could stand in */
	contest->known = known;
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

int launch(const struct contest_request *request, const struct sockaddr *sa, socklen_t len)
{
	uint64_t now_ns = clock_now_ns();
	/* The first attempt is on its way before anything else is made ready. */
	int error = libc_connect(request->own.fd, sa, len) == 0 ? 0 : errno;
	enum own_progress progress = OWN_CLOSED;
	struct quiet quiet;
	struct contest *contest;
	int r = -error;

	if (error != EINPROGRESS && !is_no_way(error))
		return r;
	/* One on this machine has connected already: nothing is left to be raced. */
	if (error == EINPROGRESS &&
	    (own_progress(request->own.fd, &progress) < 0 || progress == OWN_CONNECTED))
		return r;
	if (!contests_may_open())
		return r;
	contests_lock(&quiet);
	contest = contests_open(request, false, &quiet, now_ns);
	if (contest == NULL) {
		contests_unlock(&quiet);
		return r;
	}
	if (error != EINPROGRESS)
		r = replace_if_known(contest, &quiet, error);
	else if (progress == OWN_CLOSED)
		contest_tend(contest, clock_now_ns());
	report_and_unlock(contest, &quiet);
	return r;
}

int launch_again(struct contest *contest, const struct quiet *quiet, uint64_t now_ns)
{
	bool goes_on;

	needs_meet(now_ns);
	contest_know(contest, WAITERS_POLL, now_ns);
	/* The kernel would tell of the socket that happens to be there, which may fail just now. */
	goes_on = contest->state == CONTEST_OPEN;
	report_and_unlock(contest, quiet);
	return goes_on ? -EALREADY : DIAL_IMPOSSIBLE;
}
