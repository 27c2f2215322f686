#include "race/race.h"

#include "base/clock.h"
#include "test.h"

#include <errno.h>
#include <string.h>

#define MS CLOCK_NS_PER_MS

/* As many as the longest answer has; the race itself has no bound. */
#define ATTEMPTS_MAX 32

/* Any moment will do; not 0, so that times since the begin and moments do not look alike. */
#define BEGIN (UINT64_C(1000) * CLOCK_NS_PER_S)

static const struct race_rules usual = {.attempt_delay_ns = 250 * MS, .max_in_flight = 8};
static struct race race;
static struct race_attempt attempts[ATTEMPTS_MAX];
static struct race_move move;

static void begin_by(const struct race_rules *rules, unsigned count)
{
	memset(&race, 0xa5, sizeof(race)); /* needs no earlier state */
	memset(attempts, 0xa5, sizeof(attempts));
	race_begin(&race, rules, attempts, count, BEGIN);
}

static void begin(unsigned count)
{
	begin_by(&usual, count);
}

static enum race_step at(uint64_t ms)
{
	return race_next(&race, BEGIN + ms * MS, &move);
}

/* A test is a script of these: at so many milliseconds the race says, or is told, that. */
#define starts(ms, number) test_assert(at(ms) == RACE_START && move.attempt == (number))
#define waits(ms, until)                                                                           \
	test_assert(at(ms) == RACE_WAIT && move.until_ns == BEGIN + (uint64_t)(until)*MS)
#define waits_for_an_end(ms) test_assert(at(ms) == RACE_WAIT && move.until_ns == CLOCK_NEVER)
#define won(ms, number) test_assert(at(ms) == RACE_WON && move.attempt == (number))
#define lost(ms, expected) test_assert(at(ms) == RACE_LOST && move.error == (expected))
#define connects(ms, number)                                                                       \
	race_report(&race, number, RACE_END_CONNECTED, 0, BEGIN + (uint64_t)(ms)*MS)
#define fails(ms, number, error)                                                                   \
	race_report(&race, number, RACE_END_FAILED, error, BEGIN + (uint64_t)(ms)*MS)
#define unsent(ms, number, error)                                                                  \
	race_report(&race, number, RACE_END_UNSENT, error, BEGIN + (uint64_t)(ms)*MS)

static void test_race_begin_starts_the_requested_address_at_once(void)
{
	begin(3);
	starts(0, 0);
	waits(0, 250);
}

static void test_race_silence_starts_next_after_the_attempt_delay(void)
{
	begin(3);
	starts(0, 0);
	waits(249, 250);
	starts(250, 1);
	waits(250, 500);
	starts(500, 2);
	waits_for_an_end(500);
	waits_for_an_end(100000);
}

static void test_race_late_wake_up_starts_one_and_counts_from_then(void)
{
	begin(4);
	starts(0, 0);
	starts(1000, 1); /* not all that would have been due: they would go out in a burst */
	waits(1000, 1250);
}

static void test_race_newest_failed_starts_next_at_once(void)
{
	begin(3);
	starts(0, 0);
	fails(40, 0, ECONNREFUSED);
	starts(40, 1);
	waits(40, 290);
	fails(90, 1, ECONNREFUSED);
	starts(90, 2);
}

static void test_race_newest_failed_within_the_pace_waits_for_ten_ms(void)
{
	begin(3);
	starts(0, 0);
	fails(3, 0, ECONNREFUSED);
	waits(3, 10);
	waits(9, 10);
	starts(10, 1);
	fails(10, 1, ECONNREFUSED);
	waits(10, 20);
	starts(20, 2);
}

static void test_race_failed_late_in_the_delay_is_not_waited_out(void)
{
	begin(2);
	starts(0, 0);
	fails(249, 0, ECONNREFUSED);
	starts(249, 1);
}

static void test_race_unsent_failure_starts_next_at_once(void)
{
	begin(4);
	starts(0, 0);
	unsent(0, 0, ENETUNREACH);
	starts(0, 1);
	unsent(0, 1, EHOSTUNREACH);
	starts(0, 2);
	waits(0, 250);
}

