/*
 * soak: random races, each of which can be made again.
 *
 * A race number and a seed say all that is chosen: the plan (plan.c) is drawn before anything
 * happens, and nothing that happens changes it. The names are those of network.bash, whose
 * addresses tell what they do (names.c). What a race must come to follows from the plan; without
 * libhe from the requested address alone, so the same program is its own control.
 */
#ifndef SOAK_H
#define SOAK_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define NAME_ADDRESSES_MAX 8
#define BATCH_MAX 8
/* The first is for many races at once; each worker has one of its own behind it. */
#define PORT_SHARED 7100

/* --- names.c: what names resolve to, and what has to come of it --- */

enum kind { GOOD, REFUSED, PROHIBITED, BLACK, UNROUTED };

struct address {
	struct sockaddr_storage sa; /* port 0 */
	socklen_t len;
	enum kind kind;
};

struct name {
	char text[16];
	size_t count;
	struct address at[NAME_ADDRESSES_MAX];
	bool slow; /* nothing answers, and not all of it says so at once: it takes the kernel's
	              timeout */
};

/* Resolves s0, s1, ... until there is no more; returns their number. */
size_t names_load(void);
const struct name *names_at(size_t index);
/* Resolves it again, as programs do all the time; the answer must be the same. */
void names_again(const struct name *name);
/* The error that connecting to it natively ends with; 0 for a good one. */
int names_error(const struct address *address);
/* The address of `name` that `sa` is, v4-mapped or not; NULL if it is none. */
const struct address *names_find(const struct name *name, const struct sockaddr_storage *sa);
/* As `sa` with the port set, v4-mapped if `mapped`. Returns its length. */
socklen_t names_fill(const struct address *address, uint16_t port, bool mapped,
                     struct sockaddr_storage *ret_sa);

/* --- plan.c --- */

enum scenario { SINGLE, BATCH, OWN_RACE, WALK, CHILD_RACES, CANCEL };
enum mode { BLOCKING, FROM_START, BY_FCNTL, BY_IOCTL }; /* how it became non-blocking */
enum api {
	POLL,
	PPOLL,
	SELECT,
	PSELECT,
	EPOLL_WAIT,
	EPOLL_PWAIT,
	EPOLL_PWAIT2,
	POLL_ZERO,
	CONNECT_POLLED,
	RAW_POLL,
	RAW_EPOLL_WAIT,
};
enum set { LEVEL, EDGE, ONESHOT, EXCLUSIVE, NESTED, RAW_ADDED, TWO_SETS };
enum want { WANT_OUT = 1, WANT_IN = 2, WANT_BOTH = 3 };
enum action {
	NOTHING,
	DUP,
	DUP_AND_CLOSE,
	SCM_RIGHTS_PASS,
	CLOSE,
	RAW_CLOSE,
	DUP2_OVER,
	DUP3_OVER,
	CLOSE_RANGE,
	OPTIONS_CHANGE,
	FLAGS,
	CLEAR_FCNTL,
	CLEAR_IOCTL,
	CONNECT_AGAIN,
	PROBE,
	SHUT_DOWN,
	UNSPEC,
	UNSPEC_AND_AGAIN,
	FORK,
	SPAWN,
	SIGNAL,
	SIGNAL_RESTART,
	MODIFY,
	REMOVE_AND_ADD,
	SECOND_WAITER,
	RESOLVE_AGAIN,
};
enum ending { RESET, PLAIN_CLOSE, HALF_CLOSE };

struct plan {
	enum scenario scenario;
	size_t name, requested;
	bool own_port;
	bool mptcp, dual_stack, bound, close_on_exec, owner;
	enum mode mode;
	unsigned options_before, options_during; /* bits of the table in options.c */
	bool dup_before;
	enum api api;
	enum set set;
	enum want want;
	bool registered_before;
	int slice_ms; /* the timeout of each wait; -1: none */
	enum action action;
	bool by_thread; /* the action comes from another thread, while this one waits */
	int delay_ms;
	int send_timeout_ms; /* SO_SNDTIMEO of a blocking connect(); 0: none */
	bool echo;
	enum ending ending;
	size_t batch;  /* connections of a BATCH, each of which has a plan of its own */
	uint64_t rest; /* what those are drawn from */
};

uint64_t random_next(uint64_t *state);
uint64_t random_stream(uint64_t from, uint64_t number);
void plan_draw(uint64_t *random, struct plan *ret_plan);
/* Of one connection in a loop with others: no action, no blocking. */
void plan_draw_member(uint64_t *random, struct plan *ret_plan);
/* In words, for people: "single s17 (>B6G4), SOCK_NONBLOCK, poll for OUT, ...". */
void plan_tell(const struct plan *plan, char *text, size_t size);
/* Whether what plan_tell() says has one of the words in SOAK_WITHOUT: see tests/soak/run. */
bool plan_is_left_out(const char *text);

