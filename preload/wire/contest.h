/*
 * wire/contest: a race on real sockets: one connect() of the program, the pure race that decides,
 * and an attempt for each candidate. Everything here is called with the lock of wire/contests held.
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

#include <sys/time.h>

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
	unsigned seat;    /* the attempt whose socket is on the number */
	unsigned waiters; /* threads of the program inside connect() on the number */
	bool unattended;  /* the thread came back early (EINTR, SO_SNDTIMEO): nobody waits */
	bool touched;     /* an attempt of it is ready */
	struct timeval send_timeout,
	    send_timeout_cut; /* the program's; what stands there meanwhile */
	bool send_timeout_is_cut;
	uint64_t due_ns; /* when the reactor has to look at it again */
	uint64_t
	    seat_failed_ns; /* since when the seat has an error that no thread came for; 0: none */

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
	struct addr
	    addrs[RACE_ATTEMPTS_MAX]; /* in the order to be tried, the requested one first */
};

/*
 * Begins a contest in a free place of the table: a private number for the own socket, sockets for
 * the candidates, the reactor, the first attempt counted as started. For contests_open().
 * Returns 0, or -errno: then nothing is left behind.
 */
int contest_begin(struct contest *contest, const struct contest_request *request,
                  const struct quiet *quiet, uint64_t now_ns);

/* Starts what is due, settles what is decided, and sets due_ns. */
void contest_advance(struct contest *contest, uint64_t now_ns);

/* Reads what became of the attempts, then advances. For the reactor. */
void contest_look(struct contest *contest, uint64_t now_ns);

/* The program's thread learned that the seated attempt ended; errno value, 0 if it connected. */
void contest_seat_ended(struct contest *contest, int error, uint64_t now_ns);

/*
 * Puts the latest running attempt on the number: the earlier ones are looked after by the reactor,
 * which may not know of that one yet. Returns 0, -ENOENT when none runs, or -ESTALE
 * when the number is not ours any more: the contest is settled then.
 */
int contest_reseat(struct contest *contest, uint64_t now_ns);

/* Ends the contest without a word: the socket on the number goes its own way. */
void contest_leave(struct contest *contest, uint64_t now_ns);

/* Gives a settled contest's place back. */
void contest_free(struct contest *contest);

/* In a forked child: closes what the child has of it and empties the place. */
void contest_forget(struct contest *contest);

/*
 * Each wait of the kernel takes the whole SO_SNDTIMEO anew. For a wait on another socket it is cut
 * to what is `left`, and put back soon after the thread has begun to wait, unless the program has
 * set it meanwhile.
 */
void contest_cut_send_timeout(struct contest *contest, const struct timeval *left);
void contest_restore_send_timeout(struct contest *contest);

#endif
