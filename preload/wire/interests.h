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
	uint64_t own;        /* the one that the program connects, whatever stands in for it */
	uint64_t cookie;     /* the socket that was on the number then */
	unsigned attached;   /* interests_moves() when it was put in by us; 0: never */
	bool reported;       /* since then, to the program */
	bool disarmed;       /* EPOLLONESHOT has reported; nothing more until the program says so */
	uint32_t next_of_fd; /* indexes of the table, plus 1; 0: none */
	uint32_t next_of_key; /* likewise */
};

/*
 * Whether one of this number, with this data, or in a set with this number, may be known; one load,
 * without the lock.
 */
bool interests_may_have(int fd);
bool interests_may_know(uint64_t data);
bool interests_may_be_in(int set);

/*
 * Around a call of the program that changes a set, until that is noted: the set may report what
 * nobody knows of yet, so everything may be known, and who asks further waits for the lock.
 */
void interests_change(bool begins);

/* Whether one of this number is known; those of other sockets that had it are forgotten. */
bool interests_have(int fd, uint64_t cookie);

/* The same, when those are forgotten, too, that the program has taken out of their sets unseen. */
bool interests_confirm(int fd, uint64_t cookie);

/*
 * epoll_ctl() by the program has succeeded: remembers it. `own` is the cookie of the program's own
 * socket, `cookie` of the one on `fd` now, which stands in for that in a race. An addition of what
 * is known already replaces it; a change of what is unknown is ignored.
 */
void interests_note(int set, int operation, int fd, uint64_t own, uint64_t cookie,
                    const struct epoll_event *event);

/*
 * The kernel was found to have this for the number. A one-shot that is known and has reported is
 * left as it was asked for: its event may be in the hands of a thread, and be none for the program.
 */
void interests_found(int set, int fd, uint64_t own, uint64_t cookie,
                     const struct epoll_event *event);

/*
 * What the set may have reported with `data`, which programs use for several numbers at times: the
 * one after `previous`, which is NULL at first; NULL: no more. Valid until the table changes.
 */
struct interest *interests_find(int set, uint64_t data, const struct interest *previous);

/*
 * The same among what was so lately: of numbers that were forgotten after another socket had come,
 * or that have other data since. A thread may have an event of that time still.
 */
const struct interest *interests_find_former(int set, uint64_t data,
                                             const struct interest *previous);

/* Whether the set has the socket that is on the number now. False where kcmp(2) is not allowed. */
bool interests_set_has(int set, int fd);

/*
 * An event of the interest was reported that may have been older than the socket which is on the
 * number since a move: the set reports anew, once, whatever it has reported.
 */
void interests_renew(struct interest *interest);

/* The one of this set and number, or NULL. */
struct interest *interests_of(int set, int fd);

/*
 * The set is closed, or another file has its number. It may go on by a number that is not known:
 * one of its interests is forgotten. Returns whose that was; -1: no more.
 */
int interests_lose_set(int set);

/* All of the number are forgotten: it is closed, or cannot race any more. */
void interests_forget(int fd);

/*
 * Takes the number out of all its sets, before another socket takes its place. A set that is not
 * what it was is forgotten. Returns 0, or -errno of a set that refused: then some may have it and
 * some may not.
 */
int interests_detach(int fd);

/*
 * Counts moves. One load; without the lock. A wait that began with the same count has seen nothing
 * of the socket that was on the number before.
 */
unsigned interests_moves(void);

/*
 * Puts the number, with the socket that it has now, into them again, which is a move. Returns 0 or
 * -errno of a set that refused: then some may have it and some may not.
 */
int interests_attach(int fd, uint64_t cookie);

/* After one of the two has failed: all sets have the number, with the socket that it has now. */
void interests_restore(int fd, uint64_t cookie);

/*
 * The number's readiness at this moment is nobody's business, until it is attached again: no set
 * reports it a second time.
 */
void interests_mute(int fd);

/* In a forked child. */
void interests_clear(void);

#endif
