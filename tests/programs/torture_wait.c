/*
 * Waiters: every way to wait for a non-blocking connect(), in every state of the race. A waiter is
 * told of the winner once, with the program's own data, and of no error of a loser.
 */
#include "torture.h"

#include <setjmp.h>

/* --- one number, every call ------------------------------------------------------------------- */

static void out(void)
{
	int fd = begin();

	await_end(fd);
	CHECK(close(fd) == 0);
}

/* Nobody asks for POLLOUT, and the end of connecting is not to be seen before the greeting. */
static void in(void)
{
	int fd = begin();

	CHECK_BITS(wait_for(fd, POLLIN, on->not_after_ms), end_bits(POLLIN));
	check_end(fd);
	CHECK(close(fd) == 0);
}

static void in_and_out(void)
{
	int fd = begin(), ready;

	do {
		ready = wait_for(fd, POLLIN | POLLOUT | POLLPRI, on->not_after_ms);
		CHECK(ready == POLLOUT || ready == end_bits(POLLIN | POLLOUT | POLLPRI));
	} while (ready == POLLOUT);
	check_end(fd);
	CHECK(close(fd) == 0);
}

/* The bits that are not asked for by everybody: RDHUP is what a refused socket has, too. */
static void normal_bits_and_hang_up(void)
{
	const short want = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLRDHUP;
	int fd = begin(), ready;

	do {
		ready = wait_for(fd, want, on->not_after_ms);
		if (on->peer != NULL)
			CHECK(ready == (POLLOUT | POLLWRNORM) || ready == (want & ~POLLRDHUP));
		else
			CHECK(ready == end_bits(want));
	} while (ready == (POLLOUT | POLLWRNORM));
	check_end(fd);
	CHECK(close(fd) == 0);
}

static void readable_normally(void)
{
	int fd = begin();

	CHECK_BITS(wait_for(fd, POLLRDNORM, on->not_after_ms), end_bits(POLLRDNORM));
	check_end(fd);
	CHECK(close(fd) == 0);
}

static void writable_normally(void)
{
	int fd = begin();

	CHECK_BITS(wait_for(fd, POLLWRNORM, on->not_after_ms), end_bits(POLLWRNORM));
	check_end(fd);
	CHECK(close(fd) == 0);
}

/* Waits for what never comes on a connection, but is of one error with all who wait for errors. */
static void wait_for_nothing(short want)
{
	const long ms = 600;
	int fd = begin();

	if (on->peer == NULL && by->tells_errors)
		CHECK(wait_for(fd, want, ms) == (POLLERR | POLLHUP));
	else
		CHECK_BITS(wait_for(fd, want, ms), 0);
	await_end(fd);
	CHECK(close(fd) == 0);
}

static void urgent(void)
{
	wait_for_nothing(POLLPRI);
}

static void errors_alone(void)
{
	wait_for_nothing(0);
}

static void without_end(void)
{
	int fd = begin();

	CHECK_BITS(wait_for(fd, POLLOUT, -1), end_bits(POLLOUT));
	check_end(fd);
	CHECK(close(fd) == 0);
}

/* As good as without end, but something may be added to it. */
static void longest(void)
{
	int fd = begin();

	CHECK_BITS(wait_for(fd, POLLOUT, LONG_MAX), end_bits(POLLOUT));
	check_end(fd);
	CHECK(close(fd) == 0);
}

/* Asks in a loop, as programs do between other things; each time for `ms`. */
static void ask_every(long ms)
{
	int fd = begin(), ready;

	/* Who looks all the time may see half of a failure. */
	while ((ready = wait_for(fd, POLLOUT, ms)) == 0 || (on->peer == NULL && ready == POLLERR)) {
		CHECK(since_begun() < on->not_after_ms);
		if (ms == 0)
			sleep_ms(1);
	}
	CHECK_BITS(ready, end_bits(POLLOUT));
	check_end(fd);
	CHECK(close(fd) == 0);
}

static void zero(void)
{
	ask_every(0);
}

static void again_and_again(void)
{
	ask_every(7);
}

/*
 * The time is over before there is a winner, but after something has happened to losers. Not before
 * its time (wait_masked() checks that), and not when something happens next.
 */
static void too_short(void)
{
	const long ms = on->is == HEALTHY ? R6_MS / 2
	                : on->is == BLACK ? CAD_MS - 50
	                : on->is == MIX   ? CAD_MS + 150
	                                  : R6_MS + R4_MS / 2;
	int fd = begin(), ready = wait_for(fd, POLLOUT, ms);

	CHECK(ready == 0 || (ready == end_bits(POLLOUT) && !pending()));
	CHECK(since_begun() < ms + SLACK_MS);
	/* No later than the next attempt, where that tells something on a busy machine. */
	if (on->is == MIX)
		CHECK(ready == 0);
	await_end(fd);
	CHECK(close(fd) == 0);
}

/* --- remaining time --------------------------------------------------------------------------- */

static void select_tells_what_remains(void)
{
	const long whole_ms = 5000, whole_us = whole_ms * 1000;
	struct timeval timeout = {.tv_sec = whole_ms / 1000};
	int fd = begin();
	long start, before_ms, waited_ms, left_us;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	start = now_ms();
	before_ms = start - begun_ms;
	CHECK(select(fd + 1, NULL, &set, NULL, &timeout) == 1 && FD_ISSET(fd, &set));
	waited_ms = now_ms() - start;
	left_us = timeout.tv_sec * 1000000 + timeout.tv_usec;
	CHECK(timeout.tv_usec >= 0 && timeout.tv_usec < 1000000);
	/* No less than the clock says, and no more than the race has left. */
	CHECK(left_us >= whole_us - (waited_ms + 1) * 1000);
	CHECK(left_us <= whole_us - (on->not_before_ms - EARLY_MS - before_ms) * 1000);
	check_end(fd);
	CHECK(close(fd) == 0);
}

