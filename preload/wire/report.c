#include "wire/report.h"

#include "base/clock.h"
#include "base/libc.h"
#include "base/note.h"
#include "wire/contests.h"
#include "wire/places.h"

#include <time.h>

/* 0: the error is the program's to read, and stays where it is. */
static void report_error(struct note *note, int error)
{
	if (error != 0)
		note_error(note, error);
	else
		note_text(note, "failed");
}

static void report_attempt(struct note *note, const struct contest *contest, unsigned i)
{
	const struct race_attempt *attempt = &contest->race.attempts[i];
	char text[ADDR_TEXT_MAX];

	addr_format(&contest->attempts[i].addr, text);
	note_text(note, i == 0 ? " " : "; ");
	note_text(note, text);
	if (attempt->state == RACE_IDLE) {
		note_text(note, " not tried");
		return;
	}
	note_text(note, " at ");
	note_ms(note, attempt->started_ns - contest->begun_ns);
	if (attempt->state == RACE_RUNNING) {
		note_text(note, ": given up after ");
		note_ms(note, contest->settled_ns - attempt->started_ns);
		return;
	}
	note_text(note, ": ");
	if (attempt->state == RACE_CONNECTED)
		note_text(note, "connected");
	else
		report_error(note, attempt->error);
	note_text(note, " after ");
	note_ms(note, attempt->ended_ns - attempt->started_ns);
}

/* How those were found who wait for a number on which another socket was put. */
static const char *waiters_text(unsigned known)
{
	if (known & WAITERS_RECORD)
		return " (waiters: epoll record)";
	if (known & WAITERS_FDINFO)
		return " (waiters: fdinfo)";
	return known & WAITERS_POLL ? " (waiters: poll)" : " (waiters: none)";
}

static void report_contest(struct note *note, const struct contest *contest)
{
	char text[ADDR_TEXT_MAX];

	note_begin(note);
	note_text(note, contest->name);
	note_text(note, " port ");
	note_number(note, contest->extra.port);
	note_text(note, ":");
	for (unsigned i = 0; i < contest->race.count; i++)
		report_attempt(note, contest, i);

	switch (contest->outcome) {
	case CONTEST_WON:
		addr_format(&contest->attempts[contest->winner].addr, text);
		note_text(note, "; winner ");
		note_text(note, text);
		if (contest->unattended && contest->seat != 0)
			note_text(note, waiters_text(contest->known));
		break;
	case CONTEST_LOST:
		note_text(note, "; no winner: ");
		report_error(note, contest->error);
		break;
	case CONTEST_LEFT: note_text(note, "; left to the program"); break;
	}
}

bool report_is_due(const struct contest *contest)
{
	return contest->state == CONTEST_SETTLED && !contest->told && note_wants(NOTE_RACE);
}

/* How long exit() waits for a line that another thread writes: as for a pipe that is read at all.
 */
#define LAST_LINES_NS CLOCK_NS_PER_S

static unsigned writers; /* under the contests' lock */

/*
 * Not inlined: the line lies on the stack, and without a log a connect() in a handler on a small
 * alternate stack shall not need room for it.
 */
__attribute__((noinline)) static void write_report(struct contest *contest,
                                                   const struct quiet *quiet)
{
	int log_fd = contest->log_fd;
	struct note note;

	report_contest(&note, contest);
	contest->log_fd = NOTE_STDERR;
	contest->told = true;
	if (contest->waiters == 0)
		contest_free(contest);
	/* Still quiet: a handler that leaves by siglongjmp() would take the descriptor with it. */
	writers++;
	contests_let_others();
	note_write(&note, log_fd);
	if (log_fd != NOTE_STDERR)
		(void)libc_close(log_fd);
	contests_lock_again();
	writers--;
	contests_unlock(quiet);
}

void report_and_unlock(struct contest *contest, const struct quiet *quiet)
{
	if (report_is_due(contest)) {
		write_report(contest, quiet);
		return;
	}
	if (contest->state == CONTEST_SETTLED && contest->waiters == 0)
		contest_free(contest);
	contests_unlock(quiet);
}

void report_after_fork(void)
{
	writers = 0;
}

/* The process may end while the reactor is about to tell of the very race that made it end. */
__attribute__((destructor)) static void tell_the_rest(void)
{
	static const struct timespec a_moment = {.tv_nsec = CLOCK_NS_PER_MS};
	uint64_t end_ns = clock_add_ns(clock_now_ns(), LAST_LINES_NS);

	while (note_wants(NOTE_RACE) && clock_now_ns() < end_ns) {
		struct quiet quiet;
		struct contest *untold;
		unsigned others;

		contests_lock(&quiet);
		untold = places_untold(CLOCK_NEVER);
		others = writers;
		if (untold != NULL) {
			report_and_unlock(untold, &quiet);
			continue;
		}
		contests_unlock(&quiet);
		if (others == 0)
			return;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &a_moment, NULL);
	}
}
