/* What connect() itself promises: results, errors, signals, time limits, cancellation. */
#include "promise.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>

#define GOOD4 "10.93.0.10"
#define GOOD6 "fd93::10"

static void errno_is_kept_on_success(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);

	errno = E2BIG;
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(errno == E2BIG);
	CHECK(peer_is(fd, GOOD4));
}

static void names_are_the_winners(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	CHECK(names.at[0]->ai_family == AF_INET6);
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&own, &len) == 0 && own.ss_family == AF_INET);
	CHECK(option_of(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET);
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0);
	/* A connected socket, as the kernel sees it. */
	CHECK(connect_to(fd, names.at[1]) < 0 && errno == EISCONN);
}

static void healthy_uses_the_own_socket(void)
{
	struct names names = resolve("healthy");
	int fd = open_for(names.at[0]);
	uint64_t before, after;
	socklen_t len = sizeof(before);
	int count = descriptors();

	CHECK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &before, &len) == 0);
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &after, &len) == 0);
	CHECK(before == after && peer_is(fd, GOOD6));
	CHECK(descriptors() == count);
}

static void last_error_is_the_requested_ones(void)
{
	struct names names = resolve("allrefused");
	int fd = open_for(names.at[0]);
	long start;

	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ECONNREFUSED);
	/* The rest of the list, as a program walks it: told once, at once. */
	start = now_ms();
	fd = open_for(names.at[1]);
	CHECK(connect_to(fd, names.at[1]) < 0 && errno == ECONNREFUSED);
	CHECK(now_ms() - start < 8); /* a race would take RACE_PACE: 10 ms */
}

/* One socket for one address after the other, as some programs do. */
static void same_socket_races_again(void)
{
	struct names dead = resolve("allrefused"), black = resolve("black");
	int fd = open_for(dead.at[0]);

	CHECK(connect_to(fd, dead.at[0]) < 0 && errno == ECONNREFUSED);
	CHECK(connect_to(fd, black.at[0]) == 0 && peer_is(fd, GOOD4));
}

static void connected_socket_gets_its_own_error(void)
{
	struct names dead = resolve("allrefused"), healthy = resolve("healthy");
	int fd = open_for(dead.at[0]), connected = open_for(healthy.at[0]);

	CHECK(connect_to(connected, healthy.at[0]) == 0);
	CHECK(connect_to(fd, dead.at[0]) < 0 && errno == ECONNREFUSED);
	/* Remembered is that dead.at[1] is refused; this is another thing. */
	CHECK(connect_to(connected, dead.at[1]) < 0 && errno == EISCONN);
}

static void dead_list_is_waited_for_once(void)
{
	struct names names = resolve("alldead");
	long start = now_ms(), first;
	int fd = open_for(names.at[0]);

	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ETIMEDOUT);
	first = now_ms() - start;
	close(fd);
	start = now_ms();
	fd = open_for(names.at[1]);
	CHECK(connect_to(fd, names.at[1]) < 0 && errno == ETIMEDOUT);
	CHECK(now_ms() - start < first / 4);
	close(fd);
	/* Once: a third call waits again. */
	start = now_ms();
	fd = open_for(names.at[1]);
	CHECK(connect_to(fd, names.at[1]) < 0 && errno == ETIMEDOUT);
	CHECK(now_ms() - start > first / 2);
}

static int begin_without_blocking(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0 && connect_to(fd, ai) < 0 && errno == EINPROGRESS);
	return fd;
}

/* To the first address there is no way; the error of the other one is behind that of the first. */
static void stand_in_is_waited_for_once(void)
{
	struct names names = resolve("noway");
	long start = now_ms(), first;
	int fd = begin_without_blocking(names.at[0]);
	struct pollfd watch = {.fd = fd, .events = POLLOUT};

	CHECK(names.count == 2);
	CHECK(poll(&watch, 1, 20000) == 1);
	first = now_ms() - start;
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == ENETUNREACH);
	close(fd);
	start = now_ms();
	fd = open_for(names.at[1]);
	CHECK(connect_to(fd, names.at[1]) < 0 && errno == ETIMEDOUT);
	CHECK(now_ms() - start < first / 4);
	close(fd);
}

