#include "wire/dial.h"

#include "base/clock.h"
#include "base/libc.h"
#include "wire/contests.h"
#include "wire/launch.h"
#include "wire/needs.h"
#include "wire/report.h"
#include "wire/seat.h"
#include "wire/unseen.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

/* One thread's part in one contest. */
struct visit {
	int fd; /* the program's number; the contest may be another one's after a long time */
	struct contest *contest;
	uint32_t generation;
	struct quiet quiet;
	uint64_t nap_until_ns;
	uint64_t send_deadline_ns; /* SO_SNDTIMEO counts from the first call; CLOCK_NEVER: none */
	bool is_first;             /* it made the first connect(), not a further one */
	unsigned seat;             /* the attempt that was on the number when it began to wait */
};

enum verdict {
	VERDICT_AGAIN, /* wait in connect() on what is on the number now */
	VERDICT_NAP,   /* nothing runs until the next attempt may start */
	VERDICT_DONE,
};

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * CLOCK_NS_PER_S + (uint64_t)tv->tv_usec * 1000;
}

static void visit_begin(struct visit *visit, int fd, struct contest *contest, bool is_first,
                        uint64_t now_ns)
{
	struct timeval timeout = {0};
	socklen_t len = sizeof(timeout);

	seat_restore_send_timeout(contest);
	*visit = (struct visit){.fd = fd,
	                        .contest = contest,
	                        .generation = contest->generation,
	                        .send_deadline_ns = CLOCK_NEVER,
	                        .is_first = is_first,
	                        .seat = contest->seat,
	                        .quiet = visit->quiet};
	if (libc_getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, &len) == 0 &&
	    timeval_ns(&timeout) != 0)
		visit->send_deadline_ns = clock_add_ns(now_ns, timeval_ns(&timeout));
}

/* What is left of SO_SNDTIMEO, for a wait on another socket. */
static void cut_send_timeout(const struct visit *visit, uint64_t now_ns)
{
	struct timespec left = clock_until(now_ns, visit->send_deadline_ns);
	struct timeval cut = {.tv_sec = left.tv_sec, .tv_usec = left.tv_nsec / 1000};

	if (visit->send_deadline_ns == CLOCK_NEVER)
		return;
	if (cut.tv_sec == 0 && cut.tv_usec == 0)
		cut.tv_usec = 1; /* zero would mean for ever */
	seat_cut_send_timeout(visit->contest, &cut);
}

/* The seated attempt has ended: what does the thread do next? */
static enum verdict move_on(struct visit *visit, uint64_t now_ns)
{
	struct contest *contest = visit->contest;

	for (;;) {
		int r;

		contest_advance(contest, now_ns);
		if (contest->state == CONTEST_SETTLED)
			return VERDICT_DONE;
		if (contest->race.attempts[contest->seat].state == RACE_RUNNING)
			return VERDICT_AGAIN;
		r = contest_reseat(contest, now_ns);
		if (r == 0) {
			cut_send_timeout(visit, now_ns);
			return VERDICT_AGAIN;
		}
		if (r == -ESTALE)
			return VERDICT_DONE;
		if (contest->due_ns > now_ns) {
			visit->nap_until_ns = contest->due_ns;
			return VERDICT_NAP;
		}
	}
}

/* The call is over for the program, the connection is not: POSIX lets it go on, and so do we. */
static bool came_back_early(int error)
{
	return error == EINTR || error == EINPROGRESS || error == EALREADY;
}

/*
 * What the network never says to a connecting socket: the program shut it down, disconnected or
 * closed it from another thread, or somebody else finished connecting it.
 */
static bool program_intervened(int error)
{
	return error == ECONNRESET || error == ECONNABORTED || error == EPIPE || error == EBADF ||
	       error == ENOTSOCK || error == EISCONN;
}