/* Many waits on what remains add up to one. */
static void select_walks_through_its_time(void)
{
	struct timeval timeout = {.tv_sec = 1};
	int fd = begin();
	long start = now_ms();
	fd_set set;

	alarm_after(1, 3, count_signal, 0);
	do {
		FD_ZERO(&set);
		FD_SET(fd, &set);
	} while (select(fd + 1, NULL, NULL, &set, &timeout) < 0 && errno == EINTR);
	alarm_off();
	CHECK(!FD_ISSET(fd, &set) && timeout.tv_sec == 0 && timeout.tv_usec == 0);
	/* Each is rounded, up. */
	CHECK(now_ms() - start >= 999 && now_ms() - start < 1000 + SLACK_MS);
	await_end(fd);
	CHECK(close(fd) == 0);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void interrupt_and_go_on(int flags)
{
	/* Again where the wait was over before the signal came. */
	for (int tries = 0; tries < 50; tries++) {
		int fd = begin(), ready;

		handled = 0;
		alarm_after(on->alone_ms / 3, 0, count_signal, flags);
		ready = wait_for(fd, POLLOUT, on->not_after_ms);
		alarm_off();
		if (ready >= 0) {
			CHECK_BITS(ready, end_bits(POLLOUT));
			check_end(fd);
			CHECK(close(fd) == 0);
			continue;
		}
		CHECK(errno == EINTR && since_begun() >= on->alone_ms / 3);
		await_end(fd);
		CHECK(close(fd) == 0);
		CHECK(handled_by_now() == 1);
		return;
	}
	CHECK(!"interrupted");
}

static void interrupted(void)
{
	interrupt_and_go_on(0);
}

/* These calls are not restarted, whatever the handler asks for. */
static void interrupted_restarting(void)
{
	interrupt_and_go_on(SA_RESTART);
}

static void signal_every_ms(void)
{
	int fd = begin(), ready;
	long left;

	handled = 0;
	alarm_after(1, 1, count_signal, SA_RESTART);
	do {
		left = on->not_after_ms - since_begun();
		CHECK(left > 0);
		ready = wait_for(fd, POLLOUT, left);
		CHECK(ready >= 0 || errno == EINTR);
	} while (ready < 0);
	alarm_off();
	CHECK_BITS(ready, end_bits(POLLOUT));
	CHECK(handled_by_now() > 0 || !lasts_long());
	check_end(fd);
	CHECK(close(fd) == 0);
}

/* The mask of the call holds the signal back, and the mask of the program lets it through. */
static void masked(void)
{
	sigset_t blocked = only(SIGALRM);
	struct pollfd watch = {.events = POLLOUT};
	int n;

	watch.fd = begin();
	handled = 0;
	alarm_after(on->alone_ms / 3, 0, count_signal, 0);
	n = wait_masked(&watch, 1, on->not_after_ms, &blocked);
	CHECK(n == 1 && watch.revents == end_bits(POLLOUT));
	while (handled_by_now() == 0)
		CHECK(since_begun() < on->not_after_ms);
	check_end(watch.fd);
	CHECK(close(watch.fd) == 0);
}

static void block_alarm(sigset_t *ret_before)
{
	sigset_t blocked = only(SIGALRM);

	CHECK(sigprocmask(SIG_BLOCK, &blocked, ret_before) == 0);
}

static bool alarm_is_blocked(void)
{
	sigset_t now;

	CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
	return sigismember(&now, SIGALRM) == 1;
}

/* A signal that waits for being let through ends the call at once. */
static void unmasked_pending(void)
{
	struct pollfd watch = {.events = POLLOUT};
	/* libhe starts no thread while a signal that has a handler is blocked: this race does. */
	int first = begin(), n;
	sigset_t before;

	block_alarm(&before);
	/* Again where the wait was over before it began. */
	for (int tries = 0; tries < 50; tries++) {
		alarm_after(1, 0, count_signal, 0);
		sleep_ms(10);
		watch.fd = begin();
		handled = 0;
		n = wait_masked(&watch, 1, on->not_after_ms, &before);
		CHECK(alarm_is_blocked());
		if (n < 0)
			break;
		CHECK_BITS(watch.revents, end_bits(POLLOUT));
		CHECK(close(watch.fd) == 0);
	}
	CHECK(n == -1 && errno == EINTR && handled_by_now() == 1);
	CHECK(wait_masked(&watch, 1, on->not_after_ms, &before) == 1);
	CHECK_BITS(watch.revents, end_bits(POLLOUT));
	CHECK(alarm_is_blocked());
	check_end(watch.fd);
	CHECK(close(watch.fd) == 0 && close(first) == 0 && handled == 1);
}

/* Blocked but for the wait: what comes at any time interrupts it, or is there already. */
static void unmasked(void)
{
	struct pollfd watch = {.events = POLLOUT};
	sigset_t before;
	int interruptions = 0, n;

	block_alarm(&before);
	watch.fd = begin();
	alarm_after(2, 2, count_signal, 0);
	while ((n = wait_masked(&watch, 1, on->not_after_ms, &before)) < 0) {
		CHECK(errno == EINTR && alarm_is_blocked());
		interruptions++;
		CHECK(since_begun() < on->not_after_ms);
	}
	alarm_off();
	CHECK(n == 1 && watch.revents == end_bits(POLLOUT));
	check_end(watch.fd);
	CHECK((interruptions > 0 && handled_by_now() > 0) || !lasts_long());
	CHECK(close(watch.fd) == 0);
}

/* A signal that interrupts is left to the program; its mask is not of the race's making. */
static void zero_unmasked_pending(void)
{
	struct pollfd watch = {.events = POLLOUT};
	/* As above. */
	int first = begin();
	sigset_t before;
	int n;

	block_alarm(&before);
	alarm_after(1, 0, count_signal, 0);
	sleep_ms(20);
	watch.fd = begin();
	/* With nothing ready and no time, the kernel looks for signals, too. */
	n = wait_masked(&watch, 1, 0, &before);
	CHECK((n <= 0 || !pending()) && alarm_is_blocked());
	await_end(watch.fd);
	CHECK(close(watch.fd) == 0 && close(first) == 0 && handled <= 1);
}

/* --- leaving the wait ------------------------------------------------------------------------- */

static sigjmp_buf jump;

static void jump_out(int number)
{
	(void)number;
	siglongjmp(jump, 1);
}

/* What the call saw of the program's memory stays as the program wrote it. */
static struct pollfd left_watch;

static void check_left_watch(int fd)
{
	CHECK(left_watch.fd == fd && left_watch.events == POLLPRI);
}

static void jumped_out(void)
{
	volatile int fd;

	skip_unless_asleep(by == &by_poll || by == &by_ppoll || by == &by_epoll_wait ||
	                   by == &by_epoll_pwait);
	fd = begin();
	left_watch = (struct pollfd){.fd = fd, .events = POLLPRI};
	if (sigsetjmp(jump, 1) == 0) {
		alarm_after(on->is == BLACK ? 100 : 10, 0, jump_out, 0);
		by->wait(&left_watch, 1, -1, NULL);
		CHECK(!"the signal came");
	}
	check_left_watch(fd);
	await_end(fd);
	CHECK(close(fd) == 0);
}

static int left_set;

/* ThreadSanitizer sees no lock that a thread takes after it was cancelled in a call. */
static void close_left_set(void *nothing)
{
	(void)nothing;
	left_set = SANITIZED_THREADS ? wait_set : -1;
	if (!SANITIZED_THREADS)
		close_wait_set();
}

static void *wait_until_cancelled(void *nothing)
{
	pthread_cleanup_push(close_left_set, nothing);
	by->wait(&left_watch, 1, -1, NULL);
	pthread_cleanup_pop(1);
	return NULL;
}

static void cancelled(void)
{
	pthread_t thread;
	void *result;
	int fd;

	if (SANITIZED_ADDRESSES)
		skip("AddressSanitizer does not know that a cancelled thread's frames are gone");
	fd = begin();
	left_watch = (struct pollfd){.fd = fd, .events = POLLPRI};
	CHECK(pthread_create(&thread, NULL, wait_until_cancelled, NULL) == 0);
	sleep_ms(on->midway_ms);
	CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED);
	wait_set = left_set;
	close_wait_set();
	check_left_watch(fd);
	await_end(fd);
	CHECK(close(fd) == 0);
}

/* --- with other files ------------------------------------------------------------------------- */

static void open_pipe(int ends[2])
{
	CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
}

