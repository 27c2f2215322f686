/*
 * For the programs that drive 1,000 races of he.h at the same time from an event loop: what each
 * race is, and what must have become of it. The loop is the program's own:
 *
 *     crowd_begin(crowd, ...); watch each entry that is still racing
 *     when one is readable: entry_woken(); true: stop watching it, then entry_finish()
 *     crowd_to_cancel() says when it is time for entry_cancel(); after that, as above
 *     crowd_check() at the end
 *
 * The names and the port are those of tests/loop.bash.
 */
#ifndef API_LOOP_H
#define API_LOOP_H

#include "promise.h"

#include <he.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#define RACES 1000
/* A set, a timer and four sockets each, and what the process has besides. */
#define DESCRIPTORS_NEEDED (6 * RACES + 100)
#define DELAY_NS (HE_ATTEMPT_DELAY_MS * INT64_C(1000000))
/*
 * Each of at most four attempts is due once, and has news once. A descriptor that is readable for
 * nothing at all is readable again at once, and gets past this in no time.
 */
#define WAKES_MAX 8

#define GOOD4 "10.93.0.10"

enum fate {
	CONNECTS,      /* the first address is dead, the second one good */
	CONNECTS_LATE, /* three are dead */
	REFUSED,       /* by all */
	/* Three, all dead, so that only this ends it: */
	CANCELLED,    /* by he_cancel() */
	CANCELLED_FD, /* by the one cancel_fd of all of these, which is not the loop's to watch */
	ABANDONED,    /* by he_finish() */
	FATES
};

static const char *const names_of[FATES] = {"black", "mix", "allrefused", "mix", "mix", "mix"};

struct entry {
	enum fate fate;
	struct he_race *race; /* NULL: finished */
	int64_t begun_ns, ended_ns;
	int wakes;
	int fd; /* of the winner */
	struct crowd *crowd;
};

/* Races that one loop drives. */
struct crowd {
	struct entry *entries;
	size_t count;
	size_t running;  /* not finished */
	size_t unwoken;  /* of those that are to be cancelled: not woken yet */
	bool cancelling; /* has been told */
	int cancel_fd;
};

static struct names names_for[FATES];

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline bool to_cancel(enum fate fate)
{
	return fate == CANCELLED || fate == CANCELLED_FD || fate == ABANDONED;
}

/* Before anything else: room for all the descriptors, and the addresses. */
static inline void crowd_prepare(void)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_max < DESCRIPTORS_NEEDED)
		skip("the hard limit of descriptors (ulimit -Hn) is below 6100");
	limit.rlim_cur = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int fate = 0; fate < FATES; fate++)
		names_for[fate] = resolve(names_of[fate]);
	/*
	 * Without the last one, the good one. Two would not do: a loop that is late for the second
	 * at its first look has no news to expect of them.
	 */
	for (int fate = 0; fate < FATES; fate++)
		if (to_cancel(fate))
			names_for[fate].at[2]->ai_next = NULL;
}

/*
 * Begins `count` races: `mixed`, they end in all ways, else all connect. All are begun before one
 * is looked at: they run at the same time, or not at all.
 */
static inline void crowd_begin(struct crowd *crowd, struct entry *entries, size_t count, bool mixed)
{
	static const enum fate turns[] = {CONNECTS, CANCELLED,    REFUSED,   CONNECTS_LATE,
	                                  CONNECTS, CANCELLED_FD, ABANDONED, CANCELLED_FD};
	size_t ways = mixed ? sizeof(turns) / sizeof(turns[0]) : 1;

	*crowd = (struct crowd){.entries = entries, .count = count, .running = count};
	crowd->cancel_fd = eventfd(0, EFD_CLOEXEC);
	CHECK(crowd->cancel_fd >= 0);
	for (size_t i = 0; i < count; i++) {
		struct he_options options = HE_OPTIONS_INIT;
		struct entry *entry = &entries[i];

		*entry = (struct entry){.fate = turns[i % ways], .fd = -1, .crowd = crowd};
		if (entry->fate == CANCELLED_FD)
			options.cancel_fd = crowd->cancel_fd;
		crowd->unwoken += to_cancel(entry->fate);
		entry->begun_ns = now_ns();
		entry->race = he_begin(names_for[entry->fate].list, &options);
		CHECK(entry->race != NULL && he_descriptor(entry->race) >= 0);
	}
}

/*
 * The descriptor of a race was readable. Returns whether the race is over.
 * A dead address says nothing, so that the first news is that the delay has passed.
 */
static inline bool entry_woken(struct entry *entry)
{
	bool over;

	CHECK(entry->race != NULL);
	if (entry->wakes++ == 0) {
		CHECK(entry->fate == REFUSED || now_ns() - entry->begun_ns >= DELAY_NS);
		entry->crowd->unwoken -= to_cancel(entry->fate);
	}
	CHECK(entry->wakes <= WAKES_MAX);
	over = he_advance(entry->race) == 1;
	CHECK(!to_cancel(entry->fate) || over == entry->crowd->cancelling);
	return over;
}

/* Once: true when two attempts or more of each race that is to be cancelled run. */
static inline bool crowd_to_cancel(struct crowd *crowd)
{
	if (crowd->cancelling || crowd->unwoken > 0)
		return false;
	return crowd->cancelling = true;
}

