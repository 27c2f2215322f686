#include "wire/errors.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* Programs read the error at once. Of one that never does, the entry makes room for a later one. */
#define ERRORS_MAX 64

static struct errors_entry errors[ERRORS_MAX];
static unsigned next;
static atomic_bool any;

bool errors_exist(void)
{
	return atomic_load_explicit(&any, memory_order_relaxed);
}

void errors_set(const struct errors_entry *entry)
{
	errors[next] = *entry;
	next = (next + 1) % ERRORS_MAX;
	atomic_store_explicit(&any, true, memory_order_relaxed);
}

bool errors_take(uint64_t cookie, struct errors_entry *ret_entry)
{
	for (size_t i = 0; i < ERRORS_MAX; i++) {
		if (errors[i].cookie != cookie)
			continue;
		*ret_entry = errors[i];
		errors[i].cookie = 0;
		return true;
	}
	return false;
}

void errors_clear(void)
{
	memset(errors, 0, sizeof(errors));
	atomic_store_explicit(&any, false, memory_order_relaxed);
}