static void close_pipe(const int ends[2])
{
	CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void write_byte(void *number)
{
	CHECK(write(*(int *)number, "x", 1) == 1);
}

static void read_byte(int fd)
{
	char c;

	CHECK(read(fd, &c, 1) == 1 && c == 'x');
}

/* What others have to tell is told in time, and as it is. */
static void with_others(void)
{
	struct pollfd watch[4] = {{.events = POLLIN},
	                          {.events = POLLOUT},
	                          {.events = POLLIN},
	                          {.fd = -1, .events = POLLOUT, .revents = 0x55}};
	int silent[2], told[2];
	bool byte_seen = false, end_seen = false;
	pthread_t thread;

	open_pipe(silent);
	open_pipe(told);
	watch[0].fd = silent[0];
	watch[1].fd = begin();
	watch[2].fd = told[0];
	thread = later(on->midway_ms, write_byte, &told[1]);
	while (!byte_seen || !end_seen) {
		CHECK(wait_all(watch, 4, on->not_after_ms) > 0);
		CHECK(watch[0].revents == 0 && watch[3].revents == 0);
		CHECK(watch[1].revents == 0 || watch[1].revents == end_bits(POLLOUT));
		CHECK(watch[2].revents == 0 || watch[2].revents == POLLIN);
		if (watch[2].revents != 0) {
			read_byte(told[0]);
			byte_seen = true;
			/* Long before the end, where that says something on a busy machine. */
			CHECK(on->is != MIX || (!end_seen && watch[1].revents == 0));
		}
		if (watch[1].revents != 0) {
			CHECK(!end_seen);
			check_end(watch[1].fd);
			end_seen = true;
			watch[1].fd = ~watch[1].fd;
		}
	}
	CHECK(watch[0].events == POLLIN && watch[1].events == POLLOUT &&
	      watch[2].events == POLLIN && watch[3].events == POLLOUT);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(close(~watch[1].fd) == 0);
	close_pipe(silent);
	close_pipe(told);
}

/* A socket whose address nobody has resolved, and that fails: its error is the program's. */
static int begin_stranger(void)
{
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(7001)};
	int fd = open_nonblocking(family());

	CHECK(inet_pton(AF_INET6, "fd92::1c", &name.sin6_addr) == 1);
	CHECK(connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 && errno == EINPROGRESS);
	return fd;
}

/* Errors that are not of a race are told: a pipe that nobody writes to, and a stranger. */
static void with_errors_of_others(void)
{
	struct pollfd watch[3] = {{.events = POLLOUT}, {.events = POLLIN}, {.events = POLLOUT}};
	int ended[2];
	short hang_up = by->tells_errors ? POLLHUP : POLLIN;
	short refusal = by->tells_errors ? POLLOUT | POLLERR | POLLHUP : POLLOUT;
	bool refused = false;

	open_pipe(ended);
	CHECK(close(ended[1]) == 0);
	watch[0].fd = begin();
	watch[1].fd = ended[0];
	watch[2].fd = begin_stranger();
	do {
		CHECK(wait_all(watch, 3, on->not_after_ms) > 0);
		CHECK(watch[0].revents == 0 || !pending());
		CHECK_BITS(watch[1].revents, hang_up);
		/* Who looks all the time may see half of it. */
		CHECK((watch[2].revents & ~refusal) == 0);
		refused = watch[2].revents == refusal;
		sleep_ms(1);
	} while (!refused);
	CHECK(option_of(watch[2].fd, SOL_SOCKET, SO_ERROR) == EACCES);
	CHECK(close(watch[2].fd) == 0 && close(ended[0]) == 0);
	await_end(watch[0].fd);
	CHECK(close(watch[0].fd) == 0);
}

/* Waits for something else while a connect() is pending that it does not know. */
static void others_alone(void)
{
	struct pollfd watch = {.events = POLLIN};
	int silent[2], fd;

	open_pipe(silent);
	watch.fd = silent[0];
	fd = begin();
	CHECK(wait_all(&watch, 1, 400) == 0 && watch.revents == 0);
	CHECK(since_begun() < 400 + SLACK_MS);
	CHECK(wait_all(NULL, 0, 30) == 0);
	await_end(fd);
	CHECK(close(fd) == 0);
	close_pipe(silent);
}

static void *wait_for_byte(void *number)
{
	CHECK_BITS(wait_for(*(int *)number, POLLIN, -1), POLLIN);
	return NULL;
}

/* Another thread sleeps since before the first race of the process. */
static void others_since_before(void)
{
	int told[2], fd;
	pthread_t thread;

	open_pipe(told);
	CHECK(pthread_create(&thread, NULL, wait_for_byte, &told[0]) == 0);
	sleep_ms(30);
	fd = begin();
	await_end(fd);
	write_byte(&told[1]);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(close(fd) == 0);
	close_pipe(told);
}

static void many_others(void)
{
	enum { PIPES = 150, ALL = 2 * PIPES + 1 };
	static struct pollfd watch[ALL];
	int ends[2], fd;

	for (int i = 0; i < PIPES; i++) {
		open_pipe(ends);
		watch[i < PIPES / 2 ? i : i + 1] = (struct pollfd){.fd = ends[0], .events = POLLIN};
		watch[PIPES + 1 + i] = (struct pollfd){.fd = ends[1], .events = POLLPRI};
	}
	fd = begin();
	watch[PIPES / 2] = (struct pollfd){.fd = fd, .events = POLLOUT};
	CHECK(wait_all(watch, ALL, on->not_after_ms) == 1);
	CHECK(watch[PIPES / 2].revents == end_bits(POLLOUT));
	check_end(fd);
	for (int i = 0; i < ALL; i++)
		CHECK(close(watch[i].fd) == 0);
}

struct wait_in_thread {
	int fd;
	short want;
	int ready;
};

static void *wait_in_thread(void *pointer)
{
	struct wait_in_thread *wait = pointer;

	wait->ready = wait_for(wait->fd, wait->want, on->not_after_ms);
	return NULL;
}

static void two_threads(void)
{
	int fd = begin();
	struct wait_in_thread waits[2] = {{fd, POLLOUT, 0}, {fd, POLLIN, 0}};
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_in_thread, &waits[i]) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(waits[0].ready == end_bits(POLLOUT) && waits[1].ready == end_bits(POLLIN));
	check_end(fd);
	CHECK(close(fd) == 0);
}

/* Two connects are pending, and each is told for itself. */
static void two_races(void)
{
	struct pollfd watch[2] = {{.events = POLLOUT}, {.events = POLLOUT}};
	long begun_first_ms;

	watch[0].fd = begin();
	begun_first_ms = begun_ms;
	watch[1].fd = begin();
	begun_ms = begun_first_ms;
	for (int left = 2; left > 0;) {
		int n = wait_all(watch, 2, on->not_after_ms), seen = 0;

		CHECK(n > 0);
		for (int i = 0; i < 2; i++) {
			if (watch[i].fd < 0 || watch[i].revents == 0)
				continue;
			CHECK_BITS(watch[i].revents, end_bits(POLLOUT));
			check_in_time();
			check_connection(watch[i].fd, on->peer);
			CHECK(close(watch[i].fd) == 0);
			watch[i].fd = -1;
			left--;
			seen++;
		}
		CHECK(n == seen);
	}
}

/* --- arrays of poll() ------------------------------------------------------------------------- */

