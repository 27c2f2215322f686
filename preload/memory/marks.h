/*
 * memory/marks: what a program did to a socket and the kernel does not tell afterwards. Kept by
 * descriptor number together with the socket's cookie, so that a number that was closed and used
 * again, even behind our back, does not inherit them.
 *
 * Fixed memory, for numbers below MARKS_FD_MAX.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef MEMORY_MARKS_H
#define MEMORY_MARKS_H

#include <stdbool.h>
#include <stdint.h>

enum mark {
	/* IPV6_V6ONLY was cleared by hand: the program speaks IPv4 through AF_INET6 (JVM, .NET). */
	MARK_DUAL_STACK,
	/* bind() was called with port 0: the port that the socket has is nobody's choice. */
	MARK_ANY_PORT,
	/* It has a second number (dup()), which would keep the old socket. */
	MARK_SHARED,
	/* TTL, hop limit or path MTU discovery were chosen, and are not the system's defaults. */
	MARK_HOPS,
	/* One of the options was set that few programs set, and that are read only then. */
	MARK_RARE,
	MARKS
};

/*
 * Ten thousand races have numbers up to twice that, and more when servers raise their limit; 512
 * KiB of .bss, of which a page or two is used.
 */
#define MARKS_FD_MAX 65536

/* Remembers the mark for the socket with this cookie; nothing when the number is too high. */
void marks_set(enum mark mark, int fd, uint64_t cookie);

/* False for a number that is too high to have marks: ask marks_can_have() where that matters. */
bool marks_has(enum mark mark, int fd, uint64_t cookie);

/* Whether a mark of this number would have been remembered. */
bool marks_can_have(int fd);

#endif
