/*
 * wire/contests: all contests of this process, in one fixed table behind one lock. The lock is held
 * only over system calls that do not block, with signals and cancellation off (base/quiet), so that
 * no signal handler can find it held; a forked child makes it anew.
 *
 * Safe in: threads, signal handlers, fork; cancellation is disabled while the lock is held. A
 * vfork() child shares our memory and is another process: see contests_are_ours().
 */
#ifndef WIRE_CONTESTS_H
#define WIRE_CONTESTS_H

#include "wire/contest.h"

/* Races at the same time; the next one is left to the kernel. 690 KiB of .bss, touched as used. */
#define CONTESTS_MAX 256

/*
 * Registers the fork handler; call once, before the first contest, outside signal handlers. Without
 * it there are no contests. Returns 0 or -errno.
 */
int contests_prepare(void);

/* The lock. What follows is called with it held, if not said otherwise. */
void contests_lock(struct quiet *ret_quiet);
void contests_unlock(const struct quiet *quiet);

/*
 * True when a contest runs on `fd`, or on a number that shares its place in a small table. One
 * load; without the lock. Safe everywhere, a vfork() child included.
 */
bool contests_may_have(int fd);

/* True when any contest runs; one load, without the lock. */
bool contests_exist(void);

/*
 * False where even the lock is not to be taken: in a child that was made without the fork handlers
 * (_Fork(), clone()) it may be held for ever. Without the lock.
 */
bool contests_may_open(void);

/* False in a child that shares or copied our memory but is another process; without the lock. */
bool contests_are_ours(void);

/* The open contest on `fd` whose number still holds its socket, or NULL. */
struct contest *contests_find(int fd);

/*
 * Opens a contest: private number, sockets for the candidates, the first attempt counted as
 * started. `quiet` is what contests_lock() gave. NULL when that is not possible: then nothing is
 * left behind and the real connect() is all there is.
 */
struct contest *contests_open(const struct contest_request *request, const struct quiet *quiet,
                              uint64_t now_ns);

/*
 * The program connects `own` to addrs[requested], `count` addresses being the answer it stands in,
 * and to `port`. If a contest of another number runs for another address of that answer, with this
 * one as a candidate, the program has its own race: such contests start no more attempts. Both must
 * stand in the other's answer: threads that talk to different names are none of that. Nor are two
 * blocking calls at the same time, of which each has its own thread: that is a pool.
 * Returns whether there is one.
 */
bool contests_stand_down(const struct own *own, const struct addr *addrs, size_t count,
                         size_t requested, uint16_t port);

/*
 * The program chose TTL, hop limit or path MTU discovery on a number that races: the winner gets
 * them. Takes the lock itself.
 */
void contests_chose_hops(int fd);

/*
 * Ends the contests on the numbers from `first` to `last`, which the program is about to close or
 * to put something else on. Takes the lock itself.
 */
void contests_let_go(unsigned first, unsigned last);

/* For the reactor: the table, CONTESTS_MAX long. */
struct contest *contests_table(void);

/* Counts a contest as begun (1) or settled (-1), so that the questions above stay one load. */
void contests_count(const struct contest *contest, int change);

#endif
