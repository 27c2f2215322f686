/*
 * race/race: the race itself (RFC 8305 section 5): which attempt to start, how long to wait, who
 * won, which error it was when all lost. A state machine: no sockets, no clock, no malloc; the
 * time is an argument. Whoever drives it starts what it says and reports what became of that.
 *
 *     race_begin(&race, &rules, attempts, count, now);
 *     for (;;)
 *         switch (race_next(&race, now, &move)) {
 *         case RACE_START: start attempt move.attempt; race_report() its end, now or later
 *         case RACE_WAIT:  until an attempt ends or move.until_ns comes
 *         case RACE_WON:   move.attempt is connected: close all others
 *         case RACE_LOST:  move.error
 *         }
 *
 * Attempts are numbered in the order they are to be started; attempt 0 is the requested address.
 * A struct race and its attempts are plain memory of their owner, who serialises the calls.
 * Safe in: threads (one race, one thread at a time), signal handlers, fork, cancellation.
 */
#ifndef RACE_RACE_H
#define RACE_RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 8305 section 5: attempts MUST NOT start within 10 ms of each other. */
#define RACE_PACE_NS UINT64_C(10000000)

struct race_rules {
	/*
	 * Connection Attempt Delay, RFC 8305 section 5. CLOCK_NEVER: one attempt after another,
	 * which is no race, and needs no pace.
	 */
	uint64_t attempt_delay_ns;
	uint64_t timeout_ns;    /* of the whole race; 0: none */
	unsigned max_in_flight; /* at least 1 */
	/* The error of an attempt that could not be used is told only when there is no other. */
	bool skips_forfeited;
};

enum race_state { RACE_IDLE, RACE_RUNNING, RACE_CONNECTED, RACE_FAILED };

/* How an attempt ended. */
enum race_end {
	RACE_END_CONNECTED,
	RACE_END_FAILED,
	/*
	 * Failed before anything was sent (no route, no socket), so that the next may start at
	 * once: the 10 ms are there to spare the network.
	 */
	RACE_END_UNSENT,
};

struct race_attempt {
	enum race_state state;
	bool unpaced; /* a loopback address: no network to spare */
	bool unsent;
	bool forfeited; /* it could not be used: the error is not the network's */
	int error;      /* errno value once RACE_FAILED */
	uint64_t started_ns, ended_ns;
};

struct race {
	struct race_rules rules;
	uint64_t deadline_ns; /* CLOCK_NEVER: none */
	unsigned count, next, running;
	unsigned ready; /* only the first so many attempts may be started yet */
	bool standing_down;
	struct race_attempt *attempts; /* of the owner; `count` of them */
};

enum race_step { RACE_START, RACE_WAIT, RACE_WON, RACE_LOST };

struct race_move {
	unsigned attempt;  /* RACE_START, RACE_WON */
	uint64_t until_ns; /* RACE_WAIT; CLOCK_NEVER: until an attempt ends */
	/*
	 * RACE_LOST: errno value of attempt 0, or as `skips_forfeited` has it; ETIMEDOUT if that
	 * one still ran.
	 */
	int error;
};

/*
 * Begins a race of `count` (at least 1) attempts. `race` and `attempts` need no earlier state;
 * `rules` is copied, `attempts` has to last as long as the race. The caller may then set `unpaced`
 * of attempts, and lower `ready`, which is `count` at first: a race that has attempts which are not
 * ready is not lost, it waits.
 */
void race_begin(struct race *race, const struct race_rules *rules, struct race_attempt *attempts,
                unsigned count, uint64_t now_ns);

/* When the next attempt may start, if there is one that is ready; 0: at once. */
uint64_t race_next_start_ns(const struct race *race);

/* How long a race may go without a look from its begin on: nothing is due before that. */
uint64_t race_tick_ns(const struct race_rules *rules);

/*
 * What is to be done at `now_ns`. A success is looked for before anything is started, and of
 * several the earliest started wins. RACE_START has counted the attempt as running already.
 * Only the member of ret_move that belongs to the step is written.
 */
enum race_step race_next(struct race *race, uint64_t now_ns, struct race_move *ret_move);

/* Attempt `attempt`, which runs, ended at `now_ns`; `error` is an errno value, 0 if connected. */
void race_report(struct race *race, unsigned attempt, enum race_end end, int error,
                 uint64_t now_ns);

/*
 * Attempt `attempt`, whose end was reported, cannot be used after all, because of `error`: the
 * race goes on without it.
 */
void race_forfeit(struct race *race, unsigned attempt, int error);

/* Starts no more attempts: the program has its own race. Those that run go on. */
void race_stand_down(struct race *race);

#endif
