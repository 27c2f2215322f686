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

/*
 * Arrays up to this size are copied for the kernel, so that the program's own stays as it is
 * whatever ends the wait. Larger ones are changed in place for that time. 4 KiB of stack.
 */
#define COPIED_MAX 512

/* As many descriptors as a process can have by default; more numbers are left to the kernel. */
#define POLLED_MAX 1048576

/* Which of the two calls it is, and what both are given. */
struct poll_call {
	bool is_ppoll;
	struct pollfd *fds;
	nfds_t count;
	const sigset_t *mask;
};

/*
 * Marks what is changed in the array while the kernel reads it: a bit of `events` that poll()
 * ignores. With it, POLLOUT is not the program's; or the number is not to be seen, and is negative
 * meanwhile, as poll(2) has it for entries that are left out.
 */
#define OURS ((short)0x4000)

static bool restore(struct pollfd *entry)
{
	if ((entry->events & OURS) == 0)
		return false;
	if (entry->fd < 0)
		entry->fd = ~entry->fd;
	else
		entry->events &= (short)~POLLOUT;
	entry->events &= (short)~OURS;
	return true;
}

static uint64_t prepare_entry(struct pollfd *entry)
{
	uint64_t muted_until_ns = readiness_wait(entry->fd);

	if (muted_until_ns != 0) {
		entry->fd = ~entry->fd;
		entry->events |= OURS;
		return muted_until_ns;
	}
	if ((entry->events & POLLOUT) == 0)
		entry->events |= POLLOUT | OURS;
	return CLOCK_NEVER;
}

/* Returns until when the array may stay as it is then. */
static uint64_t prepare(struct pollfd *asked, nfds_t count)
{
	uint64_t until_ns = CLOCK_NEVER;

	for (nfds_t i = 0; i < count; i++) {
		uint64_t entry_until_ns = CLOCK_NEVER;

		/* An epoll set, for which programs wait like this, too. */
		if (asked[i].fd >= 0 && interests_may_be_in(asked[i].fd))
			readiness_sees_waits();
		if (number_races(asked[i].fd))
			entry_until_ns = prepare_entry(&asked[i]);
		if (entry_until_ns < until_ns)
			until_ns = entry_until_ns;
	}
	return until_ns;
}

static int ask(const struct poll_call *call, struct pollfd *asked, const struct patience *patience)
{
	struct timespec room;

	if (call->is_ppoll)
		return libc_ppoll(asked, call->count, patience_timespec(patience, &room),
		                  call->mask);
	return libc_poll(asked, call->count, patience_ms(patience));
}

/*
 * Puts the array in order, and takes out what the program did not ask for. Returns how many entries
 * are ready, or -1: ask again, which tells the truth then.
 */
static int finish(struct pollfd *asked, nfds_t count, int ready, unsigned moves)
{
	bool again = false;

	for (nfds_t i = 0; i < count; i++) {
		struct pollfd *entry = &asked[i];
		bool ours = restore(entry);

		if (ready <= 0 || entry->revents == 0)
			continue;
		if (number_races(entry->fd) && readiness_judge(entry->fd) != READINESS_TRUE)
			again = true;
		/* Of a socket that was replaced meanwhile, by a race that may be over. */
		if ((entry->revents & (POLLERR | POLLHUP)) != 0 && interests_moves() != moves)
			again = true;
		if (!ours)
			continue;
		entry->revents &= (short)~POLLOUT;
		ready -= entry->revents == 0;
	}
	return again ? -1 : ready;
}

static int wait_for(const struct poll_call *call, struct patience patience)
{
	struct pollfd copied[COPIED_MAX];
	struct pollfd *asked = call->count <= COPIED_MAX ? copied : call->fds;
	int r, ready;

	do {
		unsigned moves = interests_moves();
		uint64_t muted_until_ns;

		if (asked == copied)
			memcpy(copied, call->fds, call->count * sizeof(copied[0]));
		muted_until_ns = prepare(asked, call->count);
		patience.slice_ns = readiness_tend();
		if (muted_until_ns < patience.slice_ns)
			patience.slice_ns = muted_until_ns;
		r = ask(call, asked, &patience);
		ready = finish(asked, call->count, r, moves);
	} while (r >= 0 && (ready < 0 || (ready == 0 && !patience_ended(&patience))));

	for (nfds_t i = 0; r >= 0 && i < call->count; i++)
		call->fds[i].revents = asked[i].revents;
	return r < 0 ? r : ready;
}

/* The array is one that we can look at. What the kernel would refuse, it is to refuse. */
static bool concerns_us(const struct pollfd *fds, nfds_t count)
{
	return count > 0 && count <= POLLED_MAX && pointer_may_be_read(fds);
}

int wait_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct poll_call call = {false, fds, count, NULL};

	if (!contests_exist() || !concerns_us(fds, count))
		return libc_poll(fds, count, timeout_ms);
	return wait_for(&call, patience_from_ms(timeout_ms));
}

int wait_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
               const sigset_t *mask)
{
	struct poll_call call = {true, fds, count, mask};

	if (!contests_exist() || !patience_takes(timeout) || !concerns_us(fds, count))
		return libc_ppoll(fds, count, timeout, mask);
	return wait_for(&call, patience_from_timespec(timeout));
}