/* This thread waits in connect() no more, and what it asks from now on is as any other's. */
static void leave_early(struct contest *contest)
{
	seat_restore_send_timeout(contest);
	contest->waiters--;
	if (contest->waiters == 0)
		contest_unattend(contest);
	else if (pthread_equal(contest->waiter, pthread_self()))
		contest->waiter = 0; /* which is no thread */
}

/*
 * While this thread was given up, or on its way out of connect(), another socket was put on the
 * number, and connects still: what the call returned is of the one before.
 */
static bool is_of_seat_before(const struct visit *visit)
{
	const struct contest *contest = visit->contest;
	enum own_progress progress;

	return visit->seat != contest->seat && own_progress(seat_of(contest).fd, &progress) == 0 &&
	       progress == OWN_CONNECTING;
}

/* The real connect() returned `error`, 0 for success. */
static enum verdict came_back(struct visit *visit, int error, uint64_t now_ns)
{
	struct contest *contest = visit->contest;

	if (contest->state == CONTEST_SETTLED)
		return VERDICT_DONE;
	if (came_back_early(error)) {
		leave_early(contest);
		return VERDICT_DONE;
	}
	/* Of several threads on one number, the kernel tells one the error and the others these. */
	if ((error == ECONNABORTED || error == EPIPE) && contest->waiters > 1)
		return move_on(visit, now_ns);
	if (program_intervened(error)) {
		contest_leave(contest, now_ns);
		return VERDICT_DONE;
	}
	contest_attempt_ended(contest, is_of_seat_before(visit) ? visit->seat : contest->seat,
	                      error, now_ns);
	return move_on(visit, now_ns);
}

/* The outcome of a settled contest, given that the real connect() said `error`. */
static int outcome(const struct contest *contest, int fd, int error)
{
	int own_error;

	switch (contest->outcome) {
	case CONTEST_WON: return 0;
	/* What nobody has read yet is on the number, and is the program's own socket's. */
	case CONTEST_LOST:
		if (contest->error != 0)
			return -contest->error;
		own_error = own_option(fd, SOL_SOCKET, SO_ERROR, 0);
		return own_error != 0 ? -own_error : -error;
	default: return -error;
	}
}

/* Reads the outcome, if there is one yet. With the lock, which it releases. */
static int depart(struct visit *visit, int error)
{
	struct contest *contest = visit->contest;
	int r = -error;

	if (contest->state != CONTEST_SETTLED) {
		contests_unlock(&visit->quiet);
		return r;
	}
	r = outcome(contest, visit->fd, error);
	contest->waiters--;
	report_and_unlock(contest, &visit->quiet);
	return r;
}

