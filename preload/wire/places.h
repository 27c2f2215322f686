/*
 * wire/places: where contests are kept. Memory is asked of the kernel as it is needed and stays, so
 * that a pointer to a contest is good for ever; its generation tells whether it still is that one.
 * Called with the contests' lock held.
 * Safe in: threads, signal handlers, fork, cancellation (disabled by the caller).
 */
#ifndef WIRE_PLACES_H
#define WIRE_PLACES_H

#include "wire/contest.h"

/*
 * Races at the same time; the next one is left to the kernel. Ten thousand in one process are
 * served, with 3 KiB each.
 */
#define PLACES_MAX 16384

/*
 * A free place, or else that of the settled contest whose thread never came for the outcome; NULL
 * when there is none.
 */
struct contest *places_take(void);

/* Gives the place of a settled contest back. */
void places_put_back(struct contest *contest);

/* The contest is settled: it is kept for those who come for the outcome. */
void places_settle(struct contest *contest);

/* A settled contest that nobody has told about and for which no thread will come soon, or NULL. */
struct contest *places_untold(uint64_t now_ns);

/* The place with that number, of those that were ever used. */
struct contest *places_at(uint32_t place);
uint32_t places_used(void);

/* A name of the contest, never 0, and the open contest of that name, or NULL. */
uint64_t places_id(const struct contest *contest);
struct contest *places_by_id(uint64_t id);

/* In a forked child: closes what it has of contests, and forgets them. */
void places_clear(void);

#endif
