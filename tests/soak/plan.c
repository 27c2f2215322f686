/* What is chosen for a race. All of it is drawn here, and in one order. */
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>

/* splitmix64 (Steele, Lea, Flood 2014): one addition and a mixer, and any state is a good one. */
uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* The state of a race's own stream, far away from those of its neighbours. */
uint64_t random_stream(uint64_t from, uint64_t number)
{
	uint64_t state = from, mixed = random_next(&state) ^ number;

	return random_next(&mixed);
}

static unsigned draw(uint64_t *random, unsigned n)
{
	return (unsigned)(random_next(random) >> 33) % n;
}

static bool chance(uint64_t *random, unsigned percent)
{
	return draw(random, 100) < percent;
}

/* One of `n`, the first with weights[0] and so on. */
static unsigned weighted(uint64_t *random, const unsigned *weights, unsigned n)
{
	unsigned sum = 0, at, i = 0;

	for (unsigned k = 0; k < n; k++)
		sum += weights[k];
	at = draw(random, sum);
	while (at >= weights[i])
		at -= weights[i++];
	return i;
}

#define WEIGHTED(random, weights)                                                                  \
	weighted((random), (weights), sizeof(weights) / sizeof((weights)[0]))

static const unsigned scenarios[] = {
    [SINGLE] = 830, [BATCH] = 90, [OWN_RACE] = 30, [WALK] = 30, [CHILD_RACES] = 5, [CANCEL] = 15,
};
static const unsigned apis[] = {
    [POLL] = 14,       [PPOLL] = 9,          [SELECT] = 9,         [PSELECT] = 7,
    [EPOLL_WAIT] = 24, [EPOLL_PWAIT] = 12,   [EPOLL_PWAIT2] = 10,  [POLL_ZERO] = 3,
    [RAW_POLL] = 3,    [RAW_EPOLL_WAIT] = 3, [CONNECT_POLLED] = 6,
};
static const unsigned sets[] = {
    [LEVEL] = 30,  [EDGE] = 25,     [ONESHOT] = 15, [EXCLUSIVE] = 8,
    [NESTED] = 10, [RAW_ADDED] = 8, [TWO_SETS] = 8,
};
static const unsigned actions[] = {
    [NOTHING] = 300,      [DUP] = 40,
    [DUP_AND_CLOSE] = 40, [SCM_RIGHTS_PASS] = 15,
    [CLOSE] = 40,         [RAW_CLOSE] = 40,
    [DUP2_OVER] = 25,     [DUP3_OVER] = 20,
    [CLOSE_RANGE] = 20,   [OPTIONS_CHANGE] = 60,
    [FLAGS] = 25,         [CLEAR_FCNTL] = 25,
    [CLEAR_IOCTL] = 20,   [CONNECT_AGAIN] = 30,
    [PROBE] = 40,         [SHUT_DOWN] = 25,
    [UNSPEC] = 20,        [UNSPEC_AND_AGAIN] = 20,
    [FORK] = 20,          [SPAWN] = 8,
    [SIGNAL] = 40,        [SIGNAL_RESTART] = 25,
    [MODIFY] = 40,        [REMOVE_AND_ADD] = 40,
    [SECOND_WAITER] = 40, [RESOLVE_AGAIN] = 10,
};

static const char *const scenario_names[] = {"single", "batch",       "own race",
                                             "walk",   "child races", "cancel"};
static const char *const mode_names[] = {"blocking", "SOCK_NONBLOCK", "F_SETFL", "FIONBIO"};
static const char *const api_names[] = {
    "poll",         "ppoll",          "select",
    "pselect",      "epoll_wait",     "epoll_pwait",
    "epoll_pwait2", "poll (0)",       "connect again and again",
    "raw poll",     "raw epoll_wait",
};
static const char *const set_names[] = {
    "level", "edge", "one-shot", "exclusive", "nested", "raw epoll_ctl", "two sets",
};
static const char *const action_names[] = {
    [NOTHING] = "nothing",
    [DUP] = "dup",
    [DUP_AND_CLOSE] = "dup and close",
    [SCM_RIGHTS_PASS] = "SCM_RIGHTS",
    [CLOSE] = "close",
    [RAW_CLOSE] = "raw close",
    [DUP2_OVER] = "dup2 over it",
    [DUP3_OVER] = "dup3 over it",
    [CLOSE_RANGE] = "close_range",
    [OPTIONS_CHANGE] = "options",
    [FLAGS] = "flags",
    [CLEAR_FCNTL] = "F_SETFL back",
    [CLEAR_IOCTL] = "FIONBIO back",
    [CONNECT_AGAIN] = "connect again",
    [PROBE] = "ask and try",
    [SHUT_DOWN] = "shutdown",
    [UNSPEC] = "AF_UNSPEC",
    [UNSPEC_AND_AGAIN] = "AF_UNSPEC and again",
    [FORK] = "fork",
    [SPAWN] = "posix_spawn",
    [SIGNAL] = "signal",
    [SIGNAL_RESTART] = "signal (SA_RESTART)",
    [MODIFY] = "epoll MOD",
    [REMOVE_AND_ADD] = "epoll DEL and ADD",
    [SECOND_WAITER] = "second waiter",
    [RESOLVE_AGAIN] = "resolve again",
};

