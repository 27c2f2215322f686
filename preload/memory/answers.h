/*
 * memory/answers: what names resolved to in this process, so that connect() can tell which
 * addresses stand in for the one it was given. No ports, no life time: the oldest answer makes
 * room for the newest.
 *
 * Fixed memory. Writers (the resolver hooks, which are not for signal handlers) exclude each other
 * with a mutex. Readers take no lock: connect() may run in a signal handler that interrupted a
 * writer, or in a child forked in the middle of one; an answer that stays half written means that
 * nothing is known.
 */
#ifndef MEMORY_ANSWERS_H
#define MEMORY_ANSWERS_H

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * 256 names are more than one process talks to at a time; 32 addresses are more than any answer
 * fits into a 512-byte DNS reply, and what is cut off are its last ones. 330 KiB of .bss, of which
 * a process touches what it uses.
 */
#define ANSWERS_MAX 256
#define ANSWER_ADDRS_MAX 32

/* A DNS name has at most 253 characters (RFC 1035 section 3.1); longer ones are not recorded. */
#define ANSWER_NAME_MAX 256

struct answer {
	char name[ANSWER_NAME_MAX]; /* as the program spelled it */
	size_t count;
	size_t requested; /* index of the address that was asked for */
	struct addr addrs[ANSWER_ADDRS_MAX];
};

/*
 * Records that `name`, asked for in `family` (AF_UNSPEC, AF_INET, AF_INET6), has `count` distinct
 * addresses in the resolver's order. Replaces the earlier answer for that name and family.
 * Addresses beyond ANSWER_ADDRS_MAX are left out. `name` and `addrs` are copied.
 * Safe in: threads, fork. Not in signal handlers.
 */
void answers_record(const char *name, int family, const struct addr *addrs, size_t count);

/*
 * False for an address that surely stands in no answer with several addresses: two loads, so that
 * a connect() which is none of our business costs nothing.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
bool answers_may_have(const struct addr *addr);

/*
 * The addresses that the program may have meant by `requested`: those of the newest answer it
 * stands in, less what is not in all other answers it stands in as well.
 * Returns their number, which is in ret_answer->count too; below 2 there is nothing to race, and
 * ret_answer is not to be read.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
size_t answers_recall(const struct addr *requested, struct answer *ret_answer);

/* In a forked child: gives up the lock that another thread of the parent may have held. */
void answers_after_fork(void);

#endif