static void test_race_unsent_failure_leaves_the_pace_to_the_start_before(void)
{
	begin(4);
	race.attempts[0].unpaced = true;
	starts(0, 0);
	fails(0, 0, ECONNREFUSED);
	starts(4, 1);
	fails(5, 1, ECONNREFUSED); /* this one was sent, at 4 */
	waits(5, 14);
	starts(14, 2);
	unsent(14, 2, ENETUNREACH); /* so 4 counts, and that is 10 ms ago */
	starts(14, 3);
}

static void test_race_unsent_failure_of_a_later_one_is_paced_by_the_running_one(void)
{
	const struct race_rules rules = {.attempt_delay_ns = 4 * MS, .max_in_flight = 8};

	/* Not a delay that settings allow; it shows that a running attempt paces the next. */
	begin_by(&rules, 3);
	starts(0, 0);
	starts(4, 1);
	unsent(4, 1, ENETUNREACH);
	waits(4, 10);
	starts(10, 2);
}

static void test_race_loopback_failure_starts_next_at_once(void)
{
	begin(3);
	race.attempts[0].unpaced = true;
	starts(0, 0);
	fails(1, 0, ECONNREFUSED);
	starts(1, 1);
	fails(2, 1, ECONNREFUSED); /* not loopback */
	waits(2, 11);
}

static void test_race_loopback_that_runs_is_given_the_attempt_delay(void)
{
	begin(2);
	race.attempts[0].unpaced = true;
	race.attempts[1].unpaced = true;
	starts(0, 0);
	waits(0, 250);
	starts(250, 1);
}

static void test_race_failure_of_an_older_attempt_changes_nothing(void)
{
	begin(3);
	starts(0, 0);
	starts(250, 1);
	fails(300, 0, ECONNREFUSED);
	waits(300, 500);
	starts(500, 2);
}

static void test_race_failure_of_an_older_attempt_after_the_newest_changes_nothing(void)
{
	begin(4);
	starts(0, 0);
	starts(250, 1);
	fails(251, 1, ECONNREFUSED);
	fails(252, 0, ECONNREFUSED);
	waits(252, 260); /* paced by the newest start */
	starts(260, 2);
}

static void test_race_full_waits_for_an_end_and_kills_nobody(void)
{
	const struct race_rules two = {.attempt_delay_ns = 250 * MS, .max_in_flight = 2};

	begin_by(&two, 4);
	starts(0, 0);
	starts(250, 1);
	waits_for_an_end(250);
	waits_for_an_end(5000);
	test_assert(race.attempts[0].state == RACE_RUNNING);
	test_assert(race.attempts[1].state == RACE_RUNNING);
	fails(5000, 0, ETIMEDOUT); /* a place; the newest had its delay long ago */
	starts(5000, 2);
	waits_for_an_end(5000);
}

static void test_race_place_given_back_early_still_waits_for_the_delay(void)
{
	const struct race_rules two = {.attempt_delay_ns = 250 * MS, .max_in_flight = 2};

	begin_by(&two, 3);
	starts(0, 0);
	starts(250, 1);
	fails(300, 0, ECONNREFUSED);
	waits(300, 500);
	starts(500, 2);
}

static void test_race_one_in_flight_goes_on_only_after_failures(void)
{
	const struct race_rules one = {.attempt_delay_ns = 250 * MS, .max_in_flight = 1};

	begin_by(&one, 3);
	starts(0, 0);
	waits_for_an_end(0);
	waits_for_an_end(9999);
	fails(9999, 0, ETIMEDOUT);
	starts(9999, 1);
	fails(10000, 1, ECONNREFUSED);
	waits(10000, 10009);
}

static void test_race_full_waits_until_the_deadline(void)
{
	const struct race_rules rules = {
	    .attempt_delay_ns = 250 * MS, .timeout_ns = 3000 * MS, .max_in_flight = 1};

	begin_by(&rules, 2);
	starts(0, 0);
	waits(0, 3000);
}

static void test_race_success_wins(void)
{
	begin(2);
	starts(0, 0);
	connects(30, 0);
	won(30, 0);
}