static void array_is_the_programs(void)
{
	enum { ZERO, TWICE_OUT, TWICE_IN, NOBODY, ALSO_NOBODY, SILENT, ALL };
	struct pollfd watch[ALL + 1];
	int silent[2], fd, n;

	open_pipe(silent);
	fd = begin();
	watch[ZERO] = (struct pollfd){.fd = fd, .events = 0, .revents = 0x55};
	watch[TWICE_OUT] = (struct pollfd){.fd = fd, .events = POLLOUT, .revents = 0x55};
	watch[TWICE_IN] = (struct pollfd){.fd = fd, .events = POLLIN, .revents = 0x55};
	watch[NOBODY] = (struct pollfd){.fd = -1, .events = POLLIN, .revents = 0x55};
	watch[ALSO_NOBODY] = (struct pollfd){.fd = ~fd, .events = POLLOUT, .revents = 0x55};
	watch[SILENT] = (struct pollfd){.fd = silent[0], .events = POLLIN, .revents = 0x55};
	/* Behind the end of what is passed. */
	watch[ALL] = (struct pollfd){.fd = fd, .events = POLLOUT, .revents = 0x55};
	n = wait_all(watch, ALL, on->not_after_ms);
	CHECK(watch[ZERO].fd == fd && watch[ZERO].events == 0);
	CHECK(watch[TWICE_OUT].fd == fd && watch[TWICE_OUT].events == POLLOUT);
	CHECK(watch[TWICE_IN].fd == fd && watch[TWICE_IN].events == POLLIN);
	CHECK(watch[NOBODY].fd == -1 && watch[NOBODY].events == POLLIN);
	CHECK(watch[ALSO_NOBODY].fd == ~fd && watch[ALSO_NOBODY].events == POLLOUT);
	CHECK(watch[SILENT].fd == silent[0] && watch[SILENT].events == POLLIN);
	CHECK(watch[ALL].fd == fd && watch[ALL].events == POLLOUT && watch[ALL].revents == 0x55);
	CHECK(watch[NOBODY].revents == 0 && watch[ALSO_NOBODY].revents == 0 &&
	      watch[SILENT].revents == 0);
	CHECK_BITS(watch[TWICE_OUT].revents, end_bits(POLLOUT));
	if (on->peer == NULL) {
		CHECK(n == 3 && watch[ZERO].revents == (POLLERR | POLLHUP));
		CHECK_BITS(watch[TWICE_IN].revents, end_bits(POLLIN));
	} else {
		/* The greeting may be there already. */
		CHECK_BITS(watch[ZERO].revents, 0);
		CHECK(watch[TWICE_IN].revents == 0 || watch[TWICE_IN].revents == POLLIN);
		CHECK(n == (watch[TWICE_IN].revents != 0 ? 2 : 1));
	}
	check_end(fd);
	CHECK(close(fd) == 0);
	close_pipe(silent);
}

static void number_that_is_not_open(void)
{
	int fd = begin();
	struct pollfd watch[2] = {{.fd = fd, .events = POLLOUT},
	                          {.fd = closed_number(), .events = POLLIN}};

	CHECK(wait_all(watch, 2, on->not_after_ms) >= 1 && watch[1].revents == POLLNVAL);
	CHECK(watch[0].revents == 0 || !pending());
	await_end(fd);
	CHECK(close(fd) == 0);
}

/* --- arguments that the kernel refuses -------------------------------------------------------- */

