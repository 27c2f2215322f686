/*
 * One address after another: what he_connect() does with HE_SEQUENTIAL, and with a single address.
 */
#include "cases.h"
#include "conform.h"

void case_7_one_winner(void)
{
	struct peer *first = peer_answering(A),
	            *others[] = {peer_answering(B), peer_answering(C), peer_answering(C2)};

	options.attempt_delay_ms = HE_SEQUENTIAL;
	race();
	WON(first);
	TRIED(first);
	for (int i = 0; i < 3; i++)
		CHECK(peer_connections(others[i]) == 0);
}

void case_11_one_successful(void)
{
	struct peer *first = peer_answering(C), *second = peer_answering(C2);

	options.attempt_delay_ms = HE_SEQUENTIAL;
	race();
	WON(first);
	TRIED(first);
	CHECK(peer_connections(first) == 1 && peer_connections(second) == 0);
}

void case_12_first_error_second_successful(void)
{
	struct peer *first = peer_refusing(C), *second = peer_answering(C2);

	options.attempt_delay_ms = HE_SEQUENTIAL;
	race();
	WON(second);
	TRIED(first, second);
	REFUSED(0, ECONNREFUSED);
	CHECK(peer_connections(second) == 1);
}

/* The delays of the original, of which 0.1 ms is what is meant by 10; and one that nobody waits. */
void case_14_none_successful(void)
{
	static const int delays_ms[] = {HE_SEQUENTIAL, HE_ATTEMPT_DELAY_MIN_MS, 100, 1000, 600000};
	struct peer *first = peer_refusing(C), *second = peer_nowhere(FOREIGN4);

	/* None and 0 are two things in the original, and one here. */
	CHECK(HE_SEQUENTIAL == 0);
	for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		options.attempt_delay_ms = delays_ms[i];
		race();
		FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
		TRIED(first, second);
		REFUSED(0, ECONNREFUSED);
		REFUSED(1, ENETUNREACH);
	}
}

void case_18_sequence_of_failure_and_slow(void)
{
	struct peer *fails = peer_refusing(C), *slow = peer_silent(C2), *quick = peer_answering(C3);

	options.attempt_delay_ms = HE_SEQUENTIAL;
	hooks.connected = peer_answers_now;
	race();
	WON(slow);
	TRIED(fails, slow);
	REFUSED(0, ECONNREFUSED);
	CHECK(peer_connections(quick) == 0);
}

void case_21_single_address_success(void)
{
	struct peer *only = peer_answering(C);

	race();
	WON(only);
	TRIED(only);
	CHECK(peer_connections(only) == 1);
}

/* The second one would fail. */
void case_24_sequence_takes_the_first(void)
{
	struct peer *first = peer_answering(C);

	(void)peer_refusing(C2);
	options.attempt_delay_ms = HE_SEQUENTIAL;
	race();
	WON(first);
	TRIED(first);
}

void case_j_single_address_without_timer(void)
{
	struct peer *only = peer_silent(A);

	hooks.connected = peer_answers_now;
	race();
	WON(only);
	TRIED(only);
	CHECK(seen.timers == 0);
	/* It is the race that needs one. */
	(void)peer_answering(C);
	race();
	CHECK(won >= 0 && seen.timers == 1);
}