static void test_race_success_is_looked_for_before_anything_is_started(void)
{
	begin(2);
	starts(0, 0);
	connects(249, 0); /* seen in the wake-up in which the next one was due */
	won(250, 0);
	test_assert(race.next == 1);
}

static void test_race_success_goes_before_the_failure_that_would_start_next(void)
{
	begin(3);
	starts(0, 0);
	starts(250, 1);
	fails(300, 1, ECONNREFUSED);
	connects(300, 0);
	won(300, 0);
}

static void test_race_several_successes_earliest_started_wins(void)
{
	begin(4);
	starts(0, 0);
	starts(250, 1);
	starts(500, 2);
	connects(510, 2);
	connects(511, 1);
	won(511, 1);
	connects(511, 0);
	won(511, 0);
}

static void test_race_after_won_nothing_starts(void)
{
	begin(3);
	starts(0, 0);
	starts(250, 1);
	connects(260, 1);
	won(260, 1);
	won(500, 1);
	fails(600, 0, ECONNREFUSED);
	won(100000, 1);
	test_assert(race.next == 2);
}

static void test_race_all_failed_gives_the_error_of_the_requested_address(void)
{
	begin(3);
	starts(0, 0);
	starts(250, 1);
	fails(260, 1, EHOSTUNREACH);
	starts(260, 2);
	fails(300, 2, ENETUNREACH);
	waits_for_an_end(300); /* the requested one still runs */
	fails(400, 0, ECONNREFUSED);
	lost(400, ECONNREFUSED);
	lost(9999, ECONNREFUSED);
}

static void test_race_not_lost_before_every_address_was_tried(void)
{
	begin(2);
	starts(0, 0);
	fails(3, 0, ECONNREFUSED);
	waits(3, 10); /* nothing runs, and yet nothing is lost */
	starts(10, 1);
	fails(20, 1, EHOSTUNREACH);
	lost(20, ECONNREFUSED);
}

static void test_race_deadline_loses_with_etimedout(void)
{
	const struct race_rules rules = {
	    .attempt_delay_ns = 250 * MS, .timeout_ns = 400 * MS, .max_in_flight = 8};

	begin_by(&rules, 5);
	starts(0, 0);
	waits(0, 250);
	starts(250, 1);
	waits(250, 400); /* comes before the next start */
	waits(399, 400);
	lost(400, ETIMEDOUT);
}

static void test_race_deadline_goes_before_a_start_that_is_due(void)
{
	const struct race_rules rules = {
	    .attempt_delay_ns = 250 * MS, .timeout_ns = 250 * MS, .max_in_flight = 8};

	begin_by(&rules, 2);
	starts(0, 0);
	waits(0, 250);
	lost(250, ETIMEDOUT);
	test_assert(race.next == 1);
}

/* Its own error is what the program would have been told without a deadline. */
static void test_race_deadline_after_a_refusal_gives_the_refusal(void)
{
	const struct race_rules rules = {
	    .attempt_delay_ns = 250 * MS, .timeout_ns = 400 * MS, .max_in_flight = 8};

	begin_by(&rules, 2);
	starts(0, 0);
	fails(5, 0, ECONNREFUSED);
	starts(10, 1);
	waits(10, 400);
	lost(400, ECONNREFUSED);
}

static void test_race_success_at_the_deadline_wins(void)
{
	const struct race_rules rules = {
	    .attempt_delay_ns = 250 * MS, .timeout_ns = 400 * MS, .max_in_flight = 8};

	begin_by(&rules, 2);
	starts(0, 0);
	connects(399, 0);
	won(401, 0);
}

static void test_race_all_failed_before_the_deadline_gives_the_real_error(void)
{
	const struct race_rules rules = {
	    .attempt_delay_ns = 250 * MS, .timeout_ns = 400 * MS, .max_in_flight = 8};

	begin_by(&rules, 1);
	starts(0, 0);
	waits(0, 400);
	fails(100, 0, ECONNREFUSED);
	lost(100, ECONNREFUSED);
}

static void test_race_delays_beyond_the_clock_are_never(void)
{
	const struct race_rules rules = {
	    .attempt_delay_ns = UINT64_MAX, .timeout_ns = UINT64_MAX, .max_in_flight = 8};

	begin_by(&rules, 2);
	starts(0, 0);
	waits_for_an_end(0);
	waits_for_an_end(100000000);
}