static void bad_arguments(void)
{
	/* Volatile: the compiler would not have it. */
	volatile int negative = -1;
	volatile nfds_t too_many = 1u << 30;
	void *volatile nowhere = (void *)8;
	struct timespec bad = {.tv_nsec = 2000000000};
	struct timeval past = {.tv_sec = -1};
	struct epoll_event event;
	struct pollfd watch = {.events = POLLOUT};
	int set = epoll_create1(EPOLL_CLOEXEC), fd = begin(), closed = closed_number();
	fd_set sets;

	watch.fd = fd;
	FD_ZERO(&sets);
	FD_SET(fd, &sets);
	CHECK(ppoll(&watch, 1, &bad, NULL) < 0 && errno == EINVAL);
	CHECK(pselect(fd + 1, NULL, &sets, NULL, &bad, NULL) < 0 && errno == EINVAL);
	CHECK(select(fd + 1, NULL, &sets, NULL, &past) < 0 && errno == EINVAL);
	CHECK(select(-1, NULL, &sets, NULL, NULL) < 0 && errno == EINVAL);
	CHECK(FD_ISSET(fd, &sets));
	FD_SET(closed, &sets);
	CHECK(select(closed + 1, NULL, &sets, NULL, NULL) < 0 && errno == EBADF);
	CHECK(epoll_wait(set, &event, 0, 0) < 0 && errno == EINVAL);
	CHECK(epoll_wait(set, &event, negative, 0) < 0 && errno == EINVAL);
	CHECK(epoll_wait(fd, &event, 1, 0) < 0 && errno == EINVAL);
	CHECK(epoll_wait(closed, &event, 1, 0) < 0 && errno == EBADF);
	CHECK(epoll_pwait2(set, &event, 1, &bad, NULL) < 0 && errno == EINVAL);
	/* A sanitizer looks at the memory before the kernel does. */
	if (!SANITIZED_THREADS && !SANITIZED_ADDRESSES) {
		CHECK(poll(&watch, too_many, 0) < 0 && errno == EINVAL);
		CHECK(poll(nowhere, 1, 0) < 0 && errno == EFAULT);
	}
	await_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* --- high numbers ----------------------------------------------------------------------------- */

static void select_high_numbers(void)
{
	enum { HIGH = 1000, HIGHER = 1500, WORD = 8 * sizeof(long) };
	unsigned long bits[2048 / WORD];
	static int below[HIGHER];
	int count = 0, fd;

	allow_many_descriptors();
	for (int high = HIGH; high <= HIGHER; high += HIGHER - HIGH) {
		/* The only way to a high number without a duplicate of the socket. */
		do {
			below[count] = open("/dev/null", O_RDONLY);
			CHECK(below[count] >= 0);
		} while (below[count++] < high - 1);
		fd = begin();
		CHECK(fd == high);
		memset(bits, 0, sizeof(bits));
		bits[high / WORD] |= 1ul << high % WORD;
		CHECK(select(high + 1, NULL, (fd_set *)bits, NULL, NULL) == 1);
		CHECK(bits[high / WORD] == 1ul << high % WORD);
		check_end(fd);
		CHECK(close(fd) == 0);
	}
	while (count > 0)
		CHECK(close(below[--count]) == 0);
}

/* --- epoll: how and when it is registered ----------------------------------------------------- */

static void check_mode(bool before, uint32_t mode)
{
	int set = open_set(), fd = open_nonblocking(family());

	/* Before the first name of this process is resolved, even. */
	if (before)
		add(set, fd, EPOLLOUT | mode, DATA);
	begin_on(fd);
	if (!before)
		add(set, fd, EPOLLOUT | mode, DATA);
	expect_end(set);
	if (mode & (EPOLLET | EPOLLONESHOT))
		expect_nothing(set, 150);
	else
		expect_end(set);
	if (mode & EPOLLONESHOT) {
		modify(set, fd, EPOLLOUT | mode, DATA);
		expect_end(set);
		expect_nothing(set, 20);
	}
	check_end(fd);
	CHECK(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0);
	CHECK(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) < 0 && errno == ENOENT);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* While it does something else, others see what has failed, and may be in the middle of it. */
static void comes_back_late(void)
{
	int fd = open_nonblocking(family()), set = open_set();
	struct epoll_event event;

	/* The next address is tried already when the first one refuses. */
	CHECK(setenv("HE_ATTEMPT_DELAY_MS", "10", 1) == 0);
	begin_on(fd);
	add(set, fd, EPOLLOUT, DATA);
	if (epoll_wait(set, &event, 1, (int)on->alone_ms - 5) == 0)
		sleep_ms(R4_MS);
	expect_end(set);
	CHECK(since_begun() < on->not_after_ms);
	check_connection(fd, on->peer);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void level_before(void)
{
	check_mode(true, 0);
}

static void level_after(void)
{
	check_mode(false, 0);
}

static void edge_before(void)
{
	check_mode(true, EPOLLET);
}

static void edge_after(void)
{
	check_mode(false, EPOLLET);
}

static void oneshot_before(void)
{
	check_mode(true, EPOLLONESHOT);
}

static void oneshot_after(void)
{
	check_mode(false, EPOLLONESHOT);
}

static void edge_oneshot_before(void)
{
	check_mode(true, EPOLLET | EPOLLONESHOT);
}

static void edge_oneshot_after(void)
{
	check_mode(false, EPOLLET | EPOLLONESHOT);
}

static void exclusive_before(void)
{
	check_mode(true, EPOLLEXCLUSIVE);
}

static void exclusive_after(void)
{
	check_mode(false, EPOLLEXCLUSIVE);
}

/* The readiness of a socket that has not been told to connect is seen, and then the race's. */
static void edge_before_and_seen(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLOUT | EPOLLET, DATA);
	expect(set, EPOLLOUT | EPOLLHUP, DATA, 1000);
	begin_on(fd);
	expect_end(set);
	expect_nothing(set, 150);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void oneshot_before_and_seen(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLOUT | EPOLLONESHOT, DATA);
	expect(set, EPOLLOUT | EPOLLHUP, DATA, 1000);
	begin_on(fd);
	modify(set, fd, EPOLLOUT | EPOLLONESHOT, DATA + 1);
	expect(set, end_events(EPOLLOUT), DATA + 1, on->not_after_ms);
	expect_nothing(set, 150);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* One event for the connection and one for the greeting, or one for both. */
static void edge_in_and_out(void)
{
	int set = open_set(), fd = open_nonblocking(family()), count = 0;
	struct epoll_event event = {0};

	add(set, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, DATA);
	begin_on(fd);
	while (!(event.events & EPOLLIN)) {
		CHECK(epoll_wait(set, &event, 1, (int)on->not_after_ms) == 1);
		CHECK(event.data.u64 == DATA && (event.events & EPOLLOUT));
		if (on->peer != NULL)
			CHECK((event.events & ~(uint32_t)EPOLLIN) == EPOLLOUT);
		count++;
	}
	CHECK(count <= 2);
	expect_nothing(set, 150);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void level_in(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLIN, DATA);
	begin_on(fd);
	expect(set, end_events(EPOLLIN), DATA, on->not_after_ms);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void edge_in(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLIN | EPOLLET, DATA);
	begin_on(fd);
	expect(set, end_events(EPOLLIN), DATA, on->not_after_ms);
	expect_nothing(set, 150);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* --- epoll: several sets ---------------------------------------------------------------------- */

static void two_sets(void)
{
	int in_set = open_set(), out_set = open_set(), fd = open_nonblocking(family());

	add(in_set, fd, EPOLLIN | EPOLLET, DATA + 1);
	begin_on(fd);
	add(out_set, fd, EPOLLOUT, DATA);
	expect_end(out_set);
	expect(in_set, end_events(EPOLLIN), DATA + 1, on->not_after_ms);
	expect_nothing(in_set, 50);
	check_end(fd);
	CHECK(epoll_ctl(in_set, EPOLL_CTL_DEL, fd, NULL) == 0);
	CHECK(epoll_ctl(out_set, EPOLL_CTL_DEL, fd, NULL) == 0);
	CHECK(close(fd) == 0 && close(in_set) == 0 && close(out_set) == 0);
}

static void many_sets(void)
{
	enum { SETS = 40 };
	int sets[SETS], fd = open_nonblocking(family());

	for (uint64_t i = 0; i < SETS; i++) {
		sets[i] = open_set();
		if (i % 2 == 0)
			add(sets[i], fd, EPOLLOUT, DATA + i);
	}
	begin_on(fd);
	for (uint64_t i = 1; i < SETS; i += 2)
		add(sets[i], fd, EPOLLOUT, DATA + i);
	for (uint64_t i = 0; i < SETS; i++)
		expect(sets[i], end_events(EPOLLOUT), DATA + i, on->not_after_ms);
	check_end(fd);
	CHECK(close(fd) == 0);
	for (uint64_t i = 0; i < SETS; i++)
		CHECK(close(sets[i]) == 0);
}

/* Data is the program's affair: two numbers may have the same, and so may one that is no race. */
static void same_data(void)
{
	int sets[2] = {open_set(), open_set()}, ended[2];
	int fds[2] = {begin(), begin()};
	struct epoll_event event[8];
	bool hung_up = false;

	open_pipe(ended);
	CHECK(close(ended[1]) == 0);
	for (int i = 0; i < 2; i++) {
		add(sets[i], fds[0], EPOLLOUT | EPOLLONESHOT, DATA);
		add(sets[i], fds[1], EPOLLOUT | EPOLLONESHOT, DATA);
	}
	add(sets[0], ended[0], EPOLLIN | EPOLLONESHOT, DATA);
	for (int i = 0; i < 2; i++) {
		for (int ready = 0; ready < 2;) {
			int n = epoll_wait(sets[i], event, 8, (int)on->not_after_ms);

			CHECK(n > 0);
			for (int k = 0; k < n; k++) {
				CHECK(event[k].data.u64 == DATA);
				if (event[k].events == EPOLLHUP) {
					CHECK(i == 0 && !hung_up);
					hung_up = true;
				} else {
					CHECK_BITS(event[k].events, end_events(EPOLLOUT));
					ready++;
				}
			}
		}
		expect_nothing(sets[i], 50);
	}
	CHECK(hung_up);
	check_in_time();
	for (int i = 0; i < 2; i++) {
		check_connection(fds[i], on->peer);
		CHECK(close(fds[i]) == 0 && close(sets[i]) == 0);
	}
	CHECK(close(ended[0]) == 0);
}

static void nested_sets(void)
{
	int inner = open_set(), outer = open_set(), fd = open_nonblocking(family());
	struct epoll_event event;
	int n, idle = 0;

	add(inner, fd, EPOLLOUT, DATA);
	begin_on(fd);
	add(outer, inner, EPOLLIN, DATA + 1);
	/* An outer set may call out before the inner one has anything, but not for ever. */
	do {
		expect(outer, EPOLLIN, DATA + 1, on->not_after_ms);
		n = epoll_wait(inner, &event, 1, 0);
	} while (n == 0 && ++idle < 20);
	CHECK(n == 1 && event.events == end_events(EPOLLOUT) && event.data.u64 == DATA);
	check_end(fd);
	CHECK(close(fd) == 0 && close(inner) == 0 && close(outer) == 0);
}

/* As GLib and others do: the set itself is waited for by another call. */
static void set_is_waited_for(void)
{
	int set = open_set(), fd = begin(), n, idle = 0;
	struct epoll_event event;

	add(set, fd, EPOLLOUT, DATA);
	do {
		CHECK_BITS(wait_for(set, POLLIN, on->not_after_ms), POLLIN);
		n = epoll_wait(set, &event, 1, 0);
	} while (n == 0 && ++idle < 20);
	CHECK(n == 1 && event.events == end_events(EPOLLOUT) && event.data.u64 == DATA);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void set_has_another_number(void)
{
	int set = open_set(), other = dup(set), fd = open_nonblocking(family());

	add(set, fd, EPOLLOUT, DATA);
	begin_on(fd);
	CHECK(close(set) == 0);
	expect_end(other);
	check_end(fd);
	CHECK(epoll_ctl(other, EPOLL_CTL_DEL, fd, NULL) == 0);
	CHECK(close(fd) == 0 && close(other) == 0);
}

/* The next address takes the place, and is lost, too, while the set has other things to wait for.
 */
static void in_no_set_when_it_ends(void)
{
	int set = open_set(), fd = begin();
	struct epoll_event event;

	add(set, fd, EPOLLOUT, DATA);
	CHECK(epoll_wait(set, &event, 1, 0) >= 0);
	CHECK(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0);
	expect_nothing(set, on->not_before_ms + 2 * CAD_MS);
	add(set, fd, EPOLLOUT, DATA);
	expect_end(set);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/*
 * From now on this thread goes first, on the one processor that it and those of libhe may use: what
 * wakes both finds a thread of libhe still asleep in its call. Needs a privilege, and is ordinary
 * without.
 */
static void go_first(void)
{
	static const struct sched_param lowest = {.sched_priority = 1};

	(void)sched_setscheduler(0, SCHED_FIFO, &lowest);
}

static void use_one_processor(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
}

static bool is_empty(int set)
{
	char path[64], line[256];
	bool empty = true;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", set);
	file = fopen(path, "re");
	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL)
		empty = empty && strncmp(line, "tfd:", 4) != 0;
	CHECK(fclose(file) == 0);
	return empty;
}

/* A file that nobody has open is in no set, whoever waited for it a moment ago. */
static void set_forgets_what_is_closed(void)
{
	int set = open_set(), fd;

	use_one_processor();
	fd = begin();
	go_first();
	add(set, fd, EPOLLOUT, DATA);
	/* An attempt that begins now is waited for by libhe as well before it is over. */
	sleep_ms(CAD_MS - R4_MS / 2);
	expect(set, end_events(EPOLLOUT), DATA, on->not_after_ms);
	CHECK(close(fd) == 0);
	CHECK(is_empty(set));
	CHECK(close(set) == 0);
}

/* The same as soon as another socket stands in, which may connect still. */
static void set_forgets_what_stands_in(void)
{
	int set = open_set(), fd, n = 0;
	struct epoll_event event;

	use_one_processor();
	fd = begin();
	go_first();
	add(set, fd, EPOLLOUT, DATA);
	while (n == 0 && cookie_of(fd) == begun_cookie && since_begun() < on->not_after_ms)
		n = epoll_wait(set, &event, 1, 2);
	CHECK(n >= 0 && close(fd) == 0);
	CHECK(is_empty(set));
	CHECK(close(set) == 0);
}

/* What is registered in a set that is gone is nobody's, whoever has its number now. */
static void number_of_the_set_is_reused(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLOUT, DATA);
	begin_on(fd);
	CHECK(close(set) == 0 && open_set() == set);
	await_end(fd);
	expect_nothing(set, 20);
	CHECK(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) < 0 && errno == ENOENT);
	add(set, fd, EPOLLOUT, DATA + 1);
	expect(set, end_events(EPOLLOUT), DATA + 1, 0);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void *wait_for_both(void *number)
{
	int set = *(int *)number;

	for (int events = 0; events < 2; events++) {
		struct epoll_event event;
		bool hung_up;

		CHECK(epoll_wait(set, &event, 1, (int)on->not_after_ms) == 1);
		hung_up = event.data.u64 == DATA;
		CHECK(hung_up || event.data.u64 == DATA + 1);
		CHECK_BITS(event.events, hung_up ? EPOLLHUP : end_events(EPOLLOUT));
	}
	return NULL;
}

/*
 * Data that a number had in this set is something else's, which hangs up while the number, that is
 * in use again, is another connection's; and before the thread is told, this one looks at that.
 */
static void data_is_reused(void)
{
	int set = open_set(), ends[2], number, fd;
	struct pollfd look = {.events = POLLOUT};
	pthread_t thread;

	open_pipe(ends);
	number = begin();
	add(set, number, EPOLLOUT, DATA);
	expect_end(set);
	CHECK(close(number) == 0);

	add(set, ends[0], EPOLLIN | EPOLLET, DATA);
	fd = look.fd = begin();
	CHECK(fd == number);
	add(set, fd, EPOLLOUT | EPOLLONESHOT, DATA + 1);
	CHECK(pthread_create(&thread, NULL, wait_for_both, &set) == 0);
	sleep_ms(on->midway_ms);
	CHECK(close(ends[1]) == 0);
	sleep_ms(on->alone_ms + 5 - on->midway_ms);
	CHECK(poll(&look, 1, 0) >= 0 && (look.revents & ~POLLOUT) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	check_end(fd);
	CHECK(close(fd) == 0 && close(ends[0]) == 0 && close(set) == 0);
}

/* --- epoll: the program changes its mind ------------------------------------------------------ */

static void modified_from_nothing(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, 0, DATA + 1);
	begin_on(fd);
	sleep_ms(on->midway_ms);
	modify(set, fd, EPOLLOUT, DATA);
	expect_end(set);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void modified_from_in(void)
{
	int set = open_set(), fd = begin();

	add(set, fd, EPOLLIN | EPOLLET, DATA + 1);
	sleep_ms(on->midway_ms);
	modify(set, fd, EPOLLOUT, DATA);
	expect_end(set);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* As loops do that arm anew at each turn. */
static void modified_at_each_turn(void)
{
	int set = open_set(), fd = begin(), n;
	struct epoll_event event;
	uint64_t turn = 0;

	add(set, fd, EPOLLOUT | EPOLLONESHOT, DATA);
	while ((n = epoll_wait(set, &event, 1, 2)) == 0) {
		CHECK(since_begun() < on->not_after_ms);
		modify(set, fd, EPOLLOUT | EPOLLONESHOT, DATA + ++turn);
	}
	CHECK(n == 1 && event.events == end_events(EPOLLOUT) && event.data.u64 == DATA + turn);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void deleted_and_added(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLIN | EPOLLOUT, DATA + 1);
	begin_on(fd);
	CHECK(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0);
	sleep_ms(on->midway_ms);
	add(set, fd, EPOLLOUT, DATA);
	expect_end(set);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void deleted(void)
{
	int set = open_set(), fd = open_nonblocking(family());

	add(set, fd, EPOLLOUT, DATA);
	begin_on(fd);
	sleep_ms(on->midway_ms);
	CHECK(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0);
	await_end(fd);
	expect_nothing(set, 50);
	add(set, fd, EPOLLOUT, DATA + 1);
	expect(set, end_events(EPOLLOUT), DATA + 1, 0);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* What epoll_ctl() refuses it refuses during the race and after. */
static void refused_registrations(void)
{
	struct epoll_event event = {.events = EPOLLOUT};
	int set = open_set(), empty = open_set(), fd = begin(), closed = closed_number();

	add(set, fd, EPOLLOUT, DATA);
	for (int turn = 0; turn < 2; turn++) {
		CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0 && errno == EEXIST);
		CHECK(epoll_ctl(empty, EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT);
		CHECK(epoll_ctl(empty, EPOLL_CTL_DEL, fd, NULL) < 0 && errno == ENOENT);
		CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, set, &event) < 0 && errno == EINVAL);
		CHECK(epoll_ctl(set, 77, fd, &event) < 0 && errno == EINVAL);
		CHECK(epoll_ctl(set, EPOLL_CTL_ADD, closed, &event) < 0 && errno == EBADF);
		if (turn == 0)
			expect_end(set);
	}
	expect_nothing(empty, 0);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0 && close(empty) == 0);
}

/* --- epoll: others in the set, and threads ---------------------------------------------------- */

/* One event at a time, with others that are always ready. */
static void one_at_a_time(void)
{
	int set = open_set(), first[2], second[2], fd, seen[3] = {0};
	struct epoll_event event;

	open_pipe(first);
	open_pipe(second);
	write_byte(&first[1]);
	write_byte(&second[1]);
	add(set, first[0], EPOLLIN, 0);
	fd = begin();
	add(set, fd, EPOLLOUT, 1);
	add(set, second[0], EPOLLIN, 2);
	while (seen[0] == 0 || seen[1] == 0 || seen[2] == 0) {
		CHECK(epoll_wait(set, &event, 1, 0) == 1 && event.data.u64 < 3);
		seen[event.data.u64]++;
		CHECK(event.events ==
		      (event.data.u64 == 1 ? end_events(EPOLLOUT) : (uint32_t)EPOLLIN));
		CHECK(since_begun() < on->not_after_ms);
		sleep_ms(1);
	}
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
	close_pipe(first);
	close_pipe(second);
}

struct set_in_thread {
	int set;
	int maximum_ms;
	int count;
	struct epoll_event event;
};

static void *wait_on_set(void *pointer)
{
	struct set_in_thread *wait = pointer;

	wait->count = epoll_wait(wait->set, &wait->event, 1, wait->maximum_ms);
	return NULL;
}

/* Returns when the thread sleeps in epoll_wait(). */
static pthread_t sleep_on_set(struct set_in_thread *wait)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, wait_on_set, wait) == 0);
	sleep_ms(30);
	return thread;
}

static void check_event(const struct set_in_thread *wait)
{
	CHECK(wait->count == 1);
	CHECK_BITS(wait->event.events, end_events(EPOLLOUT));
	CHECK(wait->event.data.u64 == DATA);
}

/* A thread sleeps in epoll_wait() when the number is added, or when the race begins. */
static void added_while_waiting(void)
{
	struct set_in_thread wait = {.set = open_set(), .maximum_ms = -1};
	pthread_t thread;
	int fd;

	thread = sleep_on_set(&wait);
	fd = begin();
	add(wait.set, fd, EPOLLOUT, DATA);
	CHECK(pthread_join(thread, NULL) == 0);
	check_event(&wait);
	check_end(fd);
	CHECK(close(fd) == 0 && close(wait.set) == 0);
}

/*
 * The number blocks for a moment, after which nothing is known of who waits; and while the one
 * event is on its way to the thread that waits, this one looks.
 */
static void oneshot_on_its_way(void (*look)(int set, int fd))
{
	struct set_in_thread wait = {.set = open_set(), .maximum_ms = -1};
	pthread_t thread;
	int fd;

	thread = sleep_on_set(&wait);
	fd = begin();
	add(wait.set, fd, EPOLLOUT | EPOLLONESHOT, DATA);
	CHECK(fcntl(fd, F_SETFL, 0) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	/* Not sooner: from the look on, more is known. */
	sleep_ms(on->alone_ms + 5);
	/* More than once: who looks while nothing has happened yet is expected to come again. */
	while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
		look(wait.set, fd);
		sleep_ms(5);
	}
	check_event(&wait);
	check_end(fd);
	CHECK(close(fd) == 0 && close(wait.set) == 0);
}

/*
 * While the failure of the first socket is on its way to the thread that waits, this one learns of
 * the end, and gives the number other data.
 */
static void data_changes_on_its_way(void)
{
	struct set_in_thread wait = {.set = open_set(), .maximum_ms = -1};
	pthread_t thread;
	int fd;

	thread = sleep_on_set(&wait);
	fd = begin();
	add(wait.set, fd, EPOLLOUT, DATA);
	await_end(fd);
	modify(wait.set, fd, EPOLLOUT, DATA + 1);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(wait.count == 1 && (wait.event.data.u64 == DATA || wait.event.data.u64 == DATA + 1));
	CHECK_BITS(wait.event.events, end_events(EPOLLOUT));
	CHECK(close(fd) == 0 && close(wait.set) == 0);
}

static void look_by_poll(int set, int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLOUT};

	(void)set;
	CHECK(poll(&look, 1, 0) >= 0 && (look.revents & ~POLLOUT) == 0);
}