/* --- race.c --- */

struct race {
	uint64_t number;
	struct plan plan;
	const struct name *name;
	uint16_t port;
	int fd;              /* the program's number; -1 before and after */
	int second, passed;  /* other numbers of it: dup(), SCM_RIGHTS; or -1 */
	int other, other_is; /* what took the place of a closed number, and its device; or -1 */
	int file_flags, descriptor_flags; /* that it must have */
	unsigned options[2];              /* that were set, before and during; see options.c */
	int sets[2];                      /* epoll sets, the one that is waited for first; or -1 */
	_Atomic uint64_t started_ns;      /* connect() */
	bool adrift;                      /* what it comes to is not asked for */
	bool again;                       /* the action began the race anew */
	bool error_taken;                 /* the program has been told how it ended: `error` */
	int error;
	atomic_bool acted;
	pid_t child;
	pthread_t worker, helper;
	bool helped; /* there is a helper to join */
	int signals; /* that the helper sent */
};

struct worker {
	unsigned index;
	_Atomic(uint64_t) race;        /* number + 1 of the one that runs; 0: none */
	_Atomic(uint64_t) deadline_ns; /* when it must be over */
	char plan[512];                /* what it does, for whoever finds it stuck */
	char steps[4096];              /* and what it has done */
	_Atomic(size_t) steps_len;
	pthread_t thread;
};

/* The worker that this thread is, or helps. */
extern _Thread_local struct worker *worker_mine;
extern _Thread_local volatile int signals_seen;

void race_run(uint64_t number, struct worker *worker);

void race_begin(struct race *race, uint64_t number, const struct plan *plan);
/* Makes the socket as planned. */
void race_open(struct race *race);
/* Returns what connect() did: 0 or an errno value. */
int race_connect(struct race *race);
/* Whether it may connect to this address of its name. */
bool race_may_win(const struct race *race, const struct address *address);
#define EITHER (-1)
/* The error that it must end with; 0 when it must connect; EITHER when both are right. */
int race_expected(const struct race *race);
/* The race is over: checks that it came to the right end, in time, and what it left. */
void race_check_end(struct race *race, int ready);
void race_check_error(struct race *race, int error);
/* Closes what is open. */
void race_close(struct race *race);

/* The address of the peer; NULL when there is none. Fails when it is none of the race's. */
const struct address *race_peer(const struct race *race, int fd);

/* --- scenarios.c: more than one connection --- */

void scenario_batch(struct race *race);
void scenario_own_race(struct race *race);
void scenario_walk(struct race *race);
void scenario_child_races(struct race *race);
void scenario_cancel(struct race *race);

/* --- check.c: what a winner must be --- */

void check_winner(struct race *race);
int check_so_error(int fd);

/* --- wait.c --- */

#define READY_ERROR 4
#define READY_INTERRUPTED 8

bool wait_is_epoll(const struct plan *plan);
void wait_register(struct race *race);
void wait_modify(struct race *race, bool nothing);
void wait_remove(struct race *race);
/* One call. WANT_OUT, WANT_IN, READY_ERROR; 0 when the time is over; READY_INTERRUPTED. */
int wait_once(struct race *race, int timeout_ms);
/* Until something is ready, `total_ms` are over (-1: never) or another thread has ended it. */
int wait_for(struct race *race, int total_ms);
/* The same bits, by poll(). */
int wait_poll(int fd, int want, int timeout_ms);
/* After the one event of one-shot there is none; the second set has its own. */
void wait_check_once(struct race *race);

/* --- act.c: what the program does with its descriptor meanwhile --- */

/* Starts a thread that acts, when the plan says so; act_join() waits for its end. */
void act_start(struct race *race);
void act_join(struct race *race);
void act(struct race *race);
/* Whether it leaves the number to others, or the connection to nobody. */
bool act_ends_it(enum action action);
/* After such an action: the number and what is on it stay as they are. */
void act_settle(struct race *race);

/* --- options.c --- */

#define OPTIONS 11
void options_set(struct race *race, unsigned which, int round);
void options_check(struct race *race, int fd);

/* --- main.c --- */

/* sanitized.c: whether a sanitizer keeps what was freed, and shadows what was touched. */
extern const bool sanitized;
extern uint64_t seed;
extern bool with_libhe;
extern int attempt_delay_ms;

_Noreturn void fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void step(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_ns(void);
void sleep_ms(int ms);
/* What the machine was late lately, in ms: added to every bound. */
int lateness_ms(void);

enum count { CONNECTED, ELSEWHERE, FAILED, ABANDONED, HEALTHY, HEALTHY_LOST, CALLS, COUNTS };
void count(enum count what);

#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			FAIL("%s (errno %s)", #condition, strerrorname_np(errno));                 \
	} while (0)

#endif
