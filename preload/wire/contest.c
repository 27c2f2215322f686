#include "wire/contest.h"

#include "base/clock.h"
#include "base/libc.h"
#include "base/note.h"
#include "wire/agenda.h"
#include "wire/contests.h"
#include "wire/errors.h"
#include "wire/interests.h"
#include "wire/needs.h"
#include "wire/places.h"
#include "wire/seat.h"
#include "wire/watch.h"

#include <errno.h>

/* A seat whose error no thread came for in this time was left by siglongjmp() or cancellation. */
#define UNCLAIMED_NS CLOCK_NS_PER_S

/* A route that is missing is found in a few microseconds; the nearest host takes longer. */
#define QUICKER_THAN_NETWORK_NS (CLOCK_NS_PER_MS / 10)

static void close_attempt(struct attempt *attempt)
{
	watch_remove(attempt);
	attempt_close(attempt);
}

void contest_close_sockets(struct contest *contest)
{
	for (unsigned i = 0; i < contest->race.count; i++)
		close_attempt(&contest->attempts[i]);
}

void contest_reveal(struct contest *contest)
{
	if (!contest->hidden)
		return;
	contest->hidden = false;
	for (unsigned i = 0; i < contest->number_count; i++) {
		/* Closed unseen, the number may be somebody else's. */
		if (!own_is(contest->numbers[i].fd, contest->attempts[contest->seat].cookie))
			continue;
		(void)interests_detach(contest->numbers[i].fd);
		(void)interests_attach(contest->numbers[i].fd,
		                       contest->attempts[contest->seat].cookie);
	}
}

static void settle(struct contest *contest, enum contest_outcome outcome, uint64_t now_ns)
{
	bool moved = contest->seat != 0 || contest->attempts[0].fd >= 0;

	seat_restore_send_timeout(contest);
	contest_reveal(contest);
	contest_close_sockets(contest);
	/* What stood in is the program's alone now; where it runs still, the reactor sleeps on. */
	if (contest->seat != 0 && contest->race.attempts[contest->seat].state != RACE_RUNNING)
		watch_release(&contest->attempts[contest->seat]);
	contest->outcome = outcome;
	contest->settled_ns = now_ns;
	/* Before a thread that finds its number free of us walks on to the next address. */
	if (outcome == CONTEST_LOST)
		contests_lost(contest);
	while (contest->number_count > 0) {
		/* What was reported before it moved may still be on its way: wire/readiness. */
		if (!moved)
			interests_forget(contest->numbers[0].fd);
		contests_drop_number(contest, 0);
	}
	agenda_remove(contest);
	contests_settled(contest);
	/* Nobody will come for the outcome, and nobody wants to be told. */
	if (contest->waiters == 0 && !note_wants(NOTE_RACE))
		contest_free(contest);
}

static void close_log(struct contest *contest)
{
	if (contest->log_fd != NOTE_STDERR)
		(void)libc_close(contest->log_fd);
	contest->log_fd = NOTE_STDERR;
}

void contest_free(struct contest *contest)
{
	close_log(contest);
	/* Whoever still believes in it, as a child's thread may, sees that it is another one's. */
	contest->generation++;
	places_put_back(contest);
}

void contest_forget(struct contest *contest)
{
	/* In whatever state: sockets are made before it is open. */
	for (unsigned i = 0; i < contest->race.count; i++)
		attempt_close(&contest->attempts[i]);
	close_log(contest);
	contest->state = CONTEST_FREE;
	contest->is_needy = contest->is_blind = false;
	contest->race.count = 0;
	contest->generation++;
}

/* What one source address met says nothing about the others. */
static bool is_bound(const struct contest *contest)
{
	return contest->own.bound.family != 0;
}

/*
 * What another attempt met, or will meet, on the program's number is to be read as what its own one
 * met. Where the program has not read that, it is in the socket still, which nobody has then.
 */
static void excuse_seat(struct contest *contest, bool all_lost)
{
	const struct attempt *seated = &contest->attempts[contest->seat];
	const struct race_attempt *own = &contest->race.attempts[0];
	enum own_progress progress;

	if (contest->seat == 0 || !seat_keep_numbers(contest) ||
	    own_progress(contest->numbers[0].fd, &progress) < 0 || progress == OWN_CONNECTED)
		return;
	seat_learn_error(contest, 0);
	if (own->error != 0)
		errors_set(&(struct errors_entry){.cookie = seated->cookie,
		                                  .error = own->error,
		                                  .remembers = all_lost && !is_bound(contest),
		                                  .port = contest->extra.port,
		                                  .addr = seated->addr});
}

void contest_leave(struct contest *contest, uint64_t now_ns)
{
	enum own_progress progress;

	/* For the log: what the program closes now may have been a success that nobody looked at.
	 */
	if (note_wants(NOTE_RACE) && contest->unattended && contest->number_count > 0 &&
	    own_progress(seat_of(contest).fd, &progress) == 0 && progress == OWN_CONNECTED &&
	    contest->race.attempts[contest->seat].state == RACE_RUNNING) {
		race_report(&contest->race, contest->seat, RACE_END_CONNECTED, 0, now_ns);
		contest->winner = contest->seat;
		settle(contest, CONTEST_WON, now_ns);
		return;
	}
	excuse_seat(contest, false);
	settle(contest, CONTEST_LEFT, now_ns);
}

