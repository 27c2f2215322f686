#include "wire/wait.h"

#include "base/clock.h"
#include "base/libc.h"
#include "base/pointer.h"
#include "wire/contests.h"
#include "wire/interests.h"
#include "wire/number.h"
#include "wire/patience.h"
#include "wire/readiness.h"

#include <stdbool.h>
#include <string.h>

/* Programs whose sets go beyond that pay for them with the behaviour without libhe. 6 KiB of stack.
 */
#define NUMBERS_MAX 16384
#define WORD_BITS (8 * (int)sizeof(unsigned long))

enum { READABLE, WRITABLE, EXCEPTIONAL, SETS };

typedef unsigned long bits[NUMBERS_MAX / (8 * sizeof(unsigned long))];

/* Which of the two calls it is, and what both are given. The program's sets change at the end only.
 */
struct select_call {
	bool is_pselect;
	int count;
	unsigned long *sets[SETS];
	const sigset_t *mask;
};

static bool has(const unsigned long *set, int fd)
{
	return set != NULL && (set[fd / WORD_BITS] >> (fd % WORD_BITS) & 1) != 0;
}

static void put(unsigned long *set, int fd, bool on)
{
	unsigned long bit = 1ul << (fd % WORD_BITS);

	if (on)
		set[fd / WORD_BITS] |= bit;
	else
		set[fd / WORD_BITS] &= ~bit;
}

/* The numbers of one word in any of the sets. */
static unsigned long word_of(unsigned long *const *sets, int word)
{
	unsigned long all = 0;

	for (int i = 0; i < SETS; i++)
		all |= sets[i] != NULL ? sets[i][word] : 0;
	return all;
}

/* The next number from `from` on that is in any of the sets and races; -1: none. */
static int next_racing(const struct select_call *call, int from)
{
	for (int fd = from; fd < call->count; fd++) {
		unsigned long word = word_of(call->sets, fd / WORD_BITS) >> (fd % WORD_BITS);

		if (word == 0)
			fd |= WORD_BITS - 1; /* the last of this word */
		else if ((word & 1) != 0 && number_races(fd))
			return fd;
	}
	return -1;
}

/* What the kernel is asked, and which numbers are among the writable ones by our wish alone. */
struct question {
	bits sets[SETS];
	unsigned long *asked[SETS];
};

static size_t size_of(const struct select_call *call)
{
	return (size_t)((call->count + WORD_BITS - 1) / WORD_BITS) * sizeof(unsigned long);
}

/* Returns until when the question may stand. */
static uint64_t prepare(const struct select_call *call, struct question *question)
{
	uint64_t until_ns = CLOCK_NEVER;

	for (int i = 0; i < SETS; i++) {
		question->asked[i] = call->sets[i] != NULL ? question->sets[i] : NULL;
		if (call->sets[i] != NULL)
			memcpy(question->sets[i], call->sets[i], size_of(call));
		else
			memset(question->sets[i], 0, size_of(call));
	}
	for (int fd = next_racing(call, 0); fd >= 0; fd = next_racing(call, fd + 1)) {
		uint64_t muted_until_ns = readiness_wait(fd);

		question->asked[WRITABLE] = question->sets[WRITABLE];
		put(question->sets[WRITABLE], fd, true);
		if (muted_until_ns == 0)
			continue;
		for (int i = 0; i < SETS; i++)
			put(question->sets[i], fd, false);
		until_ns = muted_until_ns < until_ns ? muted_until_ns : until_ns;
	}
	return until_ns;
}

static int ask(const struct select_call *call, struct question *question,
               const struct patience *patience)
{
	struct timespec room;
	const struct timespec *timeout = patience_timespec(patience, &room);
	struct timeval left;

	if (call->is_pselect)
		return libc_pselect(call->count, (fd_set *)question->asked[READABLE],
		                    (fd_set *)question->asked[WRITABLE],
		                    (fd_set *)question->asked[EXCEPTIONAL], timeout, call->mask);
	/* Rounded up: not before the time. */
	if (timeout != NULL)
		left = (struct timeval){.tv_sec = timeout->tv_sec + (timeout->tv_nsec > 999999000),
		                        .tv_usec = (timeout->tv_nsec + 999) / 1000 % 1000000};
	return libc_select(call->count, (fd_set *)question->asked[READABLE],
	                   (fd_set *)question->asked[WRITABLE],
	                   (fd_set *)question->asked[EXCEPTIONAL], timeout != NULL ? &left : NULL);
}

