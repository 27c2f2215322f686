#include "memory/answers.h"

#include "base/clock.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The table lives as long as the process, so each test has addresses and names of its own, by
 * `space`, and none relies on what others left. Only the filter is common to all: any address that
 * was recorded may share a hash value with another, so forget_all() stands before each assertion
 * that one is not in it.
 */
static struct addr addr_of(unsigned space, unsigned number)
{
	return (struct addr){.family = AF_INET6,
	                     .bytes = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(space >> 8),
	                               (uint8_t)space, [12] = (uint8_t)(number >> 24),
	                               (uint8_t)(number >> 16), (uint8_t)(number >> 8),
	                               (uint8_t)number}};
}

static void record_range(const char *name, int family, unsigned space, unsigned first, size_t count)
{
	struct addr addrs[64];

	for (size_t i = 0; i < count; i++)
		addrs[i] = addr_of(space, first + (unsigned)i);
	answers_record(name, family, addrs, count);
}

static bool is_number(const struct addr *addr, unsigned space, unsigned number)
{
	struct addr expected = addr_of(space, number);

	return addr_equal(addr, &expected);
}

static size_t recall(unsigned space, unsigned number, struct answer *ret_answer)
{
	struct addr addr = addr_of(space, number);

	return answers_recall(&addr, ret_answer);
}

/* What is asked for has siblings `first` to `first + count - 1`, in that order. */
#define recalls(space, number, first, expected_count)                                              \
	do {                                                                                       \
		struct answer got;                                                                 \
		struct addr asked = addr_of(space, number);                                        \
		test_assert(answers_may_have(&asked));                                             \
		test_assert(recall(space, number, &got) == (size_t)(expected_count));              \
		test_assert(got.count == (size_t)(expected_count));                                \
		for (unsigned at = 0; at < (unsigned)(expected_count); at++)                       \
			test_assert(is_number(&got.addrs[at], space, (first) + at));               \
		test_assert(is_number(&got.addrs[got.requested], space, number));                  \
	} while (0)

#define recalls_nothing(space, number)                                                             \
	do {                                                                                       \
		struct answer got;                                                                 \
		test_assert(recall(space, number, &got) < 2);                                      \
	} while (0)

/* 256 answers with one address each push out everything that was there. */
static void forget_all(void)
{
	for (unsigned i = 0; i < ANSWERS_MAX; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "filler-%u", i);
		record_range(name, AF_INET6, 0, i, 1);
	}
}

static void test_answers_unknown_address_has_none(void)
{
	struct addr addr = addr_of(1, 1);
	struct answer answer;

	forget_all();
	test_assert(!answers_may_have(&addr));
	test_assert(answers_recall(&addr, &answer) == 0);
	test_assert(answer.count == 0);
}

static void test_answers_recorded_is_recalled_for_each_address(void)
{
	struct answer answer;

	record_range("Recorded.Example", AF_UNSPEC, 2, 10, 4);
	for (unsigned i = 10; i < 14; i++)
		recalls(2, i, 10, 4);
	test_assert(recall(2, 12, &answer) == 4);
	test_assert(answer.requested == 2);
	test_assert(strcmp(answer.name, "Recorded.Example") == 0); /* as it was spelled */
}

static void test_answers_same_name_and_family_replaces(void)
{
	record_range("replaced.example", AF_UNSPEC, 3, 0, 2);
	record_range("REPLACED.Example", AF_UNSPEC, 3, 10, 3);
	recalls_nothing(3, 0);
	recalls_nothing(3, 1);
	recalls(3, 10, 10, 3);

	/* Names are alike to their end. */
	record_range("replaced.example2", AF_UNSPEC, 3, 20, 2);
	record_range("replaced.exampl", AF_UNSPEC, 3, 30, 2);
	recalls(3, 10, 10, 3);
	recalls(3, 20, 20, 2);
	recalls(3, 30, 30, 2);
}

static void test_answers_other_family_does_not_replace(void)
{
	record_range("family.example", AF_INET, 4, 0, 2);
	record_range("family.example", AF_INET6, 4, 10, 2);
	record_range("family.example", AF_UNSPEC, 4, 20, 2);
	recalls(4, 0, 0, 2);
	recalls(4, 10, 10, 2);
	recalls(4, 20, 20, 2);
	record_range("family.example", AF_INET, 4, 30, 2);
	recalls_nothing(4, 0);
	recalls(4, 10, 10, 2);
}

