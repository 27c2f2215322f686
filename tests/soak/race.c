/* One connection, from the socket to its end. */
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Those that a connection of MPTCP has as well: SO_KEEPALIVE, SO_PRIORITY, TCP_NODELAY. */
#define MPTCP_OPTIONS 0xdu

void race_begin(struct race *race, uint64_t number, const struct plan *plan)
{
	*race = (struct race){.number = number,
	                      .plan = *plan,
	                      .name = names_at(plan->name),
	                      .port = PORT_SHARED,
	                      .fd = -1,
	                      .second = -1,
	                      .passed = -1,
	                      .other = -1,
	                      .sets = {-1, -1},
	                      .worker = pthread_self()};
	if (plan->own_port)
		race->port = (uint16_t)(PORT_SHARED + 1 + worker_mine->index);
	if (plan->mptcp) {
		race->plan.options_before &= MPTCP_OPTIONS;
		race->plan.options_during &= MPTCP_OPTIONS;
	}
	count(CALLS);
}

bool race_may_win(const struct race *race, const struct address *address)
{
	const struct address *requested = &race->name->at[race->plan.requested];

	if (address->kind != GOOD)
		return false;
	if (!with_libhe || race->plan.dup_before)
		return address == requested;
	/* A socket that is bound to an address has that family. */
	return !race->plan.bound || address->sa.ss_family == requested->sa.ss_family;
}

static bool any_may_win(const struct race *race)
{
	for (size_t i = 0; i < race->name->count; i++)
		if (race_may_win(race, &race->name->at[i]))
			return true;
	return false;
}

/* It waits by a raw system call, if at all. */
static bool is_raw(const struct race *race)
{
	const struct plan *plan = &race->plan;

	return (plan->mode != BLOCKING || plan->send_timeout_ms > 0 || plan->action == SIGNAL) &&
	       (plan->api == RAW_POLL || plan->api == RAW_EPOLL_WAIT);
}

int race_expected(const struct race *race)
{
	const struct plan *plan = &race->plan;
	const struct address *requested = &race->name->at[plan->requested];

	/*
	 * What was disconnected may have been a socket for another address than the requested one;
	 * and one that was connecting v4-mapped is not good for IPv6 any more, in any kernel.
	 */
	if (with_libhe && race->again && (requested->kind != GOOD || plan->dual_stack))
		return EITHER;
	if (requested->kind == GOOD || !any_may_win(race))
		return names_error(requested);
	/* A copy made before the call keeps the race away. */
	if (plan->by_thread && plan->mode == BLOCKING &&
	    (plan->action == DUP || plan->action == DUP_AND_CLOSE))
		return EITHER;
	/*
	 * Who waits where nobody sees it may be told what is natively true, and never later. Nor is
	 * it promised that a socket which was disconnected is one to race with.
	 */
	return is_raw(race) || race->again ? EITHER : 0;
}

static void bind_own(const struct race *race, int family)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	/* The client's own addresses, see tests/lab/lab.bash. */
	MUST(inet_pton(AF_INET, "10.92.0.1", &in.sin_addr) == 1);
	MUST(inet_pton(AF_INET6, "fd92::1", &in6.sin6_addr) == 1);
	if (family == AF_INET)
		MUST(bind(race->fd, (struct sockaddr *)&in, sizeof(in)) == 0);
	else
		MUST(bind(race->fd, (struct sockaddr *)&in6, sizeof(in6)) == 0);
}

