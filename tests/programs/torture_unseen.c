/*
 * What no hook sees: registrations, waits and changes that are made by system calls of the
 * program's own, or by io_uring. Where libhe can find out, it is as if it had seen; where it can
 * not, it is as natively, or better, and always right when the network is healthy.
 */
#include "torture.h"

#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* --- system calls of the program's own -------------------------------------------------------- */

static int raw_open_set(void)
{
	int set = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);

	CHECK(set >= 0);
	return set;
}

static int raw_control(int set, int operation, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	return (int)syscall(SYS_epoll_ctl, set, operation, fd, &event);
}

static void raw_add(int set, int fd, uint32_t events, uint64_t data)
{
	CHECK(raw_control(set, EPOLL_CTL_ADD, fd, events, data) == 0);
}

static void raw_modify(int set, int fd, uint32_t events, uint64_t data)
{
	CHECK(raw_control(set, EPOLL_CTL_MOD, fd, events, data) == 0);
}

static int raw_poll(int fd, short want, long ms)
{
	struct pollfd watch = {.fd = fd, .events = want};
	struct timespec timeout = {ms / 1000, ms % 1000 * 1000000};
	int n = (int)syscall(SYS_ppoll, &watch, 1, &timeout, NULL, 0);

	return n > 0 ? watch.revents : n;
}

static int raw_select(int fd, short want, long ms)
{
	struct timespec timeout = {ms / 1000, ms % 1000 * 1000000};
	fd_set set;
	int n;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	n = (int)syscall(SYS_pselect6, fd + 1, want == POLLIN ? &set : NULL,
	                 want == POLLOUT ? &set : NULL, NULL, &timeout, NULL);
	return n > 0 ? want : n;
}

/* The set that raw_epoll() waits on. */
static int raw_set = -1;

static int raw_epoll(int fd, short want, long ms)
{
	struct epoll_event event;
	int n = (int)syscall(SYS_epoll_pwait, raw_set, &event, 1, (int)ms, NULL, 0);

	(void)fd, (void)want;
	CHECK(n <= 0 || event.data.u64 == DATA);
	return n > 0 ? (short)event.events : n;
}

/* --- as natively, or better ------------------------------------------------------------------- */

/* What natively becomes of the address that was asked for, and the time that it takes. */
static bool failed_natively(int fd)
{
	int error = option_of(fd, SOL_SOCKET, SO_ERROR);

	if (error == 0)
		return false;
	CHECK(error == on->error);
	CHECK(since_begun() >= (on->is == BLACK ? KERNEL_MS : R6_MS) - EARLY_MS);
	return true;
}

static bool is_connected(int fd)
{
	return !peer_is(fd, "");
}

/*
 * Waits for `ms` at a time. A wait may be called off for nothing, but it must not go on so; and
 * with luck it is over before it natively would be.
 */
static void as_natively_or_better(int fd, short want, int (*wait)(int, short, long), long ms)
{
	const long latest_ms = on->is == BLACK ? KERNEL_MS + SLACK_MS : on->not_after_ms;

	for (int idle = 0; idle < 200; idle++) {
		int ready = wait(fd, want, ms);

		CHECK(ready >= 0);
		CHECK(since_begun() < latest_ms);
		if (failed_natively(fd)) {
			CHECK(on->is != HEALTHY);
			return;
		}
		if (is_connected(fd)) {
			CHECK(!pending());
			check_connection(fd, on->peer);
			if (on->is == HEALTHY) {
				CHECK_BITS(ready, want);
				CHECK(cookie_of(fd) == begun_cookie);
			}
			return;
		}
		CHECK(on->is != HEALTHY || ready == 0);
		sleep_ms(1);
	}
	CHECK(!"an end");
}

/* Longer than it may take: a wait that ends with its time has missed what it waited for. */
#define LONG_MS 8000
/*
 * Who waits for input alone, and unseen, is woken by nothing when another socket comes to stand on
 * the number. It finds that out as soon as it looks again.
 */
#define SHORT_MS 500

