/*
 * The whole test framework. A suite is a main() of test_run() lines and ends with
 * `return test_result();`. It prints `ok NAME` or `not ok NAME: file:line: expression (row)` for
 * each test; the first expression that is false ends its test. Not for threads: those bring their
 * findings home, and the test asserts there.
 */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdio.h>

static const char *test_name;
static unsigned test_failed;
static jmp_buf test_end;
static char test_row[200];

/* Says which row of a table, or which seed, the assertions that follow are about. */
#define test_at(...) ((void)snprintf(test_row, sizeof(test_row), __VA_ARGS__))
#define test_assert(expression)                                                                    \
	((expression) ? (void)0 : test_fail(__FILE__, __LINE__, #expression))
#define test_run(function) test_run_as(#function, function)

_Noreturn static inline void test_fail(const char *file, int line, const char *expression)
{
	printf("not ok %s: %s:%d: %s%s%s%s\n", test_name, file, line, expression,
	       *test_row ? " (" : "", test_row, *test_row ? ")" : "");
	longjmp(test_end, 1);
}

static inline void test_run_as(const char *name, void (*function)(void))
{
	test_name = name;
	test_at("%s", "");
	if (setjmp(test_end) == 0) {
		function();
		printf("ok %s\n", name);
	} else {
		test_failed++;
	}
	/* Now, or a forked child of the next test would print it again. */
	(void)fflush(stdout);
}

static inline int test_result(void)
{
	return test_failed > 0;
}

#endif