static void test_race_forfeited_success_goes_on_without_it(void)
{
	begin(3);
	starts(0, 0);
	starts(250, 1);
	connects(260, 1);
	won(260, 1);
	race_forfeit(&race, 1, EPERM);
	test_assert(race.attempts[1].forfeited && !race.attempts[0].forfeited);
	starts(260, 2); /* the newest failed, 10 ms after it started */
	connects(300, 0);
	won(300, 0);
}

static void test_race_forfeited_success_leaves_the_other_one(void)
{
	begin(2);
	starts(0, 0);
	starts(250, 1);
	connects(260, 0);
	connects(260, 1);
	won(260, 0);
	race_forfeit(&race, 0, EPERM);
	won(260, 1);
}

static void test_race_forfeited_requested_address_gives_its_error(void)
{
	begin(2);
	starts(0, 0);
	connects(20, 0);
	won(20, 0);
	race_forfeit(&race, 0, EPERM);
	starts(20, 1);
	fails(40, 1, ECONNREFUSED);
	lost(40, EPERM);
}

static void test_race_skips_forfeited_gives_the_first_error_of_one_that_was_tried(void)
{
	struct race_rules rules = usual;

	rules.skips_forfeited = true;
	begin_by(&rules, 3);
	starts(0, 0);
	unsent(0, 0, EADDRNOTAVAIL);
	race_forfeit(&race, 0, EADDRNOTAVAIL);
	starts(0, 1);
	fails(40, 1, ECONNREFUSED);
	starts(40, 2);
	fails(80, 2, EHOSTUNREACH);
	lost(80, ECONNREFUSED);
}

static void test_race_skips_forfeited_none_was_tried_gives_the_first_error(void)
{
	struct race_rules rules = usual;

	rules.skips_forfeited = true;
	begin_by(&rules, 2);
	starts(0, 0);
	unsent(0, 0, EADDRNOTAVAIL);
	race_forfeit(&race, 0, EADDRNOTAVAIL);
	starts(0, 1);
	unsent(0, 1, EMFILE);
	race_forfeit(&race, 1, EMFILE);
	lost(0, EADDRNOTAVAIL);
}

static void test_race_one_after_another_waits_for_ends_and_keeps_no_pace(void)
{
	const struct race_rules rules = {.attempt_delay_ns = CLOCK_NEVER, .max_in_flight = 8};

	begin_by(&rules, 3);
	starts(0, 0);
	waits_for_an_end(0);
	waits_for_an_end(100000);
	fails(100000, 0, ETIMEDOUT);
	starts(100000, 1);
	fails(100001, 1, ECONNREFUSED);
	starts(100001, 2);
	fails(100002, 2, ECONNREFUSED);
	lost(100002, ETIMEDOUT);
}

static void test_race_forfeit_keeps_count_of_those_that_run(void)
{
	const struct race_rules two = {.attempt_delay_ns = 250 * MS, .max_in_flight = 2};

	begin_by(&two, 4);
	starts(0, 0);
	starts(250, 1);
	connects(300, 1);
	race_forfeit(&race, 1, EPERM);
	starts(300, 2);
	waits_for_an_end(300); /* 0 and 2 run: full */
}

static void test_race_stand_down_starts_no_more(void)
{
	begin(4);
	starts(0, 0);
	starts(250, 1);
	race_stand_down(&race);
	waits_for_an_end(250);
	waits_for_an_end(5000);
	fails(5000, 1, ECONNREFUSED);
	waits_for_an_end(5000);
	fails(6000, 0, ETIMEDOUT);
	lost(6000, ETIMEDOUT);
	test_assert(race.next == 2);
}

static void test_race_stand_down_lets_the_running_ones_win(void)
{
	begin(4);
	starts(0, 0);
	race_stand_down(&race);
	waits_for_an_end(300);
	connects(400, 0);
	won(400, 0);
}

