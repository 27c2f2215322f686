/* What programs do with more than one connection at a time, and with more than one process. */
#include "soak.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- a loop with several connections ------------------------------------------------------------
 */

struct loop {
	struct race races[BATCH_MAX];
	bool over[BATCH_MAX];
	size_t count, left;
	int set;
	enum api api;
	enum set kind;
};

static void loop_add(struct loop *loop, size_t i)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = i};

	if (loop->kind == EDGE)
		event.events |= EPOLLET;
	if (loop->kind == ONESHOT)
		event.events |= EPOLLONESHOT;
	MUST(epoll_ctl(loop->set, EPOLL_CTL_ADD, loop->races[i].fd, &event) == 0);
}

static void loop_over(struct loop *loop, size_t i, int ready)
{
	MUST(i < loop->count && !loop->over[i]);
	step("member %zu, ready %d", i, ready);
	if (loop->set >= 0)
		MUST(epoll_ctl(loop->set, EPOLL_CTL_DEL, loop->races[i].fd, NULL) == 0);
	race_check_end(&loop->races[i], ready);
	race_close(&loop->races[i]);
	loop->over[i] = true;
	loop->left--;
}

static void loop_epoll(struct loop *loop, int timeout_ms, int events_max)
{
	struct epoll_event events[BATCH_MAX];
	int n = epoll_wait(loop->set, events, events_max, timeout_ms);

	/* A child of another thread has ended: see call_blocking(). */
	MUST(n >= 0 || errno == EINTR);
	for (int i = 0; i < n; i++)
		loop_over(loop, events[i].data.u64,
		          (events[i].events & EPOLLOUT ? WANT_OUT : 0) |
		              (events[i].events & (EPOLLERR | EPOLLHUP) ? READY_ERROR : 0));
}

static void loop_poll(struct loop *loop, int timeout_ms)
{
	struct pollfd fds[BATCH_MAX];

	for (size_t i = 0; i < loop->count; i++)
		fds[i] = (struct pollfd){.fd = loop->over[i] ? -1 : loop->races[i].fd,
		                         .events = POLLOUT};
	MUST(poll(fds, loop->count, timeout_ms) >= 0);
	for (size_t i = 0; i < loop->count; i++)
		if (fds[i].revents != 0)
			loop_over(loop, i,
			          (fds[i].revents & POLLOUT ? WANT_OUT : 0) |
			              (fds[i].revents & (POLLERR | POLLHUP) ? READY_ERROR : 0));
}

static void loop_select(struct loop *loop, int timeout_ms)
{
	struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	fd_set writes;
	int last = -1;

	FD_ZERO(&writes);
	for (size_t i = 0; i < loop->count; i++) {
		if (loop->over[i])
			continue;
		if (loop->races[i].fd >= FD_SETSIZE) {
			loop_poll(loop, timeout_ms);
			return;
		}
		FD_SET(loop->races[i].fd, &writes);
		last = loop->races[i].fd > last ? loop->races[i].fd : last;
	}
	MUST(select(last + 1, NULL, &writes, NULL, timeout_ms < 0 ? NULL : &timeout) >= 0);
	for (size_t i = 0; i < loop->count; i++)
		if (!loop->over[i] && FD_ISSET(loop->races[i].fd, &writes))
			loop_over(loop, i, WANT_OUT);
}

/* Opens, connects, and puts it into the set, before or after. */
static void loop_start(struct loop *loop, size_t i, uint64_t number, const struct plan *plan)
{
	struct race *race = &loop->races[i];
	char text[256];
	int error;

	plan_tell(plan, text, sizeof(text));
	if (plan_is_left_out(text)) {
		loop->over[i] = true;
		loop->left--;
		return;
	}
	step("member %zu: %s", i, text);
	race_begin(race, number, plan);
	race->plan.registered_before = false; /* in a set of its own, that is */
	race_open(race);
	if (loop->set >= 0 && plan->registered_before)
		loop_add(loop, i);
	error = race_connect(race);
	if (loop->set >= 0 && !plan->registered_before)
		loop_add(loop, i);
	if (error != 0 && error != EINPROGRESS) {
		race->error_taken = true;
		race->error = error;
		loop_over(loop, i, READY_ERROR);
	}
}

void scenario_batch(struct race *race)
{
	uint64_t random = race->plan.rest;
	struct loop loop = {.count = race->plan.batch,
	                    .left = race->plan.batch,
	                    .set = -1,
	                    .api = race->plan.api,
	                    .kind = race->plan.set};

	if (wait_is_epoll(&race->plan)) {
		loop.set = epoll_create1(EPOLL_CLOEXEC);
		MUST(loop.set >= 0);
	}
	for (size_t i = 0; i < loop.count; i++) {
		struct plan plan;

		plan_draw_member(&random, &plan);
		loop_start(&loop, i, race->number + (i << 48), &plan);
	}
	while (loop.left > 0) {
		if (loop.set >= 0)
			loop_epoll(&loop, race->plan.slice_ms, 1 + (int)(race->number % BATCH_MAX));
		else if (loop.api == SELECT || loop.api == PSELECT)
			loop_select(&loop, race->plan.slice_ms);
		else
			loop_poll(&loop, race->plan.slice_ms);
	}
	if (loop.set >= 0)
		MUST(close(loop.set) == 0);
}

/* --- programs with a race of their own ----------------------------------------------------------
 */

/* Plain, and waited for with poll(). */
static void simplify(struct plan *plan)
{
	plan->mptcp = plan->bound = plan->dup_before = plan->registered_before = false;
	plan->dual_stack = plan->by_thread = false;
	plan->action = NOTHING;
	plan->api = POLL;
	plan->slice_ms = -1;
	plan->want = WANT_OUT;
}

