/*
 * Options.
 */
#include "../conformance/conform.h"
#include "inputs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Each value is rejected as the member of the options that `member` points to. */
static void reject_values(int *member, const int *values, size_t count, enum he_cause cause)
{
	(void)peer_answering(A);
	(void)peer_answering(C);
	for (size_t i = 0; i < count; i++) {
		*member = values[i];
		REJECTED(EINVAL, cause);
	}
}

#define REJECT_VALUES(member, cause, ...)                                                          \
	reject_values(&options.member, (const int[]){__VA_ARGS__},                                 \
	              sizeof((const int[]){__VA_ARGS__}) / sizeof(int), cause)

static void check_accepted(void)
{
	race();
	CHECK(won >= 0);
}

void input_attempt_delay(void)
{
	REJECT_VALUES(attempt_delay_ms, HE_CAUSE_ATTEMPT_DELAY, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1,
	              INT_MIN);
	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
	check_accepted();
	options.attempt_delay_ms = INT_MAX;
	check_accepted();
}

void input_family_count(void)
{
	REJECT_VALUES(first_family_count, HE_CAUSE_FAMILY_COUNT, -2, INT_MIN);
	options.first_family_count = INT_MAX;
	check_accepted();
}

void input_timeout(void)
{
	REJECT_VALUES(timeout_ms, HE_CAUSE_TIMEOUT_RANGE, -1, INT_MIN);
	options.timeout_ms = INT_MAX;
	check_accepted();
}

void input_max_in_flight(void)
{
	REJECT_VALUES(max_in_flight, HE_CAUSE_MAX_IN_FLIGHT, -1, INT_MIN);
	options.max_in_flight = INT_MAX;
	check_accepted();
}

void input_flags(void)
{
	const unsigned unknown[] = {4, 4 | HE_NONBLOCK, 1u << 31, ~0u};

	(void)peer_answering(A);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		options.flags = unknown[i];
		REJECTED(EINVAL, HE_CAUSE_FLAGS);
	}
}

void input_size_too_small(void)
{
	(void)peer_answering(A);
	for (size_t size = 0; size < sizeof(options.size); size++) {
		options.size = size;
		REJECTED(E2BIG, HE_CAUSE_OPTIONS_SIZE);
	}
}

/* A program that was built with a header that has more members. */
void input_size_of_a_newer_one(void)
{
	struct {
		struct he_options known;
		char more[32];
	} newer = {.known = HE_OPTIONS_INIT};

	(void)peer_answering(A);
	newer.known.size = sizeof(newer);
	options_given = &newer.known;
	check_accepted();
	for (size_t i = 0; i < sizeof(newer.more); i++) {
		newer.more[i] = 1;
		REJECTED(E2BIG, HE_CAUSE_OPTIONS_SIZE);
		newer.more[i] = 0;
	}
	check_accepted();
}

/*
 * One that was built with a header that had less. What is behind its struct is not read: here that
 * is checked by values that no race would take, and by memory that ends there.
 */
void input_size_of_an_older_one(void)
{
	const size_t sizes[] = {sizeof(options.size), offsetof(struct he_options, timeout_ms),
	                        offsetof(struct he_options, flags),
	                        offsetof(struct he_options, local)};
	struct peer *a = peer_refusing(A), *b = peer_nowhere(FOREIGN6), *c = peer_answering(C);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct he_options *older = malloc(sizes[i]);

		memset(&options, 0xff, sizeof(options));
		options.size = sizes[i];
		options.attempt_delay_ms = 600000;
		options.first_family_count = 2;
		options.timeout_ms = options.max_in_flight = 0;
		options.flags = i == 3 ? HE_NONBLOCK : ~0u;
		CHECK(older != NULL);
		memcpy(older, &options, sizes[i]);
		options_given = older;
		options.flags = i == 3 ? HE_NONBLOCK : 0; /* what WON() expects */
		race();
		WON(c);
		if (i == 0)
			TRIED(a, c);
		else
			TRIED(a, b, c);
		free(older);
	}
}

void input_no_options(void)
{
	struct peer *a = peer_refusing(A), *b = peer_answering(B), *c = peer_answering(C);

	options_given = NULL;
	race();
	WON(c);
	TRIED(a, c);
	CHECK(peer_connections(b) == 0);
}

void input_cancel_fd_regular(void)
{
	(void)peer_answering(A);
	options.cancel_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK(options.cancel_fd >= 0);
	REJECTED(EPERM, HE_CAUSE_CANCEL_FD);
	/* It stays the caller's. */
	CHECK(close(options.cancel_fd) == 0);
}

void input_cancel_fd_closed(void)
{
	(void)peer_answering(A);
	options.cancel_fd = 900;
	REJECTED(EBADF, HE_CAUSE_CANCEL_FD);
}

void input_cancel_fd_many_races(void)
{
	struct peer *only = peer_answering(A);

	options.cancel_fd = eventfd(0, EFD_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		race();
		WON(only);
	}
	CHECK(eventfd_write(options.cancel_fd, 1) == 0);
	for (int i = 0; i < 3; i++)
		REJECTED(ECANCELED, HE_CAUSE_CANCELLED);
	CHECK(close(options.cancel_fd) == 0);
}
