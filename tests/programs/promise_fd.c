/*
 * What a descriptor promises across a race: flags, options, epoll sets, and the program's hands on
 * it.
 */
#include "promise.h"

#include <linux/close_range.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define GOOD4 "10.93.0.10"
#define BOUND4 "10.93.0.9"

static void close_on_exec_is_kept(void)
{
	struct names names = resolve("black");
	int with = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int without = open_for(names.at[0]);

	CHECK(connect_to(with, names.at[0]) == 0 && fcntl(with, F_GETFD) == FD_CLOEXEC);
	CHECK(connect_to(without, names.at[0]) == 0 && fcntl(without, F_GETFD) == 0);
}

static void file_flags_are_kept(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	int flags = fcntl(fd, F_GETFL);

	signal(SIGIO, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	CHECK(fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_SETSIG, SIGUSR1) == 0);
	CHECK(fcntl(fd, F_SETFL, flags | O_ASYNC) == 0);
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	CHECK(fcntl(fd, F_GETFL) == (flags | O_ASYNC));
	CHECK(fcntl(fd, F_GETOWN) == getpid() && fcntl(fd, F_GETSIG) == SIGUSR1);
}

struct option {
	int level, name, value;
};

/* Set before the race on an IPv6 socket, and what is read from the IPv4 winner. */
static const struct option before[] = {
    {SOL_SOCKET, SO_KEEPALIVE, 1},
    {SOL_SOCKET, SO_OOBINLINE, 1},
    {SOL_SOCKET, SO_REUSEADDR, 1},
    {SOL_SOCKET, SO_PRIORITY, 3},
    {SOL_SOCKET, SO_RCVLOWAT, 7},
    {IPPROTO_TCP, TCP_NODELAY, 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, 77},
    {IPPROTO_TCP, TCP_KEEPINTVL, 7},
    {IPPROTO_TCP, TCP_KEEPCNT, 3},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 4321},
    {IPPROTO_TCP, TCP_SYNCNT, 3},
    {IPPROTO_TCP, TCP_LINGER2, 9},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384},
};

static void options_are_kept(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	int size = 65536, tos = 0x10, hops = 33;
	int sent, received;
	struct linger linger = {1, 11};
	char algorithm[16];
	socklen_t len = sizeof(algorithm), linger_len = sizeof(linger);

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		CHECK(setsockopt(fd, before[i].level, before[i].name, &before[i].value,
		                 sizeof(int)) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos)) == 0);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops)) == 0);
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	/* TCP_MAXSEG is read back as what the connection made of it: at most what was set. */
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &(int){999}, sizeof(int)) == 0);
	sent = option_of(fd, SOL_SOCKET, SO_SNDBUF);
	received = option_of(fd, SOL_SOCKET, SO_RCVBUF);

	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		CHECK(option_of(fd, before[i].level, before[i].name) == before[i].value);
	CHECK(option_of(fd, SOL_SOCKET, SO_SNDBUF) == sent);
	CHECK(option_of(fd, SOL_SOCKET, SO_RCVBUF) == received);
	CHECK(option_of(fd, IPPROTO_IP, IP_TOS) == tos &&
	      option_of(fd, IPPROTO_IP, IP_TTL) == hops);
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, algorithm, &len) == 0);
	CHECK(strcmp(algorithm, "reno") == 0);
	linger = (struct linger){0, 0};
	CHECK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &linger_len) == 0);
	CHECK(linger.l_onoff == 1 && linger.l_linger == 11);
	CHECK(option_of(fd, IPPROTO_TCP, TCP_MAXSEG) <= 999);
}

