#include "wire/errors.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* Programs read the error at once. Of one that never does, the entry makes room for a later one. */
#define ERRORS_MAX 64

static struct {
	uint64_t cookie; /* 0: free */
	int error;
} errors[ERRORS_MAX];
static unsigned next;
static atomic_bool any;

bool errors_exist(void)
{
	return atomic_load_explicit(&any, memory_order_relaxed);
}

void errors_set(uint64_t cookie, int error)
{
	errors[next].cookie = cookie;
	errors[next].error = error;
	next = (next + 1) % ERRORS_MAX;
	atomic_store_explicit(&any, true, memory_order_relaxed);
}

int errors_take(uint64_t cookie)
{
	for (size_t i = 0; i < ERRORS_MAX; i++) {
		if (errors[i].cookie != cookie)
			continue;
		errors[i].cookie = 0;
		return errors[i].error;
	}
	return 0;
}

void errors_clear(void)
{
	memset(errors, 0, sizeof(errors));
	atomic_store_explicit(&any, false, memory_order_relaxed);
}