static void test_race_stand_down_keeps_the_deadline(void)
{
	const struct race_rules rules = {
	    .attempt_delay_ns = 250 * MS, .timeout_ns = 400 * MS, .max_in_flight = 8};

	begin_by(&rules, 4);
	starts(0, 0);
	race_stand_down(&race);
	waits(0, 400);
	lost(400, ETIMEDOUT);
}

static void test_race_next_that_is_not_ready_is_waited_for(void)
{
	begin(3);
	race.ready = 1;
	starts(0, 0);
	waits_for_an_end(0);
	waits_for_an_end(300); /* due, and there is nothing to start with */
	test_assert(race_next_start_ns(&race) == BEGIN + 250 * MS);
	race.ready = 2;
	starts(310, 1);
	waits_for_an_end(600);
	race.ready = 3;
	starts(600, 2);
}

static void test_race_with_nothing_ready_is_not_lost(void)
{
	begin(2);
	race.ready = 1;
	starts(0, 0);
	fails(20, 0, ECONNREFUSED);
	waits_for_an_end(20);
	race.ready = 2;
	starts(30, 1);
	fails(40, 1, ETIMEDOUT);
	lost(40, ECONNREFUSED);
}

static void test_race_tick_is_the_shorter_of_delay_and_timeout(void)
{
	struct race_rules rules = usual;

	test_assert(race_tick_ns(&rules) == 250 * MS);
	rules.timeout_ns = 100 * MS;
	test_assert(race_tick_ns(&rules) == 100 * MS);
	rules.timeout_ns = 1000 * MS;
	test_assert(race_tick_ns(&rules) == 250 * MS);
}

static void test_race_of_one_waits_for_it(void)
{
	begin(1);
	starts(0, 0);
	waits_for_an_end(0);
	waits_for_an_end(134000);
	fails(134900, 0, ETIMEDOUT);
	lost(134900, ETIMEDOUT);
}

static void test_race_of_32_silent_starts_all_at_the_attempt_delay(void)
{
	const struct race_rules rules = {.attempt_delay_ns = 250 * MS,
	                                 .max_in_flight = ATTEMPTS_MAX};

	begin_by(&rules, ATTEMPTS_MAX);
	for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
		starts(i * 250, i);
		if (i + 1 < ATTEMPTS_MAX)
			waits(i * 250, (i + 1) * 250);
	}
	waits_for_an_end(31 * 250);
	connects(8000, 31);
	won(8000, 31);
}

static void test_race_of_32_unreachable_is_lost_at_once(void)
{
	begin(ATTEMPTS_MAX);
	for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
		starts(0, i);
		unsent(0, i, i == 0 ? ENETUNREACH : EHOSTUNREACH);
	}
	lost(0, ENETUNREACH);
}

static void test_race_rules_are_copied(void)
{
	struct race_rules rules = usual;

	begin_by(&rules, 2);
	memset(&rules, 0, sizeof(rules));
	starts(0, 0);
	waits(0, 250);
}

static void test_race_move_has_only_the_member_of_its_step_written(void)
{
	const struct race_move mark = {.attempt = 77, .until_ns = 78, .error = 79};

	begin(1);
	move = mark;
	starts(0, 0);
	test_assert(move.until_ns == 78 && move.error == 79);
	move = mark;
	waits_for_an_end(0);
	test_assert(move.attempt == 77 && move.error == 79);
	fails(1, 0, EPERM);
	move = mark;
	lost(1, EPERM);
	test_assert(move.attempt == 77 && move.until_ns == 78);
}

static void test_race_ends_are_kept_for_the_report(void)
{
	begin(3);
	starts(0, 0);
	starts(250, 1);
	fails(260, 1, EHOSTUNREACH);
	starts(260, 2);
	connects(300, 2);
	test_assert(race.attempts[0].state == RACE_RUNNING);
	test_assert(race.attempts[0].started_ns == BEGIN);
	test_assert(race.attempts[1].state == RACE_FAILED);
	test_assert(race.attempts[1].error == EHOSTUNREACH);
	test_assert(race.attempts[1].started_ns == BEGIN + 250 * MS);
	test_assert(race.attempts[1].ended_ns == BEGIN + 260 * MS);
	test_assert(race.attempts[2].state == RACE_CONNECTED);
}

