#include "api/lineup.h"

#include "api/plan.h"
#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* --- the order -------------------------------------------------------------------------------- */

struct candidate {
	struct addrinfo entry; /* first: the list is freed by it */
	struct sockaddr_storage name;
};

static void fill(struct candidate *candidate, const struct addrinfo *given, uint16_t port)
{
	struct sockaddr_storage *name = &candidate->name;

	memcpy(name, given->ai_addr, given->ai_addrlen);
	if (given->ai_family == AF_INET6)
		((struct sockaddr_in6 *)name)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)name)->sin_port = htons(port);
	candidate->entry = (struct addrinfo){
	    .ai_family = given->ai_family,
	    .ai_socktype = given->ai_socktype,
	    .ai_protocol = given->ai_protocol,
	    .ai_addrlen = given->ai_addrlen,
	    .ai_addr = (struct sockaddr *)name,
	};
}

/*
 * Families have taken turns before: otherwise those that are moved to the end would be taken
 * between the others again, by their family.
 */
static void line_up(const struct plan *plan, uint16_t port, const struct failure_memory *failures,
                    uint64_t now_ns, struct candidate *candidates)
{
	unsigned count = 0;

	for (int pass = 0; pass <= 1; pass++) {
		for (unsigned i = 0; i < plan->count; i++) {
			struct candidate *candidate = &candidates[count];
			const struct addrinfo *given = plan->addrs[i];
			bool failed;

			fill(candidate, given, port);
			failed = failure_memory_has(failures, candidate->entry.ai_addr,
			                            given->ai_addrlen, now_ns);
			if (failed != (pass == 1))
				continue;
			if (count > 0)
				candidates[count - 1].entry.ai_next = &candidate->entry;
			if (++count == plan->count)
				return;
		}
	}
}

int lineup_make(const struct addrinfo *list, uint16_t port, const struct he_options *options,
                const struct failure_memory *failures, uint64_t now_ns, struct addrinfo **ret_list,
                enum he_cause *ret_cause)
{
	struct candidate *candidates;
	struct plan plan;
	int r = plan_make(list, options, &plan, ret_cause);

	if (r < 0)
		return r;
	candidates = calloc(plan.count, sizeof(*candidates));
	if (candidates != NULL)
		line_up(&plan, port, failures, now_ns, candidates);
	plan_free(&plan);
	if (candidates == NULL)
		return -ENOMEM;
	*ret_list = &candidates->entry;
	return 0;
}

/* --- what is learnt --------------------------------------------------------------------------- */

/*
 * How long an attempt must have run for its end by timeout to say something: as long as the next
 * one would have waited for it, or half of the time that there was for all. One to which a slow
 * lookup left no time has not failed.
 */
static int64_t enough_ns(const struct he_options *options)
{
	int enough_ms = options->attempt_delay_ms == HE_SEQUENTIAL ? HE_ATTEMPT_DELAY_MS
	                                                           : options->attempt_delay_ms;

	if (enough_ms > options->timeout_ms / 2)
		enough_ms = options->timeout_ms / 2;
	return enough_ms * (int64_t)CLOCK_NS_PER_MS;
}

static bool has_failed(const struct he_attempt *attempt, bool before_winner, bool timed_out,
                       const struct he_options *options)
{
	switch (attempt->outcome) {
	/* Other causes than the network's are ours, or the caller's. */
	case HE_OUTCOME_FAILED: return attempt->cause == HE_CAUSE_CONNECT;
	/* Those that began later had less time than the winner. */
	case HE_OUTCOME_LOST: return before_winner;
	case HE_OUTCOME_GIVEN_UP:
		return timed_out && attempt->ended_ns - attempt->started_ns >= enough_ns(options);
	case HE_OUTCOME_CONNECTED: break;
	}
	return false;
}

void lineup_learn(struct failure_memory *failures, const struct he_report *report,
                  const struct he_options *options, uint64_t now_ns)
{
	bool before_winner = he_report_cause(report) == HE_CAUSE_NONE;
	bool timed_out = he_report_cause(report) == HE_CAUSE_TIMEOUT;
	const struct he_attempt *attempt;

	for (size_t i = 0; (attempt = he_report_attempt(report, i)) != NULL; i++) {
		const struct sockaddr *name = (const struct sockaddr *)&attempt->remote;

		if (attempt->outcome == HE_OUTCOME_CONNECTED) {
			failure_memory_remove(failures, name, sizeof(attempt->remote));
			before_winner = false;
		} else if (has_failed(attempt, before_winner, timed_out, options)) {
			failure_memory_add(failures, name, sizeof(attempt->remote), now_ns);
		}
	}
}
