/*
 * base/clock: the one clock, monotonic, in nanoseconds. Rooms that decide take the time as an
 * argument; only rooms that wait call clock_now_ns(), once per wake-up.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S UINT64_C(1000000000)

/* A moment that never comes. */
#define CLOCK_NEVER UINT64_MAX

/* Nanoseconds since an arbitrary moment before the process started; never 0, never goes back. */
uint64_t clock_now_ns(void);

/* `at` plus `delay`, CLOCK_NEVER when the sum does not fit. */
uint64_t clock_add_ns(uint64_t at_ns, uint64_t delay_ns);

/* How long from `now_ns` to `until_ns`, zero when that has passed; CLOCK_NEVER becomes a year. */
struct timespec clock_until(uint64_t now_ns, uint64_t until_ns);

#endif
