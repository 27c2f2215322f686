/*
 * edge/known: connect() to an address that stands in an answer: gathers what is needed to decide
 * and hands over to wire/dial, or finds the reason why not.
 */
#ifndef EDGE_KNOWN_H
#define EDGE_KNOWN_H

#include "base/addr.h"
#include "wire/contest.h"

/* known_connect(): none of ours, the real connect() is to be called with the same arguments. */
#define KNOWN_PASS 1

/*
 * `addr` and `extra` are what `sa` says. Returns 0 or -errno for the program, or KNOWN_PASS.
 * Safe in: threads, signal handlers, fork, cancellation (as connect()).
 */
int known_connect(int fd, const struct sockaddr *sa, socklen_t len, const struct addr *addr,
                  const struct addr_extra *extra);

/* The same for a number that may be racing already. */
int known_reconnect(int fd, const struct sockaddr *sa, socklen_t len);

/* Every attempt of the contest failed: remembers the errors of those that the program may try next.
 */
void known_lost(const struct contest *contest);

/*
 * The kernel says `error` of the socket on the number, an errno value but 0. Returns what the
 * program is to be told: after a race that was lost it may be another one, and that of the socket
 * is remembered for the address that it tried. Safe in: threads, signal handlers, fork,
 * cancellation.
 */
int known_error(int fd, int error);

#endif
