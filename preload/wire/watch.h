/*
 * wire/watch: the sockets that the reactor waits for: those of attempts that run beside the
 * program's own. It waits in ppoll() on a copy of this table, so that a race needs no descriptor
 * but its sockets, and the program finds none that it could close.
 *
 * The own socket is not among them: the program waits for that itself. So a race that is healthy
 * has nothing here.
 *
 * Called with the contests' lock held, watch_wait() and watch_await_release() excepted.
 * Safe in: threads, signal handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_WATCH_H
#define WIRE_WATCH_H

#include "wire/attempt.h"

#include <stdint.h>

/*
 * Four attempts each of the most contests that there can be; one that does not fit is looked at
 * when its contest is due. 3 MiB of .bss, of which a race or two use a page of each.
 */
#define WATCH_MAX 65536

/* The socket of `attempt` is waited for until watch_remove(); `id` says whose it is. */
void watch_add(struct attempt *attempt, uint64_t id);

/* Before its number is closed. Does nothing when it is not watched. */
void watch_remove(struct attempt *attempt);

/*
 * A file that a thread sleeps on is open until that returns, whoever closes it: the sets of the
 * program would go on to have it. So the thread that gives up the lock after this call waits, when
 * it has, until the reactor has let go of the socket of `attempt`, which was removed and is ready:
 * that has woken it.
 */
void watch_release(const struct attempt *attempt);

/* The sleep that is to be waited for since watch_release(), once; 0: none. */
unsigned watch_take_release(void);

/* Waits until that sleep is over. Without the lock. */
void watch_await_release(unsigned sleep);

/* Copies what is to be waited for. Returns how many there are. For the reactor alone. */
unsigned watch_copy(void);

/*
 * Waits until one of the `count` that were copied is ready, or `until_ns`. Returns how many are
 * ready. For the reactor, without the lock.
 */
unsigned watch_wait(unsigned count, uint64_t now_ns, uint64_t until_ns);

/*
 * The id of the next ready one from `*at` on, or 0: no more. For the reactor. It is not waited for
 * any more: most have come to their end; of one on the program's number, that is told by a thread
 * that may be long in coming, and one whose error queue holds something is ready as long as it
 * runs. Those are looked at when their contest is due.
 */
uint64_t watch_next(unsigned count, unsigned *at);

/* In a forked child. */
void watch_clear(void);

#endif
