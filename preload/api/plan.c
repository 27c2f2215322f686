#include "api/plan.h"

#include "api/sized.h"
#include "base/addr.h"
#include "race/order.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static int check_options(const struct he_options *options, enum he_cause *ret_cause)
{
	if (options->attempt_delay_ms != HE_SEQUENTIAL &&
	    options->attempt_delay_ms < HE_ATTEMPT_DELAY_MIN_MS)
		*ret_cause = HE_CAUSE_ATTEMPT_DELAY;
	else if (options->first_family_count < HE_FIRST_FAMILY_COUNT_AUTO)
		*ret_cause = HE_CAUSE_FAMILY_COUNT;
	else if (options->timeout_ms < 0)
		*ret_cause = HE_CAUSE_TIMEOUT_RANGE;
	else if (options->max_in_flight < 0)
		*ret_cause = HE_CAUSE_MAX_IN_FLIGHT;
	else if ((options->flags & ~(HE_NONBLOCK | HE_BIND_LOCAL)) != 0)
		*ret_cause = HE_CAUSE_FLAGS;
	else
		return 0;
	return -EINVAL;
}

static int check_address(const struct addrinfo *entry, enum he_cause *ret_cause)
{
	struct addr addr;
	struct addr_extra extra;
	int r;

	if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6)
		r = -EAFNOSUPPORT;
	else if (entry->ai_addr == NULL)
		r = -EINVAL;
	else
		r = addr_from_sockaddr(entry->ai_addr, entry->ai_addrlen, &addr, &extra);
	if (r == 0 && entry->ai_addr->sa_family != entry->ai_family)
		r = -EAFNOSUPPORT;
	if (r < 0)
		*ret_cause = r == -EAFNOSUPPORT ? HE_CAUSE_FAMILY : HE_CAUSE_SHORT_ADDRESS;
	return r;
}

static int check_list(const struct addrinfo *list, unsigned *ret_count, enum he_cause *ret_cause)
{
	unsigned count = 0;

	for (const struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next) {
		int r = check_address(entry, ret_cause);

		if (r < 0)
			return r;
		if ((entry->ai_socktype != 0 && entry->ai_socktype != SOCK_STREAM) ||
		    (entry->ai_protocol != 0 && entry->ai_protocol != IPPROTO_TCP &&
		     entry->ai_protocol != IPPROTO_MPTCP)) {
			*ret_cause = HE_CAUSE_PROTOCOL;
			return -EPROTONOSUPPORT;
		}
		count++;
	}
	if (count == 0) {
		*ret_cause = HE_CAUSE_NO_ADDRESS;
		return -EINVAL;
	}
	*ret_count = count;
	return 0;
}

/* Type, protocol and entries of other families do not matter. */
static int check_locals(const struct addrinfo *local, size_t *ret_count, enum he_cause *ret_cause)
{
	size_t count = 0;

	for (; local != NULL; local = local->ai_next) {
		int r = 0;

		if (local->ai_family == AF_INET || local->ai_family == AF_INET6)
			r = check_address(local, ret_cause);
		if (r < 0)
			return r;
		count++;
	}
	*ret_count = count;
	return 0;
}

static void copy_locals(struct plan *plan)
{
	const struct addrinfo *local = plan->options.local;
	size_t count = 0;

	for (; local != NULL; local = local->ai_next) {
		struct plan_local *copy = &plan->locals[count];

		if (local->ai_family != AF_INET && local->ai_family != AF_INET6)
			continue;
		copy->len = local->ai_addrlen < sizeof(copy->name) ? local->ai_addrlen
		                                                   : (socklen_t)sizeof(copy->name);
		memcpy(&copy->name, local->ai_addr, copy->len);
		count++;
	}
	plan->local_count = count;
	for (unsigned i = 0; i < plan->count; i++)
		for (size_t k = 0; k < count; k++)
			plan->binds += plan->locals[k].name.ss_family == plan->addrs[i]->ai_family;
}

/* How many addresses of the first family lead; 0: the order is the caller's. */
static size_t lead(const struct he_options *options)
{
	if (options->first_family_count != HE_FIRST_FAMILY_COUNT_AUTO)
		return (size_t)options->first_family_count;
	return options->attempt_delay_ms == HE_SEQUENTIAL ? 0 : 1;
}

static int put_in_order(struct plan *plan, const struct addrinfo *list)
{
	const struct addrinfo **given = malloc(plan->count * sizeof(*given));
	uint16_t *families = malloc(plan->count * sizeof(*families));
	size_t *order = malloc(plan->count * sizeof(*order));
	size_t first = lead(&plan->options);
	bool possible = given != NULL && families != NULL && order != NULL;

	for (unsigned i = 0; possible && i < plan->count; i++, list = list->ai_next) {
		given[i] = list;
		families[i] = (uint16_t)list->ai_family;
		order[i] = i;
	}
	if (possible && first > 0)
		order_addresses(families, plan->count, 0, first, order);
	for (unsigned i = 0; possible && i < plan->count; i++)
		plan->addrs[i] = given[order[i]];
	free(given);
	free(families);
	free(order);
	return possible ? 0 : -ENOMEM;
}

static int take_options(const struct he_options *given, struct he_options *ret_options,
                        enum he_cause *ret_cause)
{
	struct he_options options = HE_OPTIONS_INIT;
	int r = given == NULL ? 0 : sized_copy(&options, sizeof(options), given);

	if (r < 0) {
		*ret_cause = HE_CAUSE_OPTIONS_SIZE;
		return r;
	}
	options.size = sizeof(options);
	*ret_options = options;
	return check_options(&options, ret_cause);
}

int plan_check_options(const struct he_options *given, struct he_options *ret_options,
                       enum he_cause *ret_cause)
{
	struct he_options options;
	size_t locals;
	int r = take_options(given, &options, ret_cause);

	if (r == 0)
		r = check_locals(options.local, &locals, ret_cause);
	if (r == 0)
		*ret_options = options;
	return r;
}

int plan_make(const struct addrinfo *list, const struct he_options *options, struct plan *ret_plan,
              enum he_cause *ret_cause)
{
	struct plan plan = {0};
	size_t locals = 0;
	int r = take_options(options, &plan.options, ret_cause);

	if (r == 0)
		r = check_list(list, &plan.count, ret_cause);
	if (r == 0)
		r = check_locals(plan.options.local, &locals, ret_cause);
	if (r < 0)
		return r;

	plan.addrs = malloc(plan.count * sizeof(*plan.addrs));
	plan.locals = calloc(locals + 1, sizeof(*plan.locals));
	r = plan.addrs == NULL || plan.locals == NULL ? -ENOMEM : put_in_order(&plan, list);
	if (r < 0) {
		plan_free(&plan);
		return r;
	}
	copy_locals(&plan);
	/* A list without an entry of any use is no list of none. */
	if (plan.options.local != NULL)
		plan.options.flags |= HE_BIND_LOCAL;
	*ret_plan = plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	free(plan->addrs);
	free(plan->locals);
	*plan = (struct plan){0};
}
