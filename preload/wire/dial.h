/*
 * wire/dial: the program's side of a race: its thread, inside its connect().
 *
 * The thread always waits in the real connect(), on a real connecting socket on its own number, so
 * EINTR and SA_RESTART, SO_SNDTIMEO, cancellation, siglongjmp(), a shutdown() from another thread
 * and the result are the kernel's. When another attempt won, the socket it waited on is shut down
 * and it finds the winner on its number; when its socket failed while others run, it waits again,
 * on the next one.
 *
 * Safe in: threads, signal handlers, fork, cancellation (a cancellation point, as connect() is;
 * the race goes on behind a thread that was cancelled, as a connection does).
 */
#ifndef WIRE_DIAL_H
#define WIRE_DIAL_H

#include "wire/contest.h"

/* dial() could not even begin: nothing was changed, the real connect() is to be called. */
#define DIAL_IMPOSSIBLE 1

/* The addresses that the network failed when all failed, for those who remember such things. */
struct dial_failures {
	unsigned count;
	struct {
		struct addr addr;
		int error; /* errno value */
	} list[RACE_ATTEMPTS_MAX];
};

/*
 * Races `request`; `sa` and `len` are the program's own arguments, which the real connect() gets.
 * Returns 0 when the winner is on the program's number; -errno as connect() would; or
 * DIAL_IMPOSSIBLE. ret_failures is always written; its count is 0 unless every attempt failed, and
 * leaves out the requested address, whose error is the result.
 */
int dial(const struct contest_request *request, const struct sockaddr *sa, socklen_t len,
         struct dial_failures *ret_failures);

/*
 * connect() on a number that races already: after EINTR, or from a second thread. Waits with the
 * others. Returns as dial(); DIAL_IMPOSSIBLE when no contest runs there after all.
 */
int dial_join(int fd, const struct sockaddr *sa, socklen_t len, struct dial_failures *ret_failures);

#endif