/* Most of those that take the kernel's timeout are drawn again: the time is for others. */
static void draw_name(uint64_t *random, struct plan *plan)
{
	do
		plan->name = draw(random, 1u << 20);
	while (names_at(plan->name)->slow && chance(random, 70));
}

static void draw_socket(uint64_t *random, struct plan *plan)
{
	plan->mptcp = chance(random, 3);
	plan->dual_stack = chance(random, 6);
	plan->bound = chance(random, 5);
	plan->close_on_exec = chance(random, 70);
	plan->owner = chance(random, 10);
	plan->options_before = chance(random, 40) ? draw(random, 1u << OPTIONS) : 0;
	plan->options_during = draw(random, 1u << OPTIONS);
	plan->ending = (enum ending)draw(random, 3);
	plan->echo = chance(random, 50);
}

static void draw_wait(uint64_t *random, struct plan *plan)
{
	static const int slices[] = {-1, -1, -1, 7, 50};

	plan->api = (enum api)WEIGHTED(random, apis);
	plan->set = (enum set)WEIGHTED(random, sets);
	plan->want = chance(random, 60) ? WANT_OUT : chance(random, 50) ? WANT_IN : WANT_BOTH;
	plan->registered_before = chance(random, 50);
	plan->slice_ms = slices[draw(random, 5)];
}

/*
 * An ICMP error of IPv4 stays in the error queue of its socket, and AF_UNSPEC does not empty it:
 * what connects on that socket again is reported as failed, and has not.
 */
static void reconcile_prohibited(struct plan *plan)
{
	const struct address *requested = &names_at(plan->name)->at[plan->requested];

	if (requested->kind == PROHIBITED && requested->sa.ss_family == AF_INET &&
	    plan->action == UNSPEC_AND_AGAIN)
		plan->action = UNSPEC;
}

/* What the kinds of waiting can not do is replaced; nothing is drawn for it. */
static void reconcile(struct plan *plan)
{
	bool epoll = plan->api >= EPOLL_WAIT && plan->api <= EPOLL_PWAIT2;
	bool raw = plan->api == RAW_POLL || plan->api == RAW_EPOLL_WAIT;

	if (plan->api == RAW_EPOLL_WAIT)
		plan->set = LEVEL;
	if (plan->api == CONNECT_POLLED || raw)
		plan->want = WANT_OUT;
	if ((plan->action == MODIFY || plan->action == REMOVE_AND_ADD) &&
	    (!epoll || plan->by_thread || plan->set == EXCLUSIVE))
		plan->action = NOTHING;
	/* Whoever has a race of its own must not be told by others what became of it. */
	if (plan->api == CONNECT_POLLED && plan->action != OPTIONS_CHANGE)
		plan->action = NOTHING;
	if (raw && !act_ends_it(plan->action))
		plan->action = NOTHING;
	/* Once it is seen how a number is waited for, others that wait unseen are not looked for.
	 */
	if (plan->set == RAW_ADDED && plan->action == SECOND_WAITER)
		plan->action = NOTHING;
	/* What is changed unseen in the moment of a swap is missed (README). */
	if (plan->set == RAW_ADDED && (plan->action == MODIFY || plan->action == REMOVE_AND_ADD ||
	                               plan->action == DUP_AND_CLOSE))
		plan->action = NOTHING;
	if (plan->action == SIGNAL || plan->action == SIGNAL_RESTART ||
	    plan->action == SECOND_WAITER)
		plan->by_thread = true;
	if (plan->action == CONNECT_AGAIN || plan->action == CLEAR_FCNTL ||
	    plan->action == CLEAR_IOCTL || plan->action == PROBE ||
	    plan->action == UNSPEC_AND_AGAIN || plan->action == RESOLVE_AGAIN ||
	    plan->action == DUP_AND_CLOSE)
		plan->by_thread = false;
	if (plan->mode == BLOCKING) {
		/* The caller waits: only another thread can act. */
		bool possible = plan->action == SIGNAL || plan->action == SIGNAL_RESTART ||
		                plan->action == OPTIONS_CHANGE || plan->action == FLAGS ||
		                plan->action == SHUT_DOWN || plan->action == DUP ||
		                plan->action == SCM_RIGHTS_PASS || plan->action == FORK ||
		                plan->action == SPAWN;

		plan->by_thread = possible;
		if (!possible)
			plan->action = NOTHING;
	}
	/* It has a second number as it is. */
	if (plan->dup_before && (plan->action == DUP || plan->action == DUP_AND_CLOSE))
		plan->action = NOTHING;
	/* MPTCP has ways of its own to end a connection that is not there yet. */
	if (plan->mptcp && (plan->action == SHUT_DOWN || plan->action == UNSPEC ||
	                    plan->action == UNSPEC_AND_AGAIN))
		plan->action = NOTHING;
	if (plan->scenario == OWN_RACE || plan->scenario == WALK)
		plan->own_port = true;
	if (!plan->own_port)
		plan->requested = 0;
	reconcile_prohibited(plan);
}