static void look_by_connect(int set, int fd)
{
	struct names names = resolve(on->host);

	(void)set;
	CHECK(connect_to(fd, names.at[0]) == 0 || errno == EALREADY || errno == EISCONN);
	freeaddrinfo(names.list);
}

static void oneshot_on_its_way_polled(void)
{
	oneshot_on_its_way(look_by_poll);
}

static void oneshot_on_its_way_connected(void)
{
	oneshot_on_its_way(look_by_connect);
}

static void begun_while_waiting(void)
{
	struct set_in_thread wait = {.set = open_set(), .maximum_ms = -1};
	int fd = open_nonblocking(family());
	pthread_t thread;

	add(wait.set, fd, EPOLLOUT | EPOLLET, DATA);
	expect(wait.set, EPOLLOUT | EPOLLHUP, DATA, 1000);
	thread = sleep_on_set(&wait);
	begin_on(fd);
	CHECK(pthread_join(thread, NULL) == 0);
	check_event(&wait);
	expect_nothing(wait.set, 100);
	check_end(fd);
	CHECK(close(fd) == 0 && close(wait.set) == 0);
}

static void modified_while_waiting(void)
{
	struct set_in_thread wait = {.set = open_set(), .maximum_ms = -1};
	pthread_t thread;
	int fd;

	fd = begin();
	add(wait.set, fd, 0, DATA + 1);
	CHECK(pthread_create(&thread, NULL, wait_on_set, &wait) == 0);
	sleep_ms(on->midway_ms);
	modify(wait.set, fd, EPOLLOUT, DATA);
	CHECK(pthread_join(thread, NULL) == 0);
	check_event(&wait);
	check_end(fd);
	CHECK(close(fd) == 0 && close(wait.set) == 0);
}

