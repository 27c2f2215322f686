/*
 * wire/graft: places a socket of ours on the program's descriptor number, so that the program
 * cannot tell: same close-on-exec flag, status flags, owner and options.
 * Safe in: threads (one contest, one thread at a time), signal handlers, fork, cancellation
 * (disabled by the caller).
 */
#ifndef WIRE_GRAFT_H
#define WIRE_GRAFT_H

#include "wire/attempt.h"

/*
 * Puts the socket of `next` onto `own->fd`, which must hold the socket of `seated` now; both keep
 * their private numbers. Nothing is changed on failure but options of `next`.
 * Returns 0; -ESTALE when the number holds something else by now (a close() that no hook saw): it
 * is the program's, hands off; otherwise -errno, and `next` cannot stand in.
 */
int graft_place(const struct own *own, const struct attempt *seated, const struct attempt *next);

#endif
