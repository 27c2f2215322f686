/*
 * For the torture programs: what a program may do while a non-blocking connect() is pending, and
 * every way to wait for it. `torture_X CASE CONDITION` runs one case under one condition of the
 * network lab (tests/lab/lab.bash), with torture_server behind its good addresses. A case returns
 * when all is well; then every descriptor must be back, too.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include "promise.h"
#include "torture_serve.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#define GOOD6 "fd92::2"
#define GOOD4 "10.92.0.2"

/* Round trips in the lab, and the Connection Attempt Delay. */
#define R6_MS 20
#define R4_MS 30
#define CAD_MS 250
/* A dead connect() ends after this, by lab_short_timeouts. */
#define KERNEL_MS 3000
/* How much later than it should something may happen on a busy machine. */
#define SLACK_MS 1700
/* Of clocks and timers that round. */
#define EARLY_MS 2

#if defined(__SANITIZE_THREAD__)
#define SANITIZED_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZED_THREADS 1
#endif
#endif
#ifndef SANITIZED_THREADS
#define SANITIZED_THREADS 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED_ADDRESSES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED_ADDRESSES 1
#endif
#endif
#ifndef SANITIZED_ADDRESSES
#define SANITIZED_ADDRESSES 0
#endif

/* As CHECK, for what has bits: says which there were. */
#define CHECK_BITS(got, wanted)                                                                    \
	do {                                                                                       \
		unsigned got_ = (unsigned)(got), wanted_ = (unsigned)(wanted);                     \
		if (got_ != wanted_) {                                                             \
			fprintf(stderr, "%s:%d: %s is %#x, not %#x (errno %s)\n", __FILE__,        \
			        __LINE__, #got, got_, wanted_, strerrorname_np(errno));            \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

enum {
	HEALTHY = 1,
	BLACK = 2,
	REFUSED = 4,
	REPLACED = 8,
	ICMP = 16,
	MIX = 32,
	DEAD = 64,
	ALL_REFUSED = 128,
	TWO_ERRORS = 256,
	FILTERED = 512,
};

struct condition {
	int is;
	const char *name;
	const char *host;
	const char *peer;   /* who is reached; NULL: nobody */
	int error;          /* of the address that is asked for, when nobody is reached */
	long not_before_ms; /* since connect(): it is reached, or has failed */
	long not_after_ms;
	long alone_ms;  /* before this nothing has happened, natively either */
	long midway_ms; /* when a case does what it does "during the race" */
};

static const struct condition conditions[] = {
    {HEALTHY, "healthy", "healthy.test", GOOD6, 0, R6_MS, R6_MS + SLACK_MS, R6_MS, 4},
    {BLACK, "black", "black6.test", GOOD4, ETIMEDOUT, CAD_MS + R4_MS, CAD_MS + R4_MS + SLACK_MS,
     CAD_MS, 100},
    {REFUSED, "refused", "refused6.test", GOOD4, ECONNREFUSED, R6_MS + R4_MS,
     R6_MS + R4_MS + SLACK_MS, R6_MS, 4},
    /* The same, but done when the second attempt is what stands on the number. */
    {REPLACED, "replaced", "refused6.test", GOOD4, ECONNREFUSED, R6_MS + R4_MS,
     R6_MS + R4_MS + SLACK_MS, R6_MS, R6_MS + R4_MS / 2},
    {ICMP, "icmp", "icmp6.test", GOOD4, EACCES, R6_MS + R4_MS, R6_MS + R4_MS + SLACK_MS, R6_MS, 4},
    {MIX, "mix", "mix.test", GOOD4, ETIMEDOUT, 3 * CAD_MS + R4_MS, 3 * CAD_MS + R4_MS + SLACK_MS,
     CAD_MS, 400},
    {DEAD, "dead", "alldead.test", NULL, ETIMEDOUT, KERNEL_MS, KERNEL_MS + 3 * CAD_MS + 3000,
     CAD_MS, 400},
    {ALL_REFUSED, "allrefused", "allrefused.test", NULL, ECONNREFUSED, R6_MS, R6_MS + SLACK_MS,
     R6_MS, 4},
    /* The other address fails with another error, which must not be told. */
    {TWO_ERRORS, "twoerrors", "twoerrors.test", NULL, ECONNREFUSED, R6_MS, R6_MS + SLACK_MS, R6_MS,
     4},
    /* Whoever polls is told of the error from the beginning, though the socket connects still. */
    {FILTERED, "filtered", "filtered4.test", GOOD4, ECONNREFUSED, R4_MS, R4_MS + SLACK_MS, 0, 4},
};

/*
 * A way to wait, as poll() would: returns how many are ready, 0 when the time is over, -1 and
 * errno. `ms` -1: without end; LONG_MAX: as long as the call can say. `mask` only where `masks`.
 */
struct waiter {
	const char *name;
	int (*wait)(struct pollfd *watch, nfds_t count, long ms, const sigset_t *mask);
	bool masks;
	bool tells_errors; /* select() says no more than "ready" */
};

struct torture {
	const char *name;
	void (*run)(void);
	const struct waiter *by; /* NULL: the case waits in its own way, or by poll() */
	int conditions;          /* those it is run under */
	int natively;            /* those of them in which it passes without libhe, too */
};

/* Where a case runs, and where it would pass without libhe. */
#define THREE (HEALTHY | BLACK | REFUSED)
#define RACED THREE, HEALTHY
#define RACED_OR_NOT THREE | ALL_REFUSED, HEALTHY | ALL_REFUSED
#define RACED_MIX THREE | MIX, HEALTHY
#define RACED_MIDWAY THREE | REPLACED, HEALTHY
/* What is seen in part is promised nothing more (README). */
#define HEALTHY_ALONE HEALTHY, HEALTHY
#define ENDS_NATIVELY HEALTHY | DEAD | ALL_REFUSED | TWO_ERRORS
#define BY_NETWORK THREE | ICMP | MIX | ENDS_NATIVELY, ENDS_NATIVELY
#define EVERY FILTERED | BY_NETWORK
#define SAME THREE, THREE
#define SAME_MIDWAY THREE | REPLACED, THREE | REPLACED

#define CASE(function, ...)                                                                        \
	{                                                                                          \
#function, function, NULL, __VA_ARGS__                                             \
	}
#define CASE_BY(function, waiter, ...)                                                             \
	{                                                                                          \
#function, function, &by_##waiter, __VA_ARGS__                                     \
	}
#define EACH_POLL(function, ...)                                                                   \
	CASE_BY(function, poll, __VA_ARGS__), CASE_BY(function, ppoll, __VA_ARGS__),               \
	    CASE_BY(function, poll_chk, __VA_ARGS__), CASE_BY(function, ppoll_chk, __VA_ARGS__)
#define EACH_SELECT(function, ...)                                                                 \
	CASE_BY(function, select, __VA_ARGS__), CASE_BY(function, pselect, __VA_ARGS__)
#define EACH_EPOLL(function, ...)                                                                  \
	CASE_BY(function, epoll_wait, __VA_ARGS__), CASE_BY(function, epoll_pwait, __VA_ARGS__),   \
	    CASE_BY(function, epoll_pwait2, __VA_ARGS__)
#define EACH(function, ...)                                                                        \
	EACH_POLL(function, __VA_ARGS__), EACH_SELECT(function, __VA_ARGS__),                      \
	    EACH_EPOLL(function, __VA_ARGS__)
#define EACH_MASKING(function, ...)                                                                \
	CASE_BY(function, ppoll, __VA_ARGS__), CASE_BY(function, ppoll_chk, __VA_ARGS__),          \
	    CASE_BY(function, pselect, __VA_ARGS__), CASE_BY(function, epoll_pwait, __VA_ARGS__),  \
	    CASE_BY(function, epoll_pwait2, __VA_ARGS__)

/* What the case runs under, and how it waits. */
static const struct condition *on;
static const struct waiter *by;

/* Of the last begin(): when, and the socket that was on the number. */
static long begun_ms;
static uint64_t begun_cookie;

static inline long since_begun(void)
{
	return now_ms() - begun_ms;
}

/*
 * On a busy machine a case may come too late for what it wants to see. So what it asserts of the
 * time before something happens it asserts only if that time is not over when it has looked.
 */
static inline bool alone(void)
{
	return since_begun() < on->alone_ms - EARLY_MS;
}

static inline bool pending(void)
{
	return since_begun() < on->not_before_ms - EARLY_MS;
}

/* The race lasts so long that even on a busy machine something surely happens in it. */
static inline bool lasts_long(void)
{
	return on->alone_ms >= CAD_MS;
}

static inline uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0);
	return cookie;
}

/* Of the first address of the condition's name. */
static inline int family(void)
{
	return on->is == FILTERED ? AF_INET : AF_INET6;
}

static inline int open_nonblocking(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	return fd;
}

/* Starts the connect() of a non-blocking socket to the first of the addresses. */
static inline void begin_at(int fd, const struct names *names)
{
	begun_cookie = cookie_of(fd);
	begun_ms = now_ms();
	CHECK(connect_to(fd, names->at[0]) < 0 && errno == EINPROGRESS);
}

/* To the first address of the condition's name. */
static inline void begin_on(int fd)
{
	struct names names = resolve(on->host);

	begin_at(fd, &names);
	freeaddrinfo(names.list);
}

static inline int begin(void)
{
	int fd = open_nonblocking(family());

	begin_on(fd);
	return fd;
}

static inline int begin_midway(void)
{
	int fd = begin();

	sleep_ms(on->midway_ms);
	return fd;
}

/* The lowest number that is not open. libhe stays away from low numbers. */
static inline int closed_number(void)
{
	int fd = open("/dev/null", O_RDONLY);

	CHECK(fd >= 0 && close(fd) == 0);
	return fd;
}

/* --- what there is at the end ----------------------------------------------------------------- */

/* Reads exactly `len` bytes, however the socket blocks. */
static inline void read_all(int fd, char *to, size_t len)
{
	for (size_t got = 0; got < len;) {
		struct pollfd watch = {.fd = fd, .events = POLLIN};
		ssize_t n;

		CHECK(poll(&watch, 1, SLACK_MS) == 1 && watch.revents == POLLIN);
		n = recv(fd, to + got, len - got, MSG_DONTWAIT);
		CHECK(n > 0);
		got += (size_t)n;
	}
}

/* The server greets with the address it was reached by: the peer is who it says it is. */
static inline void check_greeting(int fd, const char *peer)
{
	char greeting[INET6_ADDRSTRLEN + 1] = {0};

	read_all(fd, greeting, strlen(peer) + 1);
	CHECK(strncmp(greeting, peer, strlen(peer)) == 0 && greeting[strlen(peer)] == '\n');
}

/* The server sends back what it is told, and nothing else. */
static inline void check_echo(int fd)
{
	char answer[4];

	CHECK(send(fd, "ping", 4, MSG_NOSIGNAL) == 4);
	read_all(fd, answer, sizeof(answer));
	CHECK(memcmp(answer, "ping", 4) == 0);
	CHECK(recv(fd, answer, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

static inline void check_connection(int fd, const char *peer)
{
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0);
	CHECK(peer_is(fd, peer));
	check_greeting(fd, peer);
	check_echo(fd);
}

static inline void check_in_time(void)
{
	CHECK(!pending());
	CHECK(since_begun() < on->not_after_ms);
}

/* The connect() of begin() has ended, as it must under this condition. */
static inline void check_end(int fd)
{
	check_in_time();
	if (on->peer == NULL) {
		CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == on->error);
		CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0 && peer_is(fd, ""));
		return;
	}
	check_connection(fd, on->peer);
	/* In a healthy network nothing is ever replaced. */
	CHECK(on->is != HEALTHY || cookie_of(fd) == begun_cookie);
}

/* What poll() and epoll report of `want` then. */
static inline short end_bits_of_all(short want)
{
	if (on->peer != NULL)
		return want & ~POLLPRI;
	return (short)((want & ~POLLPRI) | POLLERR | POLLHUP);
}

/* What `by` reports of it. */
static inline short end_bits(short want)
{
	short bits = end_bits_of_all(want);

	return by->tells_errors ? bits : bits & want;
}

static inline uint32_t end_events(uint32_t events)
{
	return (uint16_t)end_bits_of_all((short)events);
}

/* --- ways to wait ----------------------------------------------------------------------------- */

/* What the fortified forms become, as programs that were built with _FORTIFY_SOURCE call them. */
int __poll_chk(struct pollfd *fds, nfds_t nfds, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout,
                const sigset_t *mask, size_t size);

static inline int ms_as_int(long ms)
{
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* NULL: without end. */
static inline const struct timespec *ms_as_timespec(long ms, struct timespec *to)
{
	if (ms < 0)
		return NULL;
	*to = ms == LONG_MAX ? (struct timespec){.tv_sec = LONG_MAX}
	                     : (struct timespec){ms / 1000, ms % 1000 * 1000000};
	return to;
}

/* The kernel writes what time remains into a copy: the program's own is as it was. */
static inline void check_timespec(long ms, const struct timespec *after)
{
	struct timespec before;

	if (ms_as_timespec(ms, &before) != NULL)
		CHECK(before.tv_sec == after->tv_sec && before.tv_nsec == after->tv_nsec);
}

static inline int wait_by_poll(struct pollfd *watch, nfds_t count, long ms, const sigset_t *mask)
{
	(void)mask;
	return poll(watch, count, ms_as_int(ms));
}

static inline int wait_by_poll_chk(struct pollfd *watch, nfds_t count, long ms,
                                   const sigset_t *mask)
{
	(void)mask;
	return __poll_chk(watch, count, ms_as_int(ms), count * sizeof(*watch));
}

static inline int wait_by_ppoll(struct pollfd *watch, nfds_t count, long ms, const sigset_t *mask)
{
	struct timespec timeout;
	int n = ppoll(watch, count, ms_as_timespec(ms, &timeout), mask);

	check_timespec(ms, &timeout);
	return n;
}

static inline int wait_by_ppoll_chk(struct pollfd *watch, nfds_t count, long ms,
                                    const sigset_t *mask)
{
	struct timespec timeout;
	int n =
	    __ppoll_chk(watch, count, ms_as_timespec(ms, &timeout), mask, count * sizeof(*watch));

	check_timespec(ms, &timeout);
	return n;
}

/* The three sets of select(), from what poll() would be asked; returns the first argument. */
static inline int as_sets(const struct pollfd *watch, nfds_t count, fd_set *sets)
{
	int numbers = 0;

	for (int i = 0; i < 3; i++)
		FD_ZERO(&sets[i]);
	for (nfds_t i = 0; i < count; i++) {
		if (watch[i].fd < 0)
			continue;
		CHECK(watch[i].fd < FD_SETSIZE);
		if (watch[i].events & POLLIN)
			FD_SET(watch[i].fd, &sets[0]);
		if (watch[i].events & POLLOUT)
			FD_SET(watch[i].fd, &sets[1]);
		if (watch[i].events & POLLPRI)
			FD_SET(watch[i].fd, &sets[2]);
		if (watch[i].fd >= numbers)
			numbers = watch[i].fd + 1;
	}
	return numbers;
}

static inline int as_revents(struct pollfd *watch, nfds_t count, const fd_set *sets, int n)
{
	int ready = 0, bits = 0;

	for (nfds_t i = 0; i < count; i++) {
		watch[i].revents = 0;
		if (watch[i].fd < 0)
			continue;
		watch[i].revents |= FD_ISSET(watch[i].fd, &sets[0]) ? POLLIN : 0;
		watch[i].revents |= FD_ISSET(watch[i].fd, &sets[1]) ? POLLOUT : 0;
		watch[i].revents |= FD_ISSET(watch[i].fd, &sets[2]) ? POLLPRI : 0;
		CHECK((watch[i].revents & ~watch[i].events) == 0);
		ready += watch[i].revents != 0;
		bits += __builtin_popcount((unsigned)watch[i].revents);
	}
	/* It counts bits, and poll() numbers. */
	CHECK(bits == n);
	return ready;
}

static inline int wait_by_select(struct pollfd *watch, nfds_t count, long ms, const sigset_t *mask)
{
	struct timeval timeout = {ms / 1000, ms % 1000 * 1000};
	fd_set sets[3];
	int numbers = as_sets(watch, count, sets), n;

	(void)mask;
	if (ms == LONG_MAX)
		timeout = (struct timeval){.tv_sec = LONG_MAX};
	n = select(numbers, &sets[0], &sets[1], &sets[2], ms < 0 ? NULL : &timeout);
	/* What remains is nothing when the time is over. */
	CHECK(n != 0 || (timeout.tv_sec == 0 && timeout.tv_usec == 0));
	return n < 0 ? n : as_revents(watch, count, sets, n);
}

static inline int wait_by_pselect(struct pollfd *watch, nfds_t count, long ms, const sigset_t *mask)
{
	struct timespec timeout;
	fd_set sets[3];
	int numbers = as_sets(watch, count, sets), n;

	n = pselect(numbers, &sets[0], &sets[1], &sets[2], ms_as_timespec(ms, &timeout), mask);
	check_timespec(ms, &timeout);
	return n < 0 ? n : as_revents(watch, count, sets, n);
}

/* A set for one wait. One that a cancelled or jumped out of wait left is closed by the next. */
static _Thread_local int wait_set = -1;

static inline void close_wait_set(void)
{
	int set = wait_set;

	wait_set = -1; /* first, as a handler may jump out of close() */
	if (set >= 0)
		CHECK(close(set) == 0);
}

#define WATCHED_MAX 512

static inline void open_wait_set(const struct pollfd *watch, nfds_t count)
{
	close_wait_set();
	wait_set = epoll_create1(EPOLL_CLOEXEC);
	CHECK(wait_set >= 0 && count <= WATCHED_MAX);
	for (nfds_t i = 0; i < count; i++) {
		struct epoll_event event = {.events = (uint16_t)watch[i].events,
		                            .data.u64 = 0xfeed000000000000 + i};

		if (watch[i].fd >= 0)
			CHECK(epoll_ctl(wait_set, EPOLL_CTL_ADD, watch[i].fd, &event) == 0);
	}
}

static inline int from_wait_set(struct pollfd *watch, nfds_t count,
                                const struct epoll_event *events, int n)
{
	int error = errno;

	for (nfds_t i = 0; n >= 0 && i < count; i++)
		watch[i].revents = 0;
	for (int i = 0; i < n; i++) {
		nfds_t which = events[i].data.u64 - 0xfeed000000000000;

		CHECK(which < count && watch[which].revents == 0 && events[i].events != 0);
		watch[which].revents = (short)events[i].events;
	}
	close_wait_set();
	errno = error;
	return n;
}

static inline int wait_by_epoll_wait(struct pollfd *watch, nfds_t count, long ms,
                                     const sigset_t *mask)
{
	struct epoll_event events[WATCHED_MAX];

	(void)mask;
	open_wait_set(watch, count);
	return from_wait_set(watch, count, events,
	                     epoll_wait(wait_set, events, WATCHED_MAX, ms_as_int(ms)));
}

static inline int wait_by_epoll_pwait(struct pollfd *watch, nfds_t count, long ms,
                                      const sigset_t *mask)
{
	struct epoll_event events[WATCHED_MAX];

	open_wait_set(watch, count);
	return from_wait_set(watch, count, events,
	                     epoll_pwait(wait_set, events, WATCHED_MAX, ms_as_int(ms), mask));
}

static inline int wait_by_epoll_pwait2(struct pollfd *watch, nfds_t count, long ms,
                                       const sigset_t *mask)
{
	struct epoll_event events[WATCHED_MAX];
	struct timespec timeout;
	int n;

	open_wait_set(watch, count);
	n = epoll_pwait2(wait_set, events, WATCHED_MAX, ms_as_timespec(ms, &timeout), mask);
	check_timespec(ms, &timeout);
	return from_wait_set(watch, count, events, n);
}

static const struct waiter by_poll = {"poll", wait_by_poll, false, true};
static const struct waiter by_poll_chk = {"poll_chk", wait_by_poll_chk, false, true};
static const struct waiter by_ppoll = {"ppoll", wait_by_ppoll, true, true};
static const struct waiter by_ppoll_chk = {"ppoll_chk", wait_by_ppoll_chk, true, true};
static const struct waiter by_select = {"select", wait_by_select, false, false};
static const struct waiter by_pselect = {"pselect", wait_by_pselect, true, false};
static const struct waiter by_epoll_wait = {"epoll_wait", wait_by_epoll_wait, false, true};
static const struct waiter by_epoll_pwait = {"epoll_pwait", wait_by_epoll_pwait, true, true};
static const struct waiter by_epoll_pwait2 = {"epoll_pwait2", wait_by_epoll_pwait2, true, true};

/* Waits by `by`, and checks what holds for every wait. */
static inline int wait_masked(struct pollfd *watch, nfds_t count, long ms, const sigset_t *mask)
{
	long start = now_ms();
	int n;

	errno = E2BIG;
	n = by->wait(watch, count, ms, mask);
	/* errno is not changed on success, and time is over when it is over. */
	CHECK(n < 0 || errno == E2BIG);
	CHECK(n != 0 || (ms >= 0 && now_ms() - start >= ms - 1));
	return n;
}

static inline int wait_all(struct pollfd *watch, nfds_t count, long ms)
{
	return wait_masked(watch, count, ms, NULL);
}

/* What is ready of `want` on one number; 0 when the time is over, -1 and errno. */
static inline int wait_for(int fd, short want, long ms)
{
	struct pollfd watch = {.fd = fd, .events = want, .revents = 0x55};
	int n = wait_all(&watch, 1, ms);

	CHECK(watch.fd == fd && watch.events == want);
	CHECK(n < 0 || (n == 0) == (watch.revents == 0));
	return n > 0 ? watch.revents : n;
}

/* Waits until it is writable, and checks all there is at the end. */
static inline void await_end(int fd)
{
	CHECK_BITS(wait_for(fd, POLLOUT, on->not_after_ms), end_bits(POLLOUT));
	check_end(fd);
}

/* --- epoll sets ------------------------------------------------------------------------------- */

#define DATA 0x1122334455667788

static inline void add(int set, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
}

static inline void modify(int set, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	CHECK(epoll_ctl(set, EPOLL_CTL_MOD, fd, &event) == 0);
}

static inline int open_set(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC);

	CHECK(set >= 0);
	return set;
}

/* One event, and what it must be. */
static inline void expect(int set, uint32_t events, uint64_t data, long ms)
{
	struct epoll_event event[8];

	errno = E2BIG;
	CHECK(epoll_wait(set, event, 8, (int)ms) == 1 && errno == E2BIG);
	CHECK_BITS(event[0].events, events);
	CHECK(event[0].data.u64 == data);
}

static inline void expect_nothing(int set, long ms)
{
	struct epoll_event event[8];
	long start = now_ms();

	CHECK(epoll_wait(set, event, 8, (int)ms) == 0 && now_ms() - start >= ms - 1);
}

static inline void expect_end(int set)
{
	expect(set, end_events(EPOLLOUT), DATA, on->not_after_ms);
}

/* --- other files, other processes ------------------------------------------------------------- */

/* Long after every winner. */
static inline void let_it_end(void)
{
	long left = on->not_before_ms + 250 - since_begun();

	if (left > 0)
		sleep_ms(left);
}

static inline int open_zero(void)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static inline void check_zero(int fd)
{
	char c = 'x';

	CHECK(read(fd, &c, 1) == 1 && c == 0);
}

static inline int raw_close(int fd)
{
	return (int)syscall(SYS_close, fd);
}

/* What a child can tell of a number that it got during the race: as natively, or connected. */
static inline void check_in_child(int fd)
{
	struct pollfd watch = {.fd = fd, .events = POLLOUT};
	int n = poll(&watch, 1, 600), error;

	if (on->is == HEALTHY)
		CHECK(n == 1 && watch.revents == POLLOUT && peer_is(fd, GOOD6));
	if (n == 1) {
		error = option_of(fd, SOL_SOCKET, SO_ERROR);
		/* There is one error, and it may be the parent that has heard it. */
		CHECK(error == 0 ? !peer_is(fd, "") || (watch.revents & POLLHUP)
		                 : error == on->error);
	} else {
		CHECK(on->is == BLACK || on->is == REPLACED);
	}
}

static inline void check_child(pid_t child)
{
	int status;

	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK_BITS(status, 0);
}

/* --- descriptors ------------------------------------------------------------------------------ */

/* Longer than the slowest machine takes to close what is closed behind the program's back. */
#define DESCRIPTORS_MS 8000

static inline void show_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	char target[128];

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (len > 0)
			fprintf(stderr, "descriptor %s: %.*s\n", entry->d_name, (int)len, target);
	}
	closedir(dir);
}

