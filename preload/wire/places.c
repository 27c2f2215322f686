#include "wire/places.h"

#include "base/clock.h"
#include "wire/report.h"

#include <stddef.h>
#include <sys/mman.h>

/* Asked of the kernel in pieces of this many: 200 KiB, of which one race uses a page. */
#define PIECE 64

/* A thread that waits for the outcome comes within microseconds, if it comes at all. */
#define TELL_AFTER_NS (CLOCK_NS_PER_S / 2)

static struct contest *pieces[PLACES_MAX / PIECE];
static uint32_t used;                                /* places that were ever in use */
static struct contest *first_free;                   /* list by next */
static struct contest *first_settled, *last_settled; /* list by next and previous, oldest first */

struct contest *places_at(uint32_t place)
{
	return &pieces[place / PIECE][place % PIECE];
}

uint32_t places_used(void)
{
	return used;
}

/* mmap() is a plain system call here: nothing of it is the C library's. */
static struct contest *new_place(void)
{
	struct contest *contest;

	if (used == PLACES_MAX)
		return NULL;
	if (pieces[used / PIECE] == NULL) {
		void *piece = mmap(NULL, PIECE * sizeof(struct contest), PROT_READ | PROT_WRITE,
		                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (piece == MAP_FAILED)
			return NULL;
		pieces[used / PIECE] = piece;
	}
	contest = places_at(used);
	contest->place = used++;
	return contest;
}

struct contest *places_take(void)
{
	struct contest *contest;

	if (first_free == NULL && (contest = new_place()) != NULL)
		return contest;
	if (first_free == NULL && first_settled != NULL)
		contest_free(first_settled);
	contest = first_free;
	if (contest != NULL)
		first_free = contest->next;
	return contest;
}

void places_settle(struct contest *contest)
{
	contest->next = NULL;
	contest->previous = last_settled;
	if (last_settled != NULL)
		last_settled->next = contest;
	else
		first_settled = contest;
	last_settled = contest;
}

void places_put_back(struct contest *contest)
{
	if (contest->previous != NULL)
		contest->previous->next = contest->next;
	else
		first_settled = contest->next;
	if (contest->next != NULL)
		contest->next->previous = contest->previous;
	else
		last_settled = contest->previous;
	contest->state = CONTEST_FREE;
	contest->next = first_free;
	first_free = contest;
}

/* No thread of the program will come and tell about it, or not soon. */
static bool is_abandoned(const struct contest *contest, uint64_t now_ns)
{
	return contest->waiters == 0 || contest->outcome == CONTEST_LEFT ||
	       now_ns - contest->settled_ns > TELL_AFTER_NS;
}

struct contest *places_untold(uint64_t now_ns)
{
	struct contest *contest = first_settled;

	while (contest != NULL && !(report_is_due(contest) && is_abandoned(contest, now_ns)))
		contest = contest->next;
	return contest;
}

uint64_t places_id(const struct contest *contest)
{
	return (uint64_t)contest->place << 32 | contest->generation;
}

struct contest *places_by_id(uint64_t id)
{
	struct contest *contest;

	if (id >> 32 >= used)
		return NULL;
	contest = places_at((uint32_t)(id >> 32));
	return contest->state == CONTEST_OPEN && places_id(contest) == id ? contest : NULL;
}

void places_clear(void)
{
	/* What is free is not touched: it costs the child no memory of its own. */
	for (uint32_t i = 0; i < used; i++)
		if (places_at(i)->state != CONTEST_FREE)
			contest_forget(places_at(i));
	used = 0;
	first_free = first_settled = last_settled = NULL;
}