/* Whether another socket may take the place of the one that the program has. */
static bool may_place(const struct contest *contest)
{
	if (!contest->unattended)
		return true;
	if (contest_wants_search(contest))
		return false;
	return (contest->known & WAITERS_POLL) != 0 ||
	       (contest->known != WAITERS_UNKNOWN && contests_saw_waits());
}

static void win(struct contest *contest, unsigned winner, uint64_t now_ns)
{
	if (winner != contest->seat) {
		int r;

		/* A thread that returns from connect() has heard of it; one that polls has not. */
		if (!contest->unattended)
			attempt_complete(&contest->attempts[winner], &contest->extra);
		r = seat_place(contest, winner);
		if (r == -ESTALE) {
			contest_leave(contest, now_ns);
			return;
		}
		if (r < 0) {
			race_forfeit(&contest->race, winner, -r);
			close_attempt(&contest->attempts[winner]);
			return;
		}
	}
	seat_wake(contest);
	contest->winner = winner;
	settle(contest, CONTEST_WON, now_ns);
}

static void lose(struct contest *contest, int error, uint64_t now_ns)
{
	struct attempt seated;

	/* Before, because somebody may sleep on the one that is put back. */
	seat_wake(contest);
	/*
	 * The program's own socket failed first and stands aside; its place is on the number. But
	 * where its error was read, or the kernel found no way, it has none that a poller could
	 * see; and where it is not known who waits, it can not be put back.
	 */
	if (contest->seat != 0 && contest->unattended &&
	    (contest->race.attempts[0].error != 0 || !may_place(contest))) {
		excuse_seat(contest, true);
	} else if (contest->seat != 0 && seat_place(contest, 0) < 0) {
		contest_leave(contest, now_ns);
		return;
	}
	/* The deadline came first: a thread in connect() asks us, a poller sees that it hung up. */
	seated = seat_of(contest);
	if (contest->race.attempts[0].state == RACE_RUNNING && own_is(seated.fd, seated.cookie))
		(void)libc_shutdown(seated.fd, SHUT_RDWR);
	seat_wake(contest);
	contest->error = error;
	settle(contest, CONTEST_LOST, now_ns);
}

static void report(struct contest *contest, unsigned i, enum handshake state, int error,
                   uint64_t now_ns)
{
	handshake_report(state, error, &contest->race, i, now_ns);
	if (state == HANDSHAKE_RUNNING)
		return;
	watch_remove(&contest->attempts[i]);
	/* Whoever sleeps on one that was on the number is to be woken at the end. */
	if (state != HANDSHAKE_DONE && !contest->attempts[i].seated)
		close_attempt(&contest->attempts[i]);
}

static void start(struct contest *contest, unsigned i, uint64_t now_ns)
{
	struct attempt *attempt = &contest->attempts[i];
	struct attempt seated = seat_of(contest);
	int error = 0;
	enum handshake state =
	    attempt_start(attempt, &contest->own, &seated, &contest->extra, &error);

	if (state == HANDSHAKE_RUNNING)
		watch_add(attempt, places_id(contest));
	report(contest, i, state, error, now_ns);
	needs_enter(contest, now_ns);
}

/* Looks at the seat where no thread does. */
static void look_at_seat(struct contest *contest, uint64_t now_ns)
{
	unsigned seat = contest->seat;
	enum own_progress progress;

	if (contest->race.attempts[seat].state != RACE_RUNNING ||
	    own_progress(seat_of(contest).fd, &progress) < 0)
		return;
	if (progress == OWN_CONNECTED) {
		race_report(&contest->race, seat, RACE_END_CONNECTED, 0, now_ns);
	} else if (progress == OWN_CONNECTING ||
	           (progress == OWN_FAILING && !contest->unattended)) {
		/* A thread in connect() is not told before it is over. */
		contest->seat_failed_ns = 0;
	} else if (contest->unattended) {
		/* Its error is the program's to read, as long as it has that socket. */
		race_report(&contest->race, seat, RACE_END_FAILED, 0, now_ns);
	} else if (contest->seat_failed_ns == 0) {
		contest->seat_failed_ns = now_ns;
	} else if (now_ns - contest->seat_failed_ns > UNCLAIMED_NS) {
		/* Its thread left through siglongjmp() or was cancelled, and nobody tells us. */
		contest_unattend(contest);
	}
}

/* The seated attempt failed, another one runs, and nobody but us will put it on the number. */
static bool wants_reseat(const struct contest *contest)
{
	return contest->unattended && contest->race.attempts[contest->seat].state == RACE_FAILED &&
	       contest->race.running > 0 && may_place(contest);
}

