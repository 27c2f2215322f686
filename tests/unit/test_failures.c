#include "memory/failures.h"

#include "base/clock.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#define MS CLOCK_NS_PER_MS
#define NOW (UINT64_C(1000) * CLOCK_NS_PER_S)

/* As many as fit at the same time. */
#define FIT 1024

static struct addr addr_of(unsigned number)
{
	return (struct addr){
	    .family = AF_INET,
	    .bytes = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

/* Every test leaves nothing behind: a look at any address long after forgets all that expired. */
static void forget_all(void)
{
	struct addr nobody = addr_of(0xffffff);

	(void)failures_take(&nobody, 0, NOW + 1000 * CLOCK_NS_PER_S);
	test_assert(!failures_exist());
}

static void test_failures_added_is_taken_once(void)
{
	struct addr addr = addr_of(1);

	forget_all();
	failures_add(&addr, 80, ECONNREFUSED, NOW);
	test_assert(failures_exist());
	test_assert(failures_take(&addr, 80, NOW + 1) == ECONNREFUSED);
	test_assert(failures_take(&addr, 80, NOW + 1) == 0);
	test_assert(!failures_exist());
}

static void test_failures_are_of_one_address_and_port(void)
{
	struct addr addr = addr_of(1), other = addr_of(2);

	forget_all();
	failures_add(&addr, 80, ECONNREFUSED, NOW);
	test_assert(failures_take(&addr, 443, NOW) == 0);
	test_assert(failures_take(&other, 80, NOW) == 0);
	test_assert(failures_take(&addr, 80, NOW) == ECONNREFUSED);
}

static void test_failures_are_kept_for_two_seconds(void)
{
	struct addr addr = addr_of(1);

	forget_all();
	failures_add(&addr, 80, ECONNREFUSED, NOW);
	test_assert(failures_take(&addr, 80, NOW + FAILURES_KEPT_MS * MS - 1) == ECONNREFUSED);

	failures_add(&addr, 80, ECONNREFUSED, NOW);
	test_assert(failures_take(&addr, 80, NOW + FAILURES_KEPT_MS * MS) == 0);
	test_assert(!failures_exist()); /* found to be old, it is forgotten */
}

static void test_failures_added_again_replaces_error_and_time(void)
{
	struct addr addr = addr_of(1);

	forget_all();
	failures_add(&addr, 80, ECONNREFUSED, NOW);
	failures_add(&addr, 80, EHOSTUNREACH, NOW + 1500 * MS);
	test_assert(failures_take(&addr, 80, NOW + 3000 * MS) == EHOSTUNREACH);
	test_assert(!failures_exist());
}

static void test_failures_of_thirty_full_answers_fit(void)
{
	forget_all();
	for (unsigned i = 0; i < FIT; i++) {
		struct addr addr = addr_of(i);

		failures_add(&addr, 80, 1000 + (int)i, NOW);
	}
	for (unsigned i = FIT; i-- > 0;) {
		struct addr addr = addr_of(i);

		test_at("address %u", i);
		test_assert(failures_take(&addr, 80, NOW) == 1000 + (int)i);
	}
	test_assert(!failures_exist());
}

static void test_failures_beyond_the_table_are_simply_not_kept(void)
{
	struct addr one_more = addr_of(FIT), first = addr_of(0);

	forget_all();
	for (unsigned i = 0; i < FIT; i++) {
		struct addr addr = addr_of(i);

		failures_add(&addr, 80, ECONNREFUSED, NOW);
	}
	failures_add(&one_more, 80, ECONNREFUSED, NOW + 1);
	test_assert(failures_take(&one_more, 80, NOW + 1) == 0);

	/* A place that was taken, or whose failure has expired, is used again. */
	test_assert(failures_take(&first, 80, NOW + 1) == ECONNREFUSED);
	failures_add(&one_more, 80, ECONNREFUSED, NOW + 1);
	test_assert(failures_take(&one_more, 80, NOW + 1) == ECONNREFUSED);
	failures_add(&first, 80, ECONNREFUSED, NOW + 10000 * MS);
	failures_add(&one_more, 80, EHOSTUNREACH, NOW + 10000 * MS);
	test_assert(failures_take(&one_more, 80, NOW + 10000 * MS) == EHOSTUNREACH);
}

#define THREADS 4
#define ROUNDS 4000
#define OWN_ROUNDS 40000
#define SHARED 4

struct finder {
	unsigned number;
	unsigned taken, wrong;
};

/* All threads add and take failures of the same few addresses; each address has its own error. */
static void *find_failures(void *argument)
{
	struct finder *finder = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned added = (i + finder->number) % SHARED, wanted = i * 3 % SHARED;
		struct addr mine = addr_of(added), theirs = addr_of(wanted);
		int error;

		failures_add(&mine, 80, 1000 + (int)added, NOW);
		error = failures_take(&theirs, 80, NOW);
		finder->wrong += error != 0 && error != 1000 + (int)wanted;
		finder->taken += error != 0;
	}
	return NULL;
}

/* All at the same time, until the last one is through. */
static void run_finders(struct finder finders[THREADS], void *(*find)(void *finder))
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		finders[i] = (struct finder){.number = i};
		test_assert(pthread_create(&threads[i], NULL, find, &finders[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		test_assert(pthread_join(threads[i], NULL) == 0);
}

static void test_failures_of_several_threads_are_never_mixed_up(void)
{
	struct addr addr = addr_of(SHARED);
	struct finder finders[THREADS];
	unsigned taken = 0, wrong = 0;

	forget_all();
	run_finders(finders, find_failures);
	for (unsigned i = 0; i < THREADS; i++) {
		taken += finders[i].taken;
		wrong += finders[i].wrong;
	}
	test_assert(wrong == 0);
	test_assert(taken > 0);

	/* The count of what is there has drifted neither up nor down. */
	forget_all();
	failures_add(&addr, 80, ECONNREFUSED, NOW);
	test_assert(failures_exist());
	test_assert(failures_take(&addr, 80, NOW) == ECONNREFUSED);
	test_assert(!failures_exist());
}

/* Each thread adds and takes an address of its own, which no other one's look may hide from it. */
static void *find_own_failure(void *argument)
{
	struct finder *finder = argument;
	struct addr mine = addr_of(finder->number);

	for (unsigned i = 0; i < OWN_ROUNDS; i++) {
		failures_add(&mine, 80, ECONNREFUSED, NOW);
		finder->taken += failures_take(&mine, 80, NOW) == ECONNREFUSED;
	}
	return NULL;
}

static void test_failures_are_found_while_other_threads_look_for_theirs(void)
{
	struct finder finders[THREADS];

	forget_all();
	run_finders(finders, find_own_failure);
	for (unsigned i = 0; i < THREADS; i++)
		test_assert(finders[i].taken == OWN_ROUNDS);
	test_assert(!failures_exist());
}

int main(void)
{
	test_run(test_failures_are_found_while_other_threads_look_for_theirs);
	test_run(test_failures_added_is_taken_once);
	test_run(test_failures_are_of_one_address_and_port);
	test_run(test_failures_are_kept_for_two_seconds);
	test_run(test_failures_added_again_replaces_error_and_time);
	test_run(test_failures_of_thirty_full_answers_fit);
	test_run(test_failures_beyond_the_table_are_simply_not_kept);
	test_run(test_failures_of_several_threads_are_never_mixed_up);
	return test_result();
}
