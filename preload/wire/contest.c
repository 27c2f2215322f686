#include "wire/contest.h"

#include "base/clock.h"
#include "base/libc.h"
#include "base/note.h"
#include "wire/contests.h"
#include "wire/graft.h"
#include "wire/reactor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

/* A seat whose error no thread came for in this time was left by siglongjmp() or cancellation. */
#define UNCLAIMED_NS CLOCK_NS_PER_S

/* A route that is missing is found in a few microseconds; the nearest host takes longer. */
#define QUICKER_THAN_NETWORK_NS (CLOCK_NS_PER_MS / 10)

/* All private numbers; what is on the program's number stays there. */
static void close_all(struct contest *contest)
{
	for (unsigned i = 0; i < contest->race.count; i++)
		attempt_close(&contest->attempts[i]);
}

static void settle(struct contest *contest, enum contest_outcome outcome, uint64_t now_ns)
{
	contest_restore_send_timeout(contest);
	close_all(contest);
	contest->outcome = outcome;
	contest->settled_ns = now_ns;
	contest->state = CONTEST_SETTLED;
	contests_count(contest, -1);
	/* Nobody will come for the outcome, and nobody wants to be told. */
	if (contest->waiters == 0 && !note_wants(NOTE_RACE))
		contest_free(contest);
}

void contest_free(struct contest *contest)
{
	if (contest->log_fd != NOTE_STDERR)
		(void)libc_close(contest->log_fd);
	contest->log_fd = NOTE_STDERR;
	/* Whoever still believes in it, as a child's thread may, sees that it is another one's. */
	contest->generation++;
	contest->state = CONTEST_FREE;
}

void contest_forget(struct contest *contest)
{
	/* In whatever state: sockets are made before it is open. */
	close_all(contest);
	contest_free(contest);
}

/* The kernel rounds what is set: only a value as it is read back can be compared. */
static bool read_send_timeout(int fd, struct timeval *ret_timeout)
{
	socklen_t len = sizeof(*ret_timeout);

	return getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, ret_timeout, &len) == 0;
}

void contest_cut_send_timeout(struct contest *contest, const struct timeval *left)
{
	int fd = contest->attempts[contest->seat].fd;

	contest->send_timeout_is_cut =
	    read_send_timeout(fd, &contest->send_timeout) &&
	    libc_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, left, sizeof(*left)) == 0 &&
	    read_send_timeout(fd, &contest->send_timeout_cut);
}

void contest_restore_send_timeout(struct contest *contest)
{
	int fd = contest->attempts[contest->seat].fd;
	struct timeval present;

	if (contest->send_timeout_is_cut && read_send_timeout(fd, &present) &&
	    present.tv_sec == contest->send_timeout_cut.tv_sec &&
	    present.tv_usec == contest->send_timeout_cut.tv_usec)
		(void)libc_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &contest->send_timeout,
		                      sizeof(contest->send_timeout));
	contest->send_timeout_is_cut = false;
}

void contest_leave(struct contest *contest, uint64_t now_ns)
{
	settle(contest, CONTEST_LEFT, now_ns);
}

/* The domain that an address is tried on. */
static int domain_for(const struct contest_request *request, const struct addr *addr)
{
	bool mapped = request->extra.mapped || request->dual_stack;

	return addr->family == AF_INET && mapped ? AF_INET6 : addr->family;
}

/* Fills the attempts. Returns how many of the others have a socket; negative: not even the own. */
static int prepare_attempts(struct contest *contest, const struct contest_request *request)
{
	int ready = 0;
	int r;

	for (unsigned i = 0; i < request->count; i++) {
		struct attempt *attempt = &contest->attempts[i];

		*attempt = (struct attempt){.addr = request->addrs[i],
		                            .domain = domain_for(request, &request->addrs[i]),
		                            .fd = -1};
		contest->race.attempts[i].unpaced = addr_is_loopback(&request->addrs[i]);
	}
	r = attempt_adopt(&contest->attempts[0], &request->own);
	if (r < 0)
		return r;
	for (unsigned i = 1; i < request->count; i++) {
		attempt_prepare(&contest->attempts[i], &request->own);
		ready += contest->attempts[i].fd >= 0;
	}
	return ready;
}

/* The reactor must look at least this often: no contest needs it sooner after it began. */
static uint64_t tick_of(const struct race_rules *rules)
{
	uint64_t tick_ns = rules->attempt_delay_ns;

	if (rules->timeout_ns != 0 && rules->timeout_ns < tick_ns)
		tick_ns = rules->timeout_ns;
	return tick_ns;
}