/*
 * Takes out what the program did not ask for. Returns how many bits are left, or -1: ask again,
 * which tells the truth then.
 */
static int finish(const struct select_call *call, struct question *question, int ready,
                  unsigned moves)
{
	bool again = false;

	for (int fd = next_racing(call, 0); fd >= 0; fd = next_racing(call, fd + 1)) {
		bool is_ready = has(question->asked[READABLE], fd) ||
		                has(question->asked[WRITABLE], fd) ||
		                has(question->asked[EXCEPTIONAL], fd);

		if (is_ready && readiness_judge(fd) != READINESS_TRUE)
			again = true;
	}
	for (int word = 0; word * WORD_BITS < call->count; word++) {
		unsigned long theirs =
		    call->sets[WRITABLE] != NULL ? call->sets[WRITABLE][word] : 0;
		unsigned long added = question->sets[WRITABLE][word] & ~theirs;

		question->sets[WRITABLE][word] &= theirs;
		ready -= __builtin_popcountl(added);
	}
	/* Which number it was that moved may not be known any more. */
	return again || interests_moves() != moves ? -1 : ready;
}

static int wait_for(const struct select_call *call, struct patience *patience)
{
	struct question question;

	for (;;) {
		unsigned moves = interests_moves();
		uint64_t muted_until_ns = prepare(call, &question);
		int r, ready;

		patience->slice_ns = readiness_tend();
		if (muted_until_ns < patience->slice_ns)
			patience->slice_ns = muted_until_ns;
		r = ask(call, &question, patience);
		if (r < 0)
			return r;
		ready = r == 0 ? 0 : finish(call, &question, r, moves);
		if (ready > 0 || (ready == 0 && patience_ended(patience))) {
			for (int i = 0; i < SETS; i++)
				if (call->sets[i] != NULL)
					memcpy(call->sets[i], question.sets[i], size_of(call));
			return ready;
		}
	}
}

/* An epoll set is among the numbers: programs wait for those like this, too. */
static bool has_sets(const struct select_call *call)
{
	for (int fd = 0; fd < call->count; fd++) {
		unsigned long word = word_of(call->sets, fd / WORD_BITS) >> (fd % WORD_BITS);

		if (word == 0)
			fd |= WORD_BITS - 1; /* the last of this word */
		else if ((word & 1) != 0 && interests_may_be_in(fd))
			return true;
	}
	return false;
}

static bool concerns_us(const struct select_call *call)
{
	for (int i = 0; i < SETS; i++)
		if (call->sets[i] != NULL && !pointer_may_be_read(call->sets[i]))
			return false;
	if (call->count <= 0 || call->count > NUMBERS_MAX)
		return false;
	if (has_sets(call)) {
		readiness_sees_waits();
		return true;
	}
	return next_racing(call, 0) >= 0;
}

int wait_select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                struct timeval *timeout)
{
	struct select_call call = {
	    false,
	    count,
	    {(unsigned long *)readable, (unsigned long *)writable, (unsigned long *)exceptional},
	    NULL};
	struct timespec given;
	struct patience patience;
	const struct timespec *left;
	int r;

	if (timeout != NULL)
		given = (struct timespec){timeout->tv_sec, timeout->tv_usec * 1000};
	if (!contests_exist() || !patience_takes(timeout != NULL ? &given : NULL) ||
	    !concerns_us(&call))
		return libc_select(count, readable, writable, exceptional, timeout);

	patience = patience_from_timespec(timeout != NULL ? &given : NULL);
	r = wait_for(&call, &patience);
	/* As the kernel does it: what was left. */
	patience.slice_ns = CLOCK_NEVER;
	left = patience_timespec(&patience, &given);
	if (timeout != NULL && left != NULL)
		*timeout = (struct timeval){left->tv_sec, left->tv_nsec / 1000};
	return r;
}

int wait_pselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                 const struct timespec *timeout, const sigset_t *mask)
{
	struct select_call call = {
	    true,
	    count,
	    {(unsigned long *)readable, (unsigned long *)writable, (unsigned long *)exceptional},
	    mask};
	struct patience patience;

	if (!contests_exist() || !patience_takes(timeout) || !concerns_us(&call))
		return libc_pselect(count, readable, writable, exceptional, timeout, mask);
	patience = patience_from_timespec(timeout);
	return wait_for(&call, &patience);
}