static void untouched_options_are_a_fresh_sockets(void)
{
	struct names names = resolve("black");
	int raced = open_for(names.at[0]), fresh = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(connect_to(raced, names.at[0]) == 0 && peer_is(raced, GOOD4));
	CHECK(connect_to(fresh, names.at[1]) == 0 && peer_is(fresh, GOOD4));
	sleep_ms(100); /* until both have the greeting, which changes TCP_MAXSEG */
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		CHECK(option_of(raced, before[i].level, before[i].name) ==
		      option_of(fresh, before[i].level, before[i].name));
	CHECK(option_of(raced, SOL_SOCKET, SO_SNDBUF) == option_of(fresh, SOL_SOCKET, SO_SNDBUF));
	CHECK(option_of(raced, SOL_SOCKET, SO_RCVBUF) == option_of(fresh, SOL_SOCKET, SO_RCVBUF));
	CHECK(option_of(raced, IPPROTO_TCP, TCP_MAXSEG) ==
	      option_of(fresh, IPPROTO_TCP, TCP_MAXSEG));
	CHECK(option_of(raced, IPPROTO_TCP, TCP_WINDOW_CLAMP) ==
	      option_of(fresh, IPPROTO_TCP, TCP_WINDOW_CLAMP));
	CHECK(option_of(raced, IPPROTO_TCP, TCP_QUICKACK) ==
	      option_of(fresh, IPPROTO_TCP, TCP_QUICKACK));
}

static void set_keepalive(void *fd)
{
	CHECK(setsockopt(*(int *)fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int)) == 0);
	CHECK(setsockopt(*(int *)fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){55}, sizeof(int)) == 0);
	CHECK(setsockopt(*(int *)fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &(int){44}, sizeof(int)) ==
	      0);
}

static void options_set_meanwhile_are_kept(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	pthread_t thread = later(100, set_keepalive, &fd);

	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
	CHECK(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 55);
	CHECK(option_of(fd, IPPROTO_IP, IP_TTL) == 44);
}

static void add_to(int set, int fd)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 0x1122334455667788};

	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void check_still_in(int set, int fd)
{
	struct epoll_event event = {0};

	CHECK(epoll_wait(set, &event, 1, 1000) == 1 && event.data.u64 == 0x1122334455667788);
	CHECK(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0);
}

static void epoll_set_keeps_it(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]), set = epoll_create1(EPOLL_CLOEXEC);

	add_to(set, fd);
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	check_still_in(set, fd);
}

static void add_to_new_set(void *pointer)
{
	int *numbers = pointer;

	add_to(numbers[1], numbers[0]);
}

static void epoll_set_keeps_what_it_gets_meanwhile(void)
{
	struct names names = resolve("black");
	int numbers[2] = {open_for(names.at[0]), epoll_create1(EPOLL_CLOEXEC)};
	pthread_t thread = later(100, add_to_new_set, numbers);

	CHECK(connect_to(numbers[0], names.at[0]) == 0 && peer_is(numbers[0], GOOD4));
	CHECK(pthread_join(thread, NULL) == 0);
	check_still_in(numbers[1], numbers[0]);
}

static void duplicates_stay_one_socket(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]),
	    copies[3] = {dup(fd), fcntl(fd, F_DUPFD, 100), dup2(fd, 90)};

	/* Natively: another socket on one of the numbers would leave the others behind. */
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ETIMEDOUT);
	names = resolve("healthy");
	CHECK(connect_to(fd, names.at[0]) == 0);
	for (size_t i = 0; i < 3; i++)
		CHECK(peer_is(copies[i], "fd93::10"));
}

static void defaults_of_the_other_family_stay(void)
{
	struct names names = resolve("black");
	int raced = open_for(names.at[0]), fresh = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(connect_to(raced, names.at[0]) == 0 && peer_is(raced, GOOD4));
	CHECK(option_of(raced, IPPROTO_IP, IP_TTL) == option_of(fresh, IPPROTO_IP, IP_TTL));
	CHECK(option_of(raced, IPPROTO_IP, IP_MTU_DISCOVER) ==
	      option_of(fresh, IPPROTO_IP, IP_MTU_DISCOVER));
}

static void other_namespace_is_respected(void)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;
	struct names names;

	if (unshare(CLONE_NEWNET) < 0)
		skip("network namespaces are not allowed here");
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(setns(home, CLONE_NEWNET) == 0);
	names = resolve("black");
	/* The socket is where nothing is reachable; the thread is not. */
	CHECK(connect_to(fd, names.at[0]) < 0 && errno != ETIMEDOUT);
	CHECK(peer_is(fd, ""));
}

static void bind_to(int fd, const char *address, uint16_t port)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};

	CHECK(inet_pton(AF_INET, address, &name.sin_addr) == 1);
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
}

