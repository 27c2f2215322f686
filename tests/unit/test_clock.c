#include "base/clock.h"

#include "test.h"

static void test_clock_now_is_never_zero_and_never_goes_back(void)
{
	uint64_t last = clock_now_ns();

	test_assert(last != 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_now_ns();

		test_assert(now >= last);
		last = now;
	}
}

static void test_clock_add_beyond_the_end_is_never(void)
{
	static const struct {
		uint64_t at, delay, sum;
	} rows[] = {
	    {0, 0, 0},
	    {1, 2, 3},
	    {UINT64_MAX - 5, 4, UINT64_MAX - 1},
	    {UINT64_MAX - 5, 5, CLOCK_NEVER},
	    {UINT64_MAX - 5, 6, CLOCK_NEVER},
	    {UINT64_MAX - 5, UINT64_MAX, CLOCK_NEVER},
	    {CLOCK_NEVER, 0, CLOCK_NEVER},
	    {CLOCK_NEVER, 1, CLOCK_NEVER},
	    {0, CLOCK_NEVER, CLOCK_NEVER},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_at("row %zu", i);
		test_assert(clock_add_ns(rows[i].at, rows[i].delay) == rows[i].sum);
	}
}

static void test_clock_until_gives_what_is_left(void)
{
	static const struct {
		uint64_t now, until;
		struct timespec left;
	} rows[] = {
	    {5, 5, {0, 0}},
	    {6, 5, {0, 0}}, /* passed: no wait, not a huge one */
	    {CLOCK_NEVER, 5, {0, 0}},
	    {5, 6, {0, 1}},
	    {0, CLOCK_NS_PER_S - 1, {0, 999999999}}, /* tv_nsec is never a whole second */
	    {0, CLOCK_NS_PER_S, {1, 0}},
	    {1, 2 * CLOCK_NS_PER_S, {1, 999999999}},
	    {0, CLOCK_NEVER, {365 * 24 * 3600, 0}}, /* the kernel refuses more than it can count */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct timespec left = clock_until(rows[i].now, rows[i].until);

		test_at("row %zu", i);
		test_assert(left.tv_sec == rows[i].left.tv_sec);
		test_assert(left.tv_nsec == rows[i].left.tv_nsec);
	}
}

int main(void)
{
	test_run(test_clock_now_is_never_zero_and_never_goes_back);
	test_run(test_clock_add_beyond_the_end_is_never);
	test_run(test_clock_until_gives_what_is_left);
	return test_result();
}
