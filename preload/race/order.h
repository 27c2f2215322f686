/*
 * race/order: in which order the addresses of an answer are tried (RFC 8305 section 4).
 * Pure: no sockets, no clock, no memory but the caller's.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef RACE_ORDER_H
#define RACE_ORDER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Orders `count` addresses, of which only the families matter, beginning with index `requested`:
 * it counts as the first of `first_family_count` (at least 1) addresses of its family, then the
 * families take turns, in the given order within a family. Those that stand before `requested`
 * come last, in the same manner: the program has tried or rejected them.
 *
 * ret_order receives `count` indexes into `families`.
 */
void order_addresses(const uint16_t *families, size_t count, size_t requested,
                     size_t first_family_count, size_t *ret_order);

#endif
