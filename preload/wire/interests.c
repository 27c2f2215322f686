#include "wire/interests.h"

#include "base/libc.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Both are hashed; values beyond the first few hundred share places, which costs a comparison. */
#define BUCKETS 4096

/* What the kernel keeps of a one-shot registration that has reported. */
#define DISARMED_BITS ((uint32_t)(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE))

/*
 * One that is gone is only missed by a thread that has an event of it in its hands, and waits for
 * the lock meanwhile: more than this go in that time only where hundreds of races end at once.
 */
#define FORMER_MAX 1024

static struct interest table[INTERESTS_MAX];
static struct interest former[FORMER_MAX]; /* a ring */
static unsigned former_count;
static uint32_t used;       /* entries that were ever in use */
static uint32_t free_first; /* list by next_of_fd */
static atomic_uint moves;
static atomic_bool changing;
static _Atomic uint32_t by_fd[BUCKETS];  /* index plus 1 of the first; 0: none */
static _Atomic uint32_t by_key[BUCKETS]; /* likewise */
static _Atomic uint32_t by_set[BUCKETS]; /* how many have a set with such a number */

static _Atomic uint32_t *fd_bucket(int fd)
{
	return &by_fd[(unsigned)fd % BUCKETS];
}

/* By data alone: one set may have several numbers. */
static _Atomic uint32_t *key_bucket(uint64_t data)
{
	return &by_key[((data ^ data >> 32) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % BUCKETS];
}

static _Atomic uint32_t *set_count(int set)
{
	return &by_set[(unsigned)set % BUCKETS];
}

/* kcmp(2): a set that the program knows by another number than the one it was registered by. */
static bool is_same_set(int a, int b)
{
	pid_t self = getpid();

	return a == b || syscall(SYS_kcmp, self, self, KCMP_FILE, a, b) == 0;
}

/* kcmp(2): 0 where the set has what is on the number; another number where it has not; -1, errno.
 */
static long compare_with_set(int set, int fd)
{
	struct kcmp_epoll_slot slot = {.efd = (uint32_t)set, .tfd = (uint32_t)fd};
	pid_t self = getpid();

	return syscall(SYS_kcmp, self, self, KCMP_EPOLL_TFD, fd, &slot);
}

bool interests_set_has(int set, int fd)
{
	return compare_with_set(set, fd) == 0;
}

/* Where kcmp(2) is not allowed, nobody knows better. */
static bool is_taken_out(const struct interest *interest)
{
	long r = compare_with_set(interest->set, interest->fd);

	return r > 0 || (r < 0 && (errno == ENOENT || errno == EBADF || errno == EINVAL));
}

static uint32_t first_of(const _Atomic uint32_t *bucket)
{
	return atomic_load_explicit(bucket, memory_order_relaxed);
}

static void set_first(_Atomic uint32_t *bucket, uint32_t index)
{
	atomic_store_explicit(bucket, index, memory_order_relaxed);
}

bool interests_may_have(int fd)
{
	return fd >= 0 && first_of(fd_bucket(fd)) != 0;
}

bool interests_may_know(uint64_t data)
{
	return atomic_load_explicit(&changing, memory_order_acquire) ||
	       first_of(key_bucket(data)) != 0;
}

void interests_change(bool begins)
{
	atomic_store_explicit(&changing, begins, memory_order_release);
}

bool interests_may_be_in(int set)
{
	return set >= 0 && first_of(set_count(set)) != 0;
}

static void enter_key(struct interest *interest)
{
	_Atomic uint32_t *bucket = key_bucket(interest->data);

	interest->next_of_key = first_of(bucket);
	set_first(bucket, (uint32_t)(interest - table) + 1);
}

static void leave_key(const struct interest *interest)
{
	_Atomic uint32_t *bucket = key_bucket(interest->data);
	uint32_t index = first_of(bucket), self = (uint32_t)(interest - table) + 1;

	if (index == self) {
		set_first(bucket, interest->next_of_key);
		return;
	}
	while (table[index - 1].next_of_key != self)
		index = table[index - 1].next_of_key;
	table[index - 1].next_of_key = interest->next_of_key;
}

static void leave_fd(const struct interest *interest)
{
	_Atomic uint32_t *bucket = fd_bucket(interest->fd);
	uint32_t index = first_of(bucket), self = (uint32_t)(interest - table) + 1;

	if (index == self) {
		set_first(bucket, interest->next_of_fd);
		return;
	}
	while (table[index - 1].next_of_fd != self)
		index = table[index - 1].next_of_fd;
	table[index - 1].next_of_fd = interest->next_of_fd;
}

static void remember(const struct interest *interest)
{
	former[former_count++ % FORMER_MAX] = *interest;
}

static void drop(struct interest *interest)
{
	/* Where no other socket came, there is no event of one before. */
	if (interest->attached != 0)
		remember(interest);
	leave_key(interest);
	leave_fd(interest);
	set_first(set_count(interest->set), first_of(set_count(interest->set)) - 1);
	interest->set = interest->fd = -1;
	interest->next_of_fd = free_first;
	free_first = (uint32_t)(interest - table) + 1;
}

static struct interest *allocate(void)
{
	struct interest *interest;

	if (free_first == 0)
		return used < INTERESTS_MAX ? &table[used++] : NULL;
	interest = &table[free_first - 1];
	free_first = interest->next_of_fd;
	return interest;
}

/* The next one of `fd` from `index` on, which is one of its bucket. */
static struct interest *of_fd(int fd, uint32_t index)
{
	while (index != 0 && table[index - 1].fd != fd)
		index = table[index - 1].next_of_fd;
	return index == 0 ? NULL : &table[index - 1];
}

static struct interest *first_of_fd(int fd)
{
	return of_fd(fd, first_of(fd_bucket(fd)));
}

struct interest *interests_of(int set, int fd)
{
	struct interest *interest = first_of_fd(fd);

	while (interest != NULL && interest->set != set)
		interest = of_fd(fd, interest->next_of_fd);
	return interest;
}

bool interests_have(int fd, uint64_t cookie)
{
	struct interest *interest = first_of_fd(fd), *next;
	bool have = false;

	for (; interest != NULL; interest = next) {
		next = of_fd(fd, interest->next_of_fd);
		if (interest->cookie == cookie)
			have = true;
		else
			drop(interest);
	}
	return have;
}

bool interests_confirm(int fd, uint64_t cookie)
{
	struct interest *interest = first_of_fd(fd), *next;

	for (; interest != NULL; interest = next) {
		next = of_fd(fd, interest->next_of_fd);
		if (is_taken_out(interest))
			drop(interest);
	}
	return interests_have(fd, cookie);
}

static void add(int set, int fd, uint64_t own, uint64_t cookie, const struct epoll_event *event)
{
	struct interest *interest = allocate();
	_Atomic uint32_t *bucket = fd_bucket(fd);

	if (interest == NULL)
		return;
	*interest = (struct interest){.set = set,
	                              .fd = fd,
	                              .events = event->events,
	                              .data = event->data.u64,
	                              .own = own,
	                              .cookie = cookie,
	                              .next_of_fd = first_of(bucket)};
	set_first(bucket, (uint32_t)(interest - table) + 1);
	set_first(set_count(set), first_of(set_count(set)) + 1);
	enter_key(interest);
}

void interests_note(int set, int operation, int fd, uint64_t own, uint64_t cookie,
                    const struct epoll_event *event)
{
	struct interest *interest = interests_of(set, fd);

	if (operation == EPOLL_CTL_DEL) {
		if (interest != NULL)
			drop(interest);
		return;
	}
	if (interest == NULL) {
		if (operation == EPOLL_CTL_ADD)
			add(set, fd, own, cookie, event);
		return;
	}
	if (interest->data != event->data.u64)
		remember(interest);
	leave_key(interest);
	interest->events = event->events;
	interest->data = event->data.u64;
	/* The winner of a race that is over stands for the socket that the program had. */
	if (interest->cookie != cookie)
		interest->own = own;
	interest->cookie = cookie;
	interest->disarmed = false;
	enter_key(interest);
}

void interests_found(int set, int fd, uint64_t own, uint64_t cookie,
                     const struct epoll_event *event)
{
	const struct interest *known = interests_of(set, fd);

	if (known != NULL && known->cookie == cookie && known->data == event->data.u64 &&
	    (event->events & EPOLLONESHOT) != 0 && (event->events & ~DISARMED_BITS) == 0)
		return;
	interests_note(set, EPOLL_CTL_ADD, fd, own, cookie, event);
}

struct interest *interests_find(int set, uint64_t data, const struct interest *previous)
{
	uint32_t index = previous == NULL ? first_of(key_bucket(data)) : previous->next_of_key;

	while (index != 0 &&
	       (table[index - 1].data != data || !is_same_set(table[index - 1].set, set)))
		index = table[index - 1].next_of_key;
	return index == 0 ? NULL : &table[index - 1];
}

const struct interest *interests_find_former(int set, uint64_t data,
                                             const struct interest *previous)
{
	unsigned count = former_count < FORMER_MAX ? former_count : FORMER_MAX;
	const struct interest *interest = previous == NULL ? former : previous + 1;

	while (interest < former + count &&
	       (interest->data != data || !is_same_set(interest->set, set)))
		interest++;
	return interest < former + count ? interest : NULL;
}

void interests_forget(int fd)
{
	struct interest *interest;

	while ((interest = first_of_fd(fd)) != NULL)
		drop(interest);
}

unsigned interests_moves(void)
{
	return atomic_load_explicit(&moves, memory_order_acquire);
}

/* The set was closed, or is another one by now; but a muted exclusive one is out and to come back.
 */
static bool is_lost(const struct interest *interest, int error)
{
	return error == EBADF || error == EINVAL ||
	       (error == ENOENT && (interest->events & EPOLLEXCLUSIVE) == 0);
}

int interests_detach(int fd)
{
	struct interest *interest = first_of_fd(fd), *next;

	for (; interest != NULL; interest = next) {
		next = of_fd(fd, interest->next_of_fd);
		if (libc_epoll_ctl(interest->set, EPOLL_CTL_DEL, fd, NULL) == 0)
			continue;
		if (is_lost(interest, errno))
			drop(interest);
		else if (errno != ENOENT)
			return -errno;
	}
	return 0;
}

void interests_restore(int fd, uint64_t cookie)
{
	struct interest *interest = first_of_fd(fd);

	for (; interest != NULL; interest = of_fd(fd, interest->next_of_fd))
		(void)libc_epoll_ctl(interest->set, EPOLL_CTL_DEL, fd, NULL);
	(void)interests_attach(fd, cookie);
}

/* Puts it in, as the program wants it. Returns 0 or -errno. */
static int put_in(const struct interest *interest)
{
	struct epoll_event event = {.events = interest->events, .data.u64 = interest->data};

	if (interest->disarmed)
		event.events &= DISARMED_BITS;
	if (libc_epoll_ctl(interest->set, EPOLL_CTL_ADD, interest->fd, &event) < 0 &&
	    errno != EEXIST)
		return -errno;
	return 0;
}

int interests_attach(int fd, uint64_t cookie)
{
	struct interest *interest = first_of_fd(fd);
	/* Not sooner: who knows of this move can not be told of the socket before any more. */
	unsigned move = atomic_fetch_add_explicit(&moves, 1, memory_order_acq_rel) + 1;

	for (; interest != NULL; interest = of_fd(fd, interest->next_of_fd)) {
		int r = put_in(interest);

		if (r < 0)
			return r;
		interest->cookie = cookie;
		interest->attached = move;
		interest->reported = false;
	}
	return 0;
}

void interests_renew(struct interest *interest)
{
	/* It has had its turn: what was older is simply forgotten. */
	if (interest->reported)
		return;
	if (libc_epoll_ctl(interest->set, EPOLL_CTL_DEL, interest->fd, NULL) < 0)
		return;
	interest->attached = atomic_fetch_add_explicit(&moves, 1, memory_order_acq_rel) + 1;
	(void)put_in(interest);
}

void interests_mute(int fd)
{
	struct interest *interest = first_of_fd(fd);

	for (; interest != NULL; interest = of_fd(fd, interest->next_of_fd)) {
		/* It reports once more, which is hidden, too, and is quiet then. */
		struct epoll_event event = {.events = EPOLLONESHOT, .data.u64 = interest->data};
		/* These the kernel does not change. Neither can the program. */
		bool exclusive = (interest->events & EPOLLEXCLUSIVE) != 0;

		(void)libc_epoll_ctl(interest->set, exclusive ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, fd,
		                     &event);
	}
}

int interests_lose_set(int set)
{
	for (uint32_t i = 0; i < used; i++) {
		int fd = table[i].fd;

		if (table[i].set != set)
			continue;
		drop(&table[i]);
		return fd;
	}
	return -1;
}

void interests_clear(void)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		if (first_of(&by_fd[i]) != 0)
			set_first(&by_fd[i], 0);
		if (first_of(&by_key[i]) != 0)
			set_first(&by_key[i], 0);
		if (first_of(&by_set[i]) != 0)
			set_first(&by_set[i], 0);
	}
	used = 0;
	free_first = 0;
	former_count = 0;
	interests_change(false);
}
