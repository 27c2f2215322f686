/*
 * Races that end before they are decided.
 */
#include "cases.h"
#include "conform.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct peer *last; /* to be cancelled as soon as this one is being connected to */
static int cancel_fd;

static void cancel_by_descriptor(struct peer *connected)
{
	if (connected == last)
		CHECK(eventfd_write(cancel_fd, 1) == 0);
}

static void cancel_own_thread(struct peer *connected)
{
	if (connected == last)
		CHECK(pthread_cancel(pthread_self()) == 0);
}

static void note_the_end(void *ended)
{
	*(bool *)ended = true;
}

/* The race of a thread that is cancelled in it, and has something to end of its own. */
static void *race_to_be_cancelled(void *ended)
{
	pthread_cleanup_push(note_the_end, ended);
	(void)race();
	pthread_cleanup_pop(0);
	return NULL;
}

static void race_in_a_cancelled_thread(void)
{
	bool loop = by_a_loop, ended = false;
	pthread_t thread;
	void *result;

	by_a_loop = false;
	CHECK(pthread_create(&thread, NULL, race_to_be_cancelled, &ended) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED && ended);
	by_a_loop = loop;
	/* It never returned, and what it left open is still there. */
	CHECK(won == -1 && report == NULL);
	CHECK(nothing_is_open());
}

/* Advances until `last` is being connected to. */
static struct he_race *begin_and_reach_the_last(void)
{
	struct he_race *handle = race_begin();
	unsigned wanted = 1;

	for (const struct addrinfo *entry = list; entry != &last->entry; entry = entry->ai_next)
		wanted++;
	for (;;) {
		CHECK(race_advance(handle) == 0);
		if (seen.connects == wanted)
			return handle;
		race_wait(handle);
	}
}

static void end_by_descriptor(void)
{
	options.cancel_fd = cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hooks.connected = cancel_by_descriptor;
	race();
	FAILED(ECANCELED, HE_CAUSE_CANCELLED);
}

static int timeout_ms; /* enough to reach the last one */

static void end_by_timeout(void)
{
	options.timeout_ms = timeout_ms;
	race();
	FAILED(ETIMEDOUT, HE_CAUSE_TIMEOUT);
	CHECK(ended_ns(0) >= timeout_ms * NS_PER_MS);
}

static void end_by_function(void)
{
	struct he_race *handle = begin_and_reach_the_last();

	he_cancel(handle);
	CHECK(race_advance(handle) == 1);
	race_finish(handle);
	FAILED(ECANCELED, HE_CAUSE_CANCELLED);
}

static void end_by_finish(void)
{
	race_finish(begin_and_reach_the_last());
	FAILED(ECANCELED, HE_CAUSE_CANCELLED);
}

static void end_of_the_way(void)
{
	struct he_options fresh = HE_OPTIONS_INIT;

	if (options.cancel_fd >= 0)
		CHECK(close(options.cancel_fd) == 0);
	fresh.attempt_delay_ms = options.attempt_delay_ms;
	options = fresh;
	hooks.connected = NULL;
}

static void (*const ways[])(void) = {end_by_descriptor, end_by_timeout, end_by_function,
                                     end_by_finish};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

void case_48_cancellation(void)
{
	const int delays_ms[] = {HE_SEQUENTIAL, 600000};
	struct peer *a = last = peer_silent(A);

	(void)peer_silent(B);
	(void)peer_silent(C);
	timeout_ms = 100;
	for (size_t i = 0; i < 2 * WAYS; i++) {
		options.attempt_delay_ms = delays_ms[i % 2];
		ways[i / 2]();
		TRIED(a);
		ENDED(0, HE_OUTCOME_GIVEN_UP, HE_CAUSE_NONE, 0);
		end_of_the_way();
	}

	/* Readable from the beginning: nothing is tried. It is not read, and still so then. */
	options.cancel_fd = cancel_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	race();
	FAILED(ECANCELED, HE_CAUSE_CANCELLED);
	CHECK(he_report_count(report) == 0 && seen.sockets == 0);
	CHECK(eventfd_read(cancel_fd, &(eventfd_t){0}) == 0);
	end_of_the_way();

	hooks.connected = cancel_own_thread;
	race_in_a_cancelled_thread();
	CONNECTED_TO(a);
	end_of_the_way();
}

/* All attempts run, and are closed; a connection that nobody took is, too. */
void case_f_cancel_and_timeout_close_all(void)
{
	struct peer *a = peer_silent(A), *c = peer_silent(C), *b = peer_silent(B);
	struct peer *answering;
	struct he_race *handle;

	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
	last = b;
	timeout_ms = 3000;
	for (size_t i = 0; i < WAYS; i++) {
		ways[i]();
		TRIED(a, c, b);
		for (size_t k = 0; k < 3; k++)
			ENDED(k, HE_OUTCOME_GIVEN_UP, HE_CAUSE_NONE, 0);
		end_of_the_way();
	}
	hooks.connected = cancel_own_thread;
	race_in_a_cancelled_thread();
	CONNECTED_TO(a, c, b);
	end_of_the_way();

	race_clear();
	peers_close();
	answering = peer_answering(C);
	handle = race_begin();
	while (race_advance(handle) == 0)
		race_wait(handle);
	he_cancel(handle);
	CHECK(race_advance(handle) == 1);
	race_finish(handle);
	FAILED(ECANCELED, HE_CAUSE_CANCELLED);
	TRIED(answering);
	CHECK(peer_connections(answering) == 1);
}