static void test_answers_of_several_names_have_common_addresses_only(void)
{
	/* 0 1 2 3 and 2 3 4 5: asked for 2, the program can have meant 2 or 3. */
	record_range("one.example", AF_UNSPEC, 5, 0, 4);
	record_range("two.example", AF_UNSPEC, 5, 2, 4);
	recalls(5, 2, 2, 2);
	recalls(5, 3, 2, 2);
	recalls(5, 0, 0, 4);
	recalls(5, 5, 2, 4);

	record_range("three.example", AF_UNSPEC, 5, 3, 2);
	recalls_nothing(5, 3);
	recalls(5, 2, 2, 2);
	recalls_nothing(5, 4 + 100);

	/* The third name has moved away: what it took from the others is back. */
	record_range("three.example", AF_UNSPEC, 5, 50, 2);
	recalls(5, 3, 2, 2);
}

static void test_answers_of_several_names_are_in_the_newest_ones_order(void)
{
	struct addr forward[3] = {addr_of(6, 0), addr_of(6, 1), addr_of(6, 2)};
	struct addr backward[3] = {addr_of(6, 2), addr_of(6, 1), addr_of(6, 0)};
	struct answer answer;

	answers_record("first.order", AF_UNSPEC, forward, 3);
	answers_record("second.order", AF_UNSPEC, forward, 3);
	answers_record("third.order", AF_UNSPEC, backward, 3);
	test_assert(answers_recall(&forward[0], &answer) == 3);
	test_assert(answer.requested == 2 && addr_equal(&answer.addrs[0], &backward[0]));
	test_assert(strcmp(answer.name, "third.order") == 0);

	/* Newest now, in its old place: before an old one and a newer one. */
	answers_record("first.order", AF_UNSPEC, forward, 3);
	test_assert(answers_recall(&forward[0], &answer) == 3);
	test_assert(answer.requested == 0 && addr_equal(&answer.addrs[0], &forward[0]));
	test_assert(strcmp(answer.name, "first.order") == 0);
}

static void test_answers_literal_address_is_nothing_but_itself(void)
{
	record_range("literal.example", AF_UNSPEC, 7, 0, 3);
	recalls(7, 1, 0, 3);
	record_range("2001:db8:7::1", AF_UNSPEC, 7, 1, 1);
	recalls_nothing(7, 1); /* the program names this one address, so it may mean only that */
	recalls(7, 0, 0, 3);
}

static void test_answers_with_one_address_are_no_business_of_connect(void)
{
	struct addr addr = addr_of(8, 1);

	forget_all();
	record_range("single.example", AF_UNSPEC, 8, 1, 1);
	test_assert(!answers_may_have(&addr));
	recalls_nothing(8, 1);
}

static void test_answers_without_address_leave_the_earlier_one(void)
{
	record_range("empty.example", AF_UNSPEC, 9, 0, 2);
	record_range("empty.example", AF_UNSPEC, 9, 0, 0);
	recalls(9, 0, 0, 2);
}

static void test_answers_beyond_32_addresses_are_cut(void)
{
	struct addr behind = addr_of(10, ANSWER_ADDRS_MAX);
	struct answer answer;

	forget_all();
	record_range("long.example", AF_UNSPEC, 10, 0, 40);
	recalls(10, 0, 0, ANSWER_ADDRS_MAX);
	recalls(10, ANSWER_ADDRS_MAX - 1, 0, ANSWER_ADDRS_MAX);
	test_assert(!answers_may_have(&behind));
	test_assert(answers_recall(&behind, &answer) == 0);
}

static void test_answers_of_too_long_names_are_not_recorded(void)
{
	char name[ANSWER_NAME_MAX + 2];

	memset(name, 'a', sizeof(name));
	name[ANSWER_NAME_MAX - 1] = '\0'; /* the longest that fits */
	record_range(name, AF_UNSPEC, 11, 0, 2);
	recalls(11, 0, 0, 2);
	name[ANSWER_NAME_MAX - 1] = 'a';
	name[ANSWER_NAME_MAX] = '\0';
	record_range(name, AF_UNSPEC, 11, 10, 2);
	recalls_nothing(11, 10);
	recalls(11, 0, 0, 2);
}

static void test_answers_oldest_goes_out_for_the_257th(void)
{
	forget_all();
	record_range("first.example", AF_UNSPEC, 12, 0, 2);
	record_range("second.example", AF_UNSPEC, 12, 10, 2);
	for (unsigned i = 0; i < ANSWERS_MAX - 2; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "more-%u.example", i);
		record_range(name, AF_UNSPEC, 12, 1000 + 2 * i, 2);
	}
	recalls(12, 0, 0, 2);
	record_range("FIRST.example", AF_UNSPEC, 12, 0, 2); /* asked for again: the newest now */
	record_range("256 others.example", AF_UNSPEC, 12, 20, 2);
	recalls(12, 0, 0, 2);
	recalls_nothing(12, 10);
	recalls(12, 1000, 1000, 2);
	recalls(12, 20, 20, 2);
}

