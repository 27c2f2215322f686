/*
 * wire/seat: the program's numbers of a contest, and which attempt's socket is on them.
 * Called with the contests' lock held.
 * Safe in: threads, signal handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_SEAT_H
#define WIRE_SEAT_H

#include "wire/contest.h"

/*
 * The seated attempt, by value. Its `fd` is a private number or the program's own: the own socket
 * gets a private one only when another takes its place.
 */
struct attempt seat_of(const struct contest *contest);

/* Drops the numbers that were closed or reused behind our back. False when none is left. */
bool seat_keep_numbers(struct contest *contest);

/*
 * Puts the socket of attempt `next` on all numbers, with what the program set meanwhile, and into
 * the epoll sets that have them. The one that was there stays open on its private number.
 * Returns 0; -ESTALE when no number is ours any more, or what is there has connected; otherwise
 * -errno: nothing has changed, and `next` cannot stand in.
 */
int seat_place(struct contest *contest, unsigned next);

/* What attempt `i` met, whose socket the program does not have any more, is read, if it was not. */
void seat_learn_error(struct contest *contest, unsigned i);

/* What sets were known to have of the numbers may be gone: then it is not known who waits. */
void seat_check_record(struct contest *contest);

/*
 * Puts the program's own socket back, which failed when another one took its place; whoever waits
 * for that one in poll() is told that it has hung up. Where that can not be, nothing changes.
 */
void seat_give_back(struct contest *contest);

/*
 * Wakes whoever waits on a socket that was on the numbers before. A thread in a blocking connect()
 * is woken by a shutdown only; it sees ECONNRESET or EPIPE and asks us.
 */
void seat_wake(const struct contest *contest);

/*
 * Each wait of the kernel takes the whole SO_SNDTIMEO anew. For a wait on another socket it is cut
 * to what is `left`, and put back soon after the thread has begun to wait, unless the program has
 * set it meanwhile.
 */
void seat_cut_send_timeout(struct contest *contest, const struct timeval *left);
void seat_restore_send_timeout(struct contest *contest);

#endif
