#include "api/answer_cache.h"

#include "base/clock.h"
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MS CLOCK_NS_PER_MS
#define NOW (UINT64_C(1000) * CLOCK_NS_PER_S)
#define LIFE (100 * MS)

static struct answer_cache cache_of(size_t max)
{
	return (struct answer_cache){.max = max, .life_ns = LIFE};
}

/* A lookup that runs, which the cache alone has. */
static void add(struct answer_cache *cache, const char *name)
{
	struct lookup *lookup;

	test_assert(lookup_new(name, AF_UNSPEC, &lookup) == 0);
	answer_cache_add(cache, lookup);
	lookup_release(lookup);
}

static bool has(struct answer_cache *cache, const char *name, uint64_t now_ns)
{
	struct lookup *lookup = answer_cache_find(cache, name, now_ns);

	if (lookup != NULL)
		lookup_release(lookup);
	return lookup != NULL;
}

static void end(struct answer_cache *cache, const char *name, int gai, uint64_t now_ns)
{
	struct lookup *lookup = answer_cache_find(cache, name, now_ns);

	test_assert(lookup != NULL);
	lookup->gai = gai;
	atomic_store(&lookup->ended_ns, now_ns);
	atomic_store(&lookup->end_users, 0);
	close(lookup->end_fd);
	lookup_release(lookup);
}

static void add_ended(struct answer_cache *cache, const char *name, uint64_t now_ns)
{
	add(cache, name);
	end(cache, name, 0, now_ns);
}

static void test_answer_cache_is_empty_at_first(void)
{
	struct answer_cache cache = cache_of(1);

	test_assert(!has(&cache, "a", NOW));
	answer_cache_clear(&cache);
}

static void test_answer_cache_finds_a_name_however_it_is_written(void)
{
	struct answer_cache cache = cache_of(9);

	add(&cache, "www.Example.org");
	test_assert(has(&cache, "WWW.example.ORG", NOW));
	test_assert(!has(&cache, "ww.example.org", NOW));
	test_assert(!has(&cache, "www.example.org.", NOW));
	test_assert(!has(&cache, "", NOW));
	answer_cache_clear(&cache);
}

static void test_answer_cache_keeps_what_runs_for_ever(void)
{
	struct answer_cache cache = cache_of(1);

	add(&cache, "a");
	test_assert(has(&cache, "a", NOW + 1000 * LIFE));
	answer_cache_clear(&cache);
}

static void test_answer_cache_keeps_an_answer_for_its_life_from_its_end_on(void)
{
	struct answer_cache cache = cache_of(9);

	add(&cache, "a");
	end(&cache, "a", 0, NOW + 5 * LIFE);
	test_assert(has(&cache, "a", NOW + 6 * LIFE - 1));
	test_assert(!has(&cache, "a", NOW + 6 * LIFE));
	test_assert(!has(&cache, "a", NOW)); /* it is forgotten */
	answer_cache_clear(&cache);
}

static void test_answer_cache_keeps_no_failure(void)
{
	struct answer_cache cache = cache_of(9);

	add(&cache, "a");
	end(&cache, "a", EAI_AGAIN, NOW);
	test_assert(!has(&cache, "a", NOW));
	answer_cache_clear(&cache);
}

static void test_answer_cache_without_life_shares_what_runs(void)
{
	struct answer_cache cache = {.max = 9, .life_ns = 0};

	add(&cache, "a");
	test_assert(has(&cache, "a", NOW));
	end(&cache, "a", 0, NOW);
	test_assert(!has(&cache, "a", NOW));
	answer_cache_clear(&cache);
}

static void test_answer_cache_forgets_the_oldest_answer_first(void)
{
	struct answer_cache cache = cache_of(2);

	add_ended(&cache, "a", NOW);
	add_ended(&cache, "b", NOW);
	add_ended(&cache, "c", NOW);
	test_assert(!has(&cache, "a", NOW));
	test_assert(has(&cache, "b", NOW) && has(&cache, "c", NOW));
	answer_cache_clear(&cache);
}

static void test_answer_cache_does_not_count_what_runs(void)
{
	struct answer_cache cache = cache_of(1);

	add(&cache, "runs");
	add(&cache, "runs too");
	add_ended(&cache, "a", NOW);
	test_assert(has(&cache, "a", NOW));
	test_assert(has(&cache, "runs", NOW) && has(&cache, "runs too", NOW));
	end(&cache, "runs", 0, NOW);
	test_assert(has(&cache, "a", NOW) && !has(&cache, "runs", NOW)); /* it was asked first */
	answer_cache_clear(&cache);
}

static void test_answer_cache_holds_as_many_as_it_may(void)
{
	struct answer_cache cache = cache_of(1000);
	char name[16];

	for (int i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "host%d", i);
		add_ended(&cache, name, NOW);
	}
	for (int i = 0; i < 1500; i++) {
		test_at("host%d", i);
		snprintf(name, sizeof(name), "host%d", i);
		test_assert(has(&cache, name, NOW) == (i >= 500));
	}
	answer_cache_clear(&cache);
}

static void test_answer_cache_clear_leaves_lookups_to_those_who_have_them(void)
{
	struct answer_cache cache = cache_of(9);
	struct lookup *lookup;

	add(&cache, "a");
	lookup = answer_cache_find(&cache, "a", NOW);
	answer_cache_clear(&cache);
	test_assert(!has(&cache, "a", NOW));
	test_assert(strcmp(lookup->name, "a") == 0);
	lookup_release(lookup);
	add(&cache, "a"); /* it may be filled again */
	test_assert(has(&cache, "a", NOW));
	answer_cache_clear(&cache);
}

int main(void)
{
	test_run(test_answer_cache_is_empty_at_first);
	test_run(test_answer_cache_finds_a_name_however_it_is_written);
	test_run(test_answer_cache_keeps_what_runs_for_ever);
	test_run(test_answer_cache_keeps_an_answer_for_its_life_from_its_end_on);
	test_run(test_answer_cache_keeps_no_failure);
	test_run(test_answer_cache_without_life_shares_what_runs);
	test_run(test_answer_cache_forgets_the_oldest_answer_first);
	test_run(test_answer_cache_does_not_count_what_runs);
	test_run(test_answer_cache_holds_as_many_as_it_may);
	test_run(test_answer_cache_clear_leaves_lookups_to_those_who_have_them);
	return test_result();
}
