/*
 * Attempts beside each other: when they start, who wins, what becomes of the others.
 */
#include "cases.h"
#include "conform.h"

#include <fcntl.h>

/* The peers that begin to answer when the last one has been connected to. */
static struct peer *waiting[4];

static void answer_all(struct peer *connected)
{
	if (connected != waiting[3])
		return;
	for (int i = 0; i < 4; i++)
		peer_answers_now(waiting[i]);
}

/* They have all done so before the race looks again. */
static void answer_all_at_once(struct peer *connected)
{
	answer_all(connected);
	if (connected == waiting[3])
		seen_all_connected();
}

static void wait_for_four(const char *first, const char *second, const char *third,
                          const char *fourth)
{
	waiting[0] = peer_silent(first);
	waiting[1] = peer_silent(second);
	waiting[2] = peer_silent(third);
	waiting[3] = peer_silent(fourth);
	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
}

static void four_won_by_the_first(void)
{
	WON(waiting[0]);
	TRIED(waiting[0], waiting[1], waiting[2], waiting[3]);
	for (size_t i = 1; i < 4; i++) {
		ENDED(i, HE_OUTCOME_LOST, HE_CAUSE_NONE, 0);
		/* It did connect, and WON() has seen it closed. */
		CHECK(peer_connections(waiting[i]) == 1);
	}
}

/* In an event loop that was busy elsewhere while all four connected. */
void case_8_multiple_winners(void)
{
	struct he_race *handle;

	wait_for_four(A, C, A2, C2);
	hooks.connected = answer_all;
	handle = race_begin();
	while (seen.connects < 4) {
		CHECK(race_advance(handle) == 0);
		if (seen.connects < 4)
			race_wait(handle);
	}
	seen_all_connected();
	CHECK(race_advance(handle) == 1);
	race_finish(handle);
	four_won_by_the_first();
}

void case_25_multiple_winners_cleaned_up(void)
{
	wait_for_four(C, C2, C3, C4);
	options.first_family_count = 0;
	hooks.connected = answer_all_at_once;
	race();
	four_won_by_the_first();
}

void case_13_first_timeout_second_successful(void)
{
	struct peer *first = peer_silent(C), *second = peer_answering(C2);

	options.attempt_delay_ms = 100;
	race();
	WON(second);
	TRIED(first, second);
	ENDED(0, HE_OUTCOME_LOST, HE_CAUSE_NONE, 0);
	CHECK(started_ns(1) - started_ns(0) >= 100 * NS_PER_MS);
	CHECK(seen.connect[1].at_ns - seen.begun_ns >= 100 * NS_PER_MS);
}

void case_15_long_delay_early_failure(void)
{
	struct peer *first = peer_silent(C), *second = peer_answering(C2);

	options.attempt_delay_ms = 600000;
	hooks.connected = peer_refuses_now;
	race();
	WON(second);
	TRIED(first, second);
	REFUSED(0, ECONNREFUSED);
	CHECK(started_ns(1) >= ended_ns(0));
}

/* One that is silent until the last one has been connected to, however long that takes. */
static struct peer *late, *last;

static void answer_late(struct peer *connected)
{
	if (connected == last)
		peer_answers_now(late);
}

static void refuse_late(struct peer *connected)
{
	if (connected == last)
		peer_refuses_now(late);
}

/* The slower one would need two seconds in the original, and never answers here. */
void case_17_slow_and_slower_and_failure(void)
{
	struct peer *slower = peer_silent(A), *slow = peer_silent(C), *fails = peer_refusing(A2);

	late = slow;
	last = fails;
	hooks.connected = answer_late;
	race();
	WON(slow);
	TRIED(slower, slow, fails);
	ENDED(0, HE_OUTCOME_LOST, HE_CAUSE_NONE, 0);
	REFUSED(2, ECONNREFUSED);
}

/* The second one would fail. */
void case_26_race_takes_the_first(void)
{
	struct peer *first = peer_answering(C);

	(void)peer_refusing(C2);
	race();
	WON(first);
	TRIED(first);
}

void case_30_ipv4_would_fail(void)
{
	struct peer *a = peer_answering(A);

	(void)peer_refusing(C);
	race();
	WON(a);
	TRIED(a);
}

void case_31_first_ipv6_fails(void)
{
	struct peer *a = peer_refusing(A), *b = peer_answering(B), *c = peer_answering(C);

	options.attempt_delay_ms = 600000;
	race();
	WON(c);
	TRIED(a, c);
	CHECK(peer_connections(b) == 0);
}

void case_32_family_count_2_first_ipv6_fails(void)
{
	struct peer *a = peer_refusing(A), *b = peer_answering(B), *c = peer_answering(C);

	options.attempt_delay_ms = 600000;
	options.first_family_count = 2;
	race();
	WON(b);
	TRIED(a, b);
	CHECK(peer_connections(c) == 0);
}

