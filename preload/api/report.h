/*
 * api/report: what a race did, as the caller is told. Written by the race while it runs, the
 * caller's from he_finish() on.
 * Safe in: threads (one report, one thread at a time).
 */
#ifndef API_REPORT_H
#define API_REPORT_H

#include <he.h>

struct he_report {
	enum he_cause cause;
	int error; /* errno value; 0: it connected */
	int gai;   /* EAI_... */
	const struct addrinfo *winner;
	size_t count; /* attempts that were started; as far as `attempts` is filled */
	struct he_attempt *attempts;
	size_t bind_failure_count;
	struct report_bind {
		size_t attempt;
		struct he_bind_failure failure;
	} * bind_failures; /* by attempt, as these are bound one after another */
};

/*
 * Makes an empty report with room for so many attempts and failed binds, to be freed by
 * he_report_free(). NULL without memory.
 */
struct he_report *report_new(size_t attempts_max, size_t bind_failures_max);

void report_bind_failure(struct he_report *report, size_t attempt, const struct sockaddr *local,
                         socklen_t len, int error);

/* The caller's list goes before the report does: what points into it is taken out. */
void report_forget_list(struct he_report *report);

#endif
