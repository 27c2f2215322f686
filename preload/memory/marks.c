#include "memory/marks.h"

#include <stdatomic.h>

/* The usual limit of descriptors: programs with more may lose a mark. 24 KiB of .bss. */
#define MARKED_MAX 1024

/* A cookie is never 0. */
static _Atomic uint64_t cookies[MARKS][MARKED_MAX];

static _Atomic uint64_t *cookie_of(enum mark mark, int fd)
{
	return &cookies[mark][(unsigned)fd % MARKED_MAX];
}

void marks_set(enum mark mark, int fd, uint64_t cookie)
{
	atomic_store_explicit(cookie_of(mark, fd), cookie, memory_order_relaxed);
}

bool marks_has(enum mark mark, int fd, uint64_t cookie)
{
	return atomic_load_explicit(cookie_of(mark, fd), memory_order_relaxed) == cookie;
}
