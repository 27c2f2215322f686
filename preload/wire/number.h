/*
 * wire/number: what the program does to a number that races, and what it may be told about it. Each
 * takes the contests' lock itself and ends at once when nothing races on the number.
 *
 * Safe in: threads, signal handlers, fork, cancellation. Not for a vfork() child: number_races()
 * says no there.
 */
#ifndef WIRE_NUMBER_H
#define WIRE_NUMBER_H

#include "base/quiet.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Whether a race may run on the number, in this process. One load when none does anywhere. */
bool number_races(int fd);

/* Whether number_let_go() has anything to do for the number. Two loads. */
bool number_matters(int fd);

/*
 * Holds the race on the number still, so that a call that changes the socket or its flags comes
 * either before or after another socket takes its place. Returns whether one runs; then
 * number_release() is to follow.
 */
bool number_hold(int fd, struct quiet *ret_quiet);
void number_release(const struct quiet *quiet);

/* The same for all races; false in a vfork() child. */
bool number_hold_all(struct quiet *ret_quiet);

/* While they are held: a call of the program has changed something that the race must know of. */
void number_chose_hops(int fd);
void number_blocks(int fd); /* O_NONBLOCK was cleared */
void number_gone(int fd);   /* something else is there */

/* Both are the program's numbers for the socket now. Returns whether the copy will have the winner.
 */
bool number_copied(int fd, int copy);

/* The program closes the numbers from `first` to `last`, or puts something else on them. */
void number_let_go(unsigned first, unsigned last);

/* Gives up the race on the number, which stays what it is. */
void number_stand_down(int fd);

/* Likewise, and the program's own socket is there again, for another connect(). */
void number_dissolve(int fd);

/*
 * The epoll_ctl() of the program, which is made here: registrations of TCP sockets that are not
 * connected, or that race, are remembered. Returns as epoll_ctl().
 */
int number_control(int set, int operation, int fd, struct epoll_event *event);

#endif
