/* What the program does with its descriptor while the race runs. */
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool act_ends_it(enum action action)
{
	return action == CLOSE || action == RAW_CLOSE || action == DUP2_OVER ||
	       action == DUP3_OVER || action == CLOSE_RANGE || action == SHUT_DOWN ||
	       action == UNSPEC;
}

static int device_of(int fd)
{
	struct stat status;

	MUST(fstat(fd, &status) == 0);
	return (int)status.st_rdev;
}

static int open_zero(void)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	MUST(fd >= 0);
	return fd;
}

/* The number goes to something else: mostly to what is opened next. */
static void give_away(struct race *race)
{
	int zero = -1, fd = race->fd;

	switch (race->plan.action) {
	case CLOSE: MUST(close(fd) == 0); break;
	case RAW_CLOSE: MUST(syscall(SYS_close, fd) == 0); break;
	case CLOSE_RANGE: MUST(close_range((unsigned)fd, (unsigned)fd, 0) == 0); break;
	default:
		zero = open_zero();
		if (race->plan.action == DUP2_OVER)
			MUST(dup2(zero, fd) == fd);
		else
			MUST(dup3(zero, fd, O_CLOEXEC) == fd);
		MUST(close(zero) == 0);
	}
	race->other = zero >= 0 ? fd : open_zero();
	race->other_is = device_of(race->other);
}

static void duplicate(struct race *race)
{
	switch (race->number % 3) {
	case 0: race->second = dup(race->fd); break;
	case 1: race->second = fcntl(race->fd, F_DUPFD, 10); break;
	default: race->second = fcntl(race->fd, F_DUPFD_CLOEXEC, 10);
	}
	MUST(race->second >= 0);
}

/* From now on the other number is the program's. */
static void move(struct race *race)
{
	int old = race->fd;

	duplicate(race);
	/* A set knows a file by the number that it was added with. */
	wait_remove(race);
	MUST(close(old) == 0);
	race->fd = race->second;
	race->second = -1;
	race->descriptor_flags = race->number % 3 == 2 ? FD_CLOEXEC : 0;
	wait_register(race);
}

static void pass(struct race *race)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
	                        .cmsg_level = SOL_SOCKET,
	                        .cmsg_type = SCM_RIGHTS}};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = sizeof(control.bytes)};
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	memcpy(CMSG_DATA(&control.header), &race->fd, sizeof(int));
	MUST(sendmsg(pair[0], &message, 0) == 1);
	MUST(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC) == 1);
	memcpy(&race->passed, CMSG_DATA(&control.header), sizeof(int));
	close(pair[0]);
	close(pair[1]);
}

static void change_flags(struct race *race)
{
	race->descriptor_flags ^= FD_CLOEXEC;
	MUST(fcntl(race->fd, F_SETFD, race->descriptor_flags) == 0);
	if (!race->plan.owner) {
		MUST(fcntl(race->fd, F_SETOWN, getpid()) == 0);
		MUST(fcntl(race->fd, F_SETSIG, SIGURG) == 0);
		race->plan.owner = true;
	}
}

/* The program has been told its end, by something that forgets it after. */
static void told(struct race *race, int error)
{
	race->error_taken = true;
	race->error = error;
}

static void connect_again(struct race *race)
{
	int error = race_connect(race);

	step("connect again: %s", strerrorname_np(error));
	if (error != 0 && error != EALREADY && error != EISCONN && error != EINPROGRESS)
		told(race, error);
}

/* A blocking socket now, whose end is waited for in a call or in another connect(). */
static void make_blocking(struct race *race)
{
	if (race->plan.action == CLEAR_FCNTL)
		MUST(fcntl(race->fd, F_SETFL, race->file_flags & ~O_NONBLOCK) == 0);
	else
		MUST(ioctl(race->fd, FIONBIO, &(int){0}) == 0);
	race->file_flags &= ~O_NONBLOCK;
	if (race->number % 2 == 0)
		connect_again(race);
}

/* A busy machine may not have come to the real connect() yet, and then nothing is ended. */
static void shut_down(struct race *race)
{
	if (shutdown(race->fd, (int)(race->number % 3)) < 0 && errno == ENOTCONN &&
	    race->plan.mode == BLOCKING)
		race->adrift = true;
}