/* All are back. */
static inline void check_descriptors(int expected)
{
	long start = now_ms();

	while (descriptors() != expected) {
		if (now_ms() - start >= DESCRIPTORS_MS) {
			fprintf(stderr, "there are %d, not %d:\n", descriptors(), expected);
			show_descriptors();
			exit(1);
		}
		sleep_ms(10);
	}
}

static inline void allow_many_descriptors(void)
{
	struct rlimit files;

	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max < 16384 ? files.rlim_max : 16384;
	CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
}

/* --- signals ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t handled;

static inline void count_signal(int number)
{
	(void)number;
	handled++;
}

static inline sigset_t only(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	return set;
}

/*
 * ThreadSanitizer runs a handler late, in one of the next calls of the C library, unless it finds
 * the thread asleep in one that it knows.
 */
static inline int handled_by_now(void)
{
	(void)now_ms();
	return handled;
}

/* So there, a jump is out of the wait only if the thread surely sleeps. */
static inline void skip_unless_asleep(bool known)
{
	if (SANITIZED_THREADS && !(known && lasts_long()))
		skip("ThreadSanitizer may run the handler in another call");
}

/* SIGALRM after `ms` and then, if it is to go on, every `again_ms`. */
static inline void alarm_after(long ms, long again_ms, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	struct itimerval timer = {.it_value.tv_usec = ms * 1000,
	                          .it_interval.tv_usec = again_ms * 1000};

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static inline void alarm_off(void)
{
	struct itimerval off = {0};

	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
}

/* --- main ------------------------------------------------------------------------------------- */

static inline void torture_list(const struct torture *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t c = 0; c < sizeof(conditions) / sizeof(conditions[0]); c++)
			if (cases[i].conditions & conditions[c].is)
				printf("%s%s%s %s %s\n", cases[i].name, cases[i].by ? "." : "",
				       cases[i].by ? cases[i].by->name : "", conditions[c].name,
				       cases[i].natively & conditions[c].is ? "passes" : "fails");
}

