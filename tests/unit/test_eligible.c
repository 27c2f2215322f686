#include "edge/eligible.h"

#include "test.h"

#include <netinet/in.h>
#include <string.h>

/* A socket as socket() made it. */
#define FRESH .domain = AF_INET6, .protocol = IPPROTO_TCP, .idle = true

static void test_eligible_table_rows_are_judged_as_written(void)
{
	static const struct {
		const char *what;
		struct own own;
		struct eligible_marks marks;
		enum eligible reason;
	} rows[] = {
	    {"fresh", {FRESH}, {0}, ELIGIBLE},
	    {"fresh, marked", {FRESH}, {.any_port = true}, ELIGIBLE},
	    {"MPTCP", {.protocol = IPPROTO_MPTCP, .idle = true}, {0}, ELIGIBLE},
	    {"connected", {.protocol = IPPROTO_TCP}, {0}, PASS_NOT_IDLE},
	    {"bound to a port", {FRESH, .bound_port = 1}, {0}, PASS_BOUND_PORT},
	    {"bound to port 65535", {FRESH, .bound_port = 65535}, {0}, PASS_BOUND_PORT},
	    {"bound, the kernel's port",
	     {FRESH, .bound_port = 40000},
	     {.any_port = true},
	     ELIGIBLE},
	    {"bound, address only", {FRESH, .bound = {.family = AF_INET6}}, {0}, ELIGIBLE},
	    {"fast open", {FRESH, .fast_open = true}, {0}, PASS_FAST_OPEN},
	    {"repair", {FRESH, .repairing = true}, {0}, PASS_REPAIRING},
	    {"has a second number", {FRESH}, {.shared = true}, PASS_SHARED},
	    {"non-blocking", {FRESH, .nonblocking = true}, {0}, ELIGIBLE},
	    {"options", {FRESH, .max_segment = 900, .window_clamp = 9000}, {0}, ELIGIBLE},
	    /* The mark excuses the port and nothing else. */
	    {"fast open, marked", {FRESH, .fast_open = true}, {.any_port = true}, PASS_FAST_OPEN},
	    {"repair, marked", {FRESH, .repairing = true}, {.any_port = true}, PASS_REPAIRING},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_at("%s", rows[i].what);
		test_assert(eligible_socket(&rows[i].own, &rows[i].marks) == rows[i].reason);
	}
}

static void test_eligible_every_reason_has_its_own_text(void)
{
	for (int a = ELIGIBLE; a <= PASS_NO_RESOURCES; a++) {
		test_at("reason %d", a);
		test_assert(*eligible_text((enum eligible)a) != '\0');
		/* "passed on" alone is the answer for what nobody wrote a text for. */
		test_assert(strcmp(eligible_text((enum eligible)a), "passed on") != 0);
		for (int b = ELIGIBLE; b < a; b++)
			test_assert(strcmp(eligible_text((enum eligible)a),
			                   eligible_text((enum eligible)b)) != 0);
	}
}

int main(void)
{
	test_run(test_eligible_table_rows_are_judged_as_written);
	test_run(test_eligible_every_reason_has_its_own_text);
	return test_result();
}
