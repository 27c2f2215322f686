#include "memory/failures.h"

#include "base/clock.h"

#include <stdatomic.h>

/*
 * Thirty full answers, as a program with hundreds of connections may lose in two seconds; when all
 * are taken, further failures are simply met again. 56 KiB.
 */
#define FAILURES_MAX 1024

enum { EMPTY, TAKEN, FULL };

struct failure {
	atomic_int state;
	/* These can be read without taking it. */
	_Atomic uint64_t key; /* of the address and the port */
	_Atomic uint64_t expires_ns;
	int error;
	struct addr addr;
	uint16_t port;
};

static struct failure failures[FAILURES_MAX];
static atomic_int full_count;

static bool move(struct failure *failure, int from, int to)
{
	/* A look is cheaper than a try, and nearly all are in another state. */
	return atomic_load_explicit(&failure->state, memory_order_relaxed) == from &&
	       atomic_compare_exchange_strong_explicit(&failure->state, &from, to,
	                                               memory_order_acq_rel, memory_order_relaxed);
}

static uint64_t key_of(const struct addr *addr, uint16_t port)
{
	return (uint64_t)addr_hash(addr) << 16 | port;
}

/*
 * What is taken for a look is passed over by whoever it is meant for, who waits for the network
 * again then. So only what is likely to go is taken.
 */
static bool may_go(const struct failure *failure, uint64_t key, uint64_t now_ns)
{
	return atomic_load_explicit(&failure->state, memory_order_acquire) == FULL &&
	       (atomic_load_explicit(&failure->key, memory_order_relaxed) == key ||
	        atomic_load_explicit(&failure->expires_ns, memory_order_relaxed) <= now_ns);
}

static void put(struct failure *failure, const struct addr *addr, uint16_t port, int error,
                uint64_t now_ns)
{
	failure->addr = *addr;
	failure->port = port;
	failure->error = error;
	atomic_store_explicit(&failure->key, key_of(addr, port), memory_order_relaxed);
	atomic_store_explicit(&failure->expires_ns,
	                      clock_add_ns(now_ns, FAILURES_KEPT_MS * CLOCK_NS_PER_MS),
	                      memory_order_relaxed);
	atomic_fetch_add_explicit(&full_count, 1, memory_order_relaxed);
	atomic_store_explicit(&failure->state, FULL, memory_order_release);
}

void failures_add(const struct addr *addr, uint16_t port, int error, uint64_t now_ns)
{
	/* Forgets an older failure of the same address, and whatever has expired. */
	(void)failures_take(addr, port, now_ns);
	for (size_t i = 0; i < FAILURES_MAX; i++) {
		if (move(&failures[i], EMPTY, TAKEN)) {
			put(&failures[i], addr, port, error, now_ns);
			return;
		}
	}
}

int failures_take(const struct addr *addr, uint16_t port, uint64_t now_ns)
{
	uint64_t key = key_of(addr, port);
	int error = 0;

	for (size_t i = 0; i < FAILURES_MAX && failures_exist(); i++) {
		struct failure *failure = &failures[i];
		bool ours, expired;

		if (!may_go(failure, key, now_ns) || !move(failure, FULL, TAKEN))
			continue;
		ours = failure->port == port && addr_equal(&failure->addr, addr);
		expired =
		    atomic_load_explicit(&failure->expires_ns, memory_order_relaxed) <= now_ns;
		if (ours && !expired)
			error = failure->error;
		if (ours || expired)
			atomic_fetch_sub_explicit(&full_count, 1, memory_order_relaxed);
		atomic_store_explicit(&failure->state, ours || expired ? EMPTY : FULL,
		                      memory_order_release);
		if (ours)
			break;
	}
	return error;
}

bool failures_exist(void)
{
	return atomic_load_explicit(&full_count, memory_order_relaxed) > 0;
}

void failures_after_fork(void)
{
	for (size_t i = 0; i < FAILURES_MAX; i++)
		atomic_store_explicit(&failures[i].state, EMPTY, memory_order_relaxed);
	atomic_store_explicit(&full_count, 0, memory_order_relaxed);
}
