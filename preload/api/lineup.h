/*
 * api/lineup: in which order the addresses of a host are tried, and what a race of them has shown
 * for the next time. Decides by the time that it is told.
 * Safe in: threads (one failure_memory, one thread at a time).
 */
#ifndef API_LINEUP_H
#define API_LINEUP_H

#include "api/failure_memory.h"

#include <he.h>

/*
 * Makes a list, to be freed by free(), of the addresses of `list` with `port`: in the order in
 * which he_connect() would try them, but for those that failed lately, which come after all others.
 * It is to be raced in its own order. Returns 0, or -errno and in ret_cause why, as plan_make().
 */
int lineup_make(const struct addrinfo *list, uint16_t port, const struct he_options *options,
                const struct failure_memory *failures, uint64_t now_ns, struct addrinfo **ret_list,
                enum he_cause *ret_cause);

/*
 * Remembers which attempts failed, and forgets that the winner ever did. `options` are those of the
 * whole call: timeout_ms had to do for the lookup as well.
 */
void lineup_learn(struct failure_memory *failures, const struct he_report *report,
                  const struct he_options *options, uint64_t now_ns);

#endif
