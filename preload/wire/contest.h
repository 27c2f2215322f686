/*
 * wire/contest: a race on real sockets: one connect() of the program, the pure race that decides,
 * and an attempt for each candidate. Everything here is called with the lock of wire/contests held.
 *
 * The rule that everything here keeps: the program's number always holds a real socket that is
 * connecting, connected, or has failed as the program will be told. That socket is the seat
 * (wire/seat). The own socket sits there first; another attempt takes the seat when it wins, or
 * when the seated one failed while it still runs.
 *
 * Who does what: a thread of the program that waits in the real connect() on the seat reports what
 * that said (wire/dial). The reactor (wire/reactor) starts what is due and looks at the others, and
 * at the seat where nobody waits in connect(). The program's threads that wait in poll(), select()
 * or epoll_wait() look as well before they believe what they see (wire/number).
 */
#ifndef WIRE_CONTEST_H
#define WIRE_CONTEST_H

#include "base/quiet.h"
#include "race/race.h"
#include "wire/attempt.h"

#include <pthread.h>
#include <sys/time.h>

/* As many as an answer has addresses, which is more than is ever tried. */
#define CONTEST_ATTEMPTS_MAX 32

/* An answer's name, for the log. */
#define CONTEST_NAME_MAX 256

/*
 * The program's numbers for one socket: dup() during a race is rare, and more than two copies were
 * never seen. With more of them the race is given up.
 */
#define CONTEST_NUMBERS_MAX 4

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

/*
 * How whoever waits for the number was found. Another socket takes its place only when that is
 * known, because one who waits unseen (by a raw system call, in an io_uring) would wait for ever.
 */
enum contest_waiters {
	WAITERS_UNKNOWN = 0,
	WAITERS_FDINFO = 1, /* registered in an epoll set behind our back, found there since */
	WAITERS_POLL = 2,   /* in poll(), select() or a further connect(), which ask us */
	WAITERS_RECORD = 4, /* in epoll sets, by calls that we saw */
};

struct contest_number {
	int fd;
	struct contest *contest;
	struct contest_number *next; /* of the same bucket: wire/contests */
};

struct contest {
	enum contest_state state;
	uint32_t generation; /* counts the uses of this place in the table */
	/* What wire/contests keeps: how it is counted, and where it is listed. */
	uint32_t place;
	bool is_blind, is_needy;
	uint64_t need_ns; /* when it is to be seen to: wire/needs */
	struct contest *next,
	    *previous; /* free; settled; or open with the same requested address */
	struct contest *next_needy, *previous_needy;

	struct own own;
	struct addr_extra extra;
	struct contest_number numbers[CONTEST_NUMBERS_MAX];
	unsigned number_count; /* 0 once it is over */
	unsigned seat;         /* the attempt whose socket is on the numbers */
	unsigned waiters;      /* threads of the program inside connect() on the number */
	pthread_t waiter;      /* the last of them */
	bool unattended;       /* nobody waits there: a non-blocking socket, EINTR, SO_SNDTIMEO */
	bool asked;            /* the program has read SO_ERROR while nothing had failed */
	bool hidden;           /* a failure of the seat was kept from an epoll set */
	unsigned known;        /* enum contest_waiters, more than one at times */
	bool searched;         /* for epoll sets that have the number beside what is known */
	struct timeval send_timeout,
	    send_timeout_cut; /* the program's; what stands there meanwhile */
	bool send_timeout_is_cut;
	uint64_t due_ns;       /* when the reactor has to look at it again */
	uint32_t agenda_place; /* wire/agenda; 0: not entered */
	uint64_t
	    seat_failed_ns; /* since when the seat has an error that no thread came for; 0: none */

	enum contest_outcome outcome;
	int error;       /* errno value of CONTEST_LOST; 0: it is to be read from the socket */
	unsigned winner; /* attempt of CONTEST_WON */
	uint64_t begun_ns, settled_ns;
	int log_fd; /* where to tell about it, opened by the program's thread */
	bool told;
	char name[CONTEST_NAME_MAX];
	struct race race;
	struct race_attempt race_attempts[CONTEST_ATTEMPTS_MAX];
	struct attempt attempts[CONTEST_ATTEMPTS_MAX];
};