/* All that listen to cancel_fd at once. */
static inline void crowd_cancel_by_descriptor(struct crowd *crowd)
{
	CHECK(eventfd_write(crowd->cancel_fd, 1) == 0);
}

/* Returns true when the race is to be watched no more, and finished. */
static inline bool entry_cancel(struct entry *entry)
{
	if (entry->race == NULL)
		return false;
	if (entry->fate == CANCELLED) {
		he_cancel(entry->race);
		CHECK(he_advance(entry->race) == 1);
	}
	return entry->fate == CANCELLED || entry->fate == ABANDONED;
}

static inline bool is_attempt_on(const struct he_attempt *attempt, const struct addrinfo *ai)
{
	return attempt->addr == ai && memcmp(&attempt->remote, ai->ai_addr, ai->ai_addrlen) == 0;
}

static inline void check_connected(struct entry *entry, const struct he_report *report)
{
	const struct names *names = &names_for[entry->fate];
	size_t count = entry->fate == CONNECTS ? 2 : 4;
	const struct he_attempt *first = he_report_attempt(report, 0);
	const struct he_attempt *last = he_report_attempt(report, count - 1);

	CHECK(entry->fd >= 0 && peer_is(entry->fd, GOOD4));
	CHECK((fcntl(entry->fd, F_GETFL) & O_NONBLOCK) == 0);
	CHECK(he_report_cause(report) == HE_CAUSE_NONE && he_report_error(report) == 0);
	CHECK(he_report_count(report) == count && names->count == count);
	CHECK(is_attempt_on(first, names->at[0]) && first->outcome == HE_OUTCOME_LOST);
	CHECK(is_attempt_on(last, names->at[count - 1]));
	CHECK(last->outcome == HE_OUTCOME_CONNECTED && he_report_winner(report) == last->addr);
	for (size_t i = 1; i < count; i++)
		CHECK(he_report_attempt(report, i)->started_ns -
		          he_report_attempt(report, i - 1)->started_ns >=
		      DELAY_NS);
	entry->ended_ns = entry->begun_ns + last->ended_ns;
	CHECK(entry->ended_ns <= now_ns());
}

static inline void check_refused(const struct he_report *report)
{
	CHECK(he_report_cause(report) == HE_CAUSE_ATTEMPTS);
	CHECK(he_report_error(report) == ECONNREFUSED && he_report_count(report) == 2);
	for (size_t i = 0; i < 2; i++) {
		const struct he_attempt *attempt = he_report_attempt(report, i);

		CHECK(attempt->outcome == HE_OUTCOME_FAILED && attempt->error == ECONNREFUSED);
	}
}

static inline void check_cancelled(const struct he_report *report)
{
	CHECK(he_report_cause(report) == HE_CAUSE_CANCELLED);
	CHECK(he_report_error(report) == ECANCELED && he_report_count(report) >= 2);
	for (size_t i = 0; i < he_report_count(report); i++)
		CHECK(he_report_attempt(report, i)->outcome == HE_OUTCOME_GIVEN_UP);
}

/* Takes the result, which must be the fate's; the loop watches the descriptor no more. */
static inline void entry_finish(struct entry *entry)
{
	struct he_report *report = NULL;
	int error;

	entry->fd = he_finish(entry->race, &report);
	error = errno;
	entry->race = NULL;
	entry->ended_ns = now_ns();
	entry->crowd->running--;
	CHECK(report != NULL);
	if (entry->fate == CONNECTS || entry->fate == CONNECTS_LATE) {
		check_connected(entry, report);
	} else {
		CHECK(entry->fd == -1 && error == he_report_error(report));
		if (entry->fate == REFUSED)
			check_refused(report);
		else
			check_cancelled(report);
	}
	he_report_free(report);
}

/* After the loop: that the races were at the same time, and that the peers are who they are. */
static inline void crowd_check(struct crowd *crowd)
{
	int64_t last_begun_ns = 0;
	int wakes = 0, wakes_most = 0;

	CHECK(crowd->running == 0 && crowd->unwoken == 0);
	for (size_t i = 0; i < crowd->count; i++)
		if (crowd->entries[i].begun_ns > last_begun_ns)
			last_begun_ns = crowd->entries[i].begun_ns;
	for (size_t i = 0; i < crowd->count; i++) {
		struct entry *entry = &crowd->entries[i];
		char greeting[INET6_ADDRSTRLEN + 1] = {0};

		/* What is refused on loopback is so within he_begin(). */
		CHECK(entry->fate == REFUSED || entry->ended_ns > last_begun_ns);
		wakes += entry->wakes;
		if (entry->wakes > wakes_most)
			wakes_most = entry->wakes;
		if (entry->fd < 0)
			continue;
		CHECK(read(entry->fd, greeting, sizeof(greeting) - 1) > 0);
		CHECK(strcmp(greeting, GOOD4 "\n") == 0);
		close(entry->fd);
	}
	close(crowd->cancel_fd);
	printf("%zu races, %d wake-ups, at most %d for one\n", crowd->count, wakes, wakes_most);
}

#endif
