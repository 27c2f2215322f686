/*
 * api/failure_memory: which addresses, with their ports, could not be connected to lately. Decides
 * by the time that it is told.
 *
 * Memory of its owner, who serialises the calls. Safe in: threads (one memory, one at a time).
 */
#ifndef API_FAILURE_MEMORY_H
#define API_FAILURE_MEMORY_H

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * With the default life of a minute: as many as a program forgets when it meets 17 dead addresses a
 * second, all the time. Beyond that the oldest goes first, and is met in its old place again, which
 * costs what it costs without a memory: one wait of an attempt delay. 48 KiB, when it is full.
 */
#define FAILURE_MEMORY_MAX 1024

/* Zero but for the limit is an empty one. */
struct failure_memory {
	uint64_t life_ns; /* 0: nothing is remembered */
	size_t count, room;
	struct failure {
		struct addr addr;
		uint16_t port;
		uint64_t until_ns;
	} * failures; /* the oldest first */
};

/* Remembers `name` from `now_ns` on. Without memory for it, it is not. */
void failure_memory_add(struct failure_memory *memory, const struct sockaddr *name, socklen_t len,
                        uint64_t now_ns);

/* It was connected to. */
void failure_memory_remove(struct failure_memory *memory, const struct sockaddr *name,
                           socklen_t len);

bool failure_memory_has(const struct failure_memory *memory, const struct sockaddr *name,
                        socklen_t len, uint64_t now_ns);

/* Forgets all, and frees its memory. */
void failure_memory_clear(struct failure_memory *memory);

#endif