/* An attempt has connected. Returns whether there is more to do now. */
static bool take_win(struct contest *contest, unsigned winner, uint64_t now_ns)
{
	if (winner != contest->seat) {
		/* A success of the seated socket that nobody reported yet comes first. */
		look_at_seat(contest, now_ns);
		if (contest->race.attempts[contest->seat].state == RACE_CONNECTED) {
			winner = contest->seat;
		} else if (!may_place(contest)) {
			agenda_set(contest, clock_add_ns(now_ns, CLOCK_NS_PER_S));
			return false;
		}
	}
	win(contest, winner, now_ns);
	return true;
}

bool contest_needs_socket(const struct contest *contest)
{
	const struct race *race = &contest->race;

	return contest->state == CONTEST_OPEN && race->next == race->ready &&
	       race->ready < race->count && race->running < race->rules.max_in_flight &&
	       !race->standing_down;
}

void contest_advance(struct contest *contest, uint64_t now_ns)
{
	/* Before options are mirrored. The kernel looked at it when the thread began to wait. */
	seat_restore_send_timeout(contest);
	while (contest->state == CONTEST_OPEN) {
		struct race_move move;
		uint64_t due_ns;

		if (wants_reseat(contest) && contest_reseat(contest, now_ns) == -ESTALE)
			return;
		switch (race_next(&contest->race, now_ns, &move)) {
		case RACE_START: start(contest, move.attempt, now_ns); break;
		case RACE_WON:
			if (!take_win(contest, move.attempt, now_ns))
				return;
			break;
		case RACE_LOST: lose(contest, move.error, now_ns); break;
		case RACE_WAIT:
			due_ns = clock_add_ns(now_ns, race_tick_ns(&contest->race.rules));
			agenda_set(contest, move.until_ns < due_ns ? move.until_ns : due_ns);
			if (contest_needs_socket(contest))
				needs_hasten(contest, race_next_start_ns(&contest->race));
			return;
		}
	}
}

void contest_look(struct contest *contest, uint64_t now_ns)
{
	/* A raw close() is noticed here at the latest: nothing is started for a socket that is
	 * gone. */
	if (!seat_keep_numbers(contest)) {
		contest_leave(contest, now_ns);
		return;
	}
	for (unsigned i = 0; i < contest->race.next; i++) {
		int error = 0;
		enum handshake state;

		if (i == contest->seat || contest->race.attempts[i].state != RACE_RUNNING)
			continue;
		state = attempt_look(&contest->attempts[i], &error);
		report(contest, i, state, error, now_ns);
	}
	look_at_seat(contest, now_ns);
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

void contest_attempt_ended(struct contest *contest, unsigned i, int error, uint64_t now_ns)
{
	struct race_attempt *attempt = &contest->race.attempts[i];
	enum race_end end = RACE_END_FAILED;

	contest->seat_failed_ns = 0;
	/* That it had failed was seen before, and its error, left to the program, is taken now. */
	if (attempt->state == RACE_FAILED && attempt->error == 0)
		attempt->error = error;
	if (attempt->state != RACE_RUNNING)
		return;
	if (error == 0)
		end = RACE_END_CONNECTED;
	else if (was_unsent(error, now_ns - attempt->started_ns))
		end = RACE_END_UNSENT;
	race_report(&contest->race, i, end, error, now_ns);
}

void contest_seat_refused(struct contest *contest, int error, uint64_t now_ns)
{
	race_report(&contest->race, contest->seat, RACE_END_UNSENT, error, now_ns);
}

int contest_reseat(struct contest *contest, uint64_t now_ns)
{
	for (unsigned i = contest->race.next; i-- > 0;) {
		int r;

		if (contest->race.attempts[i].state != RACE_RUNNING)
			continue;
		r = seat_place(contest, i);
		if (r == -ESTALE) {
			contest_leave(contest, now_ns);
			return r;
		}
		if (r < 0) {
			report(contest, i, HANDSHAKE_FAILED, -r, now_ns);
			race_forfeit(&contest->race, i, -r);
			continue;
		}
		return 0;
	}
	return -ENOENT;
}

void contest_know(struct contest *contest, enum contest_waiters how, uint64_t now_ns)
{
	contest->known |= how;
	contests_recount(contest);
	contest_tend(contest, now_ns);
}

void contest_attend(struct contest *contest)
{
	contest->waiter = pthread_self();
	contest->unattended = false;
	contest->seat_failed_ns = 0;
	contests_recount(contest);
}

void contest_unattend(struct contest *contest)
{
	contest->unattended = true;
	contests_recount(contest);
}

/*
 * Only what took a wait to learn. An attempt that failed on this machine may have done so for a
 * reason of ours (no descriptor, an option that we could not set), and the program's own try of
 * that address shall not suffer for it.
 */
int contest_verdict(const struct contest *contest, unsigned i)
{
	const struct race_attempt *attempt = &contest->race.attempts[i];

	if (is_bound(contest) || i >= contest->race.next || attempt->forfeited)
		return 0;
	/* Still running: the deadline came first. */
	return attempt->state == RACE_FAILED ? attempt->error : ETIMEDOUT;
}
