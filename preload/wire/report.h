/*
 * wire/report: the line that HE_LOG=race prints for a contest.
 * Safe in: threads, signal handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_REPORT_H
#define WIRE_REPORT_H

#include "base/note.h"
#include "wire/contest.h"

/* Builds the line for a settled contest; with the lock held. */
void report_contest(struct note *note, const struct contest *contest);

#endif
