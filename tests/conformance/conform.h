/*
 * For the programs that hold libheconnect to he.h, one case a process: the peers of the case, its
 * race, what was seen of it from outside, and what has to be as it was before.
 *
 *     struct peer *a = peer_refusing(A), *c = peer_answering(C);
 *
 *     options.attempt_delay_ms = HE_SEQUENTIAL;
 *     race();
 *     WON(c);
 *     TRIED(a, c);
 *
 * As there is one case only, its list, its options and its result are plain globals. The addresses
 * A to L6 are those of the namespace that tests/conformance/scene.bash makes.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <he.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

/* Tells what the report says, too, and ends the program. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define NS_PER_MS INT64_C(1000000)

/* As libheconnect's, of CLOCK_MONOTONIC. */
int64_t now_ns(void);

/* --- addresses -------------------------------------------------------------------------------- */

/* A connection to them can be made. */
#define A "dead:beef::"
#define A2 "dead:beef::2"
#define A3 "dead:beef::3"
#define B "dead:aaaa::"
#define C "107.6.106.83"
#define C2 "107.6.106.84"
#define C3 "107.6.106.85"
#define C4 "107.6.106.86"
#define L6 "::1"
#define L4 "127.0.0.1"
/* Not ours, and without a route: bind() fails with EADDRNOTAVAIL, connect() with ENETUNREACH. */
#define FOREIGN6 "2001:db8::99"
#define FOREIGN4 "192.0.2.99"

#define PEER_FILES 16

struct peer {
	struct addrinfo entry; /* of the list */
	struct sockaddr_storage name;
	const char *text;
	int listener; /* -1: none */
	bool silent;
	/* Ends of connections to it; first those that fill its queue. */
	int files[PEER_FILES];
	unsigned file_count, filler_count;
};

/* Each of these adds an address to the end of the list. */
struct peer *peer_answering(const char *ip);
struct peer *peer_refusing(const char *ip);
struct peer *peer_silent(const char *ip); /* a listener whose queue is full */
struct peer *peer_nowhere(const char *ip);
struct peer *peer_again(const struct peer *peer); /* the same address once more */

/*
 * From now on a silent peer does; others stay as they are. An attempt that waits for it hears of
 * that when the kernel sends its SYN again: a second after it began, which is how cases get answers
 * that come late.
 */
void peer_answers_now(struct peer *peer);
void peer_refuses_now(struct peer *peer);

/* How many connections came to it; the peer's word for what the library says of itself. */
unsigned peer_connections(struct peer *peer);

/* Whether this peer has one open connection and no other one has any; waits for news of close(). */
bool peers_have_open(struct peer *only);

/* The local addresses to bind to. */
void local(const char *ip);

/* What was added by peer_...(), in that order, NULL behind the last one. */
extern struct addrinfo *list;
extern struct he_options options;
/* What races get: &options, unless a case says otherwise. */
extern const struct he_options *options_given;

struct peer *peer_named(const struct sockaddr *name);
void peers_close(void);

/* --- the race --------------------------------------------------------------------------------- */

/*
 * Races `list` with `options`, by he_connect() or by an event loop, as the program was told. What
 * the race before left is closed and freed. Returns what he_connect() does.
 */
int race(void);
extern int won;        /* what the last race returned; errno in won_errno */
extern int won_errno;  /* 0: it connected */
extern bool by_a_loop; /* how race() races */
extern struct he_report *report;

/* The steps of race(), for cases that do something between them. */
struct he_race *race_begin(void);
int race_advance(struct he_race *handle);
void race_wait(const struct he_race *handle); /* until there is something to do */
int race_finish(struct he_race *handle);
void race_clear(void);

/* Closes all that a case had, and holds what is left to what was there before. */
void scene_begin(void);
void scene_end(void);

/* --- what a case says of a race --------------------------------------------------------------- */

/* This peer's connection was returned, the report says so, and nothing else is open. */
#define WON(peer) CHECK(has_won(peer))
bool has_won(struct peer *peer);