static inline bool is_named(const struct torture *torture, const char *name)
{
	char full[128];

	snprintf(full, sizeof(full), "%s%s%s", torture->name, torture->by ? "." : "",
	         torture->by ? torture->by->name : "");
	return strcmp(full, name) == 0;
}

static inline int torture_run(const struct torture *torture, const struct condition *condition)
{
	static struct condition native;
	bool loaded = dlsym(RTLD_DEFAULT, "libhe_version") != NULL;
	int before = descriptors();

	/* No run may pass because the library was not there, or because it was. */
	printf("%s\n", loaded ? "with libhe" : "without libhe");
	fflush(stdout);
	on = condition;
	if (!loaded && !(torture->natively & condition->is)) {
		/* A control, that nobody need wait for longer than it takes to see that it fails.
		 */
		native = *condition;
		native.not_after_ms -= SLACK_MS / 2;
		on = &native;
	}
	by = torture->by ? torture->by : &by_poll;
	torture->run();
	check_descriptors(before);
	printf("ok %s%s%s %s\n", torture->name, torture->by ? "." : "", torture->by ? by->name : "",
	       on->name);
	return 0;
}

static inline int torture_run_named(const char *name, const char *condition,
                                    const struct torture *cases, size_t count)
{
	for (size_t c = 0; c < sizeof(conditions) / sizeof(conditions[0]); c++) {
		if (strcmp(condition, conditions[c].name) != 0)
			continue;
		for (size_t i = 0; i < count; i++)
			if (is_named(&cases[i], name) && (cases[i].conditions & conditions[c].is))
				return torture_run(&cases[i], &conditions[c]);
	}
	fprintf(stderr, "there is no case %s under the condition %s: see --list\n", name,
	        condition);
	return 2;
}

/* `--list` prints "CASE CONDITION passes|fails", the last word for what it does without libhe. */
static inline int torture_main(int argc, char **argv, const struct torture *cases, size_t count)
{
	char name[SERVED_LINE_MAX], condition[SERVED_LINE_MAX];

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		torture_list(cases, count);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--serve") == 0) {
		serve(atoi(argv[2]), name, condition);
		return torture_run_named(name, condition, cases, count);
	}
	if (argc == 3)
		return torture_run_named(argv[1], argv[2], cases, count);
	fprintf(stderr, "usage: %s CASE CONDITION | --list | --serve TOKENS\n", argv[0]);
	return 2;
}

#if defined(__SANITIZE_THREAD__)
/*
 * ThreadSanitizer keeps books of descriptors, and misses those that come by fcntl() and
 * close_range(): what it takes for one in the hands of two threads are two, one after the other.
 */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:^__interceptor_close$\nrace:^__interceptor_dup3$\n";
}
#endif

#endif