/*
 * The property: whatever the network does, the rules hold. A world decides at random how each
 * attempt will end and when; the driver wakes up late now and then, and reports in random order.
 */
struct world {
	uint64_t random;
	uint64_t now_ns;
	struct race_rules rules;
	unsigned count, started, running;
	bool stood_down;
	struct {
		enum race_end end;
		uint64_t started_ns, ends_ns;
		int error;
		bool unpaced, ended, forfeited;
	} attempts[ATTEMPTS_MAX];
};

static uint64_t draw(struct world *world, uint64_t below)
{
	world->random ^= world->random << 13; /* xorshift64 */
	world->random ^= world->random >> 7;
	world->random ^= world->random << 17;
	return world->random % below;
}

/* Mostly round numbers that meet the rules' own: the edges are where mistakes are. */
static uint64_t draw_duration(struct world *world)
{
	static const uint64_t edges[] = {0, 0, 1, 9, 10, 11, 100, 249, 250, 251, 500, 1000, 134900};
	uint64_t ms = edges[draw(world, sizeof(edges) / sizeof(edges[0]))];

	return draw(world, 4) == 0 ? draw(world, 600 * MS) : ms * MS;
}

static void world_begin(struct world *world, uint64_t seed)
{
	static const uint64_t delays[] = {10, 11, 100, 250, 250, 250, 2000};

	memset(world, 0, sizeof(*world));
	world->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	world->now_ns = BEGIN;
	world->count = 1 + (unsigned)draw(world, draw(world, 3) == 0 ? ATTEMPTS_MAX : 5);
	world->rules = (struct race_rules){
	    .attempt_delay_ns = delays[draw(world, sizeof(delays) / sizeof(delays[0]))] * MS,
	    .timeout_ns = draw(world, 4) == 0 ? 1 + draw(world, 3000 * MS) : 0,
	    .max_in_flight = 1 + (unsigned)draw(world, draw(world, 2) == 0 ? 3 : 32),
	};
	race_begin(&race, &world->rules, attempts, world->count, world->now_ns);
	for (unsigned i = 0; i < world->count; i++) {
		world->attempts[i].end = draw(world, 5) == 0   ? RACE_END_CONNECTED
		                         : draw(world, 4) == 0 ? RACE_END_UNSENT
		                                               : RACE_END_FAILED;
		world->attempts[i].error = 1000 + (int)i;
		world->attempts[i].unpaced = draw(world, 6) == 0;
		race.attempts[i].unpaced = world->attempts[i].unpaced;
	}
}

static uint64_t world_deadline(const struct world *world)
{
	return world->rules.timeout_ns == 0 ? CLOCK_NEVER : BEGIN + world->rules.timeout_ns;
}

static void world_report(struct world *world, unsigned i)
{
	bool connected = world->attempts[i].end == RACE_END_CONNECTED;

	world->attempts[i].ended = true;
	world->running--;
	race_report(&race, i, world->attempts[i].end, connected ? 0 : world->attempts[i].error,
	            world->now_ns);
}

/* Reports what has ended by now, beginning anywhere. */
static void world_look(struct world *world)
{
	unsigned from = (unsigned)draw(world, ATTEMPTS_MAX);

	for (unsigned k = 0; k < ATTEMPTS_MAX; k++) {
		unsigned i = (from + k) % ATTEMPTS_MAX;

		if (i < world->started && !world->attempts[i].ended &&
		    world->attempts[i].ends_ns <= world->now_ns)
			world_report(world, i);
	}
}

/* The earliest started that connected and was not forfeited; `count` when there is none. */
static unsigned world_winner(const struct world *world)
{
	for (unsigned i = 0; i < world->started; i++)
		if (world->attempts[i].ended && world->attempts[i].end == RACE_END_CONNECTED &&
		    !world->attempts[i].forfeited)
			return i;
	return world->count;
}

/* Attempt i is known to have failed; a forfeited one sent something. */
static bool world_failed(const struct world *world, unsigned i)
{
	return world->attempts[i].ended &&
	       (world->attempts[i].end != RACE_END_CONNECTED || world->attempts[i].forfeited);
}