/* There is no winner, with this errno and that enum he_cause; and nothing is open. */
#define FAILED(error, cause) CHECK(has_failed(error, cause))
bool has_failed(int error, enum he_cause cause);

/* No socket of the race is open but the one that it returned, nor anything to poll. */
bool nothing_is_open(void);

/* The addresses of the attempts in the report, in the order of their starts. */
#define REPORTED(...) CHECK(were_reported((const struct peer *[]){__VA_ARGS__, NULL}))
bool were_reported(const struct peer **peers);

/* The addresses that the library called connect() for. */
#define CONNECTED_TO(...) CHECK(were_connected_to((const struct peer *[]){__VA_ARGS__, NULL}))
bool were_connected_to(const struct peer **peers);

/* Both: each attempt came as far as connect(). */
#define TRIED(...)                                                                                 \
	do {                                                                                       \
		REPORTED(__VA_ARGS__);                                                             \
		CONNECTED_TO(__VA_ARGS__);                                                         \
	} while (0)

/* How attempt `i` ended; `cause` and `error` as of HE_OUTCOME_FAILED, 0 for other outcomes. */
#define ENDED(i, outcome, cause, error) CHECK(has_ended(i, outcome, cause, error))
bool has_ended(size_t i, enum he_outcome outcome, enum he_cause cause, int error);

/* Attempt `i` failed in connect(), with this errno. */
#define REFUSED(i, error) ENDED(i, HE_OUTCOME_FAILED, HE_CAUSE_CONNECT, error)

/* Bind number `k` of attempt `i` failed: that local address, with this errno. */
#define NOT_BOUND(i, k, ip, error) CHECK(was_not_bound(i, k, ip, error))
bool was_not_bound(size_t i, size_t k, const char *ip, int error);

/* When attempt `i` started and ended, in nanoseconds since the race began. */
int64_t started_ns(size_t i);
int64_t ended_ns(size_t i);

/* --- what the library calls ------------------------------------------------------------------- */

/* Calls of the race, written down as they come, by nobody that believes the report. */
#define SEEN_MAX 64
struct seen {
	int64_t begun_ns; /* before the race was */
	unsigned sockets, binds, timers, connects;
	ino_t inode[SEEN_MAX]; /* of the sockets */
	struct {
		struct sockaddr_storage name;
		int fd;
		int64_t at_ns; /* when connect() was called */
	} connect[SEEN_MAX];
};
extern struct seen seen;

/* A socket of the race, made by a callback. Returns it. */
int seen_socket(int fd);

/* Every attempt that was seen has a connection by now; waits for that. */
void seen_all_connected(void);

/*
 * Put into the way of the race's calls, where not NULL. The first ones return an errno value that
 * the call fails with; 0: the real one is made. close() closes in any case.
 */
struct hooks {
	int (*socket)(int family);
	int (*connect)(const struct peer *to);
	int (*set_flags)(int fd);
	int (*close)(int fd);
	int (*watch)(int fd);               /* epoll_ctl(2) */
	void (*connected)(struct peer *to); /* connect() was called */
};
extern struct hooks hooks;

/* While true, this thread's calls are the library's, and go by the hooks. */
extern _Thread_local bool watching;

/* A socket callback that does what the default does, and its data counts. */
struct made {
	unsigned count;
	int fd[SEEN_MAX];
	const struct addrinfo *addr[SEEN_MAX];
};
int make_socket(const struct addrinfo *addr, void *made);

/* --- memory ----------------------------------------------------------------------------------- */

/* Allocations that are not freed, of the library where it is linked as an archive. */
long heap_live(void);

/* The n-th allocation from now on fails (1: the next); 0: none. */
void heap_fail(long nth);

/* --- the program ------------------------------------------------------------------------------ */

struct conform_case {
	const char *name, *function;
	void (*run)(void);
};

/*
 *     PROGRAM list              prints NAME and FUNCTION of all cases
 *     PROGRAM CASE [loop]       runs one, and prints "ok FUNCTION"
 */
int conform_main(int argc, char **argv, const struct conform_case *cases, size_t count);

#endif
