/*
 * The number in the program's hands while its connect() is pending: options, flags, duplicates,
 * closes, reuse, other processes, other threads, and the connect() that was left before its end.
 */
#include "torture.h"

#include <linux/close_range.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define CLIENT6 "fd92::1"
#define CLIENT4 "10.92.0.1"

extern char **environ;

static bool is_closed(int fd)
{
	return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

/* --- options and flags ------------------------------------------------------------------------ */

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_options(int fd)
{
	struct timeval timeout = {.tv_sec = 7};

	CHECK(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) == 0);
	CHECK(set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) == 0);
	CHECK(set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77) == 0);
	CHECK(set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 4321) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0);
	CHECK(set_option(fd, SOL_SOCKET, SO_SNDBUF, 65536) == 0);
}

static void check_options(int fd)
{
	struct timeval timeout = {0};
	socklen_t len = sizeof(timeout);

	CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
	CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
	CHECK(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 77);
	CHECK(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 4321);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &len) == 0 && timeout.tv_sec == 7);
	CHECK(option_of(fd, SOL_SOCKET, SO_SNDBUF) == 2 * 65536);
}

static void check_class(int fd, int class)
{
	if (on->is == HEALTHY)
		CHECK(option_of(fd, IPPROTO_IPV6, IPV6_TCLASS) == class);
	else
		CHECK(option_of(fd, IPPROTO_IP, IP_TOS) == class);
}

static void options_before(void)
{
	int fd = open_nonblocking(family());

	set_options(fd);
	CHECK(set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x20) == 0);
	begin_on(fd);
	await_end(fd);
	check_options(fd);
	check_class(fd, 0x20);
	CHECK(close(fd) == 0);
}

static void options_during(void)
{
	int fd = begin_midway();

	set_options(fd);
	check_options(fd);
	await_end(fd);
	check_options(fd);
	CHECK(close(fd) == 0);
}

/* It is an IPv6 socket until something has happened. */
static void class_during(void)
{
	int fd = begin(), set;

	sleep_ms(on->alone_ms / 3);
	set = set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
	CHECK(set == 0 || !alone());
	await_end(fd);
	if (set == 0)
		check_class(fd, 0x20);
	CHECK(close(fd) == 0);
}

/* The last word counts, whichever socket had heard the first. */
static void options_changed(void)
{
	int fd = open_nonblocking(family());

	CHECK(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) == 0);
	CHECK(set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) == 0);
	CHECK(set_option(fd, SOL_SOCKET, SO_PRIORITY, 4) == 0);
	begin_on(fd);
	sleep_ms(on->midway_ms);
	CHECK(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 0) == 0);
	CHECK(set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 0) == 0);
	CHECK(set_option(fd, SOL_SOCKET, SO_PRIORITY, 0) == 0);
	await_end(fd);
	CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 0);
	CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 0);
	CHECK(option_of(fd, SOL_SOCKET, SO_PRIORITY) == 0);
	CHECK(close(fd) == 0);
}

/* SIGIO is delivered as long as the program wants it, by the winner, too. */
static void status_flags_during(void)
{
	int fd, flags = O_NONBLOCK | O_APPEND | O_ASYNC;

	CHECK(signal(SIGUSR1, count_signal) != SIG_ERR);
	fd = begin_midway();
	CHECK(fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_SETSIG, SIGUSR1) == 0);
	CHECK(fcntl(fd, F_SETFL, flags) == 0);
	while (wait_for(fd, POLLOUT, on->not_after_ms) < 0)
		CHECK(errno == EINTR && since_begun() < on->not_after_ms);
	CHECK((fcntl(fd, F_GETFL) & (flags | O_ACCMODE)) == (flags | O_RDWR));
	CHECK(fcntl(fd, F_GETOWN) == getpid() && fcntl(fd, F_GETSIG) == SIGUSR1);
	handled = 0;
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0 && peer_is(fd, on->peer));
	CHECK(send(fd, "ping", 4, MSG_NOSIGNAL) == 4);
	for (int tries = 0; handled == 0; tries++) {
		CHECK(tries < 1000);
		sleep_ms(1);
	}
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	CHECK(close(fd) == 0);
}

static void ioctls_during(void)
{
	int fd = begin_midway(), is_on = 1, is_off = 0, unread = -1;

	CHECK(ioctl(fd, FIONBIO, &is_on) == 0);
	CHECK(ioctl(fd, FIOASYNC, &is_on) == 0 && ioctl(fd, FIOASYNC, &is_off) == 0);
	CHECK(ioctl(fd, FIONREAD, &unread) == 0 && (unread == 0 || !pending()));
	CHECK(ioctl(fd, FIOCLEX) == 0);
	await_end(fd);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(!(fcntl(fd, F_GETFL) & O_ASYNC));
	CHECK(close(fd) == 0);
}

static void close_on_exec_during(void)
{
	int fd = begin_midway();

	CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
	await_end(fd);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && close(fd) == 0);

	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	begin_on(fd);
	sleep_ms(on->midway_ms);
	CHECK(ioctl(fd, FIONCLEX) == 0);
	await_end(fd);
	CHECK(fcntl(fd, F_GETFD) == 0 && close(fd) == 0);
}

/* --- what it answers -------------------------------------------------------------------------- */

static int tcp_state_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	return info.tcpi_state;
}

/*
 * Asks for the error while nothing can have happened yet, as who asks again and again does: a first
 * question that comes later is taken for what a wait has told, one that libhe did not see. Where
 * the machine is too busy for that, there is another try.
 */
static int begin_asked(void)
{
	for (int tries = 0; tries < 100; tries++) {
		int fd = begin(), error = option_of(fd, SOL_SOCKET, SO_ERROR);

		if (since_begun() < on->alone_ms) {
			CHECK(error == 0);
			return fd;
		}
		CHECK(close(fd) == 0);
	}
	CHECK(!"a question in time");
	return -1;
}