/* As many sockets are lost in the same moment, and each is read later. */
static void stand_ins_are_told_apart(void)
{
	enum { MANY = 200 };
	struct names names = resolve("noway");
	struct pollfd watch[MANY];

	for (int i = 0; i < MANY; i++)
		watch[i] =
		    (struct pollfd){.fd = begin_without_blocking(names.at[0]), .events = POLLOUT};
	for (int i = 0; i < MANY; i++)
		CHECK(poll(&watch[i], 1, 20000) == 1);
	for (int i = 0; i < MANY; i++) {
		CHECK(option_of(watch[i].fd, SOL_SOCKET, SO_ERROR) == ENETUNREACH);
		close(watch[i].fd);
	}
}

/* As before, but the race was left before all were lost: nothing is known of the others. */
static void left_race_is_no_verdict(void)
{
	struct names names = resolve("someway");
	int fd = begin_without_blocking(names.at[0]), copies[32];
	struct pollfd watch = {.fd = fd, .events = POLLOUT};

	CHECK(names.count == 3);
	/* More than a race goes on with. */
	for (int i = 0; i < 32; i++)
		CHECK((copies[i] = dup(fd)) >= 0);
	CHECK(poll(&watch, 1, 20000) == 1);
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == ENETUNREACH);
	for (int i = 0; i < 32; i++)
		close(copies[i]);
	close(fd);
	fd = open_for(names.at[1]);
	CHECK(connect_to(fd, names.at[1]) == 0 && peer_is(fd, "10.93.0.10"));
	close(fd);
}

static void *sleep_in_set(void *number)
{
	struct epoll_event event;

	CHECK(epoll_wait(*(int *)number, &event, 1, -1) == 1);
	return NULL;
}

/*
 * The winner waits for a thread of the program to come by, which does so with a question about the
 * very number. What comes afterwards shows whether all is in order.
 */
static void question_ends_the_race(void)
{
	struct names names = resolve("black");
	int set = epoll_create1(0), ends[2], fds[3];
	struct epoll_event event = {.events = EPOLLIN};
	pthread_t thread;

	CHECK(set >= 0 && pipe(ends) == 0 && epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
	CHECK(pthread_create(&thread, NULL, sleep_in_set, &set) == 0);
	/* So a race has all of its sockets from the beginning. */
	usleep(50000);
	for (int round = 0; round < 4; round++) {
		int fd = begin_without_blocking(names.at[0]);
		struct pollfd watch = {.fd = fd, .events = POLLOUT};

		CHECK(poll(&watch, 1, 1) == 0);
		usleep(400000);
		CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0);
		CHECK(poll(&watch, 1, 2000) == 1 && watch.revents == POLLOUT);
		CHECK(peer_is(fd, "10.93.0.10"));
		CHECK(close(fd) == 0);
		for (int i = 0; i < 3; i++)
			fds[i] = begin_without_blocking(names.at[0]);
		for (int i = 0; i < 3; i++) {
			watch.fd = fds[i];
			CHECK(poll(&watch, 1, 2000) == 1 && watch.revents == POLLOUT);
			CHECK(peer_is(fds[i], "10.93.0.10"));
		}
		for (int i = 0; i < 3; i++)
			CHECK(close(fds[i]) == 0);
	}
	CHECK(write(ends[1], "x", 1) == 1 && pthread_join(thread, NULL) == 0);
}

/* A destination that stands in no answer: whatever raced on this number before must not win here.
 */
static void other_destination_is_another_matter(void)
{
	struct names names = resolve("black");
	struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
	struct sockaddr_in6 other = *(struct sockaddr_in6 *)names.at[0]->ai_addr;
	struct timeval tv = {.tv_usec = 50000};
	int fd = open_for(names.at[0]);

	CHECK(inet_pton(AF_INET6, "fd93::d2", &other.sin6_addr) == 1);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EINPROGRESS);
	CHECK(connect(fd, &unspecified, sizeof(unspecified)) == 0);
	tv = (struct timeval){.tv_sec = 1};
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	CHECK(connect(fd, (struct sockaddr *)&other, sizeof(other)) < 0 && errno == EINPROGRESS);
	CHECK(peer_is(fd, ""));
}

static volatile sig_atomic_t handled;
static sigjmp_buf jump;

static void count_signal(int number)
{
	(void)number;
	handled++;
}

static void jump_out(int number)
{
	(void)number;
	siglongjmp(jump, 1);
}

