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

#include "base/addr.h"

#include <stdbool.h>
#include <stdint.h>

/* What stands in for the program's own socket, and what is told of that one instead. */
struct errors_entry {
	uint64_t cookie; /* of the one that stands in; 0: no entry */
	int error;       /* of the program's own, an errno value */
	bool remembers;  /* all were lost: what it met holds for whoever tries the same */
	uint16_t port;
	struct addr addr; /* which it tried, at that port */
};

/* The program reads SO_ERROR of that socket as `entry` says, once. */
void errors_set(const struct errors_entry *entry);

/* Whether there is an entry for the socket; it is forgotten then. */
bool errors_take(uint64_t cookie, struct errors_entry *ret_entry);

/* Whether there is any; one load, without the lock. */
bool errors_exist(void);

/* In a forked child. */
void errors_clear(void);

#endif
