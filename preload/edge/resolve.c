#include "edge/resolve.h"

#include "base/libc.h"
#include "edge/known.h"
#include "memory/answers.h"
#include "memory/failures.h"
#include "memory/settings.h"
#include "wire/contests.h"
#include "wire/reactor.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct distinct {
	size_t count;
	struct addr addrs[ANSWER_ADDRS_MAX];
};

static void add_distinct(struct distinct *distinct, const struct addr *addr)
{
	if (distinct->count < ANSWER_ADDRS_MAX &&
	    !addr_stands_in(addr, distinct->addrs, distinct->count))
		distinct->addrs[distinct->count++] = *addr;
}

static void forget_in_child(void)
{
	answers_after_fork();
	failures_after_fork();
}

/* Without fork handlers there are no contests, and every connect() is the real one. */
static void prepare(void)
{
	if (pthread_atfork(NULL, NULL, forget_in_child) == 0)
		(void)contests_prepare(known_lost);
}

/* The first name resolution is where libhe begins: not before, and never in connect(). */
static bool is_active(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	sigset_t blocked;

	if (!settings_get()->active)
		return false;
	(void)pthread_once(&once, prepare);
	/* No handler may resolve names: what is blocked here, the program wants blocked. */
	if (libc_pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0)
		reactor_note_blocked(&blocked);
	return true;
}

void resolve_record_list(const char *node, const struct addrinfo *hints,
                         const struct addrinfo *list)
{
	int saved_errno = errno;
	struct distinct distinct = {0};

	if (node == NULL || !is_active())
		return;
	for (; list != NULL; list = list->ai_next) {
		struct addr addr;
		struct addr_extra extra;

		if (list->ai_addr != NULL &&
		    addr_from_sockaddr(list->ai_addr, list->ai_addrlen, &addr, &extra) == 0)
			add_distinct(&distinct, &addr);
	}
	answers_record(node, hints != NULL ? hints->ai_family : AF_UNSPEC, distinct.addrs,
	               distinct.count);
	errno = saved_errno;
}

void resolve_record_host(const char *name, int family, const struct hostent *host)
{
	int saved_errno = errno;
	struct distinct distinct = {0};

	if (name == NULL || !is_active())
		return;
	for (char **at = host->h_addr_list; at != NULL && *at != NULL; at++) {
		struct addr addr = {.family = (uint16_t)host->h_addrtype};

		if (host->h_length > (int)sizeof(addr.bytes))
			break;
		memcpy(addr.bytes, *at, (size_t)host->h_length);
		add_distinct(&distinct, &addr);
	}
	answers_record(name, family, distinct.addrs, distinct.count);
	errno = saved_errno;
}
