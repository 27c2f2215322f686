#include "api/lineup.h"

#include "api/report.h"
#include "base/clock.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MS CLOCK_NS_PER_MS
#define NOW (UINT64_C(1000) * CLOCK_NS_PER_S)
#define PORT 80
#define MAX 8

/* Addresses are letters: capitals stand for IPv6 ones. */
static void name_of(char letter, uint16_t port, struct sockaddr_storage *ret_name)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_name;
	struct sockaddr_in *in = (struct sockaddr_in *)ret_name;

	memset(ret_name, 0, sizeof(*ret_name));
	if (letter >= 'a') {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = htonl(0x0a000000u + (unsigned char)letter);
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		in6->sin6_addr.s6_addr[0] = 0xfd;
		in6->sin6_addr.s6_addr[15] = (uint8_t)letter;
	}
}

static char letter_of(const struct addrinfo *entry)
{
	struct sockaddr_storage name;
	const char *letters = "ABCDabcd";

	for (; *letters != '\0'; letters++) {
		name_of(*letters, PORT, &name);
		if (memcmp(&name, entry->ai_addr, entry->ai_addrlen) == 0)
			return *letters;
	}
	return '?';
}

/* Fails if the order of `given` after what `failures` holds is not `wanted`. */
static void check_order(const char *given, const struct he_options *options,
                        const struct failure_memory *failures, uint64_t now_ns, const char *wanted)
{
	struct sockaddr_storage names[MAX];
	struct addrinfo entries[MAX] = {0}, *list;
	enum he_cause cause;
	char order[MAX + 1] = "";
	size_t count = 0;

	for (size_t i = 0; given[i] != '\0'; i++) {
		name_of(given[i], 0, &names[i]);
		entries[i].ai_family = names[i].ss_family;
		entries[i].ai_socktype = SOCK_STREAM;
		entries[i].ai_protocol = IPPROTO_TCP;
		entries[i].ai_addr = (struct sockaddr *)&names[i];
		entries[i].ai_addrlen = names[i].ss_family == AF_INET ? sizeof(struct sockaddr_in)
		                                                      : sizeof(struct sockaddr_in6);
		if (i > 0)
			entries[i - 1].ai_next = &entries[i];
	}
	test_assert(lineup_make(entries, PORT, options, failures, now_ns, &list, &cause) == 0);
	for (const struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next)
		order[count++] = letter_of(entry);
	free(list);
	test_at("%s became %s", given, order);
	test_assert(strcmp(order, wanted) == 0);
}

static void fail_at(struct failure_memory *failures, char letter, uint64_t now_ns)
{
	struct sockaddr_storage name;

	name_of(letter, PORT, &name);
	failure_memory_add(failures, (struct sockaddr *)&name, sizeof(name), now_ns);
}

static bool failed(const struct failure_memory *failures, char letter)
{
	struct sockaddr_storage name;

	name_of(letter, PORT, &name);
	return failure_memory_has(failures, (struct sockaddr *)&name, sizeof(name), NOW);
}

static struct failure_memory empty(void)
{
	return (struct failure_memory){.life_ns = 1000 * MS};
}

static void test_lineup_is_that_of_the_race_when_nothing_has_failed(void)
{
	struct failure_memory none = empty();
	struct he_options options = HE_OPTIONS_INIT;

	check_order("A", &options, &none, NOW, "A");
	check_order("ABab", &options, &none, NOW, "AaBb");
	check_order("abAB", &options, &none, NOW, "aAbB");
	options.first_family_count = 2;
	check_order("ABCa", &options, &none, NOW, "ABaC");
	options.first_family_count = 0;
	check_order("ABab", &options, &none, NOW, "ABab");
	options.first_family_count = HE_FIRST_FAMILY_COUNT_AUTO;
	options.attempt_delay_ms = HE_SEQUENTIAL;
	check_order("ABab", &options, &none, NOW, "ABab");
}

static void test_lineup_has_failed_ones_at_the_end_and_keeps_the_order_otherwise(void)
{
	struct failure_memory failures = empty();
	struct he_options options = HE_OPTIONS_INIT;

	fail_at(&failures, 'A', NOW);
	check_order("ABab", &options, &failures, NOW, "aBbA");
	fail_at(&failures, 'b', NOW);
	check_order("ABab", &options, &failures, NOW, "aBAb");
	fail_at(&failures, 'a', NOW);
	fail_at(&failures, 'B', NOW);
	check_order("ABab", &options, &failures, NOW, "AaBb"); /* all of them */
	check_order("CDcd", &options, &failures, NOW, "CcDd"); /* none of them */
	check_order("ABab", &options, &failures, NOW + 1000 * MS, "AaBb");
	failure_memory_clear(&failures);
}

