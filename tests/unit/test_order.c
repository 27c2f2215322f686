#include "race/order.h"

#include "test.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define COUNT_MAX 32

static size_t families_of(const char *text, uint16_t *ret_families)
{
	size_t count = strlen(text);

	for (size_t i = 0; i < count; i++)
		ret_families[i] = text[i] == '6' ? AF_INET6 : AF_INET;
	return count;
}

/* The table is the specification: families of the answer, who is asked for, who comes when. */
static void test_order_table_rows_come_out_as_written(void)
{
	static const struct {
		const char *families;
		size_t requested, first_family_count;
		const char *order; /* indexes, one base-36 digit each */
	} rows[] = {
	    /* one address, one family */
	    {"6", 0, 1, "0"},
	    {"4", 0, 1, "0"},
	    {"4", 0, 8, "0"},
	    {"66", 0, 1, "01"},
	    {"666", 0, 1, "012"},
	    {"4444", 0, 1, "0123"},
	    {"4444", 0, 3, "0123"},
	    /* RFC 8305 section 4: the first family, then the other one, in turns */
	    {"64", 0, 1, "01"},
	    {"46", 0, 1, "01"},
	    {"6644", 0, 1, "0213"},
	    {"4466", 0, 1, "0213"},
	    {"666444", 0, 1, "031425"},
	    {"646464", 0, 1, "012345"},
	    {"664", 0, 1, "021"},
	    {"644", 0, 1, "012"},
	    /* one family is longer: its rest follows in the resolver's order */
	    {"66664", 0, 1, "04123"},
	    {"64444", 0, 1, "01234"},
	    {"66444", 0, 1, "02134"},
	    {"4446", 0, 1, "0312"},
	    /* First Address Family Count */
	    {"666444", 0, 2, "013245"},
	    {"666444", 0, 3, "012345"},
	    {"666444", 0, 8, "012345"},
	    {"66664444", 0, 2, "01425367"},
	    {"66664444", 0, 3, "01243567"},
	    {"64446", 0, 2, "04123"},
	    {"6444", 0, 3, "0123"},
	    {"466", 0, 2, "012"},
	    {"4466", 0, 2, "0123"},
	    /* asked for one in the middle: what stands before it was tried or rejected, so last */
	    {"64", 1, 1, "10"},
	    {"46", 1, 1, "10"},
	    {"66", 1, 1, "10"},
	    {"664", 1, 1, "120"},
	    {"6644", 1, 1, "1230"},
	    {"6644", 2, 1, "2301"},
	    {"6644", 3, 1, "3021"},
	    {"666444", 1, 1, "132450"},
	    {"666444", 2, 1, "234501"},
	    {"666444", 3, 1, "345012"},
	    {"666444", 4, 1, "450312"}, /* the tail takes turns as well, the other family first */
	    {"646464", 3, 1, "345012"}, /* likewise */
	    {"4444", 2, 1, "2301"},
	    {"666444", 1, 2, "123450"},
	    {"666644", 1, 2, "124350"},
	    {"666644", 1, 3, "123450"},
	    {"66664444", 6, 2, "67041523"}, /* the tail has no First Address Family Count */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t families[COUNT_MAX];
		size_t order[COUNT_MAX] = {0};
		size_t count = families_of(rows[i].families, families);
		char text[COUNT_MAX + 1] = {0};

		order_addresses(families, count, rows[i].requested, rows[i].first_family_count,
		                order);
		for (size_t k = 0; k < count; k++)
			text[k] = "0123456789abcdefghijklmnopqrstuvwxyz"[order[k] % 36];
		test_at("row %zu: %s from %zu, count %zu: %s, not %s", i, rows[i].families,
		        rows[i].requested, rows[i].first_family_count, rows[i].order, text);
		test_assert(strcmp(text, rows[i].order) == 0);
	}
}

static void test_order_of_32_takes_turns_to_the_end(void)
{
	uint16_t families[COUNT_MAX];
	size_t order[COUNT_MAX];

	for (size_t i = 0; i < COUNT_MAX; i++)
		families[i] = i < COUNT_MAX / 2 ? AF_INET6 : AF_INET;
	order_addresses(families, COUNT_MAX, 0, 1, order);
	for (size_t i = 0; i < COUNT_MAX; i++)
		test_assert(order[i] == i / 2 + (i % 2 != 0 ? COUNT_MAX / 2 : 0));

	order_addresses(families, COUNT_MAX, COUNT_MAX - 1, 1, order);
	test_assert(order[0] == COUNT_MAX - 1);
}

static void check_order(const uint16_t *families, size_t count, size_t requested, size_t lead)
{
	size_t order[COUNT_MAX + 1];
	bool seen[COUNT_MAX] = {false};
	size_t last[2][2] = {{0}}; /* by (before the requested one, of its family) */

	order[count] = 4711;
	order_addresses(families, count, requested, lead, order);
	test_assert(order[count] == 4711); /* writes `count` indexes, not one more */
	test_assert(order[0] == requested);
	for (size_t i = 0; i < count; i++) {
		bool before = order[i] < requested;
		bool same = families[order[i]] == families[requested];

		test_assert(order[i] < count && !seen[order[i]]); /* a permutation */
		seen[order[i]] = true;
		test_assert(before == (i >= count - requested));
		test_assert(order[i] >= last[before][same]); /* the resolver's order in a family */
		last[before][same] = order[i];
	}
	/* Behind it come those of its family, as many as `lead` counts, if there are any. */
	for (size_t i = 1; i < lead && i < count - requested; i++) {
		if (families[order[i]] == families[requested])
			continue;
		for (size_t k = i; k < count - requested; k++)
			test_assert(families[order[k]] != families[requested]);
	}
}

/* Every answer of up to 10 addresses, every requested one: 20,000 cases of each count. */
static void test_order_is_always_a_permutation_that_keeps_the_rules(void)
{
	for (size_t count = 1; count <= 10; count++) {
		for (unsigned bits = 0; bits < 1u << count; bits++) {
			uint16_t families[COUNT_MAX];

			for (size_t i = 0; i < count; i++)
				families[i] = bits >> i & 1 ? AF_INET6 : AF_INET;
			for (size_t requested = 0; requested < count; requested++) {
				for (size_t lead = 1; lead <= 3; lead++) {
					test_at("count %zu bits %x requested %zu lead %zu", count,
					        bits, requested, lead);
					check_order(families, count, requested, lead);
				}
			}
		}
	}
}

int main(void)
{
	test_run(test_order_table_rows_come_out_as_written);
	test_run(test_order_of_32_takes_turns_to_the_end);
	test_run(test_order_is_always_a_permutation_that_keeps_the_rules);
	return test_result();
}