void case_33_ipv6_only_first_fails(void)
{
	struct peer *a = peer_nowhere(FOREIGN6), *b = peer_answering(B);

	options.attempt_delay_ms = 600000;
	race();
	WON(b);
	TRIED(a, b);
	REFUSED(0, ENETUNREACH);
}

/*
 * Attempt 0 fails a second after its start, when attempt 1 is the newest, and runs. On a machine
 * that is so busy that it does not, once more.
 */
void case_a_stale_failure(void)
{
	for (bool stale = false; !stale;) {
		struct peer *first = peer_silent(C), *second = peer_silent(C2),
		            *third = peer_answering(C3);

		options.attempt_delay_ms = 700;
		late = first;
		last = second;
		hooks.connected = refuse_late;
		race();
		WON(third);
		TRIED(first, second, third);
		CHECK(started_ns(2) - started_ns(1) >= 700 * NS_PER_MS);
		CHECK(seen.connect[2].at_ns - seen.begun_ns >= 1400 * NS_PER_MS);
		stale = ended_ns(0) < started_ns(2);
		if (stale)
			REFUSED(0, ECONNREFUSED);
		race_clear();
		peers_close();
	}
}

void case_b_fresh_delay_after_early_failure(void)
{
	struct peer *first = peer_silent(C), *second = peer_silent(C2), *third = peer_answering(C3);

	options.attempt_delay_ms = 1500;
	late = last = first;
	hooks.connected = refuse_late;
	race();
	WON(third);
	TRIED(first, second, third);
	REFUSED(0, ECONNREFUSED);
	CHECK(started_ns(1) >= ended_ns(0));
	CHECK(started_ns(2) - started_ns(1) >= 1500 * NS_PER_MS);
	CHECK(seen.connect[2].at_ns - seen.connect[0].at_ns >= 2500 * NS_PER_MS);
}

/* Nothing is left to be started, nor a timer, when the answer comes. */
void case_c_late_winner_after_exhaustion(void)
{
	struct peer *first = peer_silent(A), *second = peer_refusing(C),
	            *third = peer_nowhere(FOREIGN6);

	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
	late = first;
	last = third;
	hooks.connected = answer_late;
	race();
	WON(first);
	TRIED(first, second, third);
	REFUSED(1, ECONNREFUSED);
	REFUSED(2, ENETUNREACH);
	CHECK(ended_ns(0) > ended_ns(1) && ended_ns(0) > ended_ns(2));
}

void case_d_starts_a_delay_apart(void)
{
	struct peer *first = peer_silent(C), *second = peer_silent(C2), *third = peer_silent(C3),
	            *fourth = peer_answering(C4);

	options.attempt_delay_ms = 100;
	race();
	WON(fourth);
	TRIED(first, second, third, fourth);
	for (size_t i = 1; i < 4; i++) {
		CHECK(started_ns(i) - started_ns(i - 1) >= 100 * NS_PER_MS);
		CHECK(seen.connect[i].at_ns - seen.begun_ns >= (int64_t)i * 100 * NS_PER_MS);
		/* Seen when it was reported to have been, or a little later. */
		CHECK(seen.connect[i].at_ns - seen.begun_ns >= started_ns(i));
	}
}

void case_e_losers_closed_before_return(void)
{
	struct peer *first = peer_silent(A), *second = peer_silent(C), *third = peer_answering(A2);

	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
	race();
	/* Before anything else has time to be closed. */
	for (unsigned i = 0; i < seen.connects; i++)
		CHECK(seen.connect[i].fd == won ||
		      (fcntl(seen.connect[i].fd, F_GETFD) == -1 && errno == EBADF));
	WON(third);
	TRIED(first, second, third);
	CHECK(seen.sockets == 3);
}

/* The returned socket blocks unless asked for otherwise; the original's never does. */
void case_o_mode_of_the_socket(void)
{
	struct peer *only = peer_answering(A);
	const unsigned modes[] = {0, HE_NONBLOCK};

	for (int i = 0; i < 2; i++) {
		options.flags = modes[i];
		race();
		WON(only);
		CHECK((fcntl(won, F_GETFL) & O_NONBLOCK) == (i == 0 ? 0 : O_NONBLOCK));
		CHECK(fcntl(won, F_GETFD) == FD_CLOEXEC);
	}
}

/* Of two that are silent, the first and the second answers in turn, when both were tried. */
void case_q_late_finishers(void)
{
	for (int i = 0; i < 2; i++) {
		struct peer *both[] = {peer_silent(A), peer_silent(C)};

		options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
		late = both[i];
		last = both[1];
		hooks.connected = answer_late;
		race();
		WON(both[i]);
		TRIED(both[0], both[1]);
		ENDED(1 - (size_t)i, HE_OUTCOME_LOST, HE_CAUSE_NONE, 0);
		race_clear();
		peers_close();
	}
}