static void test_lineup_tells_what_is_wrong(void)
{
	struct failure_memory none = empty();
	struct he_options options = HE_OPTIONS_INIT;
	struct addrinfo *list = NULL;
	enum he_cause cause;

	test_assert(lineup_make(NULL, PORT, &options, &none, NOW, &list, &cause) == -EINVAL);
	test_assert(cause == HE_CAUSE_NO_ADDRESS && list == NULL);
}

/* Adds one that ran so long. */
static void attempt(struct he_report *report, char letter, enum he_outcome outcome, int64_t ran_ms)
{
	struct he_attempt *told = &report->attempts[report->count++];

	name_of(letter, PORT, &told->remote);
	told->outcome = outcome;
	told->cause = outcome == HE_OUTCOME_FAILED ? HE_CAUSE_CONNECT : HE_CAUSE_NONE;
	told->started_ns = 5;
	told->ended_ns = 5 + ran_ms * (int64_t)MS;
}

static void learn(struct failure_memory *failures, struct he_report *report, int timeout_ms)
{
	struct he_options options = HE_OPTIONS_INIT;

	options.timeout_ms = timeout_ms;
	lineup_learn(failures, report, &options, NOW);
	he_report_free(report);
}

static void test_lineup_learns_what_failed_and_what_let_the_winner_pass(void)
{
	struct failure_memory failures = empty();
	struct he_report *report = report_new(MAX, 0);

	fail_at(&failures, 'c', NOW);
	attempt(report, 'A', HE_OUTCOME_FAILED, 1);
	attempt(report, 'B', HE_OUTCOME_LOST, 300);
	attempt(report, 'c', HE_OUTCOME_CONNECTED, 1);
	attempt(report, 'd', HE_OUTCOME_LOST, 300);
	learn(&failures, report, 0);
	test_assert(failed(&failures, 'A') && failed(&failures, 'B'));
	test_assert(!failed(&failures, 'c') && !failed(&failures, 'd'));
	failure_memory_clear(&failures);
}

static void test_lineup_learns_nothing_from_failures_of_ours(void)
{
	struct failure_memory failures = empty();
	struct he_report *report = report_new(MAX, 0);

	report->cause = HE_CAUSE_ATTEMPTS;
	attempt(report, 'A', HE_OUTCOME_FAILED, 1);
	attempt(report, 'B', HE_OUTCOME_FAILED, 1);
	report->attempts[0].cause = HE_CAUSE_NO_LOCAL;
	report->attempts[1].cause = HE_CAUSE_CALLBACK;
	learn(&failures, report, 0);
	test_assert(failures.count == 0);
}

static void test_lineup_learns_what_did_not_connect_in_its_time(void)
{
	struct failure_memory failures = empty();
	struct he_report *report = report_new(MAX, 0);

	report->cause = HE_CAUSE_TIMEOUT;
	attempt(report, 'A', HE_OUTCOME_GIVEN_UP, 500);
	attempt(report, 'B', HE_OUTCOME_GIVEN_UP, 250);
	attempt(report, 'c', HE_OUTCOME_GIVEN_UP, 249);
	attempt(report, 'd', HE_OUTCOME_FAILED, 1);
	learn(&failures, report, 500);
	test_assert(failed(&failures, 'A') && failed(&failures, 'B') && failed(&failures, 'd'));
	test_assert(!failed(&failures, 'c'));
	failure_memory_clear(&failures);

	/* The others had no chance in so short a time: next time they are to have it. */
	report = report_new(MAX, 0);
	report->cause = HE_CAUSE_TIMEOUT;
	attempt(report, 'A', HE_OUTCOME_GIVEN_UP, 100);
	learn(&failures, report, 100);
	test_assert(failed(&failures, 'A'));
	failure_memory_clear(&failures);
}

static void test_lineup_learns_nothing_from_what_was_cancelled(void)
{
	struct failure_memory failures = empty();
	struct he_report *report = report_new(MAX, 0);

	report->cause = HE_CAUSE_CANCELLED;
	attempt(report, 'A', HE_OUTCOME_GIVEN_UP, 5000);
	attempt(report, 'B', HE_OUTCOME_FAILED, 5000);
	learn(&failures, report, 0);
	test_assert(!failed(&failures, 'A') && failed(&failures, 'B'));
	failure_memory_clear(&failures);
}

int main(void)
{
	test_run(test_lineup_is_that_of_the_race_when_nothing_has_failed);
	test_run(test_lineup_has_failed_ones_at_the_end_and_keeps_the_order_otherwise);
	test_run(test_lineup_tells_what_is_wrong);
	test_run(test_lineup_learns_what_failed_and_what_let_the_winner_pass);
	test_run(test_lineup_learns_nothing_from_failures_of_ours);
	test_run(test_lineup_learns_what_did_not_connect_in_its_time);
	test_run(test_lineup_learns_nothing_from_what_was_cancelled);
	return test_result();
}
