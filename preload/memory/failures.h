/*
 * memory/failures: the errors of addresses that lost a race in which all were lost. A program that
 * walks its list asks for each of them next, and is told at once what a second wait would tell it.
 *
 * Fixed memory, no lock: an entry belongs to whoever moves it out of its resting state, which is
 * done for one's own address alone, or what has expired; one that is taken is passed over.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef MEMORY_FAILURES_H
#define MEMORY_FAILURES_H

#include "base/addr.h"

#include <stdint.h>

/*
 * Programs walk on at once; two seconds let one log, sleep a second and go on, and are too short
 * for a retry loop, which must see the network as it is by then.
 */
#define FAILURES_KEPT_MS 2000

/*
 * Remembers that connecting to `addr` and `port` failed with `error` (an errno value) at `now_ns`.
 */
void failures_add(const struct addr *addr, uint16_t port, int error, uint64_t now_ns);

/* Returns the remembered errno value and forgets it; 0 when there is none, or an old one. */
int failures_take(const struct addr *addr, uint16_t port, uint64_t now_ns);

/* False when there surely is nothing to take: one load. */
bool failures_exist(void);

/* In a forked child: forgets all, with what another thread of the parent was holding. */
void failures_after_fork(void);

#endif