/* Each question once, as of a socket that is connecting. */
static void questions(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct iovec part = {.iov_base = &name, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = begin_asked();
	char c = 'x';

	sleep_ms(on->midway_ms);
	CHECK(getpeername(fd, (struct sockaddr *)&name, &len) < 0 ? errno == ENOTCONN : !pending());
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0);
	CHECK(option_of(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM);
	CHECK(option_of(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
	CHECK(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0);
	CHECK(tcp_state_of(fd) == TCP_SYN_SENT || !pending());
	CHECK(recv(fd, &c, 1, 0) < 0 ? errno == EAGAIN : !pending());
	CHECK(recv(fd, &c, 1, MSG_PEEK) < 0 ? errno == EAGAIN : !pending());
	CHECK(readv(fd, &part, 1) < 0 ? errno == EAGAIN : !pending());
	CHECK(recvmsg(fd, &message, MSG_DONTWAIT) < 0 ? errno == EAGAIN : !pending());
	if (pending()) {
		len = sizeof(name);
		CHECK(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
		CHECK(((struct sockaddr_in *)&name)->sin_port != 0);
		CHECK(send(fd, &c, 0, MSG_NOSIGNAL) <= 0);
		CHECK(listen(fd, 1) < 0 && errno == EINVAL);
	}
	/* What came too late may have been read already. */
	CHECK_BITS(wait_for(fd, POLLOUT, on->not_after_ms), POLLOUT);
	check_in_time();
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0 && peer_is(fd, on->peer));
	CHECK(close(fd) == 0);
}

static void sending_is_for_later(void)
{
	int fd = begin_midway();
	ssize_t sent = send(fd, "early", 5, MSG_NOSIGNAL);
	/* Nobody has waited yet: who sends too late is told of a refusal, as natively. */
	bool is_told = sent < 0 && errno == on->error && since_begun() >= on->alone_ms;

	CHECK(is_told || (sent < 0 ? errno == EAGAIN : !pending()));
	CHECK_BITS(wait_for(fd, POLLOUT, on->not_after_ms), POLLOUT);
	check_in_time();
	if (sent < 0)
		check_end(fd);
	else
		CHECK(peer_is(fd, on->peer));
	CHECK(close(fd) == 0);
}

static void names_at_the_end(void)
{
	const char *address = on->is == HEALTHY ? CLIENT6 : CLIENT4;
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	char text[INET6_ADDRSTRLEN];
	int fd = begin();

	await_end(fd);
	CHECK(getsockname(fd, (struct sockaddr *)&own, &len) == 0);
	CHECK(own.ss_family == (on->is == HEALTHY ? AF_INET6 : AF_INET));
	if (own.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&own)->sin6_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET, &((struct sockaddr_in *)&own)->sin_addr, text, sizeof(text));
	CHECK(strcmp(text, address) == 0);
	CHECK(option_of(fd, SOL_SOCKET, SO_DOMAIN) == own.ss_family);
	CHECK(close(fd) == 0);
}

/* A program that asks connect() itself until it says that all is well, and nothing else. */
static void connect_is_asked(void)
{
	struct names names = resolve(on->host);
	int fd = begin(), asked = 0;

	while (connect_to(fd, names.at[0]) < 0) {
		if (on->peer == NULL && errno != EALREADY) {
			CHECK(errno == on->error && !pending());
			break;
		}
		CHECK(errno == EALREADY && since_begun() < on->not_after_ms);
		asked++;
		sleep_ms(1);
	}
	CHECK(asked > 0 || !lasts_long());
	check_in_time();
	if (on->peer != NULL) {
		CHECK(connect_to(fd, names.at[0]) < 0 && errno == EISCONN);
		check_end(fd);
	}
	freeaddrinfo(names.list);
	CHECK(close(fd) == 0);
}

/* It has failed when the program comes back to it, and so will the rest, in another way. */
static void waited_for_in_connect_late(void)
{
	struct names names = resolve(on->host);
	int fd = begin();

	sleep_ms(CAD_MS + 100);
	CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == on->error);
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0 && peer_is(fd, ""));
	freeaddrinfo(names.list);
	CHECK(close(fd) == 0);
}

/* A program that asks for an error, and for a peer. */
static void error_is_asked(void)
{
	int fd = begin_asked(), error;

	do {
		CHECK(since_begun() < on->not_after_ms);
		sleep_ms(1);
		error = option_of(fd, SOL_SOCKET, SO_ERROR);
		CHECK(error == 0 || (on->peer == NULL && error == on->error && !pending()));
	} while (error == 0 && peer_is(fd, ""));
	if (on->peer != NULL)
		check_end(fd);
	CHECK(close(fd) == 0);
}

/* The addresses that a program tries next have failed already, as the race has found out. */
static void rest_of_the_list(void)
{
	struct names names = resolve(on->host);
	int fd = begin();

	await_end(fd);
	CHECK(close(fd) == 0);
	for (size_t i = 1; i < names.count; i++) {
		long start = now_ms();

		fd = open_nonblocking(names.at[i]->ai_family);
		if (connect_to(fd, names.at[i]) == 0 || errno == EINPROGRESS) {
			int bits = wait_for(fd, POLLOUT, on->not_after_ms);

			CHECK_BITS(bits, POLLOUT | POLLERR | POLLHUP);
			CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == on->error);
		} else {
			CHECK(errno == on->error);
		}
		CHECK(now_ms() - start < KERNEL_MS / 2);
		CHECK(close(fd) == 0);
	}
	freeaddrinfo(names.list);
}

/* --- close and reuse -------------------------------------------------------------------------- */

static void closed_by(int (*how)(int))
{
	int fd = begin_midway();

	CHECK(how(fd) == 0);
	let_it_end();
	CHECK(is_closed(fd));
}

static void closed(void)
{
	closed_by(close);
}

static void closed_raw(void)
{
	closed_by(raw_close);
}

static void file_in_its_place(int (*how)(int))
{
	int fd = begin_midway();

	CHECK(how(fd) == 0);
	CHECK(open_zero() == fd);
	let_it_end();
	check_zero(fd);
	CHECK(close(fd) == 0);
}

static void closed_then_file(void)
{
	file_in_its_place(close);
}

static void closed_raw_then_file(void)
{
	file_in_its_place(raw_close);
}

static void race_in_its_place(int (*how)(int))
{
	int fd = begin_midway();

	CHECK(how(fd) == 0);
	CHECK(begin() == fd);
	await_end(fd);
	CHECK(close(fd) == 0);
}

static void closed_then_race(void)
{
	race_in_its_place(close);
}

