#include "memory/marks.h"

#include <stdatomic.h>

/* Otherwise the compiler would take locks of its own, in what signal handlers call. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics take no lock");

/* A cookie is never 0. */
static _Atomic uint64_t cookies[MARKS][MARKS_FD_MAX];

bool marks_can_have(int fd)
{
	return fd >= 0 && fd < MARKS_FD_MAX;
}

void marks_set(enum mark mark, int fd, uint64_t cookie)
{
	if (marks_can_have(fd))
		atomic_store_explicit(&cookies[mark][fd], cookie, memory_order_relaxed);
}

bool marks_has(enum mark mark, int fd, uint64_t cookie)
{
	return marks_can_have(fd) && cookie != 0 &&
	       atomic_load_explicit(&cookies[mark][fd], memory_order_relaxed) == cookie;
}
