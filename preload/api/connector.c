/*
 * The connector of he.h, and one connect of it: host to addresses by a lookup that is shared or
 * remembered, addresses to a socket by the one race.
 */
#include "api/answer_cache.h"
#include "api/failure_memory.h"
#include "api/lineup.h"
#include "api/lookup.h"
#include "api/plan.h"
#include "api/pollable.h"
#include "api/report.h"
#include "api/sized.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct he_connector {
	int family;
	/*
	 * Protects the two memories, and nothing else. Held for a look into them, never while
	 * anything is waited for, and not by the threads that look names up, which know no
	 * connector.
	 */
	pthread_mutex_t mutex;
	struct answer_cache answers;
	struct failure_memory failures;
};

/* --- the connector ---------------------------------------------------------------------------- */

static bool is_valid(const struct he_connector_options *options)
{
	return options->answer_ms >= 0 && options->failure_ms >= 0 && options->answers_max >= 1 &&
	       (options->family == AF_UNSPEC || options->family == AF_INET ||
	        options->family == AF_INET6);
}

struct he_connector *he_connector_new(const struct he_connector_options *options)
{
	struct he_connector_options known = HE_CONNECTOR_OPTIONS_INIT;
	int r = options == NULL ? 0 : sized_copy(&known, sizeof(known), options);
	struct he_connector *connector;

	if (r == 0 && !is_valid(&known))
		r = -EINVAL;
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	connector = calloc(1, sizeof(*connector));
	if (connector == NULL)
		return NULL;
	(void)pthread_mutex_init(&connector->mutex, NULL);
	connector->family = known.family;
	connector->answers.max = (size_t)known.answers_max;
	connector->answers.life_ns = (uint64_t)known.answer_ms * CLOCK_NS_PER_MS;
	connector->failures.life_ns = (uint64_t)known.failure_ms * CLOCK_NS_PER_MS;
	return connector;
}

void he_connector_clear_answers(struct he_connector *connector)
{
	pthread_mutex_lock(&connector->mutex);
	answer_cache_clear(&connector->answers);
	pthread_mutex_unlock(&connector->mutex);
}

void he_connector_clear_failures(struct he_connector *connector)
{
	pthread_mutex_lock(&connector->mutex);
	failure_memory_clear(&connector->failures);
	pthread_mutex_unlock(&connector->mutex);
}

void he_connector_free(struct he_connector *connector)
{
	int saved_errno = errno;

	if (connector == NULL)
		return;
	/*
	 * Held only in a child, forked while another thread of the parent was at the memories: they
	 * may be in any state, and are left.
	 */
	if (pthread_mutex_trylock(&connector->mutex) == 0) {
		answer_cache_clear(&connector->answers);
		failure_memory_clear(&connector->failures);
		pthread_mutex_unlock(&connector->mutex);
		(void)pthread_mutex_destroy(&connector->mutex);
	}
	free(connector);
	errno = saved_errno;
}

/* --- one connect ------------------------------------------------------------------------------ */

struct call {
	struct he_connector *connector;
	const char *host;
	uint16_t port;
	int cancel_state; /* the caller's, for the time that is waited */
	uint64_t deadline_ns;
	struct he_options options; /* the caller's, checked */
	/* What went wrong, unless that is in the report; HE_CAUSE_NONE: no memory. */
	enum he_cause cause;
	int gai;
	/* To be given back, if there is one. */
	struct pollable cancel; /* with the caller's cancel_fd, during a lookup */
	struct lookup *lookup;  /* a reference */
	struct addrinfo *numeric, *list;
	struct he_report *report;
};

static void give_back(void *pointer)
{
	struct call *call = pointer;

	pollable_close(&call->cancel);
	if (call->lookup != NULL)
		lookup_release(call->lookup);
	if (call->numeric != NULL)
		freeaddrinfo(call->numeric);
	free(call->list);
	he_report_free(call->report);
}

/* For what goes wrong before the race, which has a report of its own. */
static int fail(struct call *call, enum he_cause cause, int error)
{
	call->cause = cause;
	return -error;
}

static int check(struct call *call, const struct he_options *options)
{
	uint64_t now_ns = clock_now_ns();
	int r = plan_check_options(options, &call->options, &call->cause);

	if (r < 0)
		return r;
	if (call->host == NULL || *call->host == '\0' || call->port == 0)
		return fail(call, HE_CAUSE_NO_ADDRESS, EINVAL);
	call->deadline_ns = CLOCK_NEVER;
	if (call->options.timeout_ms > 0)
		call->deadline_ns =
		    clock_add_ns(now_ns, (uint64_t)call->options.timeout_ms * CLOCK_NS_PER_MS);
	return 0;
}

