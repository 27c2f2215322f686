/*
 * wire/handshake: one connection being made on one socket of ours, non-blocking, for the races of
 * libhe.so and of he.h alike. Carries out, decides nothing.
 *
 * Sockets of ours are known by their cookie (wire/own): a program that closes every number may have
 * another file there by now, which is neither read nor closed.
 *
 * Safe in: threads (one socket, one thread at a time), signal handlers, fork, cancellation
 * (disabled by the caller).
 */
#ifndef WIRE_HANDSHAKE_H
#define WIRE_HANDSHAKE_H

#include "race/race.h"

#include <stdint.h>
#include <sys/socket.h>

enum handshake {
	HANDSHAKE_RUNNING,
	HANDSHAKE_DONE, /* connected */
	HANDSHAKE_FAILED,
	HANDSHAKE_UNSENT, /* the kernel found no way to send anything */
	HANDSHAKE_UNABLE, /* for a reason of ours it was not even tried */
};

/* Connects without blocking. ret_error is an errno value, set on the failures. */
enum handshake handshake_begin(int fd, const struct sockaddr *name, socklen_t len, int *ret_error);

/*
 * What became of a connecting socket of ours. Reading the error takes it from the socket, so this
 * is never called for a socket that a program has: see own_progress().
 */
enum handshake handshake_look(int fd, uint64_t cookie, int *ret_error);

/* Closes the number, if it still is this socket. */
void handshake_close(int fd, uint64_t cookie);

/* Tells the race how attempt `i` ended; nothing while it is HANDSHAKE_RUNNING. */
void handshake_report(enum handshake state, int error, struct race *race, unsigned i,
                      uint64_t now_ns);

#endif
