/*
 * api/answer_cache: which names were looked up lately, or are being looked up: what has ended and
 * is young enough is used again, what runs is shared. Decides by the time that it is told, waits
 * for nothing.
 *
 * Memory of its owner, who serialises the calls. Safe in: threads (one cache, one at a time).
 */
#ifndef API_ANSWER_CACHE_H
#define API_ANSWER_CACHE_H

#include "api/lookup.h"

#include <stddef.h>
#include <stdint.h>

/* Zero but for the limits is an empty one. */
struct answer_cache {
	size_t max;       /* answers; lookups that run are not counted, each is a thread */
	uint64_t life_ns; /* of an answer, from its coming; 0: it is not used again */
	size_t count, room;
	struct answer {
		struct lookup *lookup; /* a reference */
		uint64_t ended_ns;     /* as far as it has been noticed */
		uint32_t hash;         /* of its name */
	} * answers;                   /* in the order of their begins */
};

/*
 * A new reference to the lookup of `name`, which runs or has addresses at `now_ns`; NULL: there is
 * none. What is too old, what failed, and the oldest answers beyond the limit are forgotten.
 */
struct lookup *answer_cache_find(struct answer_cache *cache, const char *name, uint64_t now_ns);

/*
 * Keeps a lookup, by a reference of the cache's own, whose name was not found. Without memory for
 * it it is not kept, and looked up again.
 */
void answer_cache_add(struct answer_cache *cache, struct lookup *lookup);

/* Forgets all, what runs as well, and frees its memory. */
void answer_cache_clear(struct answer_cache *cache);

#endif
