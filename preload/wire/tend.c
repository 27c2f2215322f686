/*
 * What a thread of the program does for a contest when it comes by: see wire/contest.h.
 */
#include "wire/contest.h"
#include "wire/needs.h"
#include "wire/unseen.h"

bool contest_wants_search(const struct contest *contest)
{
	return contest->state == CONTEST_OPEN && contest->unattended &&
	       contest->known == WAITERS_POLL && !contest->searched;
}

static void search(struct contest *contest, uint64_t now_ns)
{
	contest->searched = true;
	unseen_find_all(contest->begun_ns, now_ns);
	contest_advance(contest, now_ns);
}

void contest_feed(struct contest *contest, uint64_t now_ns)
{
	if (contest_wants_search(contest))
		search(contest, now_ns);
	if (!contest_needs_socket(contest))
		return;
	/* One for later; and as many as fail at once before it. */
	do {
		contest_prepare_next(contest);
		contest_advance(contest, now_ns);
	} while (contest_needs_socket(contest) && race_next_start_ns(&contest->race) <= now_ns);
}

/* Nothing has happened yet but that the program's own attempt has begun. */
static bool is_quiet(const struct contest *contest)
{
	return contest->race.next == 1 && contest->race.attempts[0].state == RACE_RUNNING;
}

void contest_tend(struct contest *contest, uint64_t now_ns)
{
	contest_look(contest, now_ns);
	if (contest_wants_search(contest) && !is_quiet(contest))
		search(contest, now_ns);
	needs_enter(contest, now_ns);
	if (contest_needs_socket(contest) && race_next_start_ns(&contest->race) <= now_ns)
		contest_feed(contest, now_ns);
}

void contest_await(struct contest *contest, uint64_t now_ns)
{
	if (is_quiet(contest))
		needs_enter(contest, now_ns);
	else
		contest_tend(contest, now_ns);
}