static void alarm_in(long ms, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	struct itimerval timer = {.it_value.tv_usec = ms * 1000};

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void signal_interrupts(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	long start = now_ms();

	alarm_in(100, count_signal, 0);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EINTR);
	CHECK(handled == 1 && now_ms() - start >= 99 && now_ms() - start < 240);
	/* The connection goes on; asking again waits for it. */
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(now_ms() - start >= 249 && peer_is(fd, GOOD4));
}

static void signal_interrupts_then_poll(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	struct pollfd watch = {.fd = fd, .events = POLLOUT};

	alarm_in(100, count_signal, 0);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EINTR);
	CHECK(poll(&watch, 1, 2000) == 1 && watch.revents == POLLOUT);
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0 && peer_is(fd, GOOD4));
}

static void signal_restarts(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);

	alarm_in(100, count_signal, SA_RESTART);
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(handled == 1 && peer_is(fd, GOOD4));
}

static void many_signals_restart(void)
{
	struct names names = resolve("mix");
	int fd = open_for(names.at[0]);
	struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
	struct itimerval timer = {.it_value.tv_usec = 1000, .it_interval.tv_usec = 1000};

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	CHECK(connect_to(fd, names.at[0]) == 0);
	/* How many arrive is the machine's affair; that any does shows that the call was restarted.
	 */
	CHECK(handled > 0 && peer_is(fd, GOOD4));
}

static void sleep_once(int number)
{
	/* Each refusal would bring it anew, and have the kernel begin the call again. */
	CHECK(signal(number, SIG_IGN) != SIG_ERR);
	handled++;
	sleep_ms(3000);
}

/*
 * The kernel sends a signal for the refusal, and its handler takes so long that the thread is given
 * up, and the last address connects, before connect() has come back.
 */
static void handler_takes_seconds(void)
{
	struct names names = resolve("worse");
	int fd = open_for(names.at[0]);
	struct sigaction action = {.sa_handler = sleep_once, .sa_flags = SA_RESTART};

	CHECK(sigaction(SIGIO, &action, NULL) == 0);
	CHECK(fcntl(fd, F_SETOWN, getpid()) == 0);
	CHECK(fcntl(fd, F_SETFL, O_ASYNC) == 0);
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(handled == 1 && peer_is(fd, GOOD4));
}

static void *poll_number(void *number)
{
	struct pollfd watch = {.fd = *(int *)number, .events = POLLOUT};

	/* Not before connect(): a socket that was never connected has hung up. */
	sleep_ms(50);
	(void)poll(&watch, 1, 2300);
	return NULL;
}

/*
 * The refusal is long in this thread's hands (FAULT), which is given up meanwhile; as another one
 * waits, the next address stands on the number then. What this one brings is not of that.
 */
static void refusal_comes_late(void)
{
	struct names names = resolve("doomed");
	int fd = open_for(names.at[0]);
	long start = now_ms();
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, poll_number, &fd) == 0);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ECONNREFUSED);
	/* The second address began after the attempt delay of 600 ms, and has the kernel's time. */
	CHECK(now_ms() - start >= 3500);
	CHECK(pthread_join(thread, NULL) == 0);
}

/* One address after the other fails while the rest are waited for. */
static void waiting_costs_nothing(void)
{
	struct names names = resolve("hopeless");
	int fd = open_for(names.at[0]);
	struct rusage usage;

	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ECONNREFUSED);
	CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
	CHECK((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
	          usage.ru_stime.tv_usec <
	      500000);
}

static void set_send_timeout(int fd, long ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
}

static void check_send_timeout(int fd, long ms)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len) == 0);
	/* The kernel rounds up to its ticks. */
	CHECK(tv.tv_sec * 1000 + tv.tv_usec / 1000 >= ms && tv.tv_sec * 1000 < ms + 1000);
}

static void send_timeout_ends_the_call(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	struct pollfd watch = {.fd = fd, .events = POLLOUT};
	long start = now_ms();

	set_send_timeout(fd, 120);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EINPROGRESS);
	CHECK(now_ms() - start >= 119 && now_ms() - start < 240);
	CHECK(poll(&watch, 1, 2000) == 1 && watch.revents == POLLOUT);
	CHECK(peer_is(fd, GOOD4));
	check_send_timeout(fd, 120);
}

