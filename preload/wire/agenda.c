#include "wire/agenda.h"

#include "base/clock.h"
#include "wire/contests.h"
#include "wire/places.h"

#include <stdatomic.h>
#include <stddef.h>

static struct contest *heap[PLACES_MAX];
static uint32_t count;
static uint64_t sleeps_until_ns;
static _Atomic uint64_t overslept_ns = CLOCK_NEVER;

static void put(struct contest *contest, uint32_t at)
{
	heap[at] = contest;
	contest->agenda_place = at + 1;
}

static void rise(struct contest *contest, uint32_t at)
{
	while (at > 0 && heap[(at - 1) / 2]->due_ns > contest->due_ns) {
		put(heap[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	put(contest, at);
}

static void sink(struct contest *contest, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < count && heap[child + 1]->due_ns < heap[child]->due_ns)
			child++;
		if (child >= count || heap[child]->due_ns >= contest->due_ns)
			break;
		put(heap[child], at);
		at = child;
	}
	put(contest, at);
}

void agenda_set(struct contest *contest, uint64_t due_ns)
{
	uint32_t at = contest->agenda_place == 0 ? count++ : contest->agenda_place - 1;

	contest->due_ns = due_ns;
	if (at > 0 && heap[(at - 1) / 2]->due_ns > due_ns)
		rise(contest, at);
	else
		sink(contest, at);
	if (due_ns < sleeps_until_ns && due_ns < agenda_overslept())
		atomic_store_explicit(&overslept_ns, due_ns, memory_order_relaxed);
}

void agenda_remove(struct contest *contest)
{
	struct contest *last;
	uint32_t at;

	if (contest->agenda_place == 0)
		return;
	at = contest->agenda_place - 1;
	contest->agenda_place = 0;
	last = heap[--count];
	if (last == contest)
		return;
	if (at > 0 && heap[(at - 1) / 2]->due_ns > last->due_ns)
		rise(last, at);
	else
		sink(last, at);
}

struct contest *agenda_first(void)
{
	return count == 0 ? NULL : heap[0];
}

void agenda_sleeps_until(uint64_t until_ns)
{
	sleeps_until_ns = until_ns;
	atomic_store_explicit(&overslept_ns, CLOCK_NEVER, memory_order_relaxed);
}

uint64_t agenda_overslept(void)
{
	return atomic_load_explicit(&overslept_ns, memory_order_relaxed);
}

void agenda_run(uint64_t now_ns, void (*look)(struct contest *contest, uint64_t now_ns))
{
	struct contest *contest = agenda_first();

	while (contest != NULL && contest->due_ns <= now_ns) {
		look(contest, now_ns);
		contest = agenda_first();
	}
	/* What is left of those that the reactor sleeps over. */
	if (agenda_overslept() <= now_ns)
		atomic_store_explicit(&overslept_ns,
		                      contest != NULL && contest->due_ns < sleeps_until_ns
		                          ? contest->due_ns
		                          : CLOCK_NEVER,
		                      memory_order_relaxed);
}

void agenda_clear(void)
{
	count = 0;
	agenda_sleeps_until(0);
}
