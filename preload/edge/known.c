#include "edge/known.h"

#include "base/clock.h"
#include "base/note.h"
#include "edge/eligible.h"
#include "memory/answers.h"
#include "memory/failures.h"
#include "memory/marks.h"
#include "memory/settings.h"
#include "race/order.h"
#include "wire/contests.h"
#include "wire/dial.h"
#include "wire/launch.h"
#include "wire/readiness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static int pass(enum eligible reason)
{
	struct quiet quiet;

	if (!note_wants(NOTE_DEBUG))
		return KNOWN_PASS;
	quiet_begin(&quiet); /* a thread cancelled in the middle would leave the file open */
	note_say(NOTE_DEBUG, eligible_text(reason));
	quiet_end(&quiet);
	return KNOWN_PASS;
}

/* Of a number beyond those that can have marks it is not known. */
static bool has_copy(const struct own *own)
{
	return marks_has(MARK_SHARED, own->fd, own->cookie) || !marks_can_have(own->fd);
}

static enum eligible look_at_marks(struct own *own)
{
	struct eligible_marks marks = {
	    .any_port = marks_has(MARK_ANY_PORT, own->fd, own->cookie),
	    .shared = has_copy(own),
	};

	if (marks_has(MARK_RARE, own->fd, own->cookie) || !marks_can_have(own->fd))
		own_look_at_rare(own);
	own->chose_hops = marks_has(MARK_HOPS, own->fd, own->cookie);
	return eligible_socket(own, &marks);
}

/* The program has connected to the addresses of an answer in turns: nothing of it is a race. */
static atomic_bool takes_turns;

/*
 * Programs that race by themselves do so with sockets that do not block, or with ones whose call
 * came back. Threads that each wait in a connect() of their own are a pool.
 */
static bool is_own_race(const struct own *own, const struct answer *answer,
                        const struct addr_extra *extra)
{
	enum contests_beside beside = CONTESTS_NONE;
	struct quiet quiet;

	if (atomic_load_explicit(&takes_turns, memory_order_relaxed))
		return false;
	if (contests_exist() && contests_are_ours()) {
		contests_lock(&quiet);
		beside = contests_look_beside(own, answer->addrs, answer->count, answer->requested,
		                              extra->port);
		if (beside == CONTESTS_OWN_RACE)
			contests_stand_down(answer->addrs, answer->count, answer->requested,
			                    extra->port);
		contests_unlock(&quiet);
	}
	/* With nothing pending, and nothing failed, it does not begin with the first one. */
	if (beside == CONTESTS_TURNS || (beside == CONTESTS_NONE && answer->requested != 0 &&
	                                 own->nonblocking && !failures_exist()))
		atomic_store_explicit(&takes_turns, true, memory_order_relaxed);
	return beside == CONTESTS_OWN_RACE;
}

/* A bound socket can reach its own family only. */
static void drop_other_families(struct answer *answer, const struct addr *bound)
{
	size_t kept = 0;

	if (bound->family == 0)
		return;
	for (size_t i = 0; i < answer->count; i++) {
		if (answer->addrs[i].family != bound->family)
			continue;
		if (i == answer->requested)
			answer->requested = kept;
		answer->addrs[kept++] = answer->addrs[i];
	}
	answer->count = kept;
}

static void put_in_order(const struct answer *answer, struct contest_request *request)
{
	const struct settings *settings = settings_get();
	uint16_t families[ANSWER_ADDRS_MAX];
	size_t order[ANSWER_ADDRS_MAX];

	_Static_assert(ANSWER_ADDRS_MAX <= CONTEST_ATTEMPTS_MAX, "an answer fits into a race");
	for (size_t i = 0; i < answer->count; i++)
		families[i] = answer->addrs[i].family;
	order_addresses(families, answer->count, answer->requested, settings->first_family_count,
	                order);
	for (size_t i = 0; i < answer->count; i++)
		request->addrs[i] = answer->addrs[order[i]];
	request->count = (unsigned)answer->count;
	request->rules = (struct race_rules){
	    .attempt_delay_ns = settings->attempt_delay_ms * CLOCK_NS_PER_MS,
	    .timeout_ns = settings->connect_timeout_ms * CLOCK_NS_PER_MS,
	    .max_in_flight = settings->max_in_flight,
	};
}

void known_lost(const struct contest *contest)
{
	/* The requested address, whose error the program is told now, is not among them. */
	for (unsigned i = 1; i < contest->race.next; i++) {
		int error = contest_verdict(contest, i);

		if (error != 0)
			failures_add(&contest->attempts[i].addr, contest->extra.port, error,
			             contest->settled_ns);
	}
}

int known_error(int fd, int error)
{
	struct errors_entry entry;

	if (!readiness_has_other_error(fd, &entry))
		return error;
	/* It was not known when all were lost: known_lost(). */
	if (entry.remembers)
		failures_add(&entry.addr, entry.port, error, clock_now_ns());
	return entry.error;
}

int known_connect(int fd, const struct sockaddr *sa, socklen_t len, const struct addr *addr,
                  const struct addr_extra *extra)
{
	struct contest_request request = {.extra = *extra, .has_copy = has_copy};
	struct answer answer;
	enum eligible reason;
	int r;

	if (answers_recall(addr, &answer) < 2)
		return pass(PASS_ONE_ADDRESS);
	if (own_look(fd, &request.own) < 0)
		return pass(PASS_NOT_TCP);
	reason = look_at_marks(&request.own);

	/*
	 * First of all: a thread that walks its list after a lost race does not race by itself, and
	 * a socket that failed once still has a port. What another source address met does not
	 * count.
	 */
	if (failures_exist() && request.own.idle && request.own.bound.family == 0 &&
	    !request.own.fast_open && !request.own.repairing) {
		r = failures_take(addr, extra->port, clock_now_ns());
		if (r != 0) {
			pthread_testcancel();
			return -r;
		}
	}
	if (reason == ELIGIBLE && is_own_race(&request.own, &answer, extra))
		reason = PASS_OWN_RACE;
	if (reason != ELIGIBLE)
		return pass(reason);
	drop_other_families(&answer, &request.own.bound);
	if (answer.count < 2)
		return pass(PASS_ONE_ADDRESS);

	/* A connect() that fails leaves a port behind, which is nobody's choice either. */
	if (request.own.bound_port == 0)
		marks_set(MARK_ANY_PORT, fd, request.own.cookie);
	put_in_order(&answer, &request);
	request.name = answer.name;
	request.dual_stack =
	    request.own.domain == AF_INET6 && marks_has(MARK_DUAL_STACK, fd, request.own.cookie);
	if (request.own.nonblocking)
		return launch(&request, sa, len);
	r = dial(&request, sa, len);
	return r == DIAL_IMPOSSIBLE ? pass(PASS_NO_RESOURCES) : r;
}

int known_reconnect(int fd, const struct sockaddr *sa, socklen_t len)
{
	int r;

	if (!contests_are_ours())
		return KNOWN_PASS;
	r = dial_join(fd, sa, len);
	return r == DIAL_IMPOSSIBLE ? KNOWN_PASS : r;
}