/* The filter costs a look when it is wrong, so it must not stay wrong. */
static void test_answers_filter_forgets_what_went_out(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "gone-%u.example", i % 300);
		record_range(name, AF_UNSPEC, 13, i * 32, 1 + i % 32);
	}
	forget_all();
	for (unsigned i = 0; i < 32000; i++) {
		struct addr addr = addr_of(13, i);

		test_at("address %u", i);
		test_assert(!answers_may_have(&addr));
	}
}

/*
 * The same thing written down plainly: a list of answers, newest last, and the definition of what
 * a program may have meant.
 */
#define MODEL_NAMES 300
#define MODEL_POOL 64

struct model_answer {
	unsigned name, count, age;
	int family;
	unsigned addrs[8];
};

static struct model_answer model[ANSWERS_MAX];
static unsigned model_count, model_age;
static uint64_t model_random = 88172645463325252u;

static unsigned draw(unsigned below)
{
	model_random ^= model_random << 13; /* xorshift64 */
	model_random ^= model_random >> 7;
	model_random ^= model_random << 17;
	return (unsigned)(model_random % below);
}

static bool model_has(const struct model_answer *answer, unsigned number)
{
	for (unsigned i = 0; i < answer->count; i++)
		if (answer->addrs[i] == number)
			return true;
	return false;
}

static struct model_answer *model_place(unsigned name, int family)
{
	struct model_answer *oldest = &model[0];

	for (unsigned i = 0; i < model_count; i++) {
		if (model[i].name == name && model[i].family == family)
			return &model[i];
		if (model[i].age < oldest->age)
			oldest = &model[i];
	}
	return model_count < ANSWERS_MAX ? &model[model_count++] : oldest;
}

static void model_record_any(unsigned space)
{
	static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};
	struct model_answer new = {.name = draw(MODEL_NAMES), .family = families[draw(3)]};
	struct addr addrs[8];
	char name[32];

	for (unsigned want = 1 + draw(8); new.count < want;) {
		unsigned number = draw(MODEL_POOL);

		if (!model_has(&new, number))
			new.addrs[new.count++] = number;
	}
	for (unsigned i = 0; i < new.count; i++)
		addrs[i] = addr_of(space, new.addrs[i]);
	new.age = ++model_age;
	*model_place(new.name, new.family) = new;
	(void)snprintf(name, sizeof(name), draw(2) ? "m%u.example" : "M%u.EXAMPLE", new.name);
	answers_record(name, new.family, addrs, new.count);
}

static void check_model(unsigned space, unsigned number)
{
	const struct model_answer *newest = NULL;
	struct answer got;
	size_t kept = 0, count = recall(space, number, &got);

	for (unsigned i = 0; i < model_count; i++) {
		struct addr addr = addr_of(space, number);

		if (!model_has(&model[i], number))
			continue;
		test_assert(model[i].count < 2 || answers_may_have(&addr)); /* no false negatives */
		if (newest == NULL || model[i].age > newest->age)
			newest = &model[i];
	}
	for (unsigned i = 0; newest != NULL && i < newest->count; i++) {
		bool everywhere = true;

		for (unsigned k = 0; k < model_count; k++)
			everywhere &=
			    !model_has(&model[k], number) || model_has(&model[k], newest->addrs[i]);
		if (!everywhere)
			continue;
		test_assert(kept < count && is_number(&got.addrs[kept], space, newest->addrs[i]));
		kept++;
	}
	test_assert(kept == count);
	test_assert(count < 2 || is_number(&got.addrs[got.requested], space, number));
}

static void test_answers_random_records_are_recalled_as_defined(void)
{
	forget_all();
	/* The fillers are older than anything of the model, and no address of it is theirs. */
	for (unsigned round = 0; round < 1500; round++) {
		model_record_any(14);
		test_at("after %u records, asked for %u", round, round * 7 % MODEL_POOL);
		check_model(14, round * 7 % MODEL_POOL);
	}
	for (unsigned number = 0; number < MODEL_POOL; number++) {
		test_at("at the end, asked for %u", number);
		check_model(14, number);
	}
}