static void closed_raw_then_race(void)
{
	race_in_its_place(raw_close);
}

/* A connection that is no race at all: nobody else's winner may stand there. */
static void connection_in_its_place(int (*how)(int))
{
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(7001)};
	int fd = begin_midway();

	CHECK(inet_pton(AF_INET6, GOOD6, &name.sin6_addr) == 1);
	CHECK(how(fd) == 0);
	CHECK(socket(AF_INET6, SOCK_STREAM, 0) == fd);
	CHECK(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	let_it_end();
	check_connection(fd, GOOD6);
	CHECK(close(fd) == 0);
}

static void closed_then_connection(void)
{
	connection_in_its_place(close);
}

static void closed_raw_then_connection(void)
{
	connection_in_its_place(raw_close);
}

static void close_all(int first)
{
	for (int fd = first; fd < 1024; fd++)
		(void)close(fd);
}

/* As daemons do when they start, here with connects pending. Then life goes on. */
static void all_numbers_closed(void)
{
	struct rlimit files;
	int fd;

	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = 1024;
	CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
	fd = begin_midway();
	close_all(fd);
	CHECK(is_closed(fd) && open_zero() == fd);
	let_it_end();
	check_zero(fd);
	CHECK(close(fd) == 0);

	fd = begin();
	close_all(fd);
	CHECK(begin() == fd);
	await_end(fd);
	CHECK(close(fd) == 0);
}

static void range_closed(void)
{
	int fd = begin_midway();

	CHECK(close_range((unsigned)fd, ~0u, 0) == 0);
	CHECK(is_closed(fd) && open_zero() == fd);
	let_it_end();
	check_zero(fd);
	CHECK(close(fd) == 0);
	fd = begin();
	await_end(fd);
	CHECK(close(fd) == 0);
}

static void range_closed_on_exec(void)
{
	int fd = begin_midway();

	CHECK(close_range((unsigned)fd, (unsigned)fd, CLOSE_RANGE_CLOEXEC) == 0);
	await_end(fd);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(close(fd) == 0);
}

static void closed_from(void)
{
	int fd = begin_midway();

	closefrom(fd);
	CHECK(is_closed(fd) && open_zero() == fd);
	let_it_end();
	check_zero(fd);
	CHECK(close(fd) == 0);
	fd = begin();
	await_end(fd);
	CHECK(close(fd) == 0);
}

/* Nobody else opens anything low: what is closed is what the next open() gives. */
static void low_numbers_are_free(void)
{
	enum { RACES = 20 };
	struct pollfd watch[RACES];
	int fds[RACES], left = RACES, kept = dup(0);

	for (int i = 0; i < RACES; i++) {
		fds[i] = begin();
		watch[i] = (struct pollfd){.fd = fds[i], .events = POLLOUT};
	}
	while (left > 0) {
		CHECK(close(0) == 0 && open("/dev/null", O_RDONLY) == 0);
		CHECK(wait_all(watch, RACES, 0) >= 0 && since_begun() < on->not_after_ms);
		for (int i = 0; i < RACES; i++) {
			if (watch[i].fd < 0 || watch[i].revents == 0)
				continue;
			CHECK_BITS(watch[i].revents, end_bits(POLLOUT));
			watch[i].fd = -1;
			left--;
		}
	}
	for (int i = 0; i < RACES; i++) {
		check_connection(fds[i], on->peer);
		CHECK(close(fds[i]) == 0);
	}
	CHECK(dup2(kept, 0) == 0 && close(kept) == 0);
}

/* Nothing of ours is put where the program's standard files were, not even for a moment. */
static void standard_numbers_closed(void)
{
	int error = fcntl(2, F_DUPFD, 100), fd, ready;
	bool are_closed = true;

	close(0);
	close(1);
	close(2);
	fd = begin();
	do {
		ready = wait_for(fd, POLLOUT, 1);
		are_closed = are_closed && is_closed(1) && is_closed(2);
	} while (ready == 0 && since_begun() < on->not_after_ms);
	CHECK(dup2(error, 1) == 1 && dup2(error, 2) == 2);
	CHECK(are_closed && fd == 0);
	CHECK_BITS(ready, POLLOUT);
	check_end(fd);
	CHECK(close(error) == 0);
}

/* While the first attempt is alone: its number, two for the process, and one for the race. */
static void few_descriptors(void)
{
	int before = descriptors(), fd = begin(), count;

	count = descriptors() - before;
	if (getenv("HE_LOG") != NULL)
		count--;
	CHECK(count <= 4 || !alone());
	await_end(fd);
	CHECK(close(fd) == 0);
}

/* --- duplicates
 * ----------------------------------------------------------------------------------- */

static void put_onto(int (*how)(int, int))
{
	int zero = open_zero(), fd = begin_midway();

	CHECK(how(zero, fd) == fd);
	let_it_end();
	check_zero(fd);
	CHECK(close(fd) == 0 && close(zero) == 0);
}

static int dup3_close_on_exec(int from, int to)
{
	return dup3(from, to, O_CLOEXEC);
}

static void dup2_onto(void)
{
	put_onto(dup2);
}

static void dup3_onto(void)
{
	put_onto(dup3_close_on_exec);
}

/* One that is connecting takes the place of another. */
static void dup2_from_one_race_onto_another(void)
{
	int other = begin(), fd = begin();

	sleep_ms(on->midway_ms);
	CHECK(dup2(fd, other) == other);
	await_end(fd);
	CHECK(cookie_of(other) == cookie_of(fd) && peer_is(other, on->peer));
	CHECK(close(fd) == 0);
	check_echo(other);
	CHECK(close(other) == 0);
}

/* Both numbers are the winner's, with the flags that each has. */
static void check_both(int fd, int alias, int alias_flags)
{
	CHECK(alias > 2 && alias != fd);
	await_end(fd);
	CHECK(cookie_of(alias) == cookie_of(fd) && peer_is(alias, on->peer));
	CHECK(fcntl(fd, F_GETFD) == 0 && fcntl(alias, F_GETFD) == alias_flags);
	CHECK(fcntl(alias, F_GETFL) & O_NONBLOCK);
	CHECK(close(fd) == 0);
	check_echo(alias);
	CHECK(close(alias) == 0);
}