/* While it is undecided nothing says so but "not yet"; afterwards nothing but its end. */
static void probe(struct race *race)
{
	char byte;
	int error;

	(void)race_peer(race, race->fd);
	error = check_so_error(race->fd);
	if (error == 0 && !race->plan.mptcp) {
		if (recv(race->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno != EAGAIN)
			error = errno;
		else if (send(race->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
			error = errno;
	}
	step("asked: %s", strerrorname_np(error));
	/*
	 * Who asks the socket without having waited, or by recv() and send(), is told of the socket
	 * that happens to be there.
	 */
	if (with_libhe && error != 0 && error != race_expected(race)) {
		race->adrift = true;
		return;
	}
	/* Who was told a moment ago what it came to is told this. */
	if (error != 0 && (race_expected(race) == 0 || (error != ENOTCONN && error != EPIPE)))
		told(race, error);
}

static void disconnect(struct race *race)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int error;

	if (race->plan.action == UNSPEC_AND_AGAIN)
		wait_remove(race);
	MUST(connect(race->fd, &none, sizeof(none)) == 0);
	if (race->plan.action == UNSPEC)
		return;
	/* Natively this leaves ECONNRESET behind. */
	(void)check_so_error(race->fd);
	race->again = true;
	race->error_taken = false;
	error = race_connect(race);
	step("again: %s", strerrorname_np(error));
	/*
	 * By then the number may have had a socket of the other family, connected or about to be,
	 * and that one can not be connected to the address of before.
	 */
	if (with_libhe && (error == EAFNOSUPPORT || error == EINVAL))
		race->adrift = true;
	if (error != 0 && error != EINPROGRESS)
		told(race, error);
	wait_register(race);
}

/* The child has a socket that connects, or has, and leaves the race to its parent. */
static _Noreturn void be_child(const struct race *race)
{
	MUST(fcntl(race->fd, F_GETFL) >= 0);
	(void)wait_poll(race->fd, WANT_OUT, (int)(race->number % 30));
	(void)race_peer(race, race->fd);
	if (race->number % 2 == 0)
		MUST(close(race->fd) == 0);
	_exit(0);
}

static void fork_child(struct race *race)
{
	race->child = fork();
	MUST(race->child >= 0);
	if (race->child == 0)
		be_child(race);
}

/* It looks for what it must not have: see main.c. */
static void spawn_child(struct race *race)
{
	char *words[] = {"soak", "--inherited", NULL};

	MUST(posix_spawn(&race->child, "/proc/self/exe", NULL, NULL, words, environ) == 0);
}

static void send_signals(struct race *race)
{
	for (unsigned i = 0; i <= race->number % 3; i++) {
		MUST(pthread_kill(race->worker, race->plan.action == SIGNAL ? SIGUSR1 : SIGUSR2) ==
		     0);
		race->signals++;
		sleep_ms(2);
	}
}

static void wait_beside(struct race *race)
{
	int ready;

	do
		ready = wait_poll(race->fd, race->plan.want, -1);
	while (ready == READY_INTERRUPTED);
	step("the second waiter: %d", ready);
	if (race_expected(race) == 0)
		MUST((ready & READY_ERROR) == 0);
}

static void act_on_race(struct race *race)
{
	switch (race->plan.action) {
	case NOTHING: break;
	case DUP: duplicate(race); break;
	case DUP_AND_CLOSE: move(race); break;
	case SCM_RIGHTS_PASS: pass(race); break;
	case CLOSE:
	case RAW_CLOSE:
	case CLOSE_RANGE:
	case DUP2_OVER:
	case DUP3_OVER: give_away(race); break;
	case OPTIONS_CHANGE: options_set(race, race->plan.options_during, 1); break;
	case FLAGS: change_flags(race); break;
	case CLEAR_FCNTL:
	case CLEAR_IOCTL: make_blocking(race); break;
	case CONNECT_AGAIN: connect_again(race); break;
	case PROBE: probe(race); break;
	case SHUT_DOWN: shut_down(race); break;
	case UNSPEC:
	case UNSPEC_AND_AGAIN: disconnect(race); break;
	case FORK: fork_child(race); break;
	case SPAWN: spawn_child(race); break;
	case SIGNAL:
	case SIGNAL_RESTART: send_signals(race); break;
	case MODIFY:
		wait_modify(race, true);
		sleep_ms((int)(race->number % 15));
		wait_modify(race, false);
		break;
	case REMOVE_AND_ADD:
		wait_remove(race);
		sleep_ms((int)(race->number % 15));
		wait_register(race);
		break;
	case SECOND_WAITER: wait_beside(race); break;
	case RESOLVE_AGAIN: names_again(race->name); break;
	}
}

void act(struct race *race)
{
	step("acts");
	act_on_race(race);
	step("acted");
	atomic_store(&race->acted, true);
}

struct helper {
	struct race *race;
	struct worker *worker;
};

static void *help(void *pointer)
{
	struct helper *helper = pointer;
	struct race *race = helper->race;

	worker_mine = helper->worker;
	/* Before connect() is called there is nothing to act on; a busy machine may be late with
	 * it. */
	while (race->started_ns == 0)
		sleep_ms(1);
	sleep_ms(race->plan.delay_ms);
	act(race);
	return NULL;
}

void act_start(struct race *race)
{
	static _Thread_local struct helper helper;

	if (!race->plan.by_thread || race->plan.action == NOTHING)
		return;
	helper = (struct helper){race, worker_mine};
	MUST(pthread_create(&race->helper, NULL, help, &helper) == 0);
	race->helped = true;
}

void act_join(struct race *race)
{
	if (!race->helped)
		return;
	MUST(pthread_join(race->helper, NULL) == 0);
	race->helped = false;
}

void act_settle(struct race *race)
{
	bool closed = race->other >= 0;
	bool connected = !closed && race_peer(race, race->fd) != NULL;

	/* By now whatever was under way would have come. */
	sleep_ms(2 * attempt_delay_ms + 60);
	if (closed) {
		MUST(device_of(race->other) == race->other_is);
		MUST(close(race->other) == 0);
		race->other = -1;
		race->fd = -1;
	} else if (!connected) {
		if (race_peer(race, race->fd) != NULL)
			FAIL("connected after the program had ended it");
	}
	count(ABANDONED);
}