/*
 * Of many threads: name k has the address (k, 0) in every answer, at a place and among others
 * that follow from a generation, which each of the others carries. So whoever recalls (k, 0)
 * can tell whether all of what he got was written by one call.
 */
#define TORN_SPACE 100
#define TORN_NAMES 3

static void write_pattern(unsigned k, unsigned generation)
{
	struct addr addrs[ANSWER_ADDRS_MAX];
	size_t count = 2 + generation % (ANSWER_ADDRS_MAX - 1);
	char name[32];

	for (size_t i = 0; i < count; i++)
		addrs[i] = addr_of(TORN_SPACE + k, generation << 8 | (unsigned)i);
	addrs[generation % count] = addr_of(TORN_SPACE + k, 0);
	(void)snprintf(name, sizeof(name), "torn-%u.example", k);
	answers_record(name, AF_UNSPEC, addrs, count);
}

/* 0 when there was none, 1 for a whole one, -1 for a torn one. */
static int read_pattern(unsigned k)
{
	struct answer answer;
	unsigned generation, at;
	char name[32];

	if (recall(TORN_SPACE + k, 0, &answer) < 2)
		return 0;
	at = answer.requested == 0;
	generation = (unsigned)answer.addrs[at].bytes[12] << 16 |
	             (unsigned)answer.addrs[at].bytes[13] << 8 | answer.addrs[at].bytes[14];
	if (answer.count != 2 + generation % (ANSWER_ADDRS_MAX - 1) ||
	    answer.requested != generation % answer.count)
		return -1;
	for (size_t i = 0; i < answer.count; i++)
		if (!is_number(&answer.addrs[i], TORN_SPACE + k,
		               i == answer.requested ? 0 : generation << 8 | (unsigned)i))
			return -1;
	(void)snprintf(name, sizeof(name), "torn-%u.example", k);
	return strcmp(answer.name, name) == 0 ? 1 : -1;
}

#define READERS 4
#define WRITERS 2

static atomic_bool threads_stop;
static atomic_uint whole, torn, recorded, next_generation = 1;

static void *keep_writing(void *unused)
{
	while (!threads_stop) {
		unsigned generation = atomic_fetch_add(&next_generation, 1) & 0xffffff;

		write_pattern(generation % TORN_NAMES, generation);
		/* Slots around them move as well. */
		if (generation % 16 == 0)
			record_range("torn-neighbour.example", AF_UNSPEC, 99, generation, 3);
	}
	return unused;
}

static void *keep_reading(void *unused)
{
	for (unsigned i = 0; !threads_stop; i++) {
		struct addr addr = addr_of(TORN_SPACE + i % TORN_NAMES, 0);
		int result = read_pattern(i % TORN_NAMES);

		atomic_fetch_add(&whole, result > 0);
		/* It stands in some answer at every moment. */
		atomic_fetch_add(&torn, result < 0 || !answers_may_have(&addr));
	}
	return unused;
}

static void start_threads(pthread_t *ret_threads, unsigned readers)
{
	threads_stop = false;
	whole = torn = 0;
	for (unsigned k = 0; k < TORN_NAMES; k++)
		write_pattern(k, k);
	for (unsigned i = 0; i < readers + WRITERS; i++)
		test_assert(pthread_create(&ret_threads[i], NULL,
		                           i < readers ? keep_reading : keep_writing, NULL) == 0);
}

static void stop_threads(const pthread_t *threads, unsigned count)
{
	threads_stop = true;
	for (unsigned i = 0; i < count; i++)
		test_assert(pthread_join(threads[i], NULL) == 0);
}

/* One of two tests that take time: a tenth of a second, on purpose. */
static void test_answers_read_while_written_are_whole(void)
{
	pthread_t threads[READERS + WRITERS];
	uint64_t end_ns = clock_now_ns() + 100 * CLOCK_NS_PER_MS;

	start_threads(threads, READERS);
	while (clock_now_ns() < end_ns)
		(void)usleep(5000);
	stop_threads(threads, READERS + WRITERS);
	test_assert(torn == 0);
	test_assert(whole > 0); /* and it was not only because nothing was ever found */
	for (unsigned k = 0; k < TORN_NAMES; k++)
		test_assert(read_pattern(k) == 1);
}

/*
 * Asked for (constraint, 0) the program can have meant only that: one of its two names says so at
 * every moment, also while another thread records the same answer for that name again.
 */
static void *keep_writing_constraint(void *unused)
{
	while (!threads_stop) {
		record_range("constraint-literal", AF_UNSPEC, 97, 0, 1);
		atomic_fetch_add(&recorded, 1);
	}
	return unused;
}

