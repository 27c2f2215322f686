/*
 * wire/launch: connect() on a socket that does not block: the race begins, and goes on behind the
 * program's back.
 * Safe in: threads, signal handlers, fork, cancellation (a cancellation point, as connect() is).
 */
#ifndef WIRE_LAUNCH_H
#define WIRE_LAUNCH_H

#include "wire/contest.h"

/*
 * Races `request`; `sa` and `len` are the program's own arguments, which the real connect() gets.
 * It is called in any case. Returns 0 or -errno as connect() does on such a socket: -EINPROGRESS
 * when a race goes on, or when the kernel goes on alone because there can be none.
 */
int launch(const struct contest_request *request, const struct sockaddr *sa, socklen_t len);

/*
 * A further connect() on a number that races; takes the lock as held and releases it.
 * Returns -EALREADY, or DIAL_IMPOSSIBLE when the socket on the number gives the right answer.
 */
int launch_again(struct contest *contest, const struct quiet *quiet, uint64_t now_ns);

#endif