static void dup_during(void)
{
	int fd = begin_midway();

	check_both(fd, dup(fd), 0);
}

static void dup2_during(void)
{
	int fd = begin_midway();

	check_both(fd, dup2(fd, 77), 0);
}

static void dup3_during(void)
{
	int fd = begin_midway();

	check_both(fd, dup3(fd, 77, O_CLOEXEC), FD_CLOEXEC);
}

static void fcntl_dup_during(void)
{
	int fd = begin_midway();

	check_both(fd, fcntl(fd, F_DUPFD, 50), 0);
}

static void fcntl_dup_cloexec_during(void)
{
	int fd = begin_midway();

	check_both(fd, fcntl(fd, F_DUPFD_CLOEXEC, 50), FD_CLOEXEC);
}

static void dup_then_close(void)
{
	int fd = begin(), alias = dup(fd);

	sleep_ms(on->midway_ms);
	CHECK(close(fd) == 0 && open_zero() == fd);
	await_end(alias);
	check_zero(fd);
	CHECK(close(alias) == 0 && close(fd) == 0);
}

static void dup_then_close_the_duplicate(void)
{
	int fd = begin(), alias = dup(fd);

	sleep_ms(on->midway_ms);
	CHECK(close(alias) == 0 && open_zero() == alias);
	await_end(fd);
	check_zero(alias);
	CHECK(close(alias) == 0 && close(fd) == 0);
}

static void dup_then_close_both(void)
{
	int fd = begin(), alias = dup(fd);

	sleep_ms(on->midway_ms);
	CHECK(close(fd) == 0 && close(alias) == 0);
	CHECK(open_zero() == fd && open_zero() == alias);
	let_it_end();
	check_zero(fd);
	check_zero(alias);
	CHECK(close(fd) == 0 && close(alias) == 0);
}

/* The duplicate is waited for, in a set and in an array, beside the first. */
static void both_are_waited_for(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC), fd = begin(), alias;
	struct epoll_event event[4] = {{.events = EPOLLOUT | EPOLLONESHOT, .data.u64 = 1}};
	struct pollfd watch[2];
	unsigned seen = 0;

	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event[0]) == 0);
	alias = dup(fd);
	event[0].data.u64 = 2;
	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, alias, &event[0]) == 0);
	while (seen != 3) {
		int n = epoll_wait(set, event, 4, (int)on->not_after_ms);

		CHECK(n > 0);
		for (int i = 0; i < n; i++) {
			CHECK_BITS(event[i].events, EPOLLOUT);
			CHECK(!(seen & event[i].data.u64));
			seen |= (unsigned)event[i].data.u64;
		}
	}
	watch[0] = (struct pollfd){.fd = fd, .events = POLLOUT};
	watch[1] = (struct pollfd){.fd = alias, .events = POLLOUT};
	CHECK(wait_all(watch, 2, 0) == 2);
	CHECK(watch[0].revents == POLLOUT && watch[1].revents == POLLOUT);
	check_end(fd);
	CHECK(cookie_of(alias) == cookie_of(fd));
	CHECK(close(fd) == 0 && close(alias) == 0 && close(set) == 0);
}

/* One that was made before connect() leaves the socket as it is, as no one knows of all numbers. */
static void dup_before(void)
{
	int fd = open_nonblocking(family()), alias = dup(fd);

	begin_on(fd);
	if (on->is == HEALTHY) {
		await_end(fd);
	} else if (on->is == BLACK) {
		CHECK(wait_for(fd, POLLOUT, on->not_before_ms + 200) == 0);
	} else {
		CHECK_BITS(wait_for(fd, POLLOUT, on->not_after_ms), POLLOUT | POLLERR | POLLHUP);
		CHECK(option_of(alias, SOL_SOCKET, SO_ERROR) == on->error);
	}
	CHECK(cookie_of(fd) == begun_cookie && cookie_of(alias) == begun_cookie);
	CHECK(close(fd) == 0 && close(alias) == 0);
}

/* What dup2() and its kin refuse, or do not do, is no end of a race. */
static void duplicates_refused(void)
{
	int fd = begin_midway(), closed_one = closed_number();

	CHECK(dup2(fd, fd) == fd);
	CHECK(dup3(fd, fd, 0) < 0 && errno == EINVAL);
	CHECK(dup2(closed_one, fd) < 0 && errno == EBADF);
	CHECK(dup3(closed_one, fd, O_CLOEXEC) < 0 && errno == EBADF);
	CHECK(dup3(0, fd, 0x7) < 0 && errno == EINVAL);
	CHECK(fcntl(fd, F_DUPFD, 1 << 30) < 0 && errno == EINVAL);
	CHECK(close_range((unsigned)fd, (unsigned)fd - 1, 0) < 0 && errno == EINVAL);
	CHECK(close_range((unsigned)fd, (unsigned)fd, 0x80) < 0 && errno == EINVAL);
	CHECK(close(closed_one) < 0 && errno == EBADF);
	await_end(fd);
	CHECK(close(fd) == 0);
}

/* --- blocking, or not
 * ----------------------------------------------------------------------------- */

static void clear_by_fcntl(int fd)
{
	CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
}

static void clear_by_ioctl(int fd)
{
	CHECK(ioctl(fd, FIONBIO, &(int){0}) == 0);
}

static void cleared_then_wait(void (*clear)(int))
{
	int fd = begin_midway();

	clear(fd);
	await_end(fd);
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(close(fd) == 0);
}

static void blocking_by_fcntl(void)
{
	cleared_then_wait(clear_by_fcntl);
}

static void blocking_by_ioctl(void)
{
	cleared_then_wait(clear_by_ioctl);
}

static void blocking_for_a_while(void)
{
	int fd = begin();

	clear_by_fcntl(fd);
	sleep_ms(on->midway_ms);
	CHECK(ioctl(fd, FIONBIO, &(int){1}) == 0);
	await_end(fd);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(close(fd) == 0);
}

/* connect() again, and now it waits. */
static void blocking_then_connect(void (*clear)(int))
{
	struct names names = resolve(on->host);
	int fd = begin_midway();

	clear(fd);
	CHECK(connect_to(fd, names.at[0]) == 0);
	check_end(fd);
	freeaddrinfo(names.list);
	CHECK(close(fd) == 0);
}

