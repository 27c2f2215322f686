/*
 * A process that has no more descriptors or memory, that forks, whose thread is cancelled.
 */
#include "../conformance/conform.h"
#include "inputs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void input_finish_null(void)
{
	struct he_report *untouched = (struct he_report *)&options;

	errno = 0;
	CHECK(he_finish(NULL, NULL) == -1 && errno == EINVAL);
	errno = 0;
	CHECK(he_finish(NULL, &untouched) == -1 && errno == EINVAL);
}

void input_free_null(void)
{
	errno = EXDEV;
	he_report_free(NULL);
	CHECK(errno == EXDEV);
	(void)peer_nowhere(FOREIGN4);
	race();
	errno = EXDEV;
	he_report_free(report);
	report = NULL;
	CHECK(errno == EXDEV);
}

/* --- descriptors ------------------------------------------------------------------------------ */

#define FILLERS_MAX 100

static int fillers[FILLERS_MAX];
static unsigned filler_count;
static struct rlimit limit_before;

/* Leaves room for `room` more descriptors. */
static void use_up(unsigned room)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit_before) == 0);
	limit = limit_before;
	limit.rlim_cur = FILLERS_MAX;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while ((fillers[filler_count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		filler_count++;
	CHECK(errno == EMFILE);
	for (; room > 0; room--)
		CHECK(close(fillers[--filler_count]) == 0);
}

static void give_back(void)
{
	while (filler_count > 0)
		CHECK(close(fillers[--filler_count]) == 0);
	CHECK(setrlimit(RLIMIT_NOFILE, &limit_before) == 0);
}

void input_no_descriptors(void)
{
	struct peer *a = peer_answering(A), *c = peer_answering(C);
	unsigned room = 0;

	for (;; room++) {
		use_up(room);
		race();
		give_back();
		if (won >= 0)
			break;
		CHECK(room < 8);
		if (he_report_cause(report) == HE_CAUSE_POLLING) {
			FAILED(EMFILE, HE_CAUSE_POLLING);
			/* The set is made when there is something to wait for. */
			CHECK(he_report_count(report) == 1);
			ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_POLLING, EMFILE);
			continue;
		}
		FAILED(EMFILE, HE_CAUSE_ATTEMPTS);
		REPORTED(a, c);
		ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_SOCKET, EMFILE);
		ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_SOCKET, EMFILE);
	}
	WON(a);
	/* A socket, a set to poll and a timer. */
	CHECK(room == 3);
}

/* The second attempt is to have none left. */
static int use_up_for_the_second(int family)
{
	if (family == AF_INET)
		use_up(0);
	return 0;
}

/* The attempt that has its socket goes on when there is none for the next. */
void input_no_descriptors_later(void)
{
	struct peer *a = peer_silent(A), *c = peer_answering(C);
	struct he_race *handle;

	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
	hooks.socket = use_up_for_the_second;
	handle = race_begin();
	while (race_advance(handle) == 0) {
		if (filler_count > 0) {
			give_back();
			peer_answers_now(a);
		}
		race_wait(handle);
	}
	race_finish(handle);
	WON(a);
	REPORTED(a, c);
	CONNECTED_TO(a);
	ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_SOCKET, EMFILE);
}

/* As with fs.epoll.max_user_watches. */
static int no_watch_of_attempts(int fd)
{
	for (unsigned i = 0; i < seen.connects; i++)
		if (seen.connect[i].fd == fd)
			return ENOSPC;
	return 0;
}

void input_no_watches(void)
{
	struct peer *a = peer_answering(A), *c = peer_answering(C);

	hooks.watch = no_watch_of_attempts;
	race();
	FAILED(ENOSPC, HE_CAUSE_ATTEMPTS);
	TRIED(a, c);
	ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_POLLING, ENOSPC);
	ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_POLLING, ENOSPC);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Whether the race succeeds when allocation `nth` of it fails. */
static bool succeeds_without(long nth)
{
	long live = heap_live();
	struct he_race *handle = NULL;

	race_clear();
	report = (struct he_report *)&options; /* to be overwritten */
	heap_fail(nth);
	if (by_a_loop)
		handle = he_begin(list, &options);
	else
		won = he_connect(list, &options, &report);
	won_errno = errno;
	heap_fail(0);
	if (handle != NULL) {
		while (he_advance(handle) == 0)
			race_wait(handle);
		won = he_finish(handle, &report);
	} else if (by_a_loop) {
		report = NULL;
	}
	if (won >= 0)
		return true;
	CHECK(won_errno == ENOMEM && report == NULL);
	CHECK(heap_live() == live);
	return false;
}

void input_no_memory(void)
{
	struct peer *c;
	long nth = 1;

	(void)peer_refusing(A);
	c = peer_answering(C);
	local(FOREIGN6);
	local(L4);
	while (!succeeds_without(nth))
		nth++;
	CHECK(nth > 5);
	WON(c);
}

/* --- fork ------------------------------------------------------------------------------------- */

static void end_by_finish(struct he_race *handle)
{
	(void)handle;
}

static void end_by_cancel(struct he_race *handle)
{
	he_cancel(handle);
}

static void end_by_advance(struct he_race *handle)
{
	CHECK(he_advance(handle) == 1);
}

/* A child ends the race that it inherited, by `end` and he_finish(), and has nothing of it then. */
static void end_in_a_child(struct he_race *handle, void (*end)(struct he_race *))
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		end(handle);
		race_finish(handle);
		CHECK(won == -1 && won_errno == ECANCELED);
		CHECK(he_report_cause(report) == HE_CAUSE_CANCELLED);
		CHECK(nothing_is_open());
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* The race of the parent, which has two attempts running, goes on. */
static void fork_during_a_race(void (*end)(struct he_race *))
{
	struct peer *a = peer_silent(A), *c = peer_silent(C);
	struct he_race *handle;

	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
	handle = race_begin();
	while (seen.connects < 2) {
		race_wait(handle);
		CHECK(race_advance(handle) == 0);
	}
	end_in_a_child(handle, end);
	peer_answers_now(c);
	while (race_advance(handle) == 0)
		race_wait(handle);
	race_finish(handle);
	WON(c);
	TRIED(a, c);
	ENDED(0, HE_OUTCOME_LOST, HE_CAUSE_NONE, 0);
}

void input_fork_finish(void)
{
	fork_during_a_race(end_by_finish);
}

void input_fork_cancel(void)
{
	fork_during_a_race(end_by_cancel);
}

void input_fork_advance(void)
{
	fork_during_a_race(end_by_advance);
}

/* A connection that nobody took yet is the parent's as well. */
void input_fork_after_the_win(void)
{
	struct peer *only = peer_answering(A);
	struct he_race *handle = race_begin();

	while (race_advance(handle) == 0)
		race_wait(handle);
	end_in_a_child(handle, end_by_finish);
	race_finish(handle);
	WON(only);
}

/* --- threads ---------------------------------------------------------------------------------- */

static void *race_cancelled_before(void *unused)
{
	(void)unused;
	by_a_loop = false;
	CHECK(pthread_cancel(pthread_self()) == 0);
	(void)race();
	return NULL;
}

/* A request that is there already is heeded, even by a race that would have nothing to wait for. */
void input_thread_cancelled_before(void)
{
	pthread_t thread;
	void *result;

	(void)peer_nowhere(FOREIGN4);
	CHECK(pthread_create(&thread, NULL, race_cancelled_before, NULL) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED);
	CHECK(won == -1 && report == NULL);
}