static void fill(struct contest *contest, const struct contest_request *request, uint64_t now_ns)
{
	/* All but the state, which says free, and the generation, which only grows. */
	memset(&contest->own, 0, sizeof(*contest) - offsetof(struct contest, own));
	contest->generation++;
	contest->own = request->own;
	contest->extra = request->extra;
	contest->waiters = 1;
	contest->begun_ns = now_ns;
	contest->log_fd = NOTE_STDERR;
	strncpy(contest->name, request->name, sizeof(contest->name) - 1);
	race_begin(&contest->race, &request->rules, request->count, now_ns);
}

int contest_begin(struct contest *contest, const struct contest_request *request,
                  const struct quiet *quiet, uint64_t now_ns)
{
	struct race_move move;

	fill(contest, request, now_ns);
	contests_count(contest, 1);
	if (prepare_attempts(contest, request) < 1 ||
	    reactor_ensure(tick_of(&request->rules), &quiet->mask) < 0) {
		close_all(contest);
		contests_count(contest, -1);
		return -EAGAIN;
	}
	if (note_wants(NOTE_RACE))
		contest->log_fd = note_open();

	/* A new race always begins with attempt 0, which the program's thread is about to make. */
	(void)race_next(&contest->race, now_ns, &move);
	contest->due_ns = clock_add_ns(now_ns, tick_of(&request->rules));
	contest->state = CONTEST_OPEN;
	return 0;
}

/*
 * Wakes whoever waits on the socket that was on the number before. A thread in a blocking
 * connect() is woken by a shutdown only; it sees ECONNRESET or EPIPE and asks us. When nobody waits
 * there, pollers are woken by an option that touches no state, because a forked child may share the
 * socket.
 */
static void wake_waiters(const struct contest *contest, const struct attempt *seated)
{
	static const int least = 1;

	if (!contest->unattended) {
		if (shutdown(seated->fd, SHUT_RDWR) == 0 || errno != EBUSY)
			return;
		/*
		 * Some kernels of 2023 (6.4 to 6.5, and stable ones of that summer) refuse to shut
		 * a socket down while a thread waits in connect(). There it ends at its next
		 * retransmission instead, after a second at most.
		 */
		(void)libc_setsockopt(seated->fd, IPPROTO_TCP, TCP_SYNCNT, &least, sizeof(least));
		(void)libc_setsockopt(seated->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &least,
		                      sizeof(least));
	} else {
		int lowat = 0;
		socklen_t len = sizeof(lowat);

		if (getsockopt(seated->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, &len) == 0)
			(void)libc_setsockopt(seated->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat,
			                      len);
	}
}

static void win(struct contest *contest, unsigned winner, uint64_t now_ns)
{
	struct attempt *seated = &contest->attempts[contest->seat];
	int r;

	if (winner != contest->seat) {
		attempt_complete(&contest->attempts[winner], &contest->extra);
		r = graft_place(&contest->own, seated, &contest->attempts[winner]);
		if (r == -ESTALE) {
			contest_leave(contest, now_ns);
			return;
		}
		if (r < 0) {
			race_forfeit(&contest->race, winner, -r);
			attempt_close(&contest->attempts[winner]);
			return;
		}
		wake_waiters(contest, seated);
	}
	contest->winner = winner;
	settle(contest, CONTEST_WON, now_ns);
}

static void lose(struct contest *contest, int error, uint64_t now_ns)
{
	struct attempt *seated = &contest->attempts[contest->seat];

	/* The program's own socket failed first and stands aside; its place is on the number. */
	if (contest->seat != 0 && graft_place(&contest->own, seated, &contest->attempts[0]) < 0) {
		contest_leave(contest, now_ns);
		return;
	}
	if (contest->race.attempts[contest->seat].state == RACE_RUNNING)
		wake_waiters(contest, seated); /* the deadline came first */
	contest->error = error;
	settle(contest, CONTEST_LOST, now_ns);
}

static enum race_end race_end_of(enum attempt_state state)
{
	switch (state) {
	case ATTEMPT_CONNECTED: return RACE_END_CONNECTED;
	case ATTEMPT_UNSENT: return RACE_END_UNSENT;
	default: return RACE_END_FAILED;
	}
}

static void report(struct contest *contest, unsigned i, enum attempt_state state, int error,
                   uint64_t now_ns)
{
	if (state == ATTEMPT_CONNECTING)
		return;
	race_report(&contest->race, i, race_end_of(state), error, now_ns);
	/* The own socket is needed to the end; the seated one is the program's. */
	if (state != ATTEMPT_CONNECTED && i != 0 && i != contest->seat)
		attempt_close(&contest->attempts[i]);
}

static void start(struct contest *contest, unsigned i, uint64_t now_ns)
{
	int error = 0;
	enum attempt_state state =
	    attempt_start(&contest->attempts[i], &contest->own, &contest->attempts[contest->seat],
	                  &contest->extra, &error);

	report(contest, i, state, error, now_ns);
}

