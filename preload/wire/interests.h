/*
 * wire/interests: which epoll sets of the program know which of its numbers, with which events and
 * data: the interest lists of epoll(7), as far as a race needs them. The kernel keys a registration
 * by socket and number, so one is lost when another socket takes the number's place, unless it is
 * taken out before and put in again behind.
 *
 * Remembered are registrations of TCP sockets that are not connected yet, and of numbers that race.
 * A table of fixed size; what does not fit, or was registered behind our back, is looked for by
 * wire/unseen.
 *
 * Called with the contests' lock held, interests_may_*() excepted.
 * Safe in: threads, signal handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_INTERESTS_H
#define WIRE_INTERESTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Ten thousand races, in one set each and some in two; 1 MiB of .bss, touched as used. */
#define INTERESTS_MAX 16384

struct interest {
	int set;
	int fd;
	uint32_t events;
	uint64_t data;
	uint64_t cookie;     /* the socket that was on the number then */
	bool disarmed;       /* EPOLLONESHOT has reported; nothing more until the program says so */
	uint32_t next_of_fd; /* indexes of the table, plus 1; 0: none */
	uint32_t next_of_key; /* likewise */
};

/* Whether one of this number, or of this set and data, may be known; one load, without the lock. */
bool interests_may_have(int fd);
bool interests_may_know(int set, uint64_t data);

/* Whether one of this number is known. */
bool interests_have(int fd);

/*
 * epoll_ctl() by the program has succeeded: remembers it. `cookie` is the socket's on `fd`. An
 * addition of what is known already replaces it; a change of what is unknown is ignored.
 */
void interests_note(int set, int operation, int fd, uint64_t cookie,
                    const struct epoll_event *event);

/* What the set reported with `data`, or NULL. Valid until the table changes. */
struct interest *interests_find(int set, uint64_t data);

/* All of the number are forgotten: it is closed, or cannot race any more. */
void interests_forget(int fd);

/* Takes the number out of all its sets, before another socket takes its place. */
void interests_detach(int fd);

/*
 * Puts the number, with the socket that it has now, into them again. A set that is not what it was
 * is forgotten. Returns 0 or -errno of a set that refused: then some may have it and some may not.
 */
int interests_attach(int fd, uint64_t cookie);

/*
 * The number's readiness at this moment is nobody's business, until it is attached again: no set
 * reports it a second time.
 */
void interests_mute(int fd);

/* In a forked child. */
void interests_clear(void);

#endif
