#include "api/drive.h"

#include "base/addr.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the end --------------------------------------------------------------------------------- */

bool drive_is_inherited(const struct he_race *race)
{
	return getpid() != race->owner;
}

/* No more to be polled: it is to be closed, or handed over. */
static void retire(struct he_race *race, unsigned i)
{
	struct contender *contender = &race->contenders[i];

	/* What a child takes out of the set would not be reported to the parent any more. */
	if (contender->polled && !drive_is_inherited(race))
		pollable_remove(&race->pollable, contender->fd);
	contender->polled = false;
}

static void close_contender(struct he_race *race, unsigned i)
{
	retire(race, i);
	contender_close(&race->contenders[i]);
}

/* What stands in the report already is the cause, the local address and failed binds. */
static void report_attempt(const struct he_race *race, unsigned i, uint64_t now_ns)
{
	const struct race_attempt *attempt = &race->attempts[i];
	const struct addrinfo *addr = race->plan.addrs[i];
	struct he_attempt *told = &race->report->attempts[i];
	bool ended = attempt->state == RACE_FAILED;

	told->addr = addr;
	memcpy(&told->remote, addr->ai_addr,
	       addr->ai_addrlen < sizeof(told->remote) ? addr->ai_addrlen : sizeof(told->remote));
	told->started_ns = (int64_t)(attempt->started_ns - race->begun_ns);
	told->ended_ns = (int64_t)((ended ? attempt->ended_ns : now_ns) - race->begun_ns);
	told->error = ended ? attempt->error : 0;
	if (ended)
		told->outcome = HE_OUTCOME_FAILED;
	else
		told->outcome = race->winner_fd >= 0 ? HE_OUTCOME_LOST : HE_OUTCOME_GIVEN_UP;
}

static void conclude(struct he_race *race, enum he_cause cause, int error, uint64_t now_ns)
{
	race->over = true;
	race->report->cause = cause;
	race->report->error = error;
	race->report->count = race->race.next;
	for (unsigned i = 0; i < race->race.next; i++) {
		report_attempt(race, i, now_ns);
		close_contender(race, i);
	}
}

static void win(struct he_race *race, unsigned winner, uint64_t now_ns)
{
	retire(race, winner);
	race->winner_fd = race->contenders[winner].fd;
	race->contenders[winner].fd = -1;
	race->report->winner = race->plan.addrs[winner];
	conclude(race, HE_CAUSE_NONE, 0, now_ns);
	race->report->attempts[winner].outcome = HE_OUTCOME_CONNECTED;
}

void drive_end(struct he_race *race, enum he_cause cause, int error)
{
	uint64_t now_ns = clock_now_ns();

	if (race->over && race->winner_fd < 0)
		return;
	if (race->winner_fd >= 0) {
		struct contender taken_back = {.fd = race->winner_fd};

		contender_close(&taken_back);
		race->winner_fd = -1;
		race->report->winner = NULL;
	}
	conclude(race, cause, error, now_ns);
}

/* --- the race -------------------------------------------------------------------------------- */

static void report_end(struct he_race *race, unsigned i, enum handshake state,
                       const struct contender_failure *failure, uint64_t now_ns)
{
	handshake_report(state, failure->error, &race->race, i, now_ns);
	if (state == HANDSHAKE_RUNNING || state == HANDSHAKE_DONE)
		return;
	race->report->attempts[i].cause = failure->cause;
	close_contender(race, i);
}

/* Whether anything may be due before a socket has news. */
static bool is_timed(const struct plan *plan)
{
	return plan->options.timeout_ms > 0 ||
	       (plan->count > 1 && plan->options.attempt_delay_ms != HE_SEQUENTIAL);
}

/* Not before something is to be waited for: on loopback nothing ever is. Returns 0 or -errno. */
static int ensure_pollable(struct he_race *race)
{
	if (race->pollable.set >= 0)
		return 0;
	return pollable_open(&race->pollable, is_timed(&race->plan));
}

static int poll_attempt(struct he_race *race, unsigned i)
{
	int r = ensure_pollable(race);

	if (r == 0)
		r = pollable_add_attempt(&race->pollable, race->contenders[i].fd, i);
	race->contenders[i].polled = r == 0;
	return r;
}

static void start(struct he_race *race, unsigned i, uint64_t now_ns)
{
	struct contender_failure failure = {0};
	enum handshake state =
	    contender_start(race->contenders, i, &race->plan, race->report, &failure);
	int r = 0;

	/* From this machine the answer has come already. */
	if (state == HANDSHAKE_RUNNING && race->attempts[i].unpaced)
		state = handshake_look(race->contenders[i].fd, race->contenders[i].cookie,
		                       &failure.error);
	if (state == HANDSHAKE_RUNNING)
		r = poll_attempt(race, i);
	if (r < 0) {
		failure = (struct contender_failure){HE_CAUSE_POLLING, -r, false};
		state = HANDSHAKE_UNABLE;
	}
	report_end(race, i, state, &failure, now_ns);
	if (failure.aborts)
		conclude(race, HE_CAUSE_ABORTED, ECANCELED, now_ns);
	else if (r < 0 && race->pollable.set < 0)
		conclude(race, HE_CAUSE_POLLING, -r, now_ns);
}

static void look(struct he_race *race, unsigned i, uint64_t now_ns)
{
	struct contender_failure failure = {.cause = HE_CAUSE_CONNECT};
	enum handshake state =
	    handshake_look(race->contenders[i].fd, race->contenders[i].cookie, &failure.error);

	report_end(race, i, state, &failure, now_ns);
	/* It is to be taken by name, and must not be reported again meanwhile. */
	if (state == HANDSHAKE_DONE)
		retire(race, i);
}

