/*
 * wire/needs: contests that may soon need a socket for a further attempt. Only a thread of the
 * program may make one, so its waits come by in time: half a Connection Attempt Delay before the
 * attempt. Called with the contests' lock held, needs_next_ns() excepted. Safe in: threads, signal
 * handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_NEEDS_H
#define WIRE_NEEDS_H

#include "wire/contest.h"

/* The contest may need one, if it is not listed yet, and nobody waits in connect() for it. */
void needs_enter(struct contest *contest, uint64_t now_ns);
void needs_leave(struct contest *contest);

/* It needs one at that time already, because its newest attempt has failed. */
void needs_hasten(struct contest *contest, uint64_t at_ns);

/* When the first of them is to be seen to; CLOCK_NEVER: none. One load; without the lock. */
uint64_t needs_next_ns(void);

/*
 * Makes the sockets that are to be made by now; for a thread of the program. A contest may be over
 * then, and its place given back: who wants one asks for it afterwards.
 */
void needs_meet(uint64_t now_ns);

/* In a forked child. */
void needs_clear(void);

#endif
