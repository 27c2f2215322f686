/*
 * api/plan: what the caller asked for, checked and put in order. Tries nothing.
 * Safe in: threads (one plan, one thread at a time).
 */
#ifndef API_PLAN_H
#define API_PLAN_H

#include <he.h>

struct plan {
	struct he_options options;     /* the caller's, or the default of what an older one lacks */
	unsigned count;                /* of addresses; 0: nothing is to be tried */
	const struct addrinfo **addrs; /* the caller's entries, in the order to be tried */
	size_t local_count;
	struct plan_local {
		struct sockaddr_storage name;
		socklen_t len;
	} * locals; /* copies of the caller's */
	/* At most so many binds can fail: each address at each local one of its family. */
	size_t binds;
};

/*
 * Fills a plan; `options` may be NULL. Returns 0, or -errno and in ret_cause which input it was; on
 * failure there is nothing to free.
 */
int plan_make(const struct addrinfo *list, const struct he_options *options, struct plan *ret_plan,
              enum he_cause *ret_cause);

/*
 * Checks options before there is a list: those that it takes, plan_make() takes. ret_options is a
 * copy, of the size that this library knows. Returns 0, or -errno and in ret_cause which it was.
 */
int plan_check_options(const struct he_options *given, struct he_options *ret_options,
                       enum he_cause *ret_cause);

void plan_free(struct plan *plan);

#endif