static void blocking_by_fcntl_then_connect(void)
{
	blocking_then_connect(clear_by_fcntl);
}

static void blocking_by_ioctl_then_connect(void)
{
	blocking_then_connect(clear_by_ioctl);
}

static void blocking_then_receive(void)
{
	char greeting[sizeof(GOOD6 "\n")] = {0};
	int fd = begin();

	clear_by_fcntl(fd);
	CHECK(recv(fd, greeting, sizeof(greeting), 0) == (ssize_t)strlen(GOOD6 "\n"));
	CHECK(strcmp(greeting, GOOD6 "\n") == 0 && peer_is(fd, GOOD6));
	CHECK(cookie_of(fd) == begun_cookie);
	CHECK(close(fd) == 0);
}

static void blocking_then_send(void)
{
	char answer[4];
	int fd = begin();

	clear_by_fcntl(fd);
	CHECK(send(fd, "ping", 4, MSG_NOSIGNAL) == 4);
	check_greeting(fd, GOOD6);
	read_all(fd, answer, 4);
	CHECK(memcmp(answer, "ping", 4) == 0 && cookie_of(fd) == begun_cookie);
	CHECK(close(fd) == 0);
}

/* --- ending it
 * ------------------------------------------------------------------------------------ */

static void shut_down(int how)
{
	int fd = -1;

	/* Again where it was connected before it could be shut down. */
	for (int tries = 0; tries < 100; tries++) {
		fd = begin();
		sleep_ms(on->alone_ms / 3);
		if (shutdown(fd, how) == 0 && alone())
			break;
		CHECK(close(fd) == 0);
		fd = -1;
	}
	CHECK_BITS(wait_for(fd, POLLOUT, 1000), POLLOUT | POLLERR | POLLHUP);
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == ECONNRESET);
	let_it_end();
	CHECK(peer_is(fd, ""));
	CHECK(close(fd) == 0);
}

static void shut_down_both(void)
{
	shut_down(SHUT_RDWR);
}

static void shut_down_writing(void)
{
	shut_down(SHUT_WR);
}

static void shut_down_reading(void)
{
	shut_down(SHUT_RD);
}

static void disconnect(int fd)
{
	CHECK(connect(fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)) ==
	      0);
}

/* The socket is the program's for another connect(). */
static void dissolved(void)
{
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(7001)};
	int fd = begin();

	CHECK(inet_pton(AF_INET6, GOOD6, &name.sin6_addr) == 1);
	sleep_ms(on->alone_ms / 3);
	disconnect(fd);
	let_it_end();
	CHECK(peer_is(fd, ""));
	(void)option_of(fd, SOL_SOCKET, SO_ERROR);
	CHECK(connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 && errno == EINPROGRESS);
	CHECK_BITS(wait_for(fd, POLLOUT, 1000), POLLOUT);
	check_connection(fd, GOOD6);
	CHECK(close(fd) == 0);
}

/* --- other processes
 * ------------------------------------------------------------------------------ */

static void forked_then_both_go_on(void)
{
	int before = descriptors(), fd = begin_midway();
	pid_t child = fork();

	if (child == 0) {
		CHECK(descriptors() == before + 1);
		check_in_child(fd);
		_exit(0);
	}
	await_end(fd);
	CHECK(close(fd) == 0);
	check_child(child);
}

/* The child closes what it does not need, and opens what it does. */
static void forked_then_child_closes(void)
{
	int fd = begin_midway();
	pid_t child = fork();

	if (child == 0) {
		CHECK(close(fd) == 0 && open_zero() == fd);
		sleep_ms(400);
		check_zero(fd);
		_exit(0);
	}
	await_end(fd);
	CHECK(close(fd) == 0);
	check_child(child);
}

static void forked_then_parent_closes(void)
{
	int fd = begin_midway();
	pid_t child = fork();

	if (child == 0) {
		check_in_child(fd);
		_exit(0);
	}
	CHECK(close(fd) == 0 && open_zero() == fd);
	check_child(child);
	check_zero(fd);
	CHECK(close(fd) == 0);
}

/* A child has its own life, and races of its own. */
static void forked_then_child_races(void)
{
	int fd = begin_midway();
	pid_t child = fork();

	if (child == 0) {
		int before = descriptors(), own = begin();

		await_end(own);
		CHECK(close(own) == 0);
		check_descriptors(before);
		_exit(0);
	}
	await_end(fd);
	CHECK(close(fd) == 0);
	check_child(child);
}

/* The child's own image sees the standard three, and what it was meant to have. */
static char *const count_arguments[] = {"torture_number", "--descriptors", NULL};
static int expected_in_child;

/* What a program that is executed inherits without anything of ours being there. */
static void learn_what_is_inherited(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		execv("/proc/self/exe", count_arguments);
		_exit(126);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	expected_in_child = WEXITSTATUS(status);
	CHECK(expected_in_child >= 3 && expected_in_child < 100);
}

static void check_inherited(pid_t child, int more)
{
	int status;

	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	CHECK_BITS(WEXITSTATUS(status), expected_in_child + more);
}

static void executed_without_close_on_exec(void)
{
	pid_t child;
	int fd;

	learn_what_is_inherited();
	fd = begin_midway();
	child = fork();
	if (child == 0) {
		execv("/proc/self/exe", count_arguments);
		_exit(126);
	}
	await_end(fd);
	CHECK(close(fd) == 0);
	check_inherited(child, 1);
}

static void executed_by_vfork(void)
{
	volatile int fd;
	pid_t child;

	learn_what_is_inherited();
	fd = begin_midway();
	child = vfork();
	if (child == 0) {
		close(fd);
		execv("/proc/self/exe", count_arguments);
		_exit(126);
	}
	await_end(fd);
	CHECK(close(fd) == 0);
	check_inherited(child, 0);
}

/* In the child the number is given to another file, which is no affair of the parent's. */
static void executed_by_vfork_after_dup2(void)
{
	volatile int fd;
	pid_t child;

	learn_what_is_inherited();
	fd = begin_midway();
	child = vfork();
	if (child == 0) {
		dup2(0, fd);
		execv("/proc/self/exe", count_arguments);
		_exit(126);
	}
	await_end(fd);
	CHECK(close(fd) == 0);
	check_inherited(child, 1);
}

