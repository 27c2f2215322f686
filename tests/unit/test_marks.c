#include "memory/marks.h"

#include "test.h"

#include <limits.h>

static void test_marks_set_is_found_for_that_socket_only(void)
{
	marks_set(MARK_DUAL_STACK, 5, 100);
	test_assert(marks_has(MARK_DUAL_STACK, 5, 100));
	test_assert(!marks_has(MARK_DUAL_STACK, 5, 101)); /* the number was closed and used again */
	test_assert(!marks_has(MARK_DUAL_STACK, 6, 100));
	test_assert(!marks_has(MARK_ANY_PORT, 5, 100));
}

static void test_marks_of_all_kinds_stand_side_by_side(void)
{
	for (int mark = 0; mark < MARKS; mark++) {
		for (int other = 0; other < MARKS; other++)
			test_assert(marks_has((enum mark)other, 7, 200) == (other < mark));
		marks_set((enum mark)mark, 7, 200);
	}
}

static void test_marks_new_socket_on_a_number_forgets_the_old_one(void)
{
	marks_set(MARK_ANY_PORT, 8, 300);
	marks_set(MARK_HOPS, 8, 300);
	marks_set(MARK_ANY_PORT, 8, 301);
	test_assert(!marks_has(MARK_ANY_PORT, 8, 300) && !marks_has(MARK_HOPS, 8, 300));
	test_assert(!marks_has(MARK_HOPS, 8, 301));
	test_assert(marks_has(MARK_ANY_PORT, 8, 301));
}

static void test_marks_every_number_has_its_own_place(void)
{
	for (int fd = 0; fd < MARKS_FD_MAX; fd++)
		marks_set(MARK_ANY_PORT, fd, 1000 + (uint64_t)fd);
	for (int fd = 0; fd < MARKS_FD_MAX; fd++)
		test_assert(marks_can_have(fd) &&
		            marks_has(MARK_ANY_PORT, fd, 1000 + (uint64_t)fd));
}

static void test_marks_number_too_high_has_none(void)
{
	static const int fds[] = {MARKS_FD_MAX, MARKS_FD_MAX + 1, INT_MAX, -1, INT_MIN};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		test_at("fd %d", fds[i]);
		marks_set(MARK_DUAL_STACK, fds[i], 9000 + i);
		test_assert(!marks_can_have(fds[i]));
		test_assert(!marks_has(MARK_DUAL_STACK, fds[i], 9000 + i));
	}
}

int main(void)
{
	test_run(test_marks_set_is_found_for_that_socket_only);
	test_run(test_marks_of_all_kinds_stand_side_by_side);
	test_run(test_marks_new_socket_on_a_number_forgets_the_old_one);
	test_run(test_marks_every_number_has_its_own_place);
	test_run(test_marks_number_too_high_has_none);
	return test_result();
}
