/*
 * The conformance suite of he.h; tests/conformance.bats runs its cases.
 */
#include "cases.h"
#include "conform.h"

#define CASE(number, name) {#number, "case_" #number "_" #name, case_##number##_##name},

static const struct conform_case cases[] = {CASES(CASE)};

int main(int argc, char **argv)
{
	return conform_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