static void send_timeout_counts_once(void)
{
	/* The first address is refused, the thread waits again on the second, which is dead. */
	struct names names = resolve("half");
	int fd = open_for(names.at[0]);
	long start = now_ms();

	names = resolve_as("half", AF_INET6);
	set_send_timeout(fd, 400);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == EINPROGRESS);
	CHECK(now_ms() - start >= 399 && now_ms() - start < 700);
	check_send_timeout(fd, 400);
}

static void longjmp_then_close(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	int before = descriptors();

	if (sigsetjmp(jump, 1) == 0) {
		alarm_in(100, jump_out, 0);
		connect_to(fd, names.at[0]);
		CHECK(!"the signal came");
	}
	close(fd);
	CHECK(descriptors() == before - 1);
	/* The next connection races as if nothing had been. */
	fd = open_for(names.at[0]);
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
}

static void longjmp_then_poll(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	struct pollfd watch = {.fd = fd, .events = POLLOUT};

	if (sigsetjmp(jump, 1) == 0) {
		alarm_in(100, jump_out, 0);
		connect_to(fd, names.at[0]);
		CHECK(!"the signal came");
	}
	CHECK(poll(&watch, 1, 2000) == 1);
	CHECK(option_of(fd, SOL_SOCKET, SO_ERROR) == 0 && peer_is(fd, GOOD4));
}

static void *connect_in_thread(void *pointer)
{
	struct names names = resolve("black");

	connect_to(*(int *)pointer, names.at[0]);
	return NULL;
}

static void cancellation_ends_the_thread(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);
	int before = descriptors();
	pthread_t thread;
	void *result;
	long start;

#ifdef __SANITIZE_ADDRESS__
	skip("AddressSanitizer does not know that a cancelled thread's frames are gone");
#endif
	CHECK(pthread_create(&thread, NULL, connect_in_thread, &fd) == 0);
	sleep_ms(100);
	start = now_ms();
	CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED && now_ms() - start < 100);
	close(fd);
	CHECK(descriptors() == before - 1);
}

static int handler_fd;
static struct names handler_names;

static void connect_in_handler_now(int number)
{
	(void)number;
	CHECK(connect_to(handler_fd, handler_names.at[0]) == 0);
	handled++;
}

static void connect_in_handler(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);

	/* Inside a race, so that the reactor runs already. */
	handler_names = resolve("half");
	handler_fd = open_for(handler_names.at[0]);
	alarm_in(100, connect_in_handler_now, SA_RESTART);
	CHECK(connect_to(fd, names.at[0]) == 0);
	CHECK(handled == 1 && peer_is(fd, GOOD4) && peer_is(handler_fd, GOOD4));
}

static void first_connect_in_handler_is_native(void)
{
	handler_names = resolve("healthy");
	handler_fd = open_for(handler_names.at[0]);
	alarm_in(50, connect_in_handler_now, 0);
	sleep_ms(200);
	CHECK(handled == 1 && peer_is(handler_fd, GOOD6));
}

#define CASE(function)                                                                             \
	{                                                                                          \
#function, function                                                                \
	}

static const struct promise promises[] = {
    CASE(errno_is_kept_on_success),
    CASE(names_are_the_winners),
    CASE(healthy_uses_the_own_socket),
    CASE(last_error_is_the_requested_ones),
    CASE(dead_list_is_waited_for_once),
    CASE(stand_in_is_waited_for_once),
    CASE(stand_ins_are_told_apart),
    CASE(left_race_is_no_verdict),
    CASE(question_ends_the_race),
    CASE(same_socket_races_again),
    CASE(connected_socket_gets_its_own_error),
    CASE(other_destination_is_another_matter),
    CASE(signal_interrupts),
    CASE(signal_interrupts_then_poll),
    CASE(signal_restarts),
    CASE(many_signals_restart),
    CASE(handler_takes_seconds),
    CASE(refusal_comes_late),
    CASE(waiting_costs_nothing),
    CASE(send_timeout_ends_the_call),
    CASE(send_timeout_counts_once),
    CASE(longjmp_then_close),
    CASE(longjmp_then_poll),
    CASE(cancellation_ends_the_thread),
    CASE(connect_in_handler),
    CASE(first_connect_in_handler_is_native),
};

int main(int argc, char **argv)
{
	return promise_main(argc, argv, promises, sizeof(promises) / sizeof(promises[0]));
}
