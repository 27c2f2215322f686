/*
 * How a contest begins: see wire/contest.h.
 */
#include "base/clock.h"
#include "base/note.h"
#include "wire/agenda.h"
#include "wire/contest.h"
#include "wire/contests.h"
#include "wire/interests.h"
#include "wire/needs.h"
#include "wire/reactor.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* The domain that an address is tried on. */
static int domain_for(const struct contest_request *request, const struct addr *addr)
{
	bool mapped = request->extra.mapped || request->dual_stack;

	return addr->family == AF_INET && mapped ? AF_INET6 : addr->family;
}

static void fill(struct contest *contest, const struct contest_request *request, uint64_t now_ns)
{
	/* All but what the table keeps. */
	memset(&contest->own, 0, offsetof(struct contest, name) - offsetof(struct contest, own));
	contest->generation++;
	contest->own = request->own;
	contest->extra = request->extra;
	contest->begun_ns = now_ns;
	contest->log_fd = NOTE_STDERR;
	memset(contest->name, 0, sizeof(contest->name));
	strncpy(contest->name, request->name, sizeof(contest->name) - 1);
	race_begin(&contest->race, &request->rules, contest->race_attempts, request->count, now_ns);
	for (unsigned i = 0; i < request->count; i++) {
		contest->attempts[i] =
		    (struct attempt){.addr = request->addrs[i],
		                     .domain = domain_for(request, &request->addrs[i]),
		                     .fd = -1};
		contest->race.attempts[i].unpaced = addr_is_loopback(&request->addrs[i]);
	}
	contest->attempts[0].domain = request->own.domain;
	contest->attempts[0].cookie = request->own.cookie;
	contest->attempts[0].seated = true;
}

void contest_prepare_next(struct contest *contest)
{
	attempt_prepare(&contest->attempts[contest->race.ready], &contest->own);
	contest->race.ready++;
}

/* Returns whether any attempt beside the first has a socket. */
static bool prepare_all(struct contest *contest)
{
	bool any = false;

	while (contest->race.ready < contest->race.count) {
		contest_prepare_next(contest);
		any = any || contest->attempts[contest->race.ready - 1].fd >= 0;
	}
	return any;
}

int contest_begin(struct contest *contest, const struct contest_request *request, bool attended,
                  const struct quiet *quiet, uint64_t now_ns)
{
	struct race_move move;
	int r;

	fill(contest, request, now_ns);
	contest->waiters = attended;
	contest->waiter = pthread_self();
	contest->unattended = !attended;
	contests_opened(contest);
	contests_add_number(contest, request->own.fd);
	if (interests_confirm(request->own.fd, request->own.cookie))
		contest->known = WAITERS_RECORD;
	r = request->has_copy(&request->own) ? -EBUSY : 0;
	if (r == 0)
		r = reactor_ensure(race_tick_ns(&request->rules), &quiet->mask);
	/* A thread that sleeps in a wait already does not come by to make them. */
	contest->race.ready = 1;
	if (r == 0 && (attended || contests_are_waited_for()) && !prepare_all(contest))
		r = -EAGAIN;
	if (r < 0) {
		contest_close_sockets(contest);
		contests_drop_number(contest, 0);
		contests_settled(contest);
		contest_free(contest);
		return r;
	}
	if (note_wants(NOTE_RACE))
		contest->log_fd = note_open();

	/* A new race always begins with attempt 0, which the program's thread makes. */
	(void)race_next(&contest->race, now_ns, &move);
	agenda_set(contest, clock_add_ns(now_ns, race_tick_ns(&request->rules)));
	needs_enter(contest, now_ns);
	return 0;
}
