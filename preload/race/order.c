#include "race/order.h"

#include <stdbool.h>

/* The first index from `from` on, below `end`, whose family is (same) or is not `family`. */
static size_t find(const uint16_t *families, size_t from, size_t end, uint16_t family, bool same)
{
	while (from < end && (families[from] == family) != same)
		from++;
	return from;
}

/*
 * families[begin..end), `lead` addresses of `family` first, then the families in turns, the other
 * one next. Returns how many indexes it wrote.
 */
static size_t take_turns(const uint16_t *families, size_t begin, size_t end, uint16_t family,
                         size_t lead, size_t *ret_order)
{
	size_t same = find(families, begin, end, family, true);
	size_t other = find(families, begin, end, family, false);
	size_t written = 0;
	bool others_turn = lead == 0;

	while (same < end || other < end) {
		if (other == end || (same < end && !others_turn)) {
			ret_order[written++] = same;
			same = find(families, same + 1, end, family, true);
			lead -= lead > 0;
			others_turn = lead == 0;
		} else {
			ret_order[written++] = other;
			other = find(families, other + 1, end, family, false);
			others_turn = false;
		}
	}
	return written;
}

void order_addresses(const uint16_t *families, size_t count, size_t requested,
                     size_t first_family_count, size_t *ret_order)
{
	uint16_t family = families[requested];
	size_t written = 0;

	ret_order[written++] = requested;
	written += take_turns(families, requested + 1, count, family, first_family_count - 1,
	                      ret_order + written);
	take_turns(families, 0, requested, family, 0, ret_order + written);
}
