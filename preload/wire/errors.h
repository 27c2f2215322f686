/*
 * wire/errors: errors that the program is to be told of a socket that has met another one. When its
 * own socket had no way to its address, and every other attempt failed later, the last of those is
 * on its number, with that error; what it asked for is the first.
 *
 * Called with the contests' lock held, errors_exist() excepted.
 * Safe in: threads, signal handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_ERRORS_H
#define WIRE_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

/* The program reads SO_ERROR of the socket with this cookie as `error`, an errno value, once. */
void errors_set(uint64_t cookie, int error);

/* That error, which is forgotten; 0: none. */
int errors_take(uint64_t cookie);

/* Whether there is any; one load, without the lock. */
bool errors_exist(void);

/* In a forked child. */
void errors_clear(void);

#endif