void race_open(struct race *race)
{
	struct plan *plan = &race->plan;
	int family = race->name->at[plan->requested].sa.ss_family;
	int type = SOCK_STREAM | (plan->close_on_exec ? SOCK_CLOEXEC : 0) |
	           (plan->mode == FROM_START ? SOCK_NONBLOCK : 0);

	plan->bound = plan->bound && !plan->dual_stack;
	race->fd =
	    socket(plan->dual_stack ? AF_INET6 : family, type, plan->mptcp ? IPPROTO_MPTCP : 0);
	if (race->fd < 0 && plan->mptcp) {
		plan->mptcp = false; /* not in this kernel */
		race->fd = socket(plan->dual_stack ? AF_INET6 : family, type, 0);
	}
	MUST(race->fd >= 0);
	race->descriptor_flags = plan->close_on_exec ? FD_CLOEXEC : 0;
	if (plan->dual_stack)
		MUST(setsockopt(race->fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int)) == 0);
	if (plan->mode == BY_FCNTL)
		MUST(fcntl(race->fd, F_SETFL, fcntl(race->fd, F_GETFL) | O_NONBLOCK) == 0);
	if (plan->mode == BY_IOCTL)
		MUST(ioctl(race->fd, FIONBIO, &(int){1}) == 0);
	race->file_flags = fcntl(race->fd, F_GETFL);
	if (plan->owner) {
		MUST(fcntl(race->fd, F_SETOWN, getpid()) == 0);
		MUST(fcntl(race->fd, F_SETSIG, SIGURG) == 0);
	}
	if (plan->bound)
		bind_own(race, family);
	options_set(race, plan->options_before, 0);
	if (plan->dup_before) {
		race->second = fcntl(race->fd, F_DUPFD_CLOEXEC, 10);
		MUST(race->second >= 0);
	}
	if (plan->registered_before && plan->mode != BLOCKING)
		wait_register(race);
}

int race_connect(struct race *race)
{
	const struct plan *plan = &race->plan;
	struct sockaddr_storage sa;
	socklen_t len =
	    names_fill(&race->name->at[plan->requested], race->port, plan->dual_stack, &sa);

	if (race->started_ns == 0 || race->again)
		race->started_ns = now_ns();
	return connect(race->fd, (struct sockaddr *)&sa, len) == 0 ? 0 : errno;
}

void race_check_error(struct race *race, int error)
{
	int expected = race_expected(race);

	step("failed: %s", strerrorname_np(error));
	if (expected == 0)
		FAIL("failed (%s), and could have connected", strerrorname_np(error));
	if (expected != EITHER && error != expected)
		FAIL("failed with %s, not with %s", strerrorname_np(error),
		     strerrorname_np(expected));
	count(FAILED);
}

/* The kernel's own timeout, see soak_start. Who waits for as long was forgotten, and found by luck.
 */
#define KERNEL_MS 7000
/* All else that a race waits for, on a machine that is busy with other things. */
#define REST_MS 5500

static void check_time(const struct race *race)
{
	int took_ms = (int)((now_ns() - race->started_ns) / 1000000);
	int attempts = with_libhe ? (int)race->name->count - 1 : 0;
	int bound_ms = attempts * attempt_delay_ms + REST_MS + race->plan.delay_ms + lateness_ms();

	if (race_expected(race) != 0)
		bound_ms += KERNEL_MS;
	/* There is no timeout by which a healthy one could be found again: a busy machine has time.
	 */
	if (race->name->at[race->plan.requested].kind == GOOD)
		bound_ms += 8000;
	if (sanitized)
		bound_ms += 3000;
	if (took_ms > bound_ms)
		FAIL("took %d ms, and should have taken %d at most", took_ms, bound_ms);
}

void race_check_end(struct race *race, int ready)
{
	int error;

	check_time(race);
	if (race->error_taken) {
		race_check_error(race, race->error);
		return;
	}
	error = check_so_error(race->fd);
	step("ready %d, SO_ERROR %s", ready, strerrorname_np(error));
	if (error != 0) {
		race_check_error(race, error);
		MUST(check_so_error(race->fd) == 0 && race_peer(race, race->fd) == NULL);
	} else {
		/*
		 * Who waits unseen is told of a failure that is natively true. The race goes on
		 * before it asks for the error if a stranger polls the number meanwhile: a thread
		 * that is late for one that was closed, unseen as well.
		 */
		MUST((ready & READY_ERROR) == 0 || (is_raw(race) && race_expected(race) == EITHER));
		check_winner(race);
	}
}

void race_close(struct race *race)
{
	int status;

	act_join(race);
	if (race->plan.ending == RESET && race->fd >= 0)
		MUST(setsockopt(race->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
		                sizeof(struct linger)) == 0);
	if (race->plan.ending == HALF_CLOSE && race->fd >= 0)
		(void)shutdown(race->fd, SHUT_WR);
	if (race->fd >= 0)
		MUST(close(race->fd) == 0);
	if (race->second >= 0)
		MUST(close(race->second) == 0);
	if (race->passed >= 0)
		MUST(close(race->passed) == 0);
	for (int n = 0; n < 2; n++)
		if (race->sets[n] >= 0)
			MUST(close(race->sets[n]) == 0);
	if (race->child > 0) {
		while (waitpid(race->child, &status, 0) < 0)
			MUST(errno == EINTR);
		if (status != 0)
			FAIL("the child ended with status %d", status);
	}
}

