#include "wire/needs.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stddef.h>

/* List by next_needy and previous_needy, in the order of need_ns. */
static struct contest *first, *last;
static _Atomic uint64_t next_ns = CLOCK_NEVER;

static void note_next(void)
{
	atomic_store_explicit(&next_ns, first != NULL ? first->need_ns : CLOCK_NEVER,
	                      memory_order_relaxed);
}

uint64_t needs_next_ns(void)
{
	return atomic_load_explicit(&next_ns, memory_order_relaxed);
}

/* Behind `before`; NULL: first of all. */
static void insert(struct contest *contest, struct contest *before)
{
	struct contest *after = before != NULL ? before->next_needy : first;

	contest->is_needy = true;
	contest->previous_needy = before;
	contest->next_needy = after;
	*(before != NULL ? &before->next_needy : &first) = contest;
	*(after != NULL ? &after->previous_needy : &last) = contest;
	note_next();
}

void needs_enter(struct contest *contest, uint64_t now_ns)
{
	if (contest->is_needy || !contest->unattended || contest->state != CONTEST_OPEN ||
	    ((contest->race.ready == contest->race.count || contest->race.standing_down) &&
	     !contest_wants_search(contest)))
		return;
	/* The same for all, so that the place is at the end. */
	contest->need_ns = clock_add_ns(now_ns, race_tick_ns(&contest->race.rules) / 2);
	insert(contest, last);
}

void needs_hasten(struct contest *contest, uint64_t at_ns)
{
	struct contest *before = NULL;

	if (!contest->is_needy || contest->need_ns <= at_ns)
		return;
	needs_leave(contest);
	/* Few are as urgent as this one. */
	for (struct contest *at = first; at != NULL && at->need_ns <= at_ns; at = at->next_needy)
		before = at;
	contest->need_ns = at_ns;
	insert(contest, before);
}

void needs_leave(struct contest *contest)
{
	if (!contest->is_needy)
		return;
	contest->is_needy = false;
	if (contest->previous_needy != NULL)
		contest->previous_needy->next_needy = contest->next_needy;
	else
		first = contest->next_needy;
	if (contest->next_needy != NULL)
		contest->next_needy->previous_needy = contest->previous_needy;
	else
		last = contest->previous_needy;
	note_next();
}

void needs_meet(uint64_t now_ns)
{
	while (first != NULL && first->need_ns <= now_ns) {
		struct contest *contest = first;

		needs_leave(contest);
		/* The reactor may use it up while the program sleeps: it is to look again. */
		needs_enter(contest, now_ns);
		contest_feed(contest, now_ns);
	}
}

void needs_clear(void)
{
	first = last = NULL;
	note_next();
}
