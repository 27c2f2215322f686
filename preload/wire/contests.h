/*
 * wire/contests: all contests of this process, in one table behind one lock. The lock is held
 * only over system calls that do not block, with signals and cancellation off (base/quiet), so that
 * no signal handler can find it held; a forked child makes it anew.
 *
 * Safe in: threads, signal handlers, fork; cancellation is disabled while the lock is held. A
 * vfork() child shares our memory and is another process: see contests_are_ours().
 */
#ifndef WIRE_CONTESTS_H
#define WIRE_CONTESTS_H

#include "wire/contest.h"

/*
 * Races at the same time; the next one is left to the kernel. Ten thousand in one process are
 * served; the memory for them, 3 KiB each, is asked of the kernel as they come.
 */
#define CONTESTS_MAX 16384

/*
 * Registers the fork handler, at its first call, which must come before the lock is taken and not
 * in a signal handler. Returns whether it stands.
 */
bool contests_guard(void);

/*
 * Allows contests, from now on; not for signal handlers. `on_lost`, which may be NULL, is told
 * about each contest in which every attempt failed, with the lock held. Returns 0 or -errno.
 */
int contests_prepare(void (*on_lost)(const struct contest *contest));

/* The lock. What follows is called with it held, if not said otherwise. */
void contests_lock(struct quiet *ret_quiet);
void contests_unlock(const struct quiet *quiet);

/* The lock alone is given away and taken again: the thread stays quiet meanwhile. */
void contests_let_others(void);
void contests_lock_again(void);

/*
 * True when a contest runs on `fd`, or on a number that shares its place in a small table. One
 * load; without the lock. Safe everywhere, a vfork() child included.
 */
bool contests_may_have(int fd);

/* True when any contest runs; one load, without the lock. */
bool contests_exist(void);

/*
 * Whether there are contests that an unseen registration could belong to: all whose numbers were
 * not seen to be put into a set, whatever else is known of who waits for them. One load, without
 * the lock.
 */
bool contests_are_blind(void);

/*
 * A thread of the program begins (1) or ends (-1) a wait. One that sleeps already when a race
 * begins does not come by to make sockets for it. Without the lock.
 */
void contests_count_wait(int change);

/* It waits for epoll sets by calls that ask us. Returns whether that is news. Without the lock. */
bool contests_see_waits(void);
bool contests_saw_waits(void);
bool contests_are_waited_for(void);

/*
 * False where even the lock is not to be taken: in a child that was made without the fork handlers
 * (_Fork(), clone()) it may be held for ever. Without the lock.
 */
bool contests_may_open(void);

/* False in a child that shares or copied our memory but is another process; without the lock. */
bool contests_are_ours(void);

/* The number of an open contest, whatever is on it now, or NULL. */
struct contest_number *contests_number(int fd);

/* The open contest on `fd` whose number still holds its socket, or NULL. */
struct contest *contests_find(int fd);

/*
 * Opens a contest: see contest_begin(). `quiet` is what contests_lock() gave. NULL when that is not
 * possible: then nothing is left behind and the real connect() is all there is.
 */
struct contest *contests_open(const struct contest_request *request, bool attended,
                              const struct quiet *quiet, uint64_t now_ns);

/*
 * RFC 8305 section 5 recommends at least 100 ms between attempts. Connections to several addresses
 * of an answer that begin closer together are no race, but a pool that takes turns.
 */
#define CONTESTS_RACING_AFTER_NS UINT64_C(100000000)

enum contests_beside {
	CONTESTS_NONE,     /* none that this connection would race with */
	CONTESTS_OWN_RACE, /* the program has its own race */
	CONTESTS_TURNS,    /* it connects to the addresses in turns, each for itself */
};

/*
 * The program connects `own` to addrs[requested], `count` addresses being the answer it stands in,
 * and to `port`. What is that to a contest of another number, which runs for another address of
 * that answer, with this one as a candidate? Both must stand in the other's answer: threads that
 * talk to different names are none of that. Nor are two blocking calls at the same time, of which
 * each has its own thread: that is a pool.
 */
enum contests_beside contests_look_beside(const struct own *own, const struct addr *addrs,
                                          size_t count, size_t requested, uint16_t port);

/* Contests for other addresses of the answer start no more attempts: the program has its own race.
 */
void contests_stand_down(const struct addr *addrs, size_t count, size_t requested, uint16_t port);

/*
 * Takes the lock and finds the contest on `fd`; NULL: there is none, and the lock is not held.
 * Without the lock.
 */
struct contest *contests_lock_on(int fd, struct quiet *ret_quiet);

/*
 * The next number from `first` to `last` of an open contest, from `*place` on, which is 0 at first;
 * NULL: no more.
 */
struct contest_number *contests_in_range(unsigned first, unsigned last, uint32_t *place);

/* For wire/contest and its helpers: the contest's numbers, and how it is counted and listed. */
void contests_add_number(struct contest *contest, int fd);
void contests_drop_number(struct contest *contest, unsigned index);
void contests_opened(struct contest *contest);
void contests_settled(struct contest *contest);

/* Hands what the attempts of a contest met to whoever remembers it, see contests_prepare(). */
void contests_lost(const struct contest *contest);
void contests_recount(struct contest *contest); /* `known` or `unattended` changed */

#endif
