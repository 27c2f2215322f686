#include "wire/errors.h"

#include "wire/contests.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/*
 * As many as races can be open at once: hundreds end in the same moment, before the first of their
 * threads comes to read.
 */
#define ERRORS_MAX CONTESTS_MAX

/*
 * The kernel counts sockets, so an entry is mostly alone at the place of its number, or finds one
 * free soon after it. Of a program that never reads, one has to give way.
 */
#define PROBES 16

static struct errors_entry errors[ERRORS_MAX];
static atomic_bool any;

/* The place with `content` (a cookie, or 0: a free one) among those that are `cookie`'s, or NULL.
 */
static struct errors_entry *find(uint64_t cookie, uint64_t content)
{
	for (uint64_t i = 0; i < PROBES; i++) {
		struct errors_entry *entry = &errors[(cookie + i) % ERRORS_MAX];

		if (entry->cookie == content)
			return entry;
	}
	return NULL;
}

bool errors_exist(void)
{
	return atomic_load_explicit(&any, memory_order_relaxed);
}

void errors_set(const struct errors_entry *entry)
{
	struct errors_entry *place = find(entry->cookie, entry->cookie);

	if (place == NULL)
		place = find(entry->cookie, 0);
	if (place == NULL)
		place = &errors[entry->cookie % ERRORS_MAX];
	*place = *entry;
	atomic_store_explicit(&any, true, memory_order_relaxed);
}

bool errors_take(uint64_t cookie, struct errors_entry *ret_entry)
{
	struct errors_entry *entry = find(cookie, cookie);

	if (entry == NULL)
		return false;
	*ret_entry = *entry;
	entry->cookie = 0;
	return true;
}

void errors_clear(void)
{
	/* Most children have none, and would pay for the whole of it. */
	if (!errors_exist())
		return;
	memset(errors, 0, sizeof(errors));
	atomic_store_explicit(&any, false, memory_order_relaxed);
}
