/*
 * api/pollable: the one descriptor that a race's caller polls: an epoll set of the sockets that
 * connect, a timer and the caller's cancel_fd. Readable as long as one of them has something to
 * say. Safe in: threads (one race, one thread at a time), cancellation (disabled by the caller).
 */
#ifndef API_POLLABLE_H
#define API_POLLABLE_H

#include <stdbool.h>
#include <stdint.h>

struct pollable {
	int set;         /* -1: none */
	int timer;       /* -1: none */
	uint64_t due_ns; /* what the timer is set to; 0: it is not */
};

/* What is ready; POLLABLE_ATTEMPT and up: attempt 0 and up. */
enum { POLLABLE_CANCEL, POLLABLE_TIMER, POLLABLE_ATTEMPT };

/* Makes the set, and the timer if one is `timed`. Returns 0, or -errno: then nothing is left. */
int pollable_open(struct pollable *ret_pollable, bool timed);

void pollable_close(struct pollable *pollable);

/* `fd` is the caller's cancel_fd. Returns 0, or -errno as of epoll_ctl(2). */
int pollable_add_cancel(struct pollable *pollable, int fd);

/* The socket of attempt `i`, which connects. Returns 0, or -errno. */
int pollable_add_attempt(struct pollable *pollable, int fd, unsigned i);

/* Before the socket is closed or handed over: another process may have a copy of it. */
void pollable_remove(struct pollable *pollable, int fd);

/* The timer is to be ready from then on; CLOCK_NEVER: never. */
void pollable_wait_until(struct pollable *pollable, uint64_t until_ns);

#define POLLABLE_BATCH 16

/*
 * What is ready now, without waiting: up to POLLABLE_BATCH of them in ret_ready. Returns how many;
 * fewer than a batch are all that there are.
 */
unsigned pollable_take(const struct pollable *pollable, uint32_t *ret_ready);

#endif
