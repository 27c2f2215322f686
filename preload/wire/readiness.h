/*
 * wire/readiness: what the program may be told of a number that races, when it waits for it or asks
 * for its error. Its threads look after the race in doing so. Each takes the contests' lock itself.
 *
 * Safe in: threads, signal handlers, fork, cancellation. Not for a vfork() child: number_races()
 * says no there.
 */
#ifndef WIRE_READINESS_H
#define WIRE_READINESS_H

#include "wire/errors.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* What a wait of the program may make of a readiness of the number. */
enum readiness {
	READINESS_TRUE,   /* it is the program's to know; so for every number that does not race */
	READINESS_HIDDEN, /* a race goes on behind it: nothing has happened yet */
	READINESS_MOVED,  /* another socket is there now: to be asked again */
};

/*
 * A wait of the program that asks us afterwards, and knows the number, begins. Returns until when
 * it is not to see the number at all, as its socket has failed and the next one may not start yet;
 * 0: it may see it.
 */
uint64_t readiness_wait(int fd);

/*
 * The program waits for epoll sets by calls that ask us. Until it has done so once, what it has
 * registered is no sign of how it waits.
 */
void readiness_sees_waits(void);

/* It found the number ready. Looks after the race, and tells what that means. */
enum readiness readiness_judge(int fd);

/*
 * The program reads the error of its socket, which counts as asking for it. Whether it has none
 * because a race goes on behind it.
 */
bool readiness_hides_error(int fd);

/* Whether it is to read another error than the one that the socket has, and has just been asked
 * for.
 */
bool readiness_has_other_error(int fd, struct errors_entry *ret_entry);

/*
 * Takes what is to be hidden from the program, or what a set had reported before another socket
 * took the number, out of `count` events of `set`. `moves` is interests_moves() from before the
 * wait. Returns how many are left.
 */
int readiness_filter(int set, struct epoll_event *events, int count, unsigned moves);

/*
 * A wait of the program does what only its own thread may do, or what nobody else knows of: makes
 * sockets that races lack, and starts what the reactor sleeps over. Returns until when it may sleep
 * before it comes again; CLOCK_NEVER when no race will need that.
 */
uint64_t readiness_tend(void);

#endif