/* Returns false when the race was cancelled. */
static bool take_news(struct he_race *race, uint64_t now_ns)
{
	uint32_t ready[POLLABLE_BATCH];
	unsigned count;

	if (race->pollable.set < 0)
		return true;
	do {
		count = pollable_take(&race->pollable, ready);
		for (unsigned k = 0; k < count; k++) {
			if (ready[k] == POLLABLE_CANCEL)
				return false;
			if (ready[k] != POLLABLE_TIMER)
				look(race, ready[k] - POLLABLE_ATTEMPT, now_ns);
		}
	} while (count == POLLABLE_BATCH);
	return true;
}

static void lose(struct he_race *race, int error, uint64_t now_ns)
{
	bool out_of_time = race->race.running > 0 || race->race.next < race->race.count;

	if (out_of_time)
		conclude(race, HE_CAUSE_TIMEOUT, ETIMEDOUT, now_ns);
	else
		conclude(race, HE_CAUSE_ATTEMPTS, error, now_ns);
}

/* There may be no socket to wait for, when the next one is due after the pace. */
static void wait_until(struct he_race *race, uint64_t until_ns, uint64_t now_ns)
{
	int r = ensure_pollable(race);

	if (r < 0)
		conclude(race, HE_CAUSE_POLLING, -r, now_ns);
	else
		pollable_wait_until(&race->pollable, until_ns);
}

void drive_advance(struct he_race *race)
{
	uint64_t now_ns = clock_now_ns();
	struct race_move move;

	if (race->over)
		return;
	if (drive_is_inherited(race) || !take_news(race, now_ns)) {
		conclude(race, HE_CAUSE_CANCELLED, ECANCELED, now_ns);
		return;
	}
	while (!race->over) {
		switch (race_next(&race->race, now_ns, &move)) {
		case RACE_START: start(race, move.attempt, now_ns); break;
		case RACE_WON: win(race, move.attempt, now_ns); break;
		case RACE_LOST: lose(race, move.error, now_ns); break;
		case RACE_WAIT: wait_until(race, move.until_ns, now_ns); return;
		}
	}
}

/* --- the begin ------------------------------------------------------------------------------- */

/* RFC 8305 section 5: the pace spares the network, and loopback is none. */
static void set_pace(struct he_race *race)
{
	for (unsigned i = 0; i < race->plan.count; i++) {
		const struct addrinfo *entry = race->plan.addrs[i];
		struct addr addr;
		struct addr_extra extra;

		if (addr_from_sockaddr(entry->ai_addr, entry->ai_addrlen, &addr, &extra) == 0)
			race->attempts[i].unpaced = addr_is_loopback(&addr);
	}
}

static struct race_rules rules_for(const struct he_options *options)
{
	return (struct race_rules){
	    .attempt_delay_ns = options->attempt_delay_ms == HE_SEQUENTIAL
	                            ? CLOCK_NEVER
	                            : (uint64_t)options->attempt_delay_ms * CLOCK_NS_PER_MS,
	    .timeout_ns = (uint64_t)options->timeout_ms * CLOCK_NS_PER_MS,
	    .max_in_flight =
	        options->max_in_flight == 0 ? UINT_MAX : (unsigned)options->max_in_flight,
	    .skips_forfeited = true,
	};
}

/* Who is cancelled already gets no attempt. */
static int watch_cancel(struct he_race *race, enum he_cause *ret_cause)
{
	int r;

	if (race->plan.options.cancel_fd < 0)
		return 0;
	*ret_cause = HE_CAUSE_POLLING;
	r = ensure_pollable(race);
	if (r < 0)
		return r;
	*ret_cause = HE_CAUSE_CANCEL_FD;
	return pollable_add_cancel(&race->pollable, race->plan.options.cancel_fd);
}

struct he_race *drive_begin(const struct addrinfo *list, const struct he_options *options)
{
	struct he_race *race = calloc(1, sizeof(*race));
	struct race_rules rules;
	enum he_cause cause;
	int r;

	if (race == NULL)
		return NULL;
	race->winner_fd = race->pollable.set = race->pollable.timer = -1;
	race->owner = getpid();
	r = plan_make(list, options, &race->plan, &cause);
	if (r != -ENOMEM) {
		race->attempts = calloc(race->plan.count + 1, sizeof(*race->attempts));
		race->contenders = calloc(race->plan.count + 1, sizeof(*race->contenders));
		race->report = report_new(race->plan.count, race->plan.binds);
	}
	if (race->attempts == NULL || race->contenders == NULL || race->report == NULL) {
		drive_free(race);
		errno = ENOMEM;
		return NULL;
	}
	for (unsigned i = 0; i < race->plan.count; i++)
		race->contenders[i].fd = -1;

	race->begun_ns = clock_now_ns();
	rules = rules_for(&race->plan.options);
	race_begin(&race->race, &rules, race->attempts, race->plan.count, race->begun_ns);
	set_pace(race);
	if (r == 0)
		r = watch_cancel(race, &cause);
	if (r < 0)
		conclude(race, cause, -r, race->begun_ns);
	drive_advance(race);
	return race;
}

void drive_free(struct he_race *race)
{
	pollable_close(&race->pollable);
	plan_free(&race->plan);
	he_report_free(race->report);
	free(race->attempts);
	free(race->contenders);
	free(race);
}