static void bound_address_is_kept(void)
{
	struct names names = resolve("two4");
	int fd = open_for(names.at[0]);
	struct sockaddr_in own;
	socklen_t len = sizeof(own);
	char text[INET_ADDRSTRLEN];

	bind_to(fd, BOUND4, 0);
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	CHECK(getsockname(fd, (struct sockaddr *)&own, &len) == 0);
	CHECK(strcmp(inet_ntop(AF_INET, &own.sin_addr, text, sizeof(text)), BOUND4) == 0);
}

static void bound_port_is_not_raced(void)
{
	struct names names = resolve("two4");
	int fd = open_for(names.at[0]);

	bind_to(fd, "0.0.0.0", (uint16_t)(8000 + getpid() % 1000));
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ETIMEDOUT);
}

static void dual_stack_stays_one_family(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);

	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int)) == 0);
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(option_of(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6 && peer_is(fd, "::ffff:" GOOD4));
}

static void mapped_request_is_raced_mapped(void)
{
	struct names names = resolve("two4");
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(7001)};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	CHECK(names.count == 2 && inet_pton(AF_INET6, "::ffff:10.93.0.66", &name.sin6_addr) == 1);
	CHECK(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	CHECK(option_of(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6 && peer_is(fd, "::ffff:" GOOD4));
}

static void mptcp_stays_mptcp(void)
{
	struct names names = resolve("black");
	int fd = socket(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP);

	if (fd < 0)
		skip("no MPTCP in this kernel");
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	CHECK(option_of(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_MPTCP);
}

static void nonblocking_does_not_block(void)
{
	struct names names = resolve("black");
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd watch = {.fd = fd, .events = POLLOUT};
	int count = descriptors();
	long start_ms = now_ms();

	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EINPROGRESS);
	/* One for the next attempt; and one for the log of this test. */
	CHECK(now_ms() - start_ms < 200 && descriptors() <= count + 2);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EALREADY && peer_is(fd, ""));
	CHECK(poll(&watch, 1, 2000) == 1 && watch.revents == POLLOUT);
	CHECK(now_ms() - start_ms >= 250 && peer_is(fd, GOOD4));
	/* The log is written, and closed, after the program was woken. */
	while (descriptors() != count && now_ms() - start_ms < 5000)
		sleep_ms(1);
	CHECK(descriptors() == count);
	CHECK(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EISCONN);
}

static void datagrams_are_native(void)
{
	struct names names = resolve("black");
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, "fd93::d1"));
}

static void *connect_thread(void *pointer)
{
	struct names names = resolve("black");

	return connect_to(*(int *)pointer, names.at[0]) == 0 ? NULL : (void *)(intptr_t)errno;
}

/* Starts a race on `fd` in a thread and lets it begin. */
static pthread_t race_on(int *fd)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, connect_thread, fd) == 0);
	sleep_ms(100);
	return thread;
}

static void close_then_reuse_is_safe(void)
{
	int before_count = descriptors();
	int fd = socket(AF_INET6, SOCK_STREAM, 0), other;
	char c;

	race_on(&fd);
	CHECK(close(fd) == 0);
	CHECK(descriptors() == before_count);
	other = open("/dev/zero", O_RDONLY);
	CHECK(other == fd);
	sleep_ms(400); /* the winner would have come by now */
	CHECK(read(other, &c, 1) == 1 && c == 0);
	CHECK(descriptors() == before_count + 1);
}

static void raw_close_then_reuse_is_safe(void)
{
	int before_count = descriptors();
	int fd = socket(AF_INET6, SOCK_STREAM, 0), other;
	char c;

	race_on(&fd);
	CHECK(syscall(SYS_close, fd) == 0);
	other = open("/dev/zero", O_RDONLY);
	CHECK(other == fd);
	sleep_ms(400);
	CHECK(read(other, &c, 1) == 1 && c == 0);
	CHECK(descriptors() == before_count + 1);
}