/* A success of the seated socket that nobody reported yet: it is on the number already. */
static bool seat_is_connected(struct contest *contest, uint64_t now_ns)
{
	if (contest->race.attempts[contest->seat].state != RACE_RUNNING ||
	    attempt_peek(&contest->attempts[contest->seat]) != ATTEMPT_CONNECTED)
		return false;
	race_report(&contest->race, contest->seat, RACE_END_CONNECTED, 0, now_ns);
	return true;
}

void contest_advance(struct contest *contest, uint64_t now_ns)
{
	/* Before options are mirrored. The kernel looked at it when the thread began to wait. */
	contest_restore_send_timeout(contest);
	while (contest->state == CONTEST_OPEN) {
		struct race_move move;

		switch (race_next(&contest->race, now_ns, &move)) {
		case RACE_START: start(contest, move.attempt, now_ns); break;
		case RACE_WON:
			if (move.attempt == contest->seat || !seat_is_connected(contest, now_ns))
				win(contest, move.attempt, now_ns);
			break;
		case RACE_LOST: lose(contest, move.error, now_ns); break;
		case RACE_WAIT:
			contest->due_ns = clock_add_ns(now_ns, tick_of(&contest->race.rules));
			if (move.until_ns < contest->due_ns)
				contest->due_ns = move.until_ns;
			return;
		}
	}
}

/*
 * The seat is its thread's to report. But that thread may have left through siglongjmp() or have
 * been cancelled, and nobody tells us: then a success ends the contest here, and an error that
 * stays for a second is left to the program as it is.
 */
static void look_at_seat(struct contest *contest, uint64_t now_ns)
{
	if (contest->race.attempts[contest->seat].state != RACE_RUNNING ||
	    seat_is_connected(contest, now_ns))
		return;
	if (attempt_peek(&contest->attempts[contest->seat]) == ATTEMPT_CONNECTING) {
		contest->seat_failed_ns = 0;
	} else if (contest->unattended) {
		contest_leave(contest, now_ns);
	} else if (contest->seat_failed_ns == 0) {
		contest->seat_failed_ns = now_ns;
	} else if (now_ns - contest->seat_failed_ns > UNCLAIMED_NS) {
		contest_leave(contest, now_ns);
	}
}

void contest_look(struct contest *contest, uint64_t now_ns)
{
	contest->touched = false;
	/*
	 * A raw close() is noticed here at the latest: nothing is started for a socket that is
	 * gone.
	 */
	if (!own_is(contest->own.fd, contest->attempts[contest->seat].cookie)) {
		contest_leave(contest, now_ns);
		return;
	}
	for (unsigned i = 0; i < contest->race.next; i++) {
		int error = 0;
		enum attempt_state state;

		if (i == contest->seat || contest->race.attempts[i].state != RACE_RUNNING)
			continue;
		state = attempt_look(&contest->attempts[i], &error);
		report(contest, i, state, error, now_ns);
	}
	look_at_seat(contest, now_ns);
	if (contest->state == CONTEST_OPEN)
		contest_advance(contest, now_ns);
}

/*
 * A blocking connect() that failed does not tell whether a packet was sent. An error that came
 * sooner than any network answers, and is none that only a peer gives, was found on this machine.
 */
static bool was_unsent(int error, uint64_t took_ns)
{
	return error != ECONNREFUSED && error != ETIMEDOUT && took_ns < QUICKER_THAN_NETWORK_NS;
}

void contest_seat_ended(struct contest *contest, int error, uint64_t now_ns)
{
	const struct race_attempt *attempt = &contest->race.attempts[contest->seat];
	enum race_end end = RACE_END_FAILED;

	contest->seat_failed_ns = 0;
	if (attempt->state != RACE_RUNNING)
		return;
	if (error == 0)
		end = RACE_END_CONNECTED;
	else if (was_unsent(error, now_ns - attempt->started_ns))
		end = RACE_END_UNSENT;
	race_report(&contest->race, contest->seat, end, error, now_ns);
}

int contest_reseat(struct contest *contest, uint64_t now_ns)
{
	for (unsigned i = contest->race.next; i-- > 0;) {
		int r;

		if (contest->race.attempts[i].state != RACE_RUNNING)
			continue;
		r = graft_place(&contest->own, &contest->attempts[contest->seat],
		                &contest->attempts[i]);
		if (r == -ESTALE) {
			contest_leave(contest, now_ns);
			return r;
		}
		if (r < 0) {
			report(contest, i, ATTEMPT_FAILED, -r, now_ns);
			race_forfeit(&contest->race, i, -r);
			continue;
		}
		if (contest->seat != 0)
			attempt_close(&contest->attempts[contest->seat]);
		contest->seat = i;
		return 0;
	}
	return -ENOENT;
}