/* Of two threads on one set, one has the edge. */
static void edge_is_for_one_thread(void)
{
	const int ms = (int)on->not_before_ms + 1000;
	struct set_in_thread waits[2] = {{.maximum_ms = ms}, {.maximum_ms = ms}};
	int fd = open_nonblocking(family()), set = open_set();
	pthread_t threads[2];

	waits[0].set = waits[1].set = set;
	begin_on(fd);
	add(set, fd, EPOLLOUT | EPOLLET, DATA);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_on_set, &waits[i]) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(waits[0].count + waits[1].count == 1);
	check_event(&waits[waits[0].count == 1 ? 0 : 1]);
	check_end(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

/* A level is for both, and a set for each of two threads. */
static void level_is_for_all_threads(void)
{
	struct set_in_thread waits[3] = {
	    {.maximum_ms = -1}, {.maximum_ms = -1}, {.maximum_ms = -1}};
	int fd = begin(), shared = open_set(), single = open_set();
	pthread_t threads[3];

	waits[0].set = waits[1].set = shared;
	waits[2].set = single;
	add(shared, fd, EPOLLOUT, DATA);
	add(single, fd, EPOLLOUT, DATA);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_on_set, &waits[i]) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(pthread_join(threads[i], NULL) == 0);
		check_event(&waits[i]);
	}
	check_end(fd);
	CHECK(close(fd) == 0 && close(shared) == 0 && close(single) == 0);
}

/* EPOLLEXCLUSIVE wakes one of those who wait, or more, but not none. */
static void exclusive_wakes_someone(void)
{
	const int ms = (int)on->not_before_ms + 1000;
	struct set_in_thread waits[2] = {{.maximum_ms = ms}, {.maximum_ms = ms}};
	int fd = open_nonblocking(family()), count = 0;
	pthread_t threads[2];

	begin_on(fd);
	for (int i = 0; i < 2; i++) {
		waits[i].set = open_set();
		add(waits[i].set, fd, EPOLLOUT | EPOLLEXCLUSIVE, DATA);
		CHECK(pthread_create(&threads[i], NULL, wait_on_set, &waits[i]) == 0);
	}
	for (int i = 0; i < 2; i++) {
		CHECK(pthread_join(threads[i], NULL) == 0);
		if (waits[i].count != 0)
			check_event(&waits[i]);
		count += waits[i].count;
	}
	CHECK(count == 1 || count == 2);
	check_end(fd);
	for (int i = 0; i < 2; i++)
		CHECK(close(waits[i].set) == 0);
	CHECK(close(fd) == 0);
}

/* --- many at once ----------------------------------------------------------------------------- */