void plan_draw(uint64_t *random, struct plan *ret_plan)
{
	struct plan plan = {.scenario = (enum scenario)WEIGHTED(random, scenarios)};

	draw_name(random, &plan);
	plan.own_port = chance(random, 50);
	plan.requested = chance(random, 60) ? 0 : draw(random, NAME_ADDRESSES_MAX);
	plan.requested %= names_at(plan.name)->count;
	draw_socket(random, &plan);
	plan.mode = chance(random, 20) ? BLOCKING : (enum mode)(FROM_START + draw(random, 3));
	plan.dup_before = chance(random, 2);
	draw_wait(random, &plan);
	plan.action = (enum action)WEIGHTED(random, actions);
	plan.by_thread = chance(random, 30);
	/* Around the moments when something happens: round trips and the delay between attempts. */
	plan.delay_ms =
	    (int)draw(random, chance(random, 70) ? 60 : 2u * (unsigned)attempt_delay_ms);
	plan.send_timeout_ms = chance(random, 20) ? 1 + (int)draw(random, 60) : 0;
	plan.batch = 2 + draw(random, BATCH_MAX - 1);
	plan.rest = random_next(random);
	reconcile(&plan);
	*ret_plan = plan;
}

void plan_draw_member(uint64_t *random, struct plan *ret_plan)
{
	struct plan plan = {.scenario = BATCH};

	draw_name(random, &plan);
	draw_socket(random, &plan);
	plan.mode = (enum mode)(FROM_START + draw(random, 3));
	draw_wait(random, &plan);
	if (plan.api >= POLL_ZERO)
		plan.api = POLL;
	*ret_plan = plan;
}

/* "s7 (B>R G)": the kinds of its addresses, the requested one marked. */
static int tell_name(const struct plan *plan, char *text, size_t size)
{
	const struct name *name = names_at(plan->name);
	int n = snprintf(text, size, "%s (", name->text);

	for (size_t i = 0; i < name->count; i++)
		n += snprintf(text + n, size - (size_t)n, "%s%c%c", i == plan->requested ? ">" : "",
		              "GRPBU"[name->at[i].kind],
		              name -> at[i].sa.ss_family == AF_INET ? '4' : '6');
	return n + snprintf(text + n, size - (size_t)n, ")");
}

void plan_tell(const struct plan *plan, char *text, size_t size)
{
	bool epoll = plan->api >= EPOLL_WAIT && plan->api <= EPOLL_PWAIT2;
	int n = snprintf(text, size, "%s ", scenario_names[plan->scenario]);

	n += tell_name(plan, text + n, size - (size_t)n);
	n += snprintf(text + n, size - (size_t)n, "%s%s%s%s, %s", plan->mptcp ? ", MPTCP" : "",
	              plan->dual_stack ? ", dual stack" : "", plan->bound ? ", bound" : "",
	              plan->dup_before ? ", dup before" : "", mode_names[plan->mode]);
	if (plan->mode == BLOCKING && plan->send_timeout_ms > 0)
		n += snprintf(text + n, size - (size_t)n, ", SO_SNDTIMEO %d ms",
		              plan->send_timeout_ms);
	n += snprintf(text + n, size - (size_t)n, ", %s%s%s%s for%s%s, slices of %d ms",
	              api_names[plan->api], epoll ? " " : "", epoll ? set_names[plan->set] : "",
	              epoll && plan->registered_before ? " (added before)" : "",
	              plan->want & WANT_OUT ? " OUT" : "", plan->want & WANT_IN ? " IN" : "",
	              plan->slice_ms);
	snprintf(text + n, size - (size_t)n, ", %s%s after %d ms", action_names[plan->action],
	         plan->by_thread ? " by a thread" : "", plan->delay_ms);
}

bool plan_is_left_out(const char *text)
{
	char words[256], *rest = words;
	const char *variable = getenv("SOAK_WITHOUT");

	snprintf(words, sizeof(words), "%s", variable != NULL ? variable : "");
	for (char *word; (word = strsep(&rest, ",")) != NULL;)
		if (word[0] != '\0' && strstr(text, word) != NULL)
			return true;
	return false;
}