/* A blocking call; returns true when it is the end, or false when the race goes on behind it. */
static bool call_blocking(struct race *race)
{
	const struct plan *plan = &race->plan;
	int ms = plan->send_timeout_ms, error;
	struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	MUST(setsockopt(race->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0);
	error = race_connect(race);
	step("connect: %s", strerrorname_np(error));
	if (act_ends_it(plan->action) && atomic_load(&race->acted))
		return true;
	if (error == EINPROGRESS) {
		/* The kernel counts in its ticks, of 10 ms at most. */
		MUST(ms > 0 && now_ns() - race->started_ns + 10000000 >= (uint64_t)ms * 1000000);
		return false;
	}
	if (error == EINTR) {
		/*
		 * A call with a deadline is not begun again, not even after a signal that nobody
		 * handles: a child of a thread that blocks all signals just then, as in
		 * pthread_create(), has the kernel wake another thread for its SIGCHLD.
		 */
		MUST(plan->action == SIGNAL || ms > 0);
		return false;
	}
	if (error != 0) {
		race->error_taken = true;
		race->error = error;
	}
	return true;
}

/* Waits without a timeout; the action comes meanwhile. Returns what is ready at the end. */
static int wait_and_act(struct race *race)
{
	const struct plan *plan = &race->plan;
	int ready = 0;

	if (!plan->by_thread && plan->action != NOTHING && plan->mode != BLOCKING) {
		ready = wait_for(race, plan->delay_ms);
		act(race);
		if (act_ends_it(plan->action) || race->error_taken)
			return ready;
		/* These bring the event anew. */
		if (plan->action == MODIFY || plan->action == REMOVE_AND_ADD || race->again ||
		    plan->action == DUP_AND_CLOSE)
			ready = 0;
	}
	return ready != 0 ? ready : wait_for(race, -1);
}

static void block_signals(const struct race *race, bool block)
{
	enum api api = race->plan.api;
	sigset_t set;

	/* Those whose waits let them through. */
	if (race->plan.action != SIGNAL ||
	    !(api == PPOLL || api == PSELECT || api == EPOLL_PWAIT || api == EPOLL_PWAIT2))
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	MUST(pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL) == 0);
}

static void single(struct race *race)
{
	const struct plan *plan = &race->plan;
	bool over = false;
	int ready = WANT_OUT, error;

	signals_seen = 0;
	race_open(race);
	if (plan->mode == BLOCKING) {
		act_start(race);
		over = call_blocking(race);
	} else {
		error = race_connect(race);
		step("connect: %s", strerrorname_np(error));
		if (error != EINPROGRESS && error != 0) {
			race->error_taken = over = true;
			race->error = error;
		}
	}
	if (!over) {
		block_signals(race, true);
		if (race->sets[0] < 0)
			wait_register(race);
		/* Not before: the number may be somebody else's then. */
		if (plan->mode != BLOCKING)
			act_start(race);
		ready = wait_and_act(race);
		step("ready %d", ready);
	}
	act_join(race);
	block_signals(race, false);
	MUST(race->signals == 0 || signals_seen > 0);
	if (race->adrift)
		count(ABANDONED);
	else if (act_ends_it(plan->action) && atomic_load(&race->acted))
		act_settle(race);
	else
		race_check_end(race, ready);
	race_close(race);
}

void race_run(uint64_t number, struct worker *worker)
{
	uint64_t random = random_stream(seed, number);
	struct race race;
	struct plan plan;

	plan_draw(&random, &plan);
	plan_tell(&plan, worker->plan, sizeof(worker->plan));
	if (plan_is_left_out(worker->plan))
		return;
	atomic_store(&worker->steps_len, 0);
	race_begin(&race, number, &plan);
	switch (plan.scenario) {
	case SINGLE: single(&race); break;
	case BATCH: scenario_batch(&race); break;
	case OWN_RACE: scenario_own_race(&race); break;
	case WALK: scenario_walk(&race); break;
	case CHILD_RACES: scenario_child_races(&race); break;
	case CANCEL: scenario_cancel(&race); break;
	}
}