static void spawned(void)
{
	posix_spawn_file_actions_t actions;
	pid_t with, without;
	int fd;

	learn_what_is_inherited();
	fd = begin_midway();
	CHECK(posix_spawn_file_actions_init(&actions) == 0);
	CHECK(posix_spawn_file_actions_addclose(&actions, fd) == 0);
	CHECK(posix_spawn(&with, "/proc/self/exe", NULL, NULL, count_arguments, environ) == 0);
	CHECK(posix_spawn(&without, "/proc/self/exe", &actions, NULL, count_arguments, environ) ==
	      0);
	await_end(fd);
	CHECK(close(fd) == 0);
	check_inherited(with, 1);
	check_inherited(without, 0);
	CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
}

static char inherited_number[16], inherited_count[16], inherited_condition[32];
static char *inherited_arguments[] = {"torture_number", "--inherited",       inherited_number,
                                      inherited_count,  inherited_condition, NULL};

/* A process becomes another program in the middle of its race. */
static void becomes_another_program(void)
{
	pid_t child;

	learn_what_is_inherited();
	child = fork();
	if (child == 0) {
		int fd = begin_midway();

		snprintf(inherited_number, sizeof(inherited_number), "%d", fd);
		snprintf(inherited_count, sizeof(inherited_count), "%d", expected_in_child + 1);
		snprintf(inherited_condition, sizeof(inherited_condition), "%s", on->name);
		execv("/proc/self/exe", inherited_arguments);
		_exit(126);
	}
	check_child(child);
}

static void send_number(int over, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = "x", .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = sizeof(control)};

	control.header = (struct cmsghdr){
	    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	CHECK(sendmsg(over, &message, 0) == 1);
}

