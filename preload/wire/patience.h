/*
 * wire/patience: how long the program's wait has still to go, kept exact over several waits.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef WIRE_PATIENCE_H
#define WIRE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct patience {
	uint64_t deadline_ns; /* CLOCK_NEVER: without end; 0: not at all */
	uint64_t slice_ns;    /* when to look around meanwhile; CLOCK_NEVER: not before the end */
};

/* Whether it is a time. What is none is the kernel's to refuse. */
bool patience_takes(const struct timespec *timeout);

/* From what the calls are given: negative or NULL waits without end, 0 not at all. */
struct patience patience_from_ms(int timeout_ms);
struct patience patience_from_timespec(const struct timespec *timeout);

/* What is left of it, or until the slice ends: in milliseconds, rounded up, -1 for ever. */
int patience_ms(const struct patience *patience);

/* The same as a time; NULL for ever, otherwise `room`. */
const struct timespec *patience_timespec(const struct patience *patience, struct timespec *room);

/* The time has come. */
bool patience_ended(const struct patience *patience);

#endif
