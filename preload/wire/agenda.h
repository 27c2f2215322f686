/*
 * wire/agenda: when the reactor has to look at which contest: a binary heap over due_ns, so that
 * ten thousand races at once cost each of them a few comparisons.
 * Called with the contests' lock held.
 * Safe in: threads, signal handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_AGENDA_H
#define WIRE_AGENDA_H

#include "wire/contest.h"

/* Enters the contest, or moves it, to `due_ns`. */
void agenda_set(struct contest *contest, uint64_t due_ns);

/* Does nothing for a contest that is not entered. */
void agenda_remove(struct contest *contest);

/* The contest that is due next, or NULL. */
struct contest *agenda_first(void);

/*
 * The reactor is about to sleep until then. It is not woken for what is due before: a thread of the
 * program found that out, and sees to it (agenda_overslept()). So a healthy race wakes nobody.
 */
void agenda_sleeps_until(uint64_t until_ns);

/*
 * When the first contest is due that the reactor sleeps over; CLOCK_NEVER: none. One load; without
 * the lock.
 */
uint64_t agenda_overslept(void);

/* Looks at all that are due, by contest_look() or contest_tend(). */
void agenda_run(uint64_t now_ns, void (*look)(struct contest *contest, uint64_t now_ns));

/* Forgets all. */
void agenda_clear(void);

#endif
