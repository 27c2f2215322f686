/*
 * Bad input to he.h; tests/he_input.bats runs its cases.
 */
#include "../conformance/conform.h"
#include "inputs.h"

#define INPUT(name) {#name, "input_" #name, input_##name},

static const struct conform_case cases[] = {INPUTS(INPUT)};

bool was_rejected(int error, enum he_cause cause)
{
	char text[200] = "";

	CHECK(race() == -1);
	CHECK(has_failed(error, cause));
	CHECK(he_report_count(report) == 0 && he_report_attempt(report, 0) == NULL);
	CHECK(he_report_text(report, text, sizeof(text)) > 0 && text[0] != '\0');
	CHECK(seen.sockets == 0 && seen.connects == 0);
	return true;
}

int main(int argc, char **argv)
{
	return conform_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
