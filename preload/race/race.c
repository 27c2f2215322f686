#include "race/race.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

void race_begin(struct race *race, const struct race_rules *rules, struct race_attempt *attempts,
                unsigned count, uint64_t now_ns)
{
	memset(race, 0, sizeof(*race));
	memset(attempts, 0, count * sizeof(*attempts));
	race->rules = *rules;
	race->attempts = attempts;
	race->count = count;
	race->ready = count;
	race->deadline_ns =
	    rules->timeout_ns == 0 ? CLOCK_NEVER : clock_add_ns(now_ns, rules->timeout_ns);
}

uint64_t race_tick_ns(const struct race_rules *rules)
{
	uint64_t tick_ns = rules->attempt_delay_ns;

	if (rules->timeout_ns != 0 && rules->timeout_ns < tick_ns)
		tick_ns = rules->timeout_ns;
	return tick_ns;
}

/* Another address may still be tried. */
static bool has_more(const struct race *race)
{
	return race->next < race->count && !race->standing_down;
}

/*
 * When the next attempt may start: one Connection Attempt Delay after the newest, or as soon as
 * the newest has failed, but paced. An attempt that sent nothing leaves the pace to the one before.
 */
uint64_t race_next_start_ns(const struct race *race)
{
	const struct race_attempt *newest;
	uint64_t paced_ns = 0;

	if (race->next == 0)
		return 0;
	newest = &race->attempts[race->next - 1];
	if (newest->state != RACE_FAILED)
		return clock_add_ns(newest->started_ns, race->rules.attempt_delay_ns);
	if (race->rules.attempt_delay_ns == CLOCK_NEVER)
		return 0;

	for (unsigned i = race->next; i-- > 0;) {
		const struct race_attempt *attempt = &race->attempts[i];
		bool free = attempt->state == RACE_FAILED && (attempt->unsent || attempt->unpaced);

		if (!free) {
			paced_ns = clock_add_ns(attempt->started_ns, RACE_PACE_NS);
			break;
		}
	}
	return paced_ns;
}

/* The attempt whose error is that of the race: see skips_forfeited. */
static const struct race_attempt *teller(const struct race *race)
{
	for (unsigned i = 0; race->rules.skips_forfeited && i < race->next; i++)
		if (!race->attempts[i].forfeited)
			return &race->attempts[i];
	return &race->attempts[0];
}

enum race_step race_next(struct race *race, uint64_t now_ns, struct race_move *ret_move)
{
	uint64_t start_ns;

	for (unsigned i = 0; i < race->next; i++) {
		if (race->attempts[i].state == RACE_CONNECTED) {
			ret_move->attempt = i;
			return RACE_WON;
		}
	}
	if (now_ns >= race->deadline_ns) {
		const struct race_attempt *told = teller(race);

		ret_move->error = told->state == RACE_FAILED ? told->error : ETIMEDOUT;
		return RACE_LOST;
	}
	if (race->running == 0 && !has_more(race)) {
		ret_move->error = teller(race)->error;
		return RACE_LOST;
	}
	if (!has_more(race) || race->next >= race->ready ||
	    race->running >= race->rules.max_in_flight) {
		ret_move->until_ns = race->deadline_ns;
		return RACE_WAIT;
	}
	start_ns = race_next_start_ns(race);
	if (now_ns < start_ns) {
		ret_move->until_ns = start_ns < race->deadline_ns ? start_ns : race->deadline_ns;
		return RACE_WAIT;
	}
	ret_move->attempt = race->next;
	race->attempts[race->next].state = RACE_RUNNING;
	race->attempts[race->next].started_ns = now_ns;
	race->next++;
	race->running++;
	return RACE_START;
}

void race_report(struct race *race, unsigned attempt, enum race_end end, int error, uint64_t now_ns)
{
	struct race_attempt *ended = &race->attempts[attempt];

	ended->state = end == RACE_END_CONNECTED ? RACE_CONNECTED : RACE_FAILED;
	ended->unsent = end == RACE_END_UNSENT;
	ended->error = error;
	ended->ended_ns = now_ns;
	race->running--;
}

void race_forfeit(struct race *race, unsigned attempt, int error)
{
	race->attempts[attempt].state = RACE_FAILED;
	race->attempts[attempt].forfeited = true;
	race->attempts[attempt].error = error;
}

void race_stand_down(struct race *race)
{
	race->standing_down = true;
}