static void raw_poll_out(void)
{
	int fd = begin();

	as_natively_or_better(fd, POLLOUT, raw_poll, LONG_MS);
	CHECK(close(fd) == 0);
}

static void raw_poll_in(void)
{
	int fd = begin();

	as_natively_or_better(fd, POLLIN, raw_poll, SHORT_MS);
	CHECK(close(fd) == 0);
}

static void raw_select_out(void)
{
	int fd = begin();

	as_natively_or_better(fd, POLLOUT, raw_select, LONG_MS);
	CHECK(close(fd) == 0);
}

static void raw_select_in(void)
{
	int fd = begin();

	as_natively_or_better(fd, POLLIN, raw_select, SHORT_MS);
	CHECK(close(fd) == 0);
}

static void all_raw(bool before, short want, uint32_t mode)
{
	int fd = open_nonblocking(family());

	raw_set = raw_open_set();
	if (before)
		raw_add(raw_set, fd, (uint16_t)want | mode, DATA);
	begin_on(fd);
	if (!before)
		raw_add(raw_set, fd, (uint16_t)want | mode, DATA);
	as_natively_or_better(fd, want, raw_epoll, LONG_MS);
	CHECK(close(fd) == 0 && close(raw_set) == 0);
}

/* The set tells of the end, with the program's data and no failure. */
static void end_in_set(int set, int fd, int timeout_ms)
{
	struct epoll_event event;

	CHECK(epoll_wait(set, &event, 1, timeout_ms) == 1 && event.data.u64 == DATA);
	CHECK_BITS(event.events, EPOLLOUT);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* Registered unseen, then waited for in connect(): the set knows of the end all the same. */
static void raw_set_and_connect(void)
{
	struct names names = resolve(on->host);
	int set = raw_open_set(), fd = begin();

	raw_add(set, fd, EPOLLOUT, DATA);
	CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
	CHECK(connect_to(fd, names.at[0]) == 0);
	end_in_set(set, fd, 1000);
	freeaddrinfo(names.list);
}

/* A further connect() for the same address. */
static void ask_by_connect(int fd, const struct addrinfo *ai)
{
	if (connect_to(fd, ai) < 0)
		CHECK(errno == EALREADY || !pending());
	else
		CHECK(!pending());
}

/* A further connect() says something of how the program waits, but not all. */
static void raw_set_and_connect_asked(void)
{
	struct names names = resolve(on->host);
	int set = raw_open_set(), fd = begin();

	raw_add(set, fd, EPOLLOUT, DATA);
	ask_by_connect(fd, names.at[0]);
	end_in_set(set, fd, (int)on->not_after_ms);
	freeaddrinfo(names.list);
}

/* The same, when the first address has failed before the program comes back to it. */
static void raw_set_and_connect_asked_late(void)
{
	struct names names = resolve(on->host);
	int set = raw_open_set(), fd = open_nonblocking(family());

	raw_add(set, fd, EPOLLOUT, DATA);
	begin_on(fd);
	sleep_ms(R6_MS * 3);
	ask_by_connect(fd, names.at[0]);
	end_in_set(set, fd, (int)on->not_after_ms);
	freeaddrinfo(names.list);
}

/* Nor does a question for the error. */
static void raw_set_and_error_asked(void)
{
	int set = raw_open_set(), fd = begin();

	raw_add(set, fd, EPOLLOUT, DATA);
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0);
	end_in_set(set, fd, (int)on->not_after_ms);
}

static void all_raw_level_before(void)
{
	all_raw(true, POLLOUT, 0);
}

static void all_raw_level_after(void)
{
	all_raw(false, POLLOUT, 0);
}

static void all_raw_level_in(void)
{
	all_raw(true, POLLIN, 0);
}

static void all_raw_edge_before(void)
{
	all_raw(true, POLLOUT, EPOLLET);
}

static void all_raw_edge_after(void)
{
	all_raw(false, POLLOUT, EPOLLET);
}