enum { CROWD = 300 };

static void crowd_begins(int *fds)
{
	struct names names;

	allow_many_descriptors();
	names = resolve(on->host);
	begun_ms = now_ms();
	for (int i = 0; i < CROWD; i++) {
		fds[i] = open_nonblocking(family());
		CHECK(connect_to(fds[i], names.at[0]) < 0 && errno == EINPROGRESS);
	}
	freeaddrinfo(names.list);
}

static void crowd_ends(const int *fds)
{
	/* Not times CROWD. */
	CHECK(since_begun() < on->not_after_ms + 2000);
	for (int i = 0; i < CROWD; i++) {
		CHECK(option_of(fds[i], SOL_SOCKET, SO_ERROR) == 0 && peer_is(fds[i], on->peer));
		check_greeting(fds[i], on->peer);
		/* A reset leaves no TIME-WAIT: in many rounds they would use up the ports. */
		CHECK(setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
		                 sizeof(struct linger)) == 0);
		CHECK(close(fds[i]) == 0);
	}
}

static void crowd_in_one_set(void)
{
	static int fds[CROWD], seen[CROWD];
	struct epoll_event event[64];
	int set = open_set();

	crowd_begins(fds);
	for (uint64_t i = 0; i < CROWD; i++)
		add(set, fds[i], EPOLLOUT | EPOLLET, DATA + i);
	for (int left = CROWD; left > 0;) {
		int n = epoll_wait(set, event, 64, (int)on->not_after_ms + 2000);

		CHECK(n > 0);
		for (int k = 0; k < n; k++, left--) {
			uint64_t which = event[k].data.u64 - DATA;

			CHECK(which < CROWD && seen[which]++ == 0);
			CHECK_BITS(event[k].events, end_events(EPOLLOUT));
		}
	}
	expect_nothing(set, 100);
	crowd_ends(fds);
	CHECK(close(set) == 0);
}

static void crowd_in_one_array(void)
{
	static struct pollfd watch[CROWD];
	static int fds[CROWD];

	crowd_begins(fds);
	for (int i = 0; i < CROWD; i++)
		watch[i] = (struct pollfd){.fd = fds[i], .events = POLLOUT};
	for (int left = CROWD; left > 0;) {
		int n = wait_all(watch, CROWD, on->not_after_ms + 2000), seen = 0;

		CHECK(n > 0);
		for (int i = 0; i < CROWD; i++) {
			if (watch[i].revents == 0)
				continue;
			CHECK_BITS(watch[i].revents, end_bits(POLLOUT));
			watch[i].fd = -1;
			seen++;
		}
		CHECK(n == seen);
		left -= n;
	}
	crowd_ends(fds);
}

static const struct torture cases[] = {
    EACH(out, EVERY),
    EACH(in, EVERY),
    EACH(in_and_out, EVERY),
    EACH_POLL(normal_bits_and_hang_up, EVERY),
    EACH_EPOLL(normal_bits_and_hang_up, EVERY),
    EACH_POLL(readable_normally, RACED),
    EACH_EPOLL(readable_normally, RACED),
    EACH_POLL(writable_normally, RACED),
    EACH_EPOLL(writable_normally, RACED),
    EACH_POLL(urgent, RACED_OR_NOT),
    EACH_SELECT(urgent, RACED_OR_NOT),
    EACH_EPOLL(urgent, RACED_OR_NOT),
    EACH_POLL(errors_alone, RACED_OR_NOT),
    EACH_EPOLL(errors_alone, RACED_OR_NOT),
    EACH(without_end, RACED_OR_NOT),
    EACH(longest, RACED),
    EACH(zero, RACED_OR_NOT),
    EACH(again_and_again, RACED_OR_NOT),
    EACH(too_short, RACED_MIX),
    CASE(select_tells_what_remains, RACED),
    CASE(select_walks_through_its_time, RACED),
    EACH(interrupted, RACED),
    EACH(interrupted_restarting, RACED),
    EACH(signal_every_ms, RACED_OR_NOT),
    EACH_MASKING(masked, RACED),
    EACH_MASKING(unmasked_pending, RACED),
    EACH_MASKING(unmasked, RACED),
    EACH_MASKING(zero_unmasked_pending, RACED),
    EACH(jumped_out, RACED),
    EACH(cancelled, RACED),
    EACH(with_others, RACED_MIX),
    EACH(with_errors_of_others, RACED),
    EACH(others_alone, RACED),
    EACH(others_since_before, RACED),
    EACH(many_others, RACED),
    EACH(two_threads, RACED_OR_NOT),
    EACH(two_races, RACED),
    EACH_POLL(array_is_the_programs, RACED_OR_NOT),
    EACH_POLL(number_that_is_not_open, RACED),
    CASE(bad_arguments, RACED),
    CASE(select_high_numbers, RACED),
    CASE(comes_back_late, HEALTHY | REFUSED | ICMP, HEALTHY),
    CASE(level_before, EVERY),
    CASE(level_after, EVERY),
    CASE(edge_before, EVERY),
    CASE(edge_after, EVERY),
    CASE(oneshot_before, EVERY),
    CASE(oneshot_after, EVERY),
    CASE(edge_oneshot_before, EVERY),
    CASE(edge_oneshot_after, EVERY),
    CASE(exclusive_before, EVERY),
    CASE(exclusive_after, EVERY),
    CASE(edge_before_and_seen, EVERY),
    CASE(oneshot_before_and_seen, EVERY),
    CASE(edge_in_and_out, RACED_OR_NOT),
    CASE(level_in, RACED_OR_NOT),
    CASE(edge_in, RACED_OR_NOT),
    CASE(two_sets, RACED_OR_NOT),
    CASE(many_sets, RACED_OR_NOT),
    CASE(same_data, RACED),
    CASE(nested_sets, RACED_OR_NOT),
    EACH(set_is_waited_for, RACED_OR_NOT),
    CASE(set_has_another_number, RACED_OR_NOT),
    CASE(in_no_set_when_it_ends, THREE | TWO_ERRORS | DEAD, HEALTHY | TWO_ERRORS | DEAD),
    CASE(set_forgets_what_is_closed, RACED_OR_NOT),
    CASE(set_forgets_what_stands_in, THREE | MIX | DEAD | ALL_REFUSED,
         THREE | MIX | DEAD | ALL_REFUSED),
    CASE(number_of_the_set_is_reused, RACED),
    CASE(data_is_reused, RACED),
    CASE(modified_from_nothing, RACED_MIX),
    CASE(modified_from_in, RACED_MIX),
    CASE(modified_at_each_turn, RACED_MIX),
    CASE(deleted_and_added, RACED_MIX),
    CASE(deleted, RACED_MIX),
    CASE(refused_registrations, RACED_OR_NOT),
    CASE(one_at_a_time, RACED_OR_NOT),
    CASE(added_while_waiting, RACED_OR_NOT),
    CASE(data_changes_on_its_way, RACED),
    CASE(oneshot_on_its_way_polled, RACED),
    CASE(oneshot_on_its_way_connected, RACED),
    CASE(begun_while_waiting, RACED_OR_NOT),
    CASE(modified_while_waiting, RACED_MIX),
    CASE(edge_is_for_one_thread, RACED_OR_NOT),
    CASE(level_is_for_all_threads, RACED_OR_NOT),
    CASE(exclusive_wakes_someone, RACED_OR_NOT),
    CASE(crowd_in_one_set, RACED),
    CASE_BY(crowd_in_one_array, poll, RACED),
    CASE_BY(crowd_in_one_array, ppoll_chk, RACED),
};

int main(int argc, char **argv)
{
	return torture_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
