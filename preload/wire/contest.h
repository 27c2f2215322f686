/*
 * wire/contest: a race on real sockets: one connect() of the program, the pure race that decides,
 * and an attempt for each candidate. All contests of the process live in one fixed table behind one
 * lock, which is held only over system calls that do not block, with signals and cancellation off
 * (base/quiet), so that neither a signal handler nor a forked child can find it held.
 *
 * The rule that everything here keeps: the program's number always holds a real socket that is
 * connecting, connected, or has failed as the program will be told. That socket is the seat. The
 * own socket sits there first; another attempt takes the seat when it wins, or when the seated one
 * failed while it still runs.
 *
 * Who does what: the program's thread waits in the real connect() on the seat and reports what
 * that said (wire/dial). The reactor (wire/reactor) starts what is due and looks at the others.
 */
#ifndef WIRE_CONTEST_H
#define WIRE_CONTEST_H

#include "base/quiet.h"
#include "race/race.h"
#include "wire/attempt.h"

#include <stdatomic.h>

/* Races at the same time; the next one is left to the kernel. 690 KiB of .bss, touched as used. */
#define CONTESTS_MAX 256

/* An answer's name, for the log. */
#define CONTEST_NAME_MAX 256

enum contest_state {
	CONTEST_FREE,
	CONTEST_OPEN,
	CONTEST_SETTLED, /* over; kept until the waiting thread has read the outcome */
};

enum contest_outcome {
	CONTEST_WON,  /* the winner is on the number */
	CONTEST_LOST, /* the own socket is on the number; `error` is what the program is told */
	CONTEST_LEFT, /* we let go: what the kernel says is what the program is told */
};

struct contest {
	enum contest_state state;
	uint32_t generation; /* counts the uses of this place in the table */
	struct own own;
	struct addr_extra extra;
	struct race race;
	struct attempt attempts[RACE_ATTEMPTS_MAX];
	unsigned seat;           /* the attempt whose socket is on the number */
	unsigned waiters;        /* threads of the program inside connect() on the number */
	bool unattended;         /* the thread came back early (EINTR, SO_SNDTIMEO): nobody waits */
	bool touched;            /* an attempt of it is ready */
	uint64_t due_ns;         /* when the reactor has to look at it again */
	uint64_t seat_failed_ns; /* since when the seat has an error that no thread came for; 0: none */

	enum contest_outcome outcome;
	int error;       /* errno value of CONTEST_LOST */
	unsigned winner; /* attempt of CONTEST_WON */
	uint64_t begun_ns, settled_ns;
	char name[CONTEST_NAME_MAX];
	int log_fd; /* where to tell about it, opened by the program's thread */
	bool told;
};

struct contest_request {
	struct own own;
	struct addr_extra extra; /* port, flowinfo and form of the requested address */
	bool dual_stack;         /* IPv4 candidates go v4-mapped through AF_INET6 */
	struct race_rules rules;
	const char *name;
	unsigned count; /* 2 to RACE_ATTEMPTS_MAX */
	struct addr addrs[RACE_ATTEMPTS_MAX]; /* in the order to be tried, the requested one first */
};

/*
 * Registers fork handlers; call once, before the first contest, outside signal handlers. Without
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

/* False in a child that shares or copied our memory but is another process; without the lock. */
bool contests_are_ours(void);

/* The open contest on `fd` whose number still holds its socket, or NULL. */
struct contest *contest_find(int fd);

/*
 * Opens a contest: private number, sockets for the candidates, the first attempt counted as
 * started. `quiet` is what contests_lock() gave. NULL when that is not possible: then nothing is
 * left behind and the real connect() is all there is.
 */
struct contest *contest_open(const struct contest_request *request, const struct quiet *quiet,
                             uint64_t now_ns);

/* Starts what is due, settles what is decided, and sets due_ns. */
void contest_advance(struct contest *contest, uint64_t now_ns);

/* Reads what became of the attempts, then advances. For the reactor. */
void contest_look(struct contest *contest, uint64_t now_ns);

/* The program's thread learned that the seated attempt ended; errno value, 0 if it connected. */
void contest_seat_ended(struct contest *contest, int error, uint64_t now_ns);

/*
 * Puts the earliest running attempt on the number. Returns 0, -ENOENT when none runs, or -ESTALE
 * when the number is not ours any more: the contest is settled then.
 */
int contest_reseat(struct contest *contest, uint64_t now_ns);

/* The attempt whose socket is on the program's number, also after the contest is settled. */
unsigned contest_placed(const struct contest *contest);

/* Ends the contest without a word: the socket on the number goes its own way. */
void contest_leave(struct contest *contest, uint64_t now_ns);

/* Gives a settled contest's place back. */
void contest_free(struct contest *contest);

/*
 * The program connects another descriptor to `addr` and `port`. If that address is a later
 * candidate of a running contest of another number, the program has its own race: those contests
 * start no more attempts. Returns whether there is one.
 */
bool contests_stand_down(int fd, const struct addr *addr, uint16_t port);

/*
 * Ends the contests on the numbers from `first` to `last`, which the program is about to close or
 * to put something else on. Takes the lock itself.
 */
void contests_let_go(unsigned first, unsigned last);

/* For the reactor: the table, CONTESTS_MAX long. */
struct contest *contests_table(void);

#endif