/* A thread with other things to do, whose waits are seen. */
static void *wait_for_others(void *number)
{
	struct pollfd other = {.fd = *(int *)number, .events = POLLIN};

	while (poll(&other, 1, 20) == 0)
		;
	return NULL;
}

/* Somebody who looks at the number says nothing of the set where the other waits, unseen. */
static void all_raw_and_looked_at(void)
{
	struct pollfd look;
	int fd, ends[2];
	pthread_t thread;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	CHECK(pthread_create(&thread, NULL, wait_for_others, &ends[0]) == 0);
	raw_set = raw_open_set();
	fd = begin();
	raw_add(raw_set, fd, POLLOUT, DATA);
	look = (struct pollfd){.fd = fd, .events = POLLOUT};
	CHECK(poll(&look, 1, 0) == 0 || !alone());
	as_natively_or_better(fd, POLLOUT, raw_epoll, LONG_MS);
	CHECK(write(ends[1], "x", 1) == 1 && pthread_join(thread, NULL) == 0);
	CHECK(close(fd) == 0 && close(raw_set) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* No wait at all: a program that sends until it can. */
static void sends_until_it_can(void)
{
	int fd = begin();
	char answer[4];

	for (;;) {
		ssize_t sent = send(fd, "ping", 4, MSG_NOSIGNAL);

		CHECK(since_begun() < KERNEL_MS + 2000);
		if (sent == 4)
			break;
		CHECK(sent < 0);
		if (errno != EAGAIN) {
			CHECK(on->is != HEALTHY && errno == on->error);
			CHECK(close(fd) == 0);
			return;
		}
		sleep_ms(1);
	}
	CHECK(!pending());
	CHECK(peer_is(fd, on->peer));
	check_greeting(fd, on->peer);
	read_all(fd, answer, 4);
	CHECK(memcmp(answer, "ping", 4) == 0);
	CHECK(close(fd) == 0);
}

static void receives_until_it_can(void)
{
	int fd = begin();
	char first;

	for (;;) {
		ssize_t received = recv(fd, &first, 1, MSG_PEEK);

		CHECK(since_begun() < KERNEL_MS + 2000);
		if (received == 1)
			break;
		CHECK(received < 0);
		if (errno != EAGAIN) {
			CHECK(on->is != HEALTHY && errno == on->error);
			CHECK(close(fd) == 0);
			return;
		}
		sleep_ms(1);
	}
	CHECK(!pending());
	check_connection(fd, on->peer);
	CHECK(close(fd) == 0);
}

static int wait_for_signal(int fd, short want, long ms)
{
	struct timespec timeout = {ms / 1000, ms % 1000 * 1000000};
	sigset_t io = only(SIGIO);

	(void)fd;
	return sigtimedwait(&io, NULL, &timeout) == SIGIO ? want : 0;
}

/* Signal-driven: nothing but SIGIO tells that something has happened. */
static void waits_for_signals(void)
{
	int fd = open_nonblocking(family());
	sigset_t io = only(SIGIO);

	CHECK(sigprocmask(SIG_BLOCK, &io, NULL) == 0);
	CHECK(fcntl(fd, F_SETOWN, getpid()) == 0);
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) == 0);
	begin_on(fd);
	as_natively_or_better(fd, POLLOUT, wait_for_signal, LONG_MS);
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && close(fd) == 0);
}

/* --- registered unseen, waited for as usual --------------------------------------------------- */