/* Gets one that is remembered, or runs, or is begun here. Returns 0, or -errno as lookup_new(). */
static int find_lookup(struct he_connector *connector, const char *host, struct lookup **ret_lookup)
{
	struct lookup *lookup;
	bool is_new;
	int r = 0;

	pthread_mutex_lock(&connector->mutex);
	lookup = answer_cache_find(&connector->answers, host, clock_now_ns());
	is_new = lookup == NULL;
	if (is_new)
		r = lookup_new(host, connector->family, &lookup);
	if (is_new && r == 0)
		answer_cache_add(&connector->answers, lookup);
	pthread_mutex_unlock(&connector->mutex);
	if (r < 0)
		return r;
	if (is_new)
		lookup_start(lookup);
	*ret_lookup = lookup;
	return 0;
}

static int look_up(struct call *call)
{
	int r = 0;

	/* As the race polls it: what it would not take is told before a lookup. */
	if (call->options.cancel_fd >= 0) {
		r = pollable_open(&call->cancel, false);
		if (r < 0)
			return fail(call, HE_CAUSE_POLLING, -r);
		r = pollable_add_cancel(&call->cancel, call->options.cancel_fd);
		if (r < 0)
			return fail(call, HE_CAUSE_CANCEL_FD, -r);
	}
	r = find_lookup(call->connector, call->host, &call->lookup);
	if (r < 0)
		return r == -ENOMEM ? r : fail(call, HE_CAUSE_POLLING, -r);
	(void)pthread_setcancelstate(call->cancel_state, NULL);
	r = lookup_wait(call->lookup, call->deadline_ns, call->cancel.set);
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pollable_close(&call->cancel);
	switch (-r) {
	case 0: return 0;
	case ETIMEDOUT: return fail(call, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	case ECANCELED: return fail(call, HE_CAUSE_CANCELLED, ECANCELED);
	default: return fail(call, HE_CAUSE_POLLING, -r);
	}
}

static int error_of(int gai)
{
	switch (gai) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY: return ENOENT;
	case EAI_AGAIN: return EAGAIN;
	case EAI_MEMORY: return ENOMEM;
	default: return EIO;
	}
}

/* ret_list has no ports, and lasts as long as the call. */
static int resolve(struct call *call, const struct addrinfo **ret_list)
{
	int gai = lookup_numeric(call->host, call->connector->family, &call->numeric);
	const struct addrinfo *list = call->numeric;

	if (gai == EAI_NONAME) {
		int r = look_up(call);

		if (r < 0)
			return r;
		gai = call->lookup->gai;
		list = call->lookup->list;
	}
	if (gai != 0) {
		call->gai = gai;
		return fail(call, HE_CAUSE_RESOLVING, error_of(gai));
	}
	*ret_list = list;
	return 0;
}

static int line_up(struct call *call, const struct addrinfo *list)
{
	struct he_connector *connector = call->connector;
	int r;

	pthread_mutex_lock(&connector->mutex);
	r = lineup_make(list, call->port, &call->options, &connector->failures, clock_now_ns(),
	                &call->list, &call->cause);
	pthread_mutex_unlock(&connector->mutex);
	return r;
}

/* Returns the socket. */
static int race(struct call *call)
{
	struct he_connector *connector = call->connector;
	struct he_options options = call->options;
	uint64_t now_ns = clock_now_ns();
	int fd, error;

	if (now_ns >= call->deadline_ns)
		return fail(call, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	if (call->deadline_ns != CLOCK_NEVER) /* not 0, which is for ever */
		options.timeout_ms =
		    (int)((call->deadline_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
	options.first_family_count = 0;
	(void)pthread_setcancelstate(call->cancel_state, NULL);
	fd = he_connect(call->list, &options, &call->report);
	error = errno;
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (call->report != NULL) {
		pthread_mutex_lock(&connector->mutex);
		lineup_learn(&connector->failures, call->report, &call->options, clock_now_ns());
		pthread_mutex_unlock(&connector->mutex);
		report_forget_list(call->report);
	}
	return fd < 0 ? -error : fd;
}

/* The report of a call that came not so far as to a race. */
static void make_report(struct call *call, int error)
{
	call->report = report_new(0, 0);
	if (call->report == NULL)
		return;
	call->report->cause = call->cause;
	call->report->gai = call->gai;
	call->report->error = error;
}

static int run(struct call *call, const struct he_options *options)
{
	const struct addrinfo *list = NULL;
	int r = check(call, options);

	if (r == 0)
		r = resolve(call, &list);
	if (r == 0)
		r = line_up(call, list);
	return r < 0 ? r : race(call);
}

int he_connector_connect(struct he_connector *connector, const char *host, uint16_t port,
                         const struct he_options *options, struct he_report **ret_report)
{
	struct call call = {
	    .connector = connector, .host = host, .port = port, .cancel = {.set = -1, .timer = -1}};
	int r;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call.cancel_state);
	pthread_cleanup_push(give_back, &call);
	r = run(&call, options);
	if (ret_report != NULL) {
		if (call.report == NULL && call.cause != HE_CAUSE_NONE)
			make_report(&call, -r);
		*ret_report = call.report;
		if (call.report == NULL)
			r = -ENOMEM;
		call.report = NULL;
	}
	pthread_cleanup_pop(1);
	(void)pthread_setcancelstate(call.cancel_state, NULL);
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}
