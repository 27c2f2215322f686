/*
 * memory/marks: what a program did to a socket and the kernel does not tell afterwards. Kept by descriptor number together with the socket's cookie, so that a number that
 * was closed and used again, even behind our back, does not inherit them.
 *
 * Fixed memory; a collision forgets the older mark, and then the socket counts as unmarked.
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
	/* It was added to an epoll set, which would lose it if another socket took its place. */
	MARK_IN_EPOLL,
	MARKS
};

void marks_set(enum mark mark, int fd, uint64_t cookie);
bool marks_has(enum mark mark, int fd, uint64_t cookie);

#endif