static void check_raw_mode(bool before, uint32_t mode)
{
	int set = raw_open_set(), fd = open_nonblocking(family());

	if (before)
		raw_add(set, fd, EPOLLOUT | mode, DATA);
	begin_on(fd);
	if (!before)
		raw_add(set, fd, EPOLLOUT | mode, DATA);
	expect_end(set);
	if (mode & (EPOLLET | EPOLLONESHOT))
		expect_nothing(set, 150);
	else
		expect_end(set);
	check_end(fd);
	CHECK(raw_control(set, EPOLL_CTL_DEL, fd, 0, 0) == 0);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void level_before(void)
{
	check_raw_mode(true, 0);
}

static void level_after(void)
{
	check_raw_mode(false, 0);
}

static void edge_before(void)
{
	check_raw_mode(true, EPOLLET);
}

static void edge_after(void)
{
	check_raw_mode(false, EPOLLET);
}

static void oneshot_before(void)
{
	check_raw_mode(true, EPOLLONESHOT);
}

static void oneshot_after(void)
{
	check_raw_mode(false, EPOLLONESHOT);
}

static void exclusive_after(void)
{
	check_raw_mode(false, EPOLLEXCLUSIVE);
}

/* What is registered for nothing, as its one shot is spent, stays so until it is armed again. */
static void oneshot_spent_before(void)
{
	int set = raw_open_set(), fd = open_nonblocking(family());

	raw_add(set, fd, EPOLLOUT | EPOLLONESHOT, DATA + 1);
	expect(set, EPOLLOUT | EPOLLHUP, DATA + 1, 1000);
	begin_on(fd);
	expect_nothing(set, on->not_before_ms + 200);
	raw_modify(set, fd, EPOLLOUT | EPOLLONESHOT, DATA);
	expect_end(set);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void added_midway(void)
{
	int set = raw_open_set(), fd = begin_midway();

	raw_add(set, fd, EPOLLOUT | EPOLLET, DATA);
	expect_end(set);
	expect_nothing(set, 150);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* What was seen is no longer true. */
static void modified_unseen(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLIN, DATA + 1);
	begin_on(fd);
	sleep_ms(on->midway_ms);
	raw_modify(set, fd, EPOLLOUT | EPOLLET, DATA);
	expect_end(set);
	expect_nothing(set, 150);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void deleted_unseen(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLOUT, DATA);
	begin_on(fd);
	sleep_ms(on->midway_ms);
	CHECK(raw_control(set, EPOLL_CTL_DEL, fd, 0, 0) == 0);
	await_end(fd);
	expect_nothing(set, 50);
	add(set, fd, EPOLLOUT, DATA + 1);
	expect(set, EPOLLOUT, DATA + 1, 0);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void deleted_unseen_and_added(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLIN, DATA + 1);
	begin_on(fd);
	sleep_ms(on->midway_ms);
	CHECK(raw_control(set, EPOLL_CTL_DEL, fd, 0, 0) == 0);
	add(set, fd, EPOLLOUT, DATA);
	expect_end(set);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* One registration was seen, and others not. */
static void one_of_many_seen(void)
{
	enum { SETS = 12, SEEN = 5 };
	int sets[SETS], fd = open_nonblocking(family());

	begin_on(fd);
	for (uint64_t i = 0; i < SETS; i++) {
		sets[i] = raw_open_set();
		if (i == SEEN)
			add(sets[i], fd, EPOLLOUT, DATA + i);
		else
			raw_add(sets[i], fd, EPOLLOUT, DATA + i);
	}
	for (uint64_t i = 0; i < SETS; i++)
		expect(sets[i], EPOLLOUT, DATA + i, on->not_after_ms);
	check_end(fd);
	CHECK(close(fd) == 0);
	for (uint64_t i = 0; i < SETS; i++)
		CHECK(close(sets[i]) == 0);
}

static void nested(void)
{
	int inner = raw_open_set(), outer = raw_open_set(), fd = open_nonblocking(family());
	struct epoll_event event;
	int n, idle = 0;

	raw_add(inner, fd, EPOLLOUT, DATA);
	begin_on(fd);
	raw_add(outer, inner, EPOLLIN, DATA + 1);
	do {
		expect(outer, EPOLLIN, DATA + 1, on->not_after_ms);
		n = epoll_wait(inner, &event, 1, 0);
	} while (n == 0 && ++idle < 20);
	CHECK(n == 1 && event.data.u64 == DATA);
	CHECK_BITS(event.events, end_events(EPOLLOUT));
	check_end(fd);
	CHECK(close(fd) == 0 && close(inner) == 0 && close(outer) == 0);
}

/* The number that the set was made with is gone, and another one is left. */
static void set_has_another_number(void)
{
	int set = raw_open_set(), other = (int)syscall(SYS_dup, set), fd = begin();

	raw_add(set, fd, EPOLLOUT, DATA);
	CHECK(raw_close(set) == 0 && open_zero() == set);
	expect_end(other);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0 && close(other) == 0);
}

/* In the same set is the number of another file, with the same data. */
static void others_in_the_set(void)
{
	int set = raw_open_set(), ends[2], fd = begin();
	struct epoll_event event[4];
	bool end_seen = false, byte_seen = false;

	CHECK(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "x", 1) == 1);
	raw_add(set, ends[0], EPOLLIN | EPOLLONESHOT, DATA);
	raw_add(set, fd, EPOLLOUT | EPOLLONESHOT, DATA);
	while (!end_seen || !byte_seen) {
		int n = epoll_wait(set, event, 4, (int)on->not_after_ms);

		CHECK(n > 0);
		for (int i = 0; i < n; i++) {
			CHECK(event[i].data.u64 == DATA);
			CHECK(event[i].events == EPOLLIN || event[i].events == EPOLLOUT);
			end_seen = end_seen || event[i].events == EPOLLOUT;
			byte_seen = byte_seen || event[i].events == EPOLLIN;
		}
	}
	expect_nothing(set, 50);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* To look for a registration is no reason to take a low number, not even for a moment. */
static void low_numbers_are_free(void)
{
	enum { RACES = 20 };
	struct epoll_event event[RACES];
	int set = raw_open_set(), fds[RACES], left = RACES, kept = dup(0);

	for (uint64_t i = 0; i < RACES; i++) {
		fds[i] = begin();
		raw_add(set, fds[i], EPOLLOUT | EPOLLONESHOT, DATA + i);
	}
	while (left > 0) {
		int n = epoll_wait(set, event, RACES, 0);

		CHECK(close(0) == 0 && open("/dev/null", O_RDONLY) == 0);
		CHECK(n >= 0 && since_begun() < on->not_after_ms);
		for (int i = 0; i < n; i++)
			CHECK_BITS(event[i].events, EPOLLOUT);
		left -= n;
	}
	for (int i = 0; i < RACES; i++) {
		check_connection(fds[i], on->peer);
		CHECK(close(fds[i]) == 0);
	}
	CHECK(dup2(kept, 0) == 0 && close(kept) == 0 && close(set) == 0);
}

/* --- the number, unseen ----------------------------------------------------------------------- */

/* What is set by a system call of the program's own is set, all the same. */
static void options_unseen(void)
{
	int fd = begin_midway(), value = 1;

	CHECK(syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)) == 0);
	CHECK(syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)) == 0);
	value = 77;
	CHECK(syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(value)) == 0);
	CHECK(syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC) == 0);
	CHECK(syscall(SYS_fcntl, fd, F_SETFL, O_NONBLOCK | O_APPEND) == 0);
	await_end(fd);
	CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
	CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
	CHECK(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 77);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_APPEND));
	CHECK(close(fd) == 0);
}

