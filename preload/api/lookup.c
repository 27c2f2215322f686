#include "api/lookup.h"

#include "base/clock.h"
#include "base/libc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/*
 * Without AI_ADDRCONFIG: an address of a family that this machine lacks costs a race nothing, it is
 * sorted last and fails at once; but the flag would hide 127.0.0.1 and ::1 where loopback is all
 * that there is, and what it hid would be remembered after the network has come.
 */
static int resolve(const char *name, int family, int flags, struct addrinfo **ret_list)
{
	struct addrinfo hints = {
	    .ai_flags = flags, .ai_family = family, .ai_socktype = SOCK_STREAM};

	return libc_getaddrinfo(name, NULL, &hints, ret_list);
}

int lookup_numeric(const char *host, int family, struct addrinfo **ret_list)
{
	return resolve(host, family, AI_NUMERICHOST, ret_list);
}

/* --- references ------------------------------------------------------------------------------- */

int lookup_new(const char *name, int family, struct lookup **ret_lookup)
{
	size_t size = strlen(name) + 1;
	struct lookup *lookup = calloc(1, sizeof(*lookup) + size);
	int error;

	if (lookup == NULL)
		return -ENOMEM;
	lookup->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookup->end_fd < 0) {
		error = errno;
		free(lookup);
		return -error;
	}
	atomic_init(&lookup->references, 1);
	atomic_init(&lookup->end_users, 1);
	lookup->family = family;
	memcpy(lookup->name, name, size);
	*ret_lookup = lookup;
	return 0;
}

struct lookup *lookup_share(struct lookup *lookup)
{
	atomic_fetch_add_explicit(&lookup->references, 1, memory_order_relaxed);
	return lookup;
}

/* Returns false when it has ended: then there is nothing to wait for. */
static bool use_end(struct lookup *lookup)
{
	unsigned users = atomic_load_explicit(&lookup->end_users, memory_order_acquire);

	while (users > 0)
		if (atomic_compare_exchange_weak_explicit(&lookup->end_users, &users, users + 1,
		                                          memory_order_acq_rel,
		                                          memory_order_acquire))
			return true;
	return false;
}

static void leave_end(void *pointer)
{
	struct lookup *lookup = pointer;

	if (atomic_fetch_sub_explicit(&lookup->end_users, 1, memory_order_acq_rel) == 1)
		(void)libc_close(lookup->end_fd);
}

void lookup_release(struct lookup *lookup)
{
	if (atomic_fetch_sub_explicit(&lookup->references, 1, memory_order_acq_rel) > 1)
		return;
	if (lookup_ended_ns(lookup) == 0) /* it never began */
		leave_end(lookup);
	if (lookup->list != NULL)
		freeaddrinfo(lookup->list);
	free(lookup);
}

/* --- the lookup ------------------------------------------------------------------------------- */

static void *look_up(void *pointer)
{
	struct lookup *lookup = pointer;

	lookup->gai = resolve(lookup->name, lookup->family, 0, &lookup->list);
	atomic_store_explicit(&lookup->ended_ns, clock_now_ns(), memory_order_release);
	(void)eventfd_write(lookup->end_fd, 1);
	leave_end(lookup);
	lookup_release(lookup);
	return NULL;
}

/* The program's signal handlers are not for a thread that it does not know. */
static int start_thread(struct lookup *lookup)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;
	int r = pthread_attr_init(&attributes);

	if (r != 0)
		return -r;
	(void)sigfillset(&all);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = pthread_attr_setsigmask_np(&attributes, &all);
	if (r == 0)
		r = pthread_create(&thread, &attributes, look_up, lookup);
	(void)pthread_attr_destroy(&attributes);
	return -r;
}

void lookup_start(struct lookup *lookup)
{
	if (start_thread(lookup_share(lookup)) < 0)
		(void)look_up(lookup);
}

uint64_t lookup_ended_ns(const struct lookup *lookup)
{
	return atomic_load_explicit(&lookup->ended_ns, memory_order_acquire);
}

/* --- those who wait --------------------------------------------------------------------------- */

/* Sleeps once; `state` is what the caller's cancellation was. */
static int sleep_on(struct pollfd *watch, uint64_t until_ns, int state)
{
	uint64_t now_ns = clock_now_ns();
	struct timespec timeout = clock_until(now_ns, until_ns);
	int r, error;

	if (now_ns >= until_ns)
		return -ETIMEDOUT;
	(void)pthread_setcancelstate(state, NULL);
	r = libc_ppoll(watch, 2, &timeout, NULL);
	error = errno;
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (r < 0)
		return error == EINTR ? 0 : -error;
	return r > 0 && watch[1].revents != 0 ? -ECANCELED : 0;
}

int lookup_wait(struct lookup *lookup, uint64_t until_ns, int cancel_fd)
{
	struct pollfd watch[2] = {{.fd = lookup->end_fd, .events = POLLIN},
	                          {.fd = cancel_fd, .events = POLLIN}};
	int r = 0, state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (use_end(lookup)) {
		pthread_cleanup_push(leave_end, lookup);
		while (r == 0 && lookup_ended_ns(lookup) == 0)
			r = sleep_on(watch, until_ns, state);
		pthread_cleanup_pop(1);
	}
	(void)pthread_setcancelstate(state, NULL);
	return r;
}
