/*
 * wire/report: the line that HE_LOG=race prints for a contest.
 * Of a program that ends by exit(), each race that has ended is told about before.
 * Safe in: threads, signal handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_REPORT_H
#define WIRE_REPORT_H

#include "wire/contest.h"

/*
 * Tells about a settled contest, if the log wants that and nobody has told yet. Takes the contests'
 * lock as held and releases it before it writes: a full pipe may make the writer wait. The contest
 * goes back to the table when no thread waits for its outcome.
 */
void report_and_unlock(struct contest *contest, const struct quiet *quiet);

/* True when report_and_unlock() would write. */
bool report_is_due(const struct contest *contest);

/* In a forked child: nobody writes. */
void report_after_fork(void);

#endif
