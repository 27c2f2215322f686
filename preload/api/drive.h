/*
 * api/drive: a race of he.h from its begin to its end: the pure race that decides, a contender for
 * each attempt, the descriptor to poll. Safe in: as he_begin() and its like.
 */
#ifndef API_DRIVE_H
#define API_DRIVE_H

#include "api/contender.h"
#include "api/plan.h"
#include "api/pollable.h"
#include "race/race.h"

#include <he.h>
#include <sys/types.h>

struct he_race {
	struct plan plan;
	struct race race;
	struct race_attempt *attempts;
	struct contender *contenders;
	struct pollable pollable;
	struct he_report *report;
	uint64_t begun_ns;
	pid_t owner;
	bool over;
	int winner_fd; /* -1: none */
};

/* As he_begin(), he_advance(), he_cancel(), he_finish(); cancellation is disabled by the caller. */
struct he_race *drive_begin(const struct addrinfo *list, const struct he_options *options);
void drive_advance(struct he_race *race);
void drive_free(struct he_race *race);

/* Whether this process is a child of the one that began the race, and may only end it. */
bool drive_is_inherited(const struct he_race *race);

/* Ends the race without a winner, closing one that there was. */
void drive_end(struct he_race *race, enum he_cause cause, int error);

#endif