struct contest_request {
	struct own own;
	struct addr_extra extra; /* port, flowinfo and form of the requested address */
	bool dual_stack;         /* IPv4 candidates go v4-mapped through AF_INET6 */
	/* Another thread may make a copy of the number in the very moment: asked once it races. */
	bool (*has_copy)(const struct own *own);
	struct race_rules rules;
	const char *name;
	unsigned count; /* 2 to CONTEST_ATTEMPTS_MAX */
	struct addr
	    addrs[CONTEST_ATTEMPTS_MAX]; /* in the order to be tried, the requested one first */
};

/*
 * Begins a contest in a free place of the table: sockets for the candidates, the reactor, the first
 * attempt counted as started. `attended` says that the calling thread will wait in connect(): then
 * all sockets are made now. Else they are made as they are needed (contest_tend()), by the
 * program's waits: so a connection that is quick costs none. For contests_open(). Returns 0, or
 * -errno: then nothing is left behind.
 */
int contest_begin(struct contest *contest, const struct contest_request *request, bool attended,
                  const struct quiet *quiet, uint64_t now_ns);

/* Starts what is due, settles what is decided, and enters it into the agenda. */
void contest_advance(struct contest *contest, uint64_t now_ns);

/* Reads what became of the attempts, then advances. */
void contest_look(struct contest *contest, uint64_t now_ns);

/*
 * The program's thread learned that attempt `i`, which is or was on the number, ended; errno value,
 * 0 if it connected.
 */
void contest_attempt_ended(struct contest *contest, unsigned i, int error, uint64_t now_ns);

/* The program's non-blocking connect() failed at once: nothing runs on its number. */
void contest_seat_refused(struct contest *contest, int error, uint64_t now_ns);

/*
 * Puts the latest running attempt on the number: the earlier ones are looked after by the reactor,
 * which may not know of that one yet. Returns 0, -ENOENT when none runs, or -ESTALE
 * when the number is not ours any more: the contest is settled then.
 */
int contest_reseat(struct contest *contest, uint64_t now_ns);

/* One more way of waiting became known. What was held back for that is done now. */
void contest_know(struct contest *contest, enum contest_waiters how, uint64_t now_ns);

/*
 * The kernel believes that the program has been told of the failure that is on its number, because
 * an epoll set reported it to us: the sets report it again.
 */
void contest_reveal(struct contest *contest);

/*
 * This thread of the program waits in connect(), which tells us what becomes of the seat. Who has
 * been given up because it did not come for so long is believed when it comes.
 */
void contest_attend(struct contest *contest);

/* No thread waits in connect() any more: the reactor looks after the seat. */
void contest_unattend(struct contest *contest);

/* Makes the next socket; for a thread of the program, and while race.ready < race.count. */
void contest_prepare_next(struct contest *contest);

/* The next attempt lacks nothing but its socket. */
bool contest_needs_socket(const struct contest *contest);

/*
 * Whether a thread of the program is to look for epoll sets that have the number unseen: somebody
 * polls it, which says nothing of others who wait.
 */
bool contest_wants_search(const struct contest *contest);

/* A thread of the program makes the next socket, if the contest has none left, and looks. */
void contest_feed(struct contest *contest, uint64_t now_ns);

/* contest_look() by a thread of the program, which makes what sockets are needed at once. */
void contest_tend(struct contest *contest, uint64_t now_ns);

/*
 * The same before it waits for the number. Where there is nothing but the program's own attempt,
 * as with all healthy ones, the wait itself tells what becomes of it.
 */
void contest_await(struct contest *contest, uint64_t now_ns);

/* Ends the contest without a word: the socket on the number goes its own way. */
void contest_leave(struct contest *contest, uint64_t now_ns);

/* Closes all private numbers; what is on the program's number stays there. */
void contest_close_sockets(struct contest *contest);

/* Gives a settled contest's place back. */
void contest_free(struct contest *contest);

/*
 * What the network said of attempt `i` of a lost contest: an errno value; 0 when it said nothing,
 * or nothing that would hold for another socket.
 */
int contest_verdict(const struct contest *contest, unsigned i);

/* In a forked child: closes what the child has of it and empties the place. */
void contest_forget(struct contest *contest);

#endif
