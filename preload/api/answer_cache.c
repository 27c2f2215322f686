#include "api/answer_cache.h"

#include "base/clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 16

/* FNV-1a. Host names are the same in capitals and not. */
static uint32_t hash_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name != '\0'; name++) {
		uint8_t c = (uint8_t)*name;

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		hash = (hash ^ c) * 16777619u;
	}
	return hash;
}

/* Whether it is of no more use, after a look at whether it has ended. */
static bool is_over(const struct answer_cache *cache, struct answer *answer, uint64_t now_ns)
{
	if (answer->ended_ns == 0) {
		answer->ended_ns = lookup_ended_ns(answer->lookup);
		if (answer->ended_ns == 0)
			return false;
		if (answer->lookup->gai != 0)
			return true;
	}
	return clock_add_ns(answer->ended_ns, cache->life_ns) <= now_ns;
}

/* The oldest that has ended; there is one. */
static void forget_oldest(struct answer_cache *cache)
{
	struct answer *oldest = cache->answers;

	while (oldest->ended_ns == 0)
		oldest++;
	lookup_release(oldest->lookup);
	cache->count--;
	memmove(oldest, oldest + 1,
	        (size_t)(cache->answers + cache->count - oldest) * sizeof(*oldest));
}

/* A pass over all at each look: for 1024 it takes microseconds. */
static void tidy(struct answer_cache *cache, uint64_t now_ns)
{
	size_t ended = 0, kept = 0;

	for (size_t i = 0; i < cache->count; i++) {
		struct answer answer = cache->answers[i];

		if (is_over(cache, &answer, now_ns)) {
			lookup_release(answer.lookup);
			continue;
		}
		ended += answer.ended_ns != 0;
		cache->answers[kept++] = answer;
	}
	cache->count = kept;
	for (; ended > cache->max; ended--)
		forget_oldest(cache);
}

struct lookup *answer_cache_find(struct answer_cache *cache, const char *name, uint64_t now_ns)
{
	uint32_t hash = hash_of(name);

	tidy(cache, now_ns);
	for (size_t i = 0; i < cache->count; i++) {
		const struct answer *answer = &cache->answers[i];

		if (answer->hash == hash && strcasecmp(answer->lookup->name, name) == 0)
			return lookup_share(answer->lookup);
	}
	return NULL;
}

void answer_cache_add(struct answer_cache *cache, struct lookup *lookup)
{
	if (cache->count == cache->room) {
		size_t room = cache->room == 0 ? ROOM_FIRST : cache->room * 2;
		struct answer *answers =
		    reallocarray(cache->answers, room, sizeof(*cache->answers));

		if (answers == NULL)
			return;
		cache->answers = answers;
		cache->room = room;
	}
	cache->answers[cache->count++] =
	    (struct answer){.lookup = lookup_share(lookup), .hash = hash_of(lookup->name)};
}

void answer_cache_clear(struct answer_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++)
		lookup_release(cache->answers[i].lookup);
	free(cache->answers);
	cache->answers = NULL;
	cache->count = cache->room = 0;
}
