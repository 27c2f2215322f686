/*
 * wire/unseen: registrations in the program's epoll sets that no hook saw, because they were made
 * by a raw system call or an io_uring. The kernel lists them in /proc/self/fdinfo (proc(5)).
 *
 * A file is opened for that, which takes the lowest number for a moment: so it is only done by the
 * program's own thread, in a call of its own.
 *
 * Safe in: threads, signal handlers, fork; cancellation is disabled inside.
 */
#ifndef WIRE_UNSEEN_H
#define WIRE_UNSEEN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Finds what `set`, which the program is about to wait on, knows of numbers that race and of which
 * nobody knows who waits for them.
 */
void unseen_find(int set);

/*
 * The same for all epoll sets of the process, and one number. Returns false when it cannot be
 * known: there is no /proc, or an io_uring, which tells nobody what it waits for.
 */
bool unseen_find_everywhere(int fd);

/*
 * The same for all numbers that race, with the contests' lock held; for a contest that began at
 * `since_ns`. What can not be known stays unknown.
 */
void unseen_find_all(uint64_t since_ns, uint64_t now_ns);

#endif
