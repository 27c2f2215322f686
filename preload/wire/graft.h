/*
 * wire/graft: places a socket of ours on the program's descriptor number, so that the program
 * cannot tell: same close-on-exec flag, status flags, owner, options and epoll registrations.
 * Safe in: threads (one contest, one thread at a time), signal handlers, fork, cancellation
 * (disabled by the caller).
 */
#ifndef WIRE_GRAFT_H
#define WIRE_GRAFT_H

#include "wire/attempt.h"

/*
 * Makes the socket of `next` look like that of `seated`, once more before it takes its place: the
 * program may have set options while the attempts ran.
 * Returns 0, or -errno: `next` cannot stand in.
 */
int graft_prepare(const struct own *own, const struct attempt *seated, const struct attempt *next);

/*
 * Puts the prepared socket of `next` onto `fd`, which must hold the socket of `seated` now; both
 * keep their private numbers. Returns 0; -ESTALE when the number holds something else by now (a
 * close() that no hook saw): it is the program's, hands off; otherwise -errno, with the number as
 * it was.
 */
int graft_place(int fd, const struct attempt *seated, const struct attempt *next);

#endif
