/*
 * wire/attempt: one candidate on one socket of ours. Carries out, decides nothing.
 *
 * The socket is made by the thread that calls connect(), because a thread of ours that made
 * sockets later would take low numbers that the program counts on; it gets its options when it
 * starts, so that a healthy connection pays for none of that.
 *
 * Safe in: threads (one attempt, one thread at a time), signal handlers, fork, cancellation
 * (disabled by the caller).
 */
#ifndef WIRE_ATTEMPT_H
#define WIRE_ATTEMPT_H

#include "base/addr.h"
#include "wire/handshake.h"
#include "wire/own.h"

#include <stdbool.h>
#include <stdint.h>

struct attempt {
	struct addr addr;
	int domain; /* AF_INET6 with an IPv4 address: it is tried v4-mapped */
	int fd;     /* our private number; -1: none */
	int error;  /* why there is no socket, as an errno value; 0: there is, or none was made yet
	             */
	uint64_t cookie;       /* of the socket, to know it again */
	bool seated;           /* it is or was on the program's number: a poller may sleep on it */
	unsigned watched_at;   /* wire/watch; 0: not there */
	unsigned watched_from; /* likewise: the reactor's sleeps before it was there */
	unsigned slept_on;     /* likewise: the sleep that goes on for it; 0: none */
};

/*
 * Makes the socket: of the same protocol as `own`, non-blocking, close-on-exec, on a high number.
 * On failure `fd` is -1 and `error` says why. `addr` and `domain` are the caller's to set.
 */
void attempt_prepare(struct attempt *attempt, const struct own *own);

/*
 * Gives the attempt on the program's own socket, which is on `fd`, a private number. Returns 0;
 * -ESTALE when something else is on `fd`; or -errno.
 */
int attempt_adopt(struct attempt *attempt, int fd);

/*
 * Mirrors the options of `model`, the attempt whose socket the program has now, binds as `own` is
 * bound, and connects without blocking. ret_error is an errno value, set on the failures.
 */
enum handshake attempt_start(struct attempt *attempt, const struct own *own,
                             const struct attempt *model, const struct addr_extra *extra,
                             int *ret_error);

/* A further connect() on a socket that has connected: takes the kernel's from "connecting" on. */
void attempt_complete(const struct attempt *attempt, const struct addr_extra *extra);

/* handshake_look() and handshake_close() for its socket. */
enum handshake attempt_look(const struct attempt *attempt, int *ret_error);
void attempt_close(struct attempt *attempt);

#endif
