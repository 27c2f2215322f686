/*
 * api/contender: the socket of one attempt: made or asked for, bound, connected. Carries out,
 * decides nothing.
 * Safe in: threads (one race, one thread at a time), cancellation (disabled by the caller).
 */
#ifndef API_CONTENDER_H
#define API_CONTENDER_H

#include "api/plan.h"
#include "api/report.h"
#include "wire/handshake.h"

#include <stdbool.h>
#include <stdint.h>

struct contender {
	int fd;          /* -1: none */
	uint64_t cookie; /* 0: not known */
	bool polled;     /* it stands in the race's api/pollable */
};

/* How it went, beside enum handshake. */
struct contender_failure {
	enum he_cause cause;
	int error; /* errno value */
	bool aborts;
};

/*
 * Starts attempt `i` of the plan on contenders[i]; those before it may run. Writes its local
 * address and failed binds into the report. ret_failure is set unless it runs or has connected;
 * with `aborts`, the caller's callback wants the race to end.
 */
enum handshake contender_start(struct contender *contenders, unsigned i, const struct plan *plan,
                               struct he_report *report, struct contender_failure *ret_failure);

void contender_close(struct contender *contender);

#endif