static bool world_exempt(const struct world *world, unsigned i)
{
	return world_failed(world, i) &&
	       (world->attempts[i].end == RACE_END_UNSENT || world->attempts[i].unpaced);
}

/* The first moment at which the next attempt may start, by the rules as RFC 8305 words them. */
static uint64_t world_next_start(const struct world *world)
{
	uint64_t earliest = BEGIN;

	if (world->started == 0)
		return earliest;
	if (!world_failed(world, world->started - 1))
		return world->attempts[world->started - 1].started_ns +
		       world->rules.attempt_delay_ns;
	for (unsigned i = 0; i < world->started; i++)
		if (!world_exempt(world, i) &&
		    world->attempts[i].started_ns + RACE_PACE_NS > earliest)
			earliest = world->attempts[i].started_ns + RACE_PACE_NS;
	return earliest;
}

static void check_start(struct world *world, unsigned i)
{
	test_assert(i == world->started && i < world->count);
	test_assert(world_winner(world) == world->count);
	test_assert(world->running < world->rules.max_in_flight);
	test_assert(!world->stood_down);
	test_assert(world->now_ns < world_deadline(world));
	test_assert(world->now_ns >= world_next_start(world));

	world->attempts[i].started_ns = world->now_ns;
	world->attempts[i].ends_ns = world->now_ns;
	if (world->attempts[i].end != RACE_END_UNSENT || draw(world, 4) == 0)
		world->attempts[i].ends_ns += draw_duration(world);
	world->started++;
	world->running++;
	if (world->attempts[i].ends_ns == world->now_ns && draw(world, 2) == 0)
		world_report(world, i); /* at once, as a connect() that fails by itself does */
}

/* It waits for the right moment, neither longer nor shorter, and never for nothing. */
static void check_wait(struct world *world, uint64_t until_ns)
{
	bool more = world->started < world->count && !world->stood_down;
	bool full = world->running >= world->rules.max_in_flight;
	uint64_t expected = more && !full ? world_next_start(world) : CLOCK_NEVER;

	if (expected > world_deadline(world))
		expected = world_deadline(world);
	test_assert(world_winner(world) == world->count);
	test_assert(world->running > 0 || more);
	test_assert(until_ns > world->now_ns);
	test_assert(until_ns == expected);

	for (unsigned i = 0; i < world->started; i++)
		if (!world->attempts[i].ended && world->attempts[i].ends_ns < until_ns)
			until_ns = world->attempts[i].ends_ns;
	test_assert(until_ns != CLOCK_NEVER); /* an attempt that runs ends */
	if (until_ns > world->now_ns)
		world->now_ns = until_ns;
	if (draw(world, 4) == 0)
		world->now_ns += draw(world, 2) == 0 ? draw(world, 30 * MS) : draw(world, 400 * MS);
}

static void check_lost(const struct world *world, int error)
{
	test_assert(world_winner(world) == world->count);
	if (world->now_ns >= world_deadline(world)) {
		int requested = race.attempts[0].state == RACE_FAILED ? race.attempts[0].error : 0;

		test_assert(error == (requested != 0 ? requested : ETIMEDOUT));
		return;
	}
	test_assert(world->running == 0);
	test_assert(world->started == world->count || world->stood_down);
	test_assert(error == world->attempts[0].error);
}

static bool world_is_over(struct world *world)
{
	enum race_step step = race_next(&race, world->now_ns, &move);

	switch (step) {
	case RACE_START: check_start(world, move.attempt); return false;
	case RACE_WAIT:
		check_wait(world, move.until_ns);
		world_look(world);
		return false;
	case RACE_WON:
		test_assert(move.attempt == world_winner(world));
		if (draw(world, 3) != 0)
			return true;
		world->attempts[move.attempt].forfeited = true;
		race_forfeit(&race, move.attempt, world->attempts[move.attempt].error);
		return false;
	case RACE_LOST: check_lost(world, move.error); return true;
	}
	test_assert(!"a step that race.h has");
	return true;
}

