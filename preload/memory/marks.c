#include "memory/marks.h"

#include <stdatomic.h>

/* Otherwise the compiler would take locks of its own, in what signal handlers call. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics take no lock");

/*
 * The socket's cookie and, in the lowest bits, its marks: one word, so that both change at once.
 * The kernel counts cookies from 1; a machine would run for centuries to need the bits above.
 */
#define MARK_BITS 8
_Static_assert(MARKS <= MARK_BITS, "every mark has its bit");

static _Atomic uint64_t words[MARKS_FD_MAX];

bool marks_can_have(int fd)
{
	return fd >= 0 && fd < MARKS_FD_MAX;
}

void marks_set(enum mark mark, int fd, uint64_t cookie)
{
	uint64_t word, wanted;

	if (!marks_can_have(fd))
		return;
	word = atomic_load_explicit(&words[fd], memory_order_relaxed);
	do {
		/* Another socket had the number before: its marks go. */
		wanted = word >> MARK_BITS == cookie ? word : cookie << MARK_BITS;
		wanted |= UINT64_C(1) << mark;
	} while (!atomic_compare_exchange_weak_explicit(
	    &words[fd], &word, wanted, memory_order_relaxed, memory_order_relaxed));
}

bool marks_has(enum mark mark, int fd, uint64_t cookie)
{
	uint64_t word;

	if (!marks_can_have(fd) || cookie == 0)
		return false;
	word = atomic_load_explicit(&words[fd], memory_order_relaxed);
	return word >> MARK_BITS == cookie && (word >> mark & 1) != 0;
}