static void blocking_unseen(void)
{
	int fd = begin_midway();

	CHECK(syscall(SYS_fcntl, fd, F_SETFL, 0) == 0);
	await_end(fd);
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(close(fd) == 0);
}

static void put_zero(void *number)
{
	int zero = open_zero();

	CHECK(syscall(SYS_dup3, zero, *(int *)number, O_CLOEXEC) == *(int *)number);
	CHECK(close(zero) == 0);
}

static void replaced_unseen(void)
{
	int fd = begin_midway();

	put_zero(&fd);
	let_it_end();
	check_zero(fd);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(close(fd) == 0);
}

/* While another socket may just be about to take the place. */
static void replaced_unseen_while_waited_for(void)
{
	int set = open_set(), fd = begin();
	struct epoll_event event;
	pthread_t thread;

	add(set, fd, EPOLLOUT, DATA);
	thread = later(on->midway_ms, put_zero, &fd);
	/* Until the set has lost it, it may be told of the socket, as natively. */
	while (since_begun() < on->not_before_ms + 250)
		CHECK(epoll_wait(set, &event, 1, 50) >= 0);
	CHECK(pthread_join(thread, NULL) == 0);
	check_zero(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* A duplicate that nobody knows of is left with what it was made from. */
static void duplicated_unseen(void)
{
	int fd = begin_midway(), alias = (int)syscall(SYS_dup, fd);

	CHECK(alias >= 0);
	await_end(fd);
	CHECK(on->is != HEALTHY || cookie_of(alias) == begun_cookie);
	CHECK(close(fd) == 0 && close(alias) == 0);
}

static void duplicated_unseen_then_closed(void)
{
	int fd = begin(), alias = (int)syscall(SYS_dup, fd);

	CHECK(alias >= 0 && raw_close(fd) == 0 && open_zero() == fd);
	let_it_end();
	check_zero(fd);
	if (on->is == HEALTHY)
		check_connection(alias, GOOD6);
	CHECK(close(fd) == 0 && close(alias) == 0);
}

static void range_closed_unseen(void)
{
	int fd = begin_midway();

	CHECK(syscall(SYS_close_range, fd, ~0u, 0) == 0);
	CHECK(open_zero() == fd);
	let_it_end();
	check_zero(fd);
	CHECK(close(fd) == 0);
	/* Whatever was lost with it, the next one is none the worse. */
	fd = begin();
	as_natively_or_better(fd, POLLOUT, raw_poll, LONG_MS);
	CHECK(close(fd) == 0);
}

/* And every number is somebody else's before that has been noticed: nobody touches those. */
static void range_closed_unseen_then_reused(void)
{
	enum { FIRST_HIGH = 500, FILES = 700 };
	int zero, fd;

	allow_many_descriptors();
	fd = begin_midway();
	CHECK(syscall(SYS_close_range, fd, ~0u, 0) == 0);
	zero = open_zero();
	for (int i = 0; i < FILES; i++)
		CHECK(syscall(SYS_dup3, zero, FIRST_HIGH + i, O_CLOEXEC) == FIRST_HIGH + i);
	let_it_end();
	/* Until long after libhe has put away what it no longer needs. */
	sleep_ms(2500);
	for (int i = 0; i < FILES; i++) {
		check_zero(FIRST_HIGH + i);
		CHECK(raw_close(FIRST_HIGH + i) == 0);
	}
	CHECK(close(zero) == 0);
	fd = begin();
	as_natively_or_better(fd, POLLOUT, raw_poll, LONG_MS);
	CHECK(close(fd) == 0);
}

/*
 * What a set was seen to have of the number was taken out, unseen, and comes back when another
 * socket stands in for the one that it was about, which is refused at once.
 */
static void begun_again_unseen(void)
{
	struct names names = resolve("ownrefused.test");
	int set = open_set(), other = open_set(), fd = open_nonblocking(AF_INET6);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct epoll_event event;

	begin_at(fd, &names);
	raw_add(set, fd, EPOLLOUT, DATA);
	expect_end(set);
	CHECK(raw_control(set, EPOLL_CTL_DEL, fd, 0, 0) == 0);
	CHECK(connect(fd, &none, sizeof(none)) == 0);
	(void)option_of(fd, SOL_SOCKET, SO_ERROR);

	begin_at(fd, &names);
	while (cookie_of(fd) == begun_cookie && since_begun() < R4_MS)
		CHECK(epoll_wait(other, &event, 1, 1) == 0);
	raw_add(set, fd, EPOLLOUT, DATA);
	/* Long enough for libhe to see by itself that all are refused. */
	sleep_ms(CAD_MS + R4_MS);
	expect_end(set);
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == ECONNREFUSED && peer_is(fd, ""));
	CHECK(close(fd) == 0 && close(set) == 0 && close(other) == 0);
	freeaddrinfo(names.list);
}

/* No handler of fork() is told of this child. */
static void forked_unseen(void)
{
	int fd = begin_midway();
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (child == 0) {
		check_in_child(fd);
		_exit(0);
	}
	await_end(fd);
	CHECK(close(fd) == 0);
	check_child(child);
}

/* Another process takes the number out of this one. */
static void taken_by_another_process(void)
{
	pid_t parent = getpid(), child;
	int ready[2], fd, status;

	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0) {
		int process, taken;

		CHECK(read(ready[0], &fd, sizeof(fd)) == sizeof(fd));
		process = (int)syscall(SYS_pidfd_open, parent, 0);
		taken = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
		if (taken < 0)
			_exit(77);
		check_in_child(taken);
		_exit(0);
	}
	fd = begin_midway();
	CHECK(write(ready[1], &fd, sizeof(fd)) == sizeof(fd));
	await_end(fd);
	CHECK(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip("pidfd_getfd() is not allowed here");
	CHECK_BITS(status, 0);
	CHECK(close(fd) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
}

/* --- io_uring --------------------------------------------------------------------------------- */

/* Just enough of a ring: one request at a time. */
struct ring {
	int fd;
	char *submissions, *completions;
	struct io_uring_sqe *requests;
	struct io_uring_params params;
	size_t submissions_len, completions_len, requests_len;
};

static void ring_open(struct ring *ring)
{
	*ring = (struct ring){0};
	ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->params);
	if (ring->fd < 0)
		skip("no io_uring here");
	ring->submissions_len = ring->params.sq_off.array + ring->params.sq_entries * sizeof(__u32);
	ring->completions_len =
	    ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);
	ring->requests_len = ring->params.sq_entries * sizeof(struct io_uring_sqe);
	ring->submissions = mmap(NULL, ring->submissions_len, PROT_READ | PROT_WRITE,
	                         MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	ring->completions = mmap(NULL, ring->completions_len, PROT_READ | PROT_WRITE,
	                         MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_CQ_RING);
	ring->requests = mmap(NULL, ring->requests_len, PROT_READ | PROT_WRITE,
	                      MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	CHECK(ring->submissions != MAP_FAILED && ring->completions != MAP_FAILED &&
	      ring->requests != MAP_FAILED);
}

static void ring_close(struct ring *ring)
{
	CHECK(munmap(ring->submissions, ring->submissions_len) == 0);
	CHECK(munmap(ring->completions, ring->completions_len) == 0);
	CHECK(munmap(ring->requests, ring->requests_len) == 0);
	CHECK(close(ring->fd) == 0);
}

/* Submits a request and waits for its result. */
static int ring_do(struct ring *ring, const struct io_uring_sqe *request)
{
	_Atomic __u32 *tail = (_Atomic __u32 *)(ring->submissions + ring->params.sq_off.tail);
	__u32 mask = *(__u32 *)(ring->submissions + ring->params.sq_off.ring_mask);
	__u32 *array = (__u32 *)(ring->submissions + ring->params.sq_off.array);
	_Atomic __u32 *done = (_Atomic __u32 *)(ring->completions + ring->params.cq_off.head);
	__u32 done_mask = *(__u32 *)(ring->completions + ring->params.cq_off.ring_mask);
	struct io_uring_cqe *results =
	    (struct io_uring_cqe *)(ring->completions + ring->params.cq_off.cqes);
	__u32 at = atomic_load(tail), head = atomic_load(done);
	int result;

	ring->requests[at & mask] = *request;
	array[at & mask] = at & mask;
	atomic_store(tail, at + 1);
	CHECK(syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
	result = results[head & done_mask].res;
	atomic_store(done, head + 1);
	return result;
}

/* Registered through a ring, as libuv does, and waited for by epoll_wait(). */
static void ring_registers(bool before)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = DATA};
	int set = open_set(), fd = open_nonblocking(family()), result;
	struct io_uring_sqe request = {.opcode = IORING_OP_EPOLL_CTL,
	                               .fd = set,
	                               .len = EPOLL_CTL_ADD,
	                               .addr = (uintptr_t)&event};
	struct ring ring;

	ring_open(&ring);
	request.off = (uint64_t)fd;
	if (!before)
		begin_on(fd);
	result = ring_do(&ring, &request);
	if (result == -EINVAL || result == -EOPNOTSUPP)
		skip("no epoll_ctl() by io_uring in this kernel");
	CHECK(result == 0);
	if (before)
		begin_on(fd);
	expect_end(set);
	check_end(fd);
	ring_close(&ring);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void ring_registers_before(void)
{
	ring_registers(true);
}

static void ring_registers_after(void)
{
	ring_registers(false);
}

static struct ring poll_ring;

static int wait_by_ring(int fd, short want, long ms)
{
	struct io_uring_sqe request = {
	    .opcode = IORING_OP_POLL_ADD, .fd = fd, .poll32_events = (uint16_t)want};

	(void)ms;
	return ring_do(&poll_ring, &request);
}

/* The wait itself is the ring's, on the file that the number had then. */
static void ring_polls(void)
{
	int fd;

	ring_open(&poll_ring);
	fd = begin();
	as_natively_or_better(fd, POLLOUT, wait_by_ring, LONG_MS);
	CHECK(close(fd) == 0);
	ring_close(&poll_ring);
}

static const struct torture cases[] = {
    CASE(raw_poll_out, SAME),
    CASE(raw_poll_in, SAME),
    CASE(raw_select_out, SAME),
    CASE(raw_select_in, SAME),
    CASE(raw_set_and_connect, RACED),
    CASE(raw_set_and_connect_asked, RACED),
    CASE(raw_set_and_error_asked, HEALTHY | BLACK, HEALTHY),
    CASE(raw_set_and_connect_asked_late, BLACK | REFUSED, 0),
    CASE(all_raw_level_before, SAME),
    CASE(all_raw_level_after, SAME),
    CASE(all_raw_level_in, SAME),
    CASE(all_raw_edge_before, SAME),
    CASE(all_raw_edge_after, SAME),
    CASE(all_raw_and_looked_at, SAME),
    CASE(sends_until_it_can, SAME),
    CASE(receives_until_it_can, SAME),
    CASE(waits_for_signals, SAME),
    CASE(level_before, RACED_MIX),
    CASE(level_after, RACED_MIX),
    CASE(edge_before, RACED_MIX),
    CASE(edge_after, RACED_MIX),
    CASE(oneshot_before, RACED_MIX),
    CASE(oneshot_after, RACED_MIX),
    CASE(exclusive_after, RACED_MIX),
    CASE(oneshot_spent_before, RACED),
    CASE(added_midway, RACED_MIDWAY),
    CASE(modified_unseen, HEALTHY_ALONE),
    CASE(deleted_unseen, RACED_MIDWAY),
    CASE(deleted_unseen_and_added, RACED_MIDWAY),
    CASE(one_of_many_seen, HEALTHY_ALONE),
    CASE(nested, RACED_MIX),
    CASE(set_has_another_number, RACED),
    CASE(others_in_the_set, RACED),
    CASE(low_numbers_are_free, RACED_MIX),
    CASE(options_unseen, RACED_MIDWAY),
    CASE(blocking_unseen, RACED_MIDWAY),
    CASE(replaced_unseen, SAME_MIDWAY),
    CASE(replaced_unseen_while_waited_for, SAME_MIDWAY),
    CASE(duplicated_unseen, RACED_MIDWAY),
    CASE(duplicated_unseen_then_closed, SAME),
    CASE(range_closed_unseen, SAME_MIDWAY),
    CASE(range_closed_unseen_then_reused, SAME),
    CASE(begun_again_unseen, ALL_REFUSED, ALL_REFUSED),
    CASE(forked_unseen, RACED_MIDWAY),
    CASE(taken_by_another_process, RACED_MIDWAY),
    CASE(ring_registers_before, RACED_MIX),
    CASE(ring_registers_after, RACED_MIX),
    CASE(ring_polls, SAME),
};

int main(int argc, char **argv)
{
	return torture_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