static void dup2_over_it_is_safe(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0), zero = open("/dev/zero", O_RDONLY);
	int before_count = descriptors();
	char c;

	race_on(&fd);
	CHECK(dup2(zero, fd) == fd);
	CHECK(descriptors() == before_count);
	sleep_ms(400);
	CHECK(read(fd, &c, 1) == 1 && c == 0);
	CHECK(dup2(fd, fd) == fd && dup2(-1, fd) < 0 && errno == EBADF);
}

static void close_range_ends_it(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	race_on(&fd);
	CHECK(close_range((unsigned)fd, ~0u, 0) == 0);
	sleep_ms(400);
	CHECK(descriptors() == fd);
}

static void shut_it_down(void *fd)
{
	shutdown(*(int *)fd, SHUT_RDWR);
}

static void shutdown_ends_the_call(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	int before_count = descriptors();
	long start = now_ms();
	pthread_t thread = later(100, shut_it_down, &fd);

	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ECONNRESET);
	CHECK(now_ms() - start < 240);
	CHECK(pthread_join(thread, NULL) == 0);
	sleep_ms(300);
	CHECK(peer_is(fd, "") && descriptors() == before_count);
}

static void close_and_open_standard_input(void *result)
{
	close(0);
	*(int *)result = open("/dev/null", O_RDONLY);
}

static void low_numbers_are_the_programs(void)
{
	struct names names = resolve("mix");
	int fd = open_for(names.at[0]), result = -1;
	pthread_t thread = later(260, close_and_open_standard_input, &result);

	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	CHECK(pthread_join(thread, NULL) == 0 && result == 0);
}

static void without_standard_descriptors(void)
{
	struct names names = resolve("black");
	int error = dup(2), fd;

	close(0);
	close(1);
	close(2);
	fd = open_for(names.at[0]);
	CHECK(fd == 0);
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	CHECK(fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0);
	CHECK(dup2(error, 2) == 2 && dup2(error, 1) == 1);
}

static void forked_child_keeps_nothing(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	int before_count = descriptors(), status;
	pthread_t thread = race_on(&fd);
	void *result;
	pid_t child = fork();

	if (child == 0) {
		CHECK(descriptors() == before_count);
		/* The number holds a plain connecting socket, and closing it touches nobody else.
		 */
		CHECK(connect_to(fd, resolve("healthy").at[0]) < 0);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(pthread_join(thread, &result) == 0 && result == NULL && peer_is(fd, GOOD4));
	CHECK(descriptors() == before_count);
}

static void executed_child_inherits_nothing(void)
{
	const char *count = "exit $(ls /proc/self/fd | wc -l)";
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int without = system(count);
	pthread_t thread = race_on(&fd);

	CHECK(without > 0 && system(count) == without);
	CHECK(pthread_join(thread, NULL) == 0 && peer_is(fd, GOOD4));
}

#define CASE(function)                                                                             \
	{                                                                                          \
#function, function                                                                \
	}

static const struct promise promises[] = {
    CASE(close_on_exec_is_kept),
    CASE(file_flags_are_kept),
    CASE(options_are_kept),
    CASE(untouched_options_are_a_fresh_sockets),
    CASE(options_set_meanwhile_are_kept),
    CASE(epoll_set_keeps_it),
    CASE(epoll_set_keeps_what_it_gets_meanwhile),
    CASE(duplicates_stay_one_socket),
    CASE(defaults_of_the_other_family_stay),
    CASE(other_namespace_is_respected),
    CASE(bound_address_is_kept),
    CASE(bound_port_is_not_raced),
    CASE(dual_stack_stays_one_family),
    CASE(mapped_request_is_raced_mapped),
    CASE(mptcp_stays_mptcp),
    CASE(nonblocking_does_not_block),
    CASE(datagrams_are_native),
    CASE(close_then_reuse_is_safe),
    CASE(raw_close_then_reuse_is_safe),
    CASE(dup2_over_it_is_safe),
    CASE(close_range_ends_it),
    CASE(shutdown_ends_the_call),
    CASE(low_numbers_are_the_programs),
    CASE(without_standard_descriptors),
    CASE(forked_child_keeps_nothing),
    CASE(executed_child_inherits_nothing),
};

int main(int argc, char **argv)
{
	return promise_main(argc, argv, promises, sizeof(promises) / sizeof(promises[0]));
}