static void *keep_recording_the_same(void *unused)
{
	while (!threads_stop)
		record_range("same.example", AF_UNSPEC, 98, 0, 2);
	return unused;
}

/* Not even where there are more writers than processors, and one is stopped in the middle. */
static void test_answers_recorded_again_unchanged_are_there_all_the_time(void)
{
	pthread_t threads[WRITERS * 2];
	const struct addr addr = addr_of(98, 0);
	unsigned missing = 0;
	struct answer answer;

	record_range("same.example", AF_UNSPEC, 98, 0, 2);
	threads_stop = false;
	for (unsigned i = 0; i < WRITERS * 2; i++)
		test_assert(pthread_create(&threads[i], NULL, keep_recording_the_same, NULL) == 0);
	for (unsigned i = 0; i < 20000; i++)
		missing += answers_recall(&addr, &answer) != 2;
	stop_threads(threads, WRITERS * 2);
	test_at("%u times missing", missing);
	test_assert(missing == 0);
}

static void test_answers_in_common_hold_while_one_is_recorded_again(void)
{
	uint64_t end_ns = clock_now_ns() + 50 * CLOCK_NS_PER_MS;
	unsigned wrong = 0, tries = 0;
	struct answer answer;
	pthread_t thread;

	record_range("constraint-literal", AF_UNSPEC, 97, 0, 1);
	record_range("constraint-name", AF_UNSPEC, 97, 0, 2);
	threads_stop = false;
	test_assert(pthread_create(&thread, NULL, keep_writing_constraint, NULL) == 0);
	for (; clock_now_ns() < end_ns || recorded < 100; tries++)
		wrong += recall(97, 0, &answer) >= 2;
	stop_threads(&thread, 1);
	test_at("%u of %u times", wrong, tries);
	test_assert(wrong == 0);
}

/* In the child: what the parent's writers had in hand is gone or whole, and nothing hangs. */
_Noreturn static void use_in_child(void)
{
	int status = 0;

	(void)alarm(5);
	answers_after_fork();
	for (unsigned k = 0; k < TORN_NAMES; k++)
		if (read_pattern(k) < 0)
			status |= 1;
	for (unsigned k = 0; k < TORN_NAMES; k++) {
		write_pattern(k, 4711 + k);
		if (read_pattern(k) != 1)
			status |= 2;
	}
	record_range("child.example", AF_UNSPEC, 98, 0, 2);
	if (recall(98, 1, &(struct answer){0}) != 2)
		status |= 4;
	_exit(status);
}

static void test_answers_after_fork_are_usable_whatever_the_writers_did(void)
{
	pthread_t threads[WRITERS];
	int bad = 0, status;

	start_threads(threads, 0);
	for (unsigned i = 0; i < 60 && bad == 0; i++) {
		pid_t child = fork();

		if (child == 0)
			use_in_child();
		/* Asserted after the threads are back: an assertion leaves at once. */
		if (child < 0 || waitpid(child, &status, 0) != child)
			bad = -1;
		else
			bad = status;
	}
	stop_threads(threads, WRITERS);
	test_at("wait status %#x", (unsigned)bad);
	test_assert(bad == 0);
}

int main(void)
{
	/*
	 * First, in a table that is nearly empty: finding the place in a full one takes so long
	 * that hardly anybody would come upon a write.
	 */
	test_run(test_answers_read_while_written_are_whole);
	test_run(test_answers_recorded_again_unchanged_are_there_all_the_time);
	test_run(test_answers_in_common_hold_while_one_is_recorded_again);
	test_run(test_answers_after_fork_are_usable_whatever_the_writers_did);
	test_run(test_answers_unknown_address_has_none);
	test_run(test_answers_recorded_is_recalled_for_each_address);
	test_run(test_answers_same_name_and_family_replaces);
	test_run(test_answers_other_family_does_not_replace);
	test_run(test_answers_of_several_names_have_common_addresses_only);
	test_run(test_answers_of_several_names_are_in_the_newest_ones_order);
	test_run(test_answers_literal_address_is_nothing_but_itself);
	test_run(test_answers_with_one_address_are_no_business_of_connect);
	test_run(test_answers_without_address_leave_the_earlier_one);
	test_run(test_answers_beyond_32_addresses_are_cut);
	test_run(test_answers_of_too_long_names_are_not_recorded);
	test_run(test_answers_oldest_goes_out_for_the_257th);
	test_run(test_answers_filter_forgets_what_went_out);
	test_run(test_answers_random_records_are_recalled_as_defined);
	return test_result();
}
