/*
 * wire/reactor: the background thread that starts the attempts that are due and sees to those that
 * run. One per process, started by the first contest, all signals blocked, no malloc, gone about
 * a second after the last contest. It has no descriptor of its own: it waits in ppoll()
 * (wire/watch).
 *
 * It sleeps at most one tick, and no contest needs it sooner than that after it began: so a healthy
 * connection wakes nobody.
 */
#ifndef WIRE_REACTOR_H
#define WIRE_REACTOR_H

#include <signal.h>
#include <stdint.h>

/*
 * Makes sure that the reactor runs and looks at the contests at least every `tick_ns`, which is
 * the same in every call. `mask` is the program's signal mask in this thread.
 * Called with the contests' lock held. Returns 0; -EAGAIN or -EPERM when the thread is refused;
 * -EWOULDBLOCK when this may be a signal handler, where pthread_create() is not allowed.
 */
int reactor_ensure(uint64_t tick_ns, const sigset_t *mask);

/* What reactor_ensure() was told last; with the lock held, or roughly. */
uint64_t reactor_tick_ns(void);

/*
 * The program blocks these signals by a call of its own, or has them blocked where no handler can
 * be. Without the lock; safe in signal handlers.
 */
void reactor_note_blocked(const sigset_t *set);

/* In a forked child, which has no reactor; with the lock held. */
void reactor_after_fork(void);

#endif