static int receive_number(int over)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char c;
	struct iovec part = {.iov_base = &c, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = sizeof(control)};
	int fd;

	CHECK(recvmsg(over, &message, MSG_CMSG_CLOEXEC) == 1);
	CHECK(control.header.cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static void given_to_another_process(void)
{
	int ends[2], fd;
	pid_t child;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	child = fork();
	if (child == 0) {
		check_in_child(receive_number(ends[1]));
		_exit(0);
	}
	fd = begin_midway();
	send_number(ends[0], fd);
	await_end(fd);
	CHECK(close(fd) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
	check_child(child);
}

/* Sent to oneself, as servers do to hand it to another thread. */
static void given_to_oneself(void)
{
	int ends[2], fd, other;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	fd = begin_midway();
	send_number(ends[0], fd);
	other = receive_number(ends[1]);
	await_end(fd);
	/* It is what the number was when it was sent: one that connects, or has connected. */
	CHECK(on->is != HEALTHY || peer_is(other, GOOD6));
	CHECK(close(fd) == 0 && close(other) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* --- two threads
 * ---------------------------------------------------------------------------------- */

struct waiting {
	int fd;
	int ready;
	long ms;
};

static void *wait_in_thread(void *pointer)
{
	struct waiting *waiting = pointer;

	waiting->ready = wait_for(waiting->fd, POLLOUT, waiting->ms);
	return NULL;
}

/* One thread waits, the other closes: what the first is told is that nothing is there. */
static void closed_by_another_thread(void)
{
	struct waiting waiting = {.ms = on->not_before_ms + 300};
	/* Readiness for select(), and EBADF if it comes late. */
	const int nothing = by->tells_errors ? POLLNVAL : POLLOUT;
	const int late = by->tells_errors ? POLLNVAL : -1;
	bool in_time;
	pthread_t thread;
	int fd = begin();

	waiting.fd = fd;
	CHECK(pthread_create(&thread, NULL, wait_in_thread, &waiting) == 0);
	sleep_ms(on->alone_ms / 3);
	CHECK(close(fd) == 0);
	in_time = alone();
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(waiting.ready == nothing || waiting.ready == late || waiting.ready == 0 || !in_time);
	CHECK(is_closed(fd));
}

/* What is there is the socket that the program made, not the one that stood in for it. */
static void dissolved_midway(void)
{
	int fd = begin();
	bool in_time;

	(void)wait_for(fd, POLLOUT, on->midway_ms);
	disconnect(fd);
	in_time = pending();
	CHECK(cookie_of(fd) == begun_cookie || !in_time);
	(void)option_of(fd, SOL_SOCKET, SO_ERROR);
	CHECK_BITS(wait_for(fd, POLLOUT, 0), POLLOUT | POLLHUP);
	let_it_end();
	CHECK(peer_is(fd, "") && close(fd) == 0);
}

/* One thread waits, the other disconnects: the first is told. */
static void dissolved_by_another_thread(void)
{
	struct waiting waiting = {.ms = SLACK_MS};
	pthread_t thread;
	bool in_time;

	waiting.fd = begin();
	CHECK(pthread_create(&thread, NULL, wait_in_thread, &waiting) == 0);
	sleep_ms(on->midway_ms);
	disconnect(waiting.fd);
	in_time = pending();
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK((waiting.ready & POLLHUP) != 0 || !in_time);
	CHECK(close(waiting.fd) == 0);
}

/* And another file is there when it looks again. */
static void replaced_by_another_thread(void)
{
	struct waiting waiting = {.ms = on->not_before_ms + 300};
	bool in_time;
	int ends[2], fd;
	pthread_t thread;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	fd = begin();
	waiting.fd = fd;
	CHECK(pthread_create(&thread, NULL, wait_in_thread, &waiting) == 0);
	sleep_ms(on->alone_ms / 3);
	CHECK(dup2(ends[0], fd) == fd);
	in_time = alone();
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(waiting.ready == 0 || !in_time);
	CHECK(write(ends[1], "x", 1) == 1);
	CHECK_BITS(wait_for(fd, POLLIN, 0), POLLIN);
	CHECK(close(fd) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

struct closing {
	int fd;
	bool in_time;
};

static void close_it(void *pointer)
{
	struct closing *closing = pointer;

	CHECK(close(closing->fd) == 0);
	closing->in_time = alone();
}

static void closed_by_another_thread_in_set(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC), fd = begin(), n;
	struct epoll_event event = {.events = EPOLLOUT};
	struct closing closing = {.fd = fd};
	pthread_t thread;

	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
	thread = later(on->alone_ms / 3, close_it, &closing);
	n = epoll_wait(set, &event, 1, (int)on->not_before_ms + 300);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(n == 0 || !closing.in_time);
	CHECK(is_closed(fd) && close(set) == 0);
}

struct connecting {
	int fd;
	struct names names;
};

static void *connect_in_thread(void *pointer)
{
	struct connecting *connecting = pointer;

	CHECK(connect_to(connecting->fd, connecting->names.at[0]) < 0 && errno == EINPROGRESS);
	return NULL;
}

/* One thread connects and is gone, the other waits. */
static void connected_by_another_thread(void)
{
	struct connecting connecting = {open_nonblocking(family()), resolve(on->host)};
	pthread_t thread;

	begun_cookie = cookie_of(connecting.fd);
	begun_ms = now_ms();
	CHECK(pthread_create(&thread, NULL, connect_in_thread, &connecting) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	await_end(connecting.fd);
	freeaddrinfo(connecting.names.list);
	CHECK(close(connecting.fd) == 0);
}

/* --- a blocking connect() that was left
 * ----------------------------------------------------------- */

static sigjmp_buf jump;

static void jump_out(int number)
{
	(void)number;
	siglongjmp(jump, 1);
}

/* Returns false when it could not be left on its way. */
static bool left_by_signal(int fd, const struct addrinfo *ai)
{
	int result;

	alarm_after(on->alone_ms / 3, 0, count_signal, 0);
	result = connect_to(fd, ai);
	alarm_off();
	CHECK(result == 0 || errno == EINTR);
	return result < 0;
}

static bool left_by_timeout(int fd, const struct addrinfo *ai)
{
	struct timeval timeout = {.tv_usec = on->alone_ms / 3 * 1000};
	int result;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0);
	result = connect_to(fd, ai);
	CHECK(result == 0 || errno == EINPROGRESS);
	return result < 0;
}

static bool left_by_jump(int fd, const struct addrinfo *ai)
{
	skip_unless_asleep(true);
	if (sigsetjmp(jump, 1) == 0) {
		alarm_after(on->alone_ms / 3, 0, jump_out, 0);
		CHECK(connect_to(fd, ai) == 0);
		alarm_off();
		return false;
	}
	/* The signal may have come before the call. */
	return tcp_state_of(fd) != TCP_CLOSE;
}

static int leave(bool (*left)(int, const struct addrinfo *))
{
	struct names names = resolve(on->host);

	for (int tries = 0; tries < 50; tries++) {
		int fd = socket(AF_INET6, SOCK_STREAM, 0);

		CHECK(fd >= 0);
		begun_cookie = cookie_of(fd);
		begun_ms = now_ms();
		if (left(fd, names.at[0])) {
			freeaddrinfo(names.list);
			return fd;
		}
		CHECK(close(fd) == 0);
	}
	CHECK(!"left it");
	return -1;
}

static void left_then_wait(bool (*left)(int, const struct addrinfo *))
{
	int fd = leave(left);

	await_end(fd);
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(close(fd) == 0);
}

static void signal_then_wait(void)
{
	left_then_wait(left_by_signal);
}

static void timeout_then_wait(void)
{
	left_then_wait(left_by_timeout);
}

static void jump_then_wait(void)
{
	left_then_wait(left_by_jump);
}

static void left_then_connect(void)
{
	struct names names = resolve(on->host);
	int fd = leave(left_by_signal);

	CHECK(connect_to(fd, names.at[0]) == 0);
	check_end(fd);
	freeaddrinfo(names.list);
	CHECK(close(fd) == 0);
}

static void left_then_nonblocking(void)
{
	int fd = leave(left_by_jump);

	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	await_end(fd);
	CHECK(close(fd) == 0);
}

static void left_then_closed(void)
{
	int fd = leave(left_by_jump);

	CHECK(raw_close(fd) == 0 && open_zero() == fd);
	let_it_end();
	check_zero(fd);
	CHECK(close(fd) == 0);
}

/* --- other sockets
 * -------------------------------------------------------------------------------- */

/* IPv4 through an IPv6 socket is what a program wants that clears IPV6_V6ONLY. */
static void check_mapped(int fd)
{
	const char *peer = on->is == HEALTHY ? GOOD6 : "::ffff:" GOOD4;

	CHECK_BITS(wait_for(fd, POLLOUT, on->not_after_ms), POLLOUT);
	check_in_time();
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0 && peer_is(fd, peer));
	CHECK(option_of(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6);
	CHECK(option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0);
	CHECK(set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x20) == 0);
	check_greeting(fd, on->peer);
	check_echo(fd);
}

static void dual_stack(void)
{
	int fd = open_nonblocking(family());

	CHECK(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) == 0);
	begin_on(fd);
	check_mapped(fd);
	CHECK(close(fd) == 0);
}

/* two4.test has a dead address and a good one. */
static void mapped_address(void)
{
	struct names names = resolve("two4.test");
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(7001)};
	int fd = open_nonblocking(family());

	CHECK(inet_pton(AF_INET6, "::ffff:10.92.0.66", &name.sin6_addr) == 1);
	begun_ms = now_ms();
	CHECK(connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 && errno == EINPROGRESS);
	check_mapped(fd);
	freeaddrinfo(names.list);
	CHECK(close(fd) == 0);
}

static void multipath(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_MPTCP);

	if (fd < 0)
		skip("no MPTCP in this kernel");
	begin_on(fd);
	await_end(fd);
	CHECK(option_of(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_MPTCP);
	CHECK(close(fd) == 0);
}

/* The address that it is bound to is the winner's, too, and keeps it to one family. */
static void bound(void)
{
	struct names names = resolve("two4.test");
	struct sockaddr_in own = {.sin_family = AF_INET};
	socklen_t len = sizeof(own);
	int fd = open_nonblocking(AF_INET);
	char text[INET_ADDRSTRLEN];

	CHECK(inet_pton(AF_INET, CLIENT4, &own.sin_addr) == 1);
	CHECK(bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0);
	begun_ms = now_ms();
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EINPROGRESS);
	await_end(fd);
	CHECK(getsockname(fd, (struct sockaddr *)&own, &len) == 0);
	CHECK(strcmp(inet_ntop(AF_INET, &own.sin_addr, text, sizeof(text)), CLIENT4) == 0);
	freeaddrinfo(names.list);
	CHECK(close(fd) == 0);
}

static const struct torture cases[] = {
    CASE(options_before, RACED_MIX),
    CASE(options_during, RACED_MIDWAY),
    CASE(class_during, RACED),
    CASE(options_changed, RACED_MIDWAY),
    CASE(status_flags_during, RACED_MIDWAY),
    CASE(ioctls_during, RACED_MIDWAY),
    CASE(close_on_exec_during, RACED_MIDWAY),
    CASE(questions, RACED),
    CASE(sending_is_for_later, RACED),
    CASE(names_at_the_end, RACED),
    CASE(connect_is_asked, EVERY),
    CASE(error_is_asked, BY_NETWORK),
    CASE(waited_for_in_connect_late, ALL_REFUSED | TWO_ERRORS, ALL_REFUSED | TWO_ERRORS),
    CASE(rest_of_the_list, ALL_REFUSED, ALL_REFUSED),
    CASE(rest_of_the_list, DEAD, 0),
    CASE(closed, SAME_MIDWAY),
    CASE(closed_raw, SAME_MIDWAY),
    CASE(closed_then_file, SAME_MIDWAY),
    CASE(closed_raw_then_file, SAME_MIDWAY),
    CASE(closed_then_race, RACED_MIDWAY),
    CASE(closed_raw_then_race, RACED_MIDWAY),
    CASE(closed_then_connection, SAME_MIDWAY),
    CASE(closed_raw_then_connection, SAME_MIDWAY),
    CASE(all_numbers_closed, RACED_MIDWAY),
    CASE(range_closed, RACED_MIDWAY),
    CASE(range_closed_on_exec, RACED_MIDWAY),
    CASE(closed_from, RACED_MIDWAY),
    CASE(low_numbers_are_free, RACED_MIX),
    CASE(standard_numbers_closed, RACED_MIX),
    CASE(few_descriptors, RACED),
    CASE(dup2_onto, SAME_MIDWAY),
    CASE(dup3_onto, SAME_MIDWAY),
    CASE(dup2_from_one_race_onto_another, RACED_MIDWAY),
    CASE(dup_during, RACED_MIDWAY),
    CASE(dup2_during, RACED_MIDWAY),
    CASE(dup3_during, RACED_MIDWAY),
    CASE(fcntl_dup_during, RACED_MIDWAY),
    CASE(fcntl_dup_cloexec_during, RACED_MIDWAY),
    CASE(dup_then_close, RACED_MIDWAY),
    CASE(dup_then_close_the_duplicate, RACED_MIDWAY),
    CASE(dup_then_close_both, SAME_MIDWAY),
    CASE(both_are_waited_for, RACED),
    CASE(dup_before, SAME),
    CASE(duplicates_refused, RACED_MIDWAY),
    CASE(blocking_by_fcntl, RACED_MIDWAY),
    CASE(blocking_by_ioctl, RACED_MIDWAY),
    CASE(blocking_for_a_while, RACED_MIDWAY),
    CASE(blocking_by_fcntl_then_connect, RACED_MIDWAY),
    CASE(blocking_by_ioctl_then_connect, RACED_MIDWAY),
    CASE(blocking_then_receive, HEALTHY, HEALTHY),
    CASE(blocking_then_send, HEALTHY, HEALTHY),
    CASE(shut_down_both, SAME),
    CASE(shut_down_writing, SAME),
    CASE(shut_down_reading, SAME),
    CASE(dissolved, HEALTHY | BLACK, HEALTHY | BLACK),
    CASE(dissolved_midway, SAME_MIDWAY),
    CASE(dissolved_by_another_thread, SAME_MIDWAY),
    CASE(forked_then_both_go_on, RACED_MIDWAY),
    CASE(forked_then_child_closes, RACED_MIDWAY),
    CASE(forked_then_parent_closes, SAME_MIDWAY),
    CASE(forked_then_child_races, RACED_MIDWAY),
    CASE(executed_without_close_on_exec, RACED_MIDWAY),
    CASE(executed_by_vfork, RACED_MIDWAY),
    CASE(executed_by_vfork_after_dup2, RACED_MIDWAY),
    CASE(spawned, RACED_MIDWAY),
    CASE(becomes_another_program, SAME_MIDWAY),
    CASE(given_to_another_process, RACED_MIDWAY),
    CASE(given_to_oneself, RACED_MIDWAY),
    CASE(closed_by_another_thread, SAME),
    CASE_BY(closed_by_another_thread, select, SAME),
    CASE(replaced_by_another_thread, SAME),
    CASE(closed_by_another_thread_in_set, SAME),
    CASE(connected_by_another_thread, RACED),
    CASE_BY(signal_then_wait, poll, RACED_MIX),
    CASE_BY(signal_then_wait, select, RACED_MIX),
    CASE_BY(signal_then_wait, epoll_wait, RACED_MIX),
    CASE_BY(timeout_then_wait, poll, RACED_MIX),
    CASE_BY(timeout_then_wait, select, RACED_MIX),
    CASE_BY(timeout_then_wait, epoll_wait, RACED_MIX),
    CASE_BY(jump_then_wait, poll, RACED_MIX),
    CASE_BY(jump_then_wait, select, RACED_MIX),
    CASE_BY(jump_then_wait, epoll_wait, RACED_MIX),
    CASE(left_then_connect, RACED_MIX),
    CASE(left_then_nonblocking, RACED_MIX),
    CASE(left_then_closed, SAME),
    CASE(dual_stack, RACED_MIX),
    CASE(mapped_address, BLACK, 0),
    CASE(multipath, RACED),
    CASE(bound, BLACK, 0),
};

/* What this program is when it was executed by a case. */
static int executed(int argc, char **argv)
{
	if (argc == 2)
		return descriptors();
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		if (strcmp(conditions[i].name, argv[4]) == 0)
			on = &conditions[i];
	CHECK(on != NULL && descriptors() == atoi(argv[3]));
	check_in_child(atoi(argv[2]));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--descriptors") == 0)
		return executed(argc, argv);
	if (argc == 5 && strcmp(argv[1], "--inherited") == 0)
		return executed(argc, argv);
	return torture_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