static void nap(uint64_t until_ns)
{
	struct timespec at = {.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
	                      .tv_nsec = (long)(until_ns % CLOCK_NS_PER_S)};

	/* At most RACE_PACE_NS long; interrupted by a handler, the rest is simply skipped. */
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* The real connect(); returns 0 or an errno value. */
static int wait_on_number(const struct visit *visit, const struct sockaddr *sa, socklen_t len)
{
	int error = libc_connect(visit->fd, sa, len) == 0 ? 0 : errno;

	/* The kernel's words for a time limit differ between a first and a further call: ours. */
	return error == EALREADY && visit->is_first ? EINPROGRESS : error;
}

/* Enters and leaves without the lock. Returns as dial() does. */
static int stay(struct visit *visit, const struct sockaddr *sa, socklen_t len)
{
	enum verdict verdict = VERDICT_AGAIN;
	int error = 0;

	for (;;) {
		uint64_t now_ns;

		if (verdict == VERDICT_AGAIN)
			error = wait_on_number(visit, sa, len);
		else
			nap(visit->nap_until_ns);

		contests_lock(&visit->quiet);
		now_ns = clock_now_ns();
		if (visit->contest->generation != visit->generation ||
		    visit->contest->waiters == 0) {
			/*
			 * So long ago that the place was given away, or a handler that interrupted
			 * this call has asked about the number: the kernel's word stands.
			 */
			contests_unlock(&visit->quiet);
			return -error;
		}
		if (visit->contest->state == CONTEST_OPEN && visit->contest->unattended)
			contest_attend(visit->contest);
		if (verdict == VERDICT_AGAIN)
			verdict = came_back(visit, error, now_ns);
		else if (visit->contest->state == CONTEST_SETTLED)
			verdict = VERDICT_DONE;
		else
			verdict = move_on(visit, now_ns);
		if (verdict == VERDICT_DONE)
			return depart(visit, error);
		visit->seat = visit->contest->seat;
		contests_unlock(&visit->quiet);
	}
}

int dial(const struct contest_request *request, const struct sockaddr *sa, socklen_t len)
{
	struct visit visit;
	struct contest *contest;
	uint64_t now_ns;

	if (!contests_may_open())
		return DIAL_IMPOSSIBLE;
	contests_lock(&visit.quiet);
	now_ns = clock_now_ns();
	contest = contests_open(request, true, &visit.quiet, now_ns);
	if (contest == NULL) {
		contests_unlock(&visit.quiet);
		return DIAL_IMPOSSIBLE;
	}
	visit_begin(&visit, request->own.fd, contest, true, now_ns);
	contests_unlock(&visit.quiet);
	return stay(&visit, sa, len);
}

/* The program asks for the address again that the contest is about. */
static bool is_about(const struct contest *contest, const struct sockaddr *sa, socklen_t len)
{
	struct addr addr;
	struct addr_extra extra;

	return addr_from_sockaddr(sa, len, &addr, &extra) == 0 &&
	       extra.port == contest->extra.port && addr_equal(&addr, &contest->attempts[0].addr);
}

/* From now on a thread waits in connect(), which does not come by to make sockets. */
static void attend(struct contest *contest, uint64_t now_ns)
{
	contest->waiters++;
	contest_attend(contest);
	while (contest->race.ready < contest->race.count)
		contest_prepare_next(contest);
	contest_look(contest, now_ns);
}

/*
 * A number that did not block may stand in epoll sets that we do not know of. From now on another
 * socket is put on it for what this call tells of who waits, so those are looked for, without the
 * lock; once, where the program asks again and again.
 */
static bool is_registered_as_known(int fd, bool blocks, struct quiet *quiet)
{
	struct contest *contest = contests_find(fd);
	unsigned enough = WAITERS_RECORD | (blocks ? 0u : WAITERS_POLL);
	bool known;

	if (contest == NULL || !contest->unattended || (contest->known & enough) != 0)
		return true;
	contests_unlock(quiet);
	known = unseen_find_everywhere(fd);
	contests_lock(quiet);
	contest = contests_find(fd);
	if (contest != NULL)
		contest->searched = true;
	return known;
}

int dial_join(int fd, const struct sockaddr *sa, socklen_t len)
{
	bool blocks = (libc_fcntl(fd, F_GETFL, 0) & O_NONBLOCK) == 0;
	bool known;
	struct visit visit;
	struct contest *contest;
	uint64_t now_ns;

	contests_lock(&visit.quiet);
	known = is_registered_as_known(fd, blocks, &visit.quiet);
	now_ns = clock_now_ns();
	needs_meet(now_ns);
	contest = contests_find(fd);
	if (contest != NULL && (!known || (blocks && !is_about(contest, sa, len)))) {
		/* Or another destination: what we know of the number is over. */
		contest_leave(contest, now_ns);
		contest = NULL;
	}
	if (contest == NULL) {
		contests_unlock(&visit.quiet);
		return DIAL_IMPOSSIBLE;
	}
	if (!blocks)
		return launch_again(contest, &visit.quiet, now_ns);
	visit_begin(&visit, fd, contest, false, now_ns);
	attend(contest, now_ns);
	contests_unlock(&visit.quiet);
	return stay(&visit, sa, len);
}