/* Returns whether it stands; only a good address has to. */
static bool own_over(struct race *race)
{
	int error = race->error_taken ? race->error : check_so_error(race->fd);

	step("own race: number %zu ended with %s", race->plan.requested, strerrorname_np(error));
	if (error != 0) {
		MUST(race->name->at[race->plan.requested].kind != GOOD);
		count(FAILED);
		return false;
	}
	check_winner(race);
	return true;
}

static void own_start(struct race *race)
{
	int error;

	race_open(race);
	error = race_connect(race);
	step("number %zu: %s", race->plan.requested, strerrorname_np(error));
	if (error != 0 && error != EINPROGRESS) {
		race->error_taken = true;
		race->error = error;
	}
}

/*
 * As RFC 8305 has it, on two addresses: the second a while after the first, and the first that
 * stands wins. What a race of libhe becomes whose program makes another is left open; but who asks
 * for a good address gets a connection.
 */
void scenario_own_race(struct race *race)
{
	struct race second;
	struct pollfd fds[2];
	bool stands = false;

	simplify(&race->plan);
	if (race->plan.mode == BLOCKING)
		race->plan.mode = FROM_START;
	race->plan.requested = 0;
	race_begin(&second, race->number, &race->plan);
	second.plan.requested = 1;
	own_start(race);
	if (!race->error_taken)
		(void)wait_poll(race->fd, WANT_OUT, race->plan.delay_ms);
	own_start(&second);
	fds[0] = (struct pollfd){.fd = race->error_taken ? -1 : race->fd, .events = POLLOUT};
	fds[1] = (struct pollfd){.fd = second.error_taken ? -1 : second.fd, .events = POLLOUT};
	if (race->error_taken)
		(void)own_over(race);
	if (second.error_taken)
		(void)own_over(&second);
	while (!stands && (fds[0].fd >= 0 || fds[1].fd >= 0)) {
		MUST(poll(fds, 2, -1) > 0);
		for (int i = 0; i < 2 && !stands; i++) {
			if (fds[i].revents == 0)
				continue;
			stands = own_over(i == 0 ? race : &second);
			fds[i].fd = -1;
		}
	}
	race_close(race);
	race_close(&second);
}

/* --- programs that walk their list --------------------------------------------------------------
 */

/* No refusal comes sooner, see tests/lab/lab.bash. */
#define ROUND_TRIP_MS 10

/* Returns 0 when it stands, or the error. */
static int walk_one(const struct race *first, size_t requested)
{
	struct race race;
	int ready = WANT_OUT, error;

	race_begin(&race, first->number, &first->plan);
	race.plan.requested = requested;
	own_start(&race);
	if (!race.error_taken && race.plan.mode != BLOCKING)
		ready = wait_for(&race, -1);
	race_check_end(&race, ready);
	error = race_peer(&race, race.fd) != NULL ? 0 : race_expected(&race);
	race_close(&race);
	return error;
}

void scenario_walk(struct race *race)
{
	bool tried_all = false;

	simplify(&race->plan);
	for (size_t i = 0; i < race->name->count; i++) {
		uint64_t start = now_ns();
		int error = walk_one(race, i), took_ms = (int)((now_ns() - start) / 1000000);

		step("walk: number %zu ended with %s after %d ms", i, strerrorname_np(error),
		     took_ms);
		if (error == 0)
			return;
		/*
		 * The first has tried them all: the others need not be tried again. But if it was
		 * known to fail itself, from a race before, that may be forgotten the next moment.
		 */
		if (i == 0)
			tried_all = took_ms >= ROUND_TRIP_MS;
		else if (with_libhe && tried_all && took_ms > 2000 + lateness_ms())
			FAIL("number %zu took %d ms, and was known to be dead", i, took_ms);
	}
}

/* --- other processes, other threads -------------------------------------------------------------
 */

static _Noreturn void child_race(struct race *race)
{
	int ready = WANT_OUT;

	/* Nobody watches here. */
	alarm(60);
	own_start(race);
	if (!race->error_taken && race->plan.mode != BLOCKING)
		ready = wait_for(race, -1);
	race_check_end(race, ready);
	race_close(race);
	_exit(0);
}

/* A child of a process full of races, which knows the answers that its parent got. */
void scenario_child_races(struct race *race)
{
	simplify(&race->plan);
	race->child = fork();
	MUST(race->child >= 0);
	if (race->child == 0) {
		race->child = 0;
		child_race(race);
	}
	race_close(race);
}

static void *connect_until_cancelled(void *pointer)
{
	struct race *race = pointer;

	race->error = race_connect(race);
	race->error_taken = race->error != 0;
	return NULL;
}

/* A call that is cancelled leaves its connection behind. */
void scenario_cancel(struct race *race)
{
	pthread_t thread;
	void *result;
	int ready = WANT_OUT;

	simplify(&race->plan);
	race->plan.mode = BLOCKING;
	race_open(race);
	MUST(pthread_create(&thread, NULL, connect_until_cancelled, race) == 0);
	sleep_ms(race->plan.delay_ms);
	/* A sanitizer does not survive it: nobody tells it that the frames of the thread are gone.
	 */
	if (!sanitized)
		(void)pthread_cancel(thread);
	MUST(pthread_join(thread, &result) == 0);
	step(result == PTHREAD_CANCELED ? "cancelled" : "too late to cancel");
	/* It may have been cancelled before it connected, or it connects still. */
	if (result == PTHREAD_CANCELED) {
		race->error = race_connect(race);
		race->error_taken = race->error != 0 && race->error != EISCONN;
	}
	if (!race->error_taken)
		ready = wait_for(race, -1);
	race_check_end(race, ready);
	race_close(race);
}