static void test_race_random_schedules_keep_every_rule(void)
{
	for (uint64_t seed = 1; seed <= 10000; seed++) {
		struct world world;
		unsigned moves = 0;

		test_at("seed %llu", (unsigned long long)seed);
		world_begin(&world, seed);
		/* Each attempt starts, ends, may be forfeited, and is waited for a few times. */
		while (!world_is_over(&world)) {
			test_assert(++moves < 8 * ATTEMPTS_MAX);
			if (world.started > 0 && draw(&world, 60) == 0) {
				race_stand_down(&race);
				world.stood_down = true;
			}
		}
	}
}

static void run_rules_of_starting(void)
{
	test_run(test_race_begin_starts_the_requested_address_at_once);
	test_run(test_race_silence_starts_next_after_the_attempt_delay);
	test_run(test_race_late_wake_up_starts_one_and_counts_from_then);
	test_run(test_race_newest_failed_starts_next_at_once);
	test_run(test_race_newest_failed_within_the_pace_waits_for_ten_ms);
	test_run(test_race_failed_late_in_the_delay_is_not_waited_out);
	test_run(test_race_unsent_failure_starts_next_at_once);
	test_run(test_race_unsent_failure_leaves_the_pace_to_the_start_before);
	test_run(test_race_unsent_failure_of_a_later_one_is_paced_by_the_running_one);
	test_run(test_race_loopback_failure_starts_next_at_once);
	test_run(test_race_loopback_that_runs_is_given_the_attempt_delay);
	test_run(test_race_failure_of_an_older_attempt_changes_nothing);
	test_run(test_race_failure_of_an_older_attempt_after_the_newest_changes_nothing);
	test_run(test_race_full_waits_for_an_end_and_kills_nobody);
	test_run(test_race_place_given_back_early_still_waits_for_the_delay);
	test_run(test_race_one_in_flight_goes_on_only_after_failures);
	test_run(test_race_full_waits_until_the_deadline);
}

static void run_rules_of_ending(void)
{
	test_run(test_race_success_wins);
	test_run(test_race_success_is_looked_for_before_anything_is_started);
	test_run(test_race_success_goes_before_the_failure_that_would_start_next);
	test_run(test_race_several_successes_earliest_started_wins);
	test_run(test_race_after_won_nothing_starts);
	test_run(test_race_all_failed_gives_the_error_of_the_requested_address);
	test_run(test_race_not_lost_before_every_address_was_tried);
	test_run(test_race_deadline_loses_with_etimedout);
	test_run(test_race_deadline_goes_before_a_start_that_is_due);
	test_run(test_race_deadline_after_a_refusal_gives_the_refusal);
	test_run(test_race_success_at_the_deadline_wins);
	test_run(test_race_all_failed_before_the_deadline_gives_the_real_error);
	test_run(test_race_delays_beyond_the_clock_are_never);
	test_run(test_race_forfeited_success_goes_on_without_it);
	test_run(test_race_forfeited_success_leaves_the_other_one);
	test_run(test_race_forfeited_requested_address_gives_its_error);
	test_run(test_race_skips_forfeited_gives_the_first_error_of_one_that_was_tried);
	test_run(test_race_skips_forfeited_none_was_tried_gives_the_first_error);
	test_run(test_race_one_after_another_waits_for_ends_and_keeps_no_pace);
	test_run(test_race_forfeit_keeps_count_of_those_that_run);
	test_run(test_race_stand_down_starts_no_more);
	test_run(test_race_stand_down_lets_the_running_ones_win);
	test_run(test_race_stand_down_keeps_the_deadline);
}

int main(void)
{
	run_rules_of_starting();
	run_rules_of_ending();
	test_run(test_race_next_that_is_not_ready_is_waited_for);
	test_run(test_race_with_nothing_ready_is_not_lost);
	test_run(test_race_tick_is_the_shorter_of_delay_and_timeout);
	test_run(test_race_of_one_waits_for_it);
	test_run(test_race_of_32_silent_starts_all_at_the_attempt_delay);
	test_run(test_race_of_32_unreachable_is_lost_at_once);
	test_run(test_race_rules_are_copied);
	test_run(test_race_move_has_only_the_member_of_its_step_written);
	test_run(test_race_ends_are_kept_for_the_report);
	test_run(test_race_random_schedules_keep_every_rule);
	return test_result();
}
