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

/*
 * Races `request`, whose socket blocks; `sa` and `len` are the program's own arguments, which the
 * real connect() gets. Returns 0 when the winner is on the program's number; -errno as connect()
 * would; or DIAL_IMPOSSIBLE.
 */
int dial(const struct contest_request *request, const struct sockaddr *sa, socklen_t len);

/*
 * connect() on a number that races already: after EINTR or EINPROGRESS, or from a second thread.
 * Waits with the others, if the socket blocks. Returns as dial(); DIAL_IMPOSSIBLE when the real
 * connect() is to answer.
 */
int dial_join(int fd, const struct sockaddr *sa, socklen_t len);

#endif
