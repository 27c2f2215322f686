#include "memory/answers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Otherwise the compiler would take locks of its own, in what signal handlers call. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics take no lock");

#define ADDR_WORDS (sizeof(struct addr) / sizeof(uint64_t))
#define NAME_WORDS (ANSWER_NAME_MAX / sizeof(uint64_t))

/*
 * Readers copy word by word and then look whether `sequence` is still the even number that it was:
 * a sequence lock, in which every load is an acquire and every store a release, so that the words
 * cannot be seen before or after the sequence numbers that enclose them.
 */
struct slot {
	_Atomic uint32_t sequence; /* odd: being written */
	_Atomic uint32_t count;    /* 0: empty */
	_Atomic uint64_t age;      /* serial number of its recording; the largest is the newest */
	_Atomic uint64_t addrs[ANSWER_ADDRS_MAX][ADDR_WORDS];
	_Atomic uint64_t name[NAME_WORDS];
	int family; /* the writers' own */
};

/*
 * How many addresses of answers with several of them fall on each hash value. Four times as many
 * values as the table has addresses: a full table answers three unknown addresses of four at once.
 */
#define FILTER_SIZE 32768

static struct slot slots[ANSWERS_MAX];
static _Atomic uint16_t filter[FILTER_SIZE];
static pthread_mutex_t writers = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_age; /* the writers' own */

static void store_words(_Atomic uint64_t *to, const void *from, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, (const char *)from + i * sizeof(word), sizeof(word));
		atomic_store_explicit(&to[i], word, memory_order_release);
	}
}

static void load_words(void *to, const _Atomic uint64_t *from, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t word = atomic_load_explicit(&from[i], memory_order_acquire);

		memcpy((char *)to + i * sizeof(word), &word, sizeof(word));
	}
}

static _Atomic uint16_t *filter_of(const struct addr *addr)
{
	return &filter[addr_hash(addr) % FILTER_SIZE];
}

static size_t slot_addrs(const struct slot *slot, struct addr *ret_addrs)
{
	size_t count = atomic_load_explicit(&slot->count, memory_order_acquire);

	for (size_t i = 0; i < count; i++)
		load_words(&ret_addrs[i], slot->addrs[i], ADDR_WORDS);
	return count;
}

/* Answers with a single address race nothing and need no look: they are not in the filter. */
static void filter_add(const struct addr *addrs, size_t count, int change)
{
	for (size_t i = 0; count > 1 && i < count; i++)
		atomic_fetch_add_explicit(filter_of(&addrs[i]), (uint16_t)change,
		                          memory_order_acq_rel);
}

/* Most programs ask again and again, and hear the same. */
static bool slot_has(const struct slot *slot, const char *name, int family,
                     const struct addr *addrs, size_t count)
{
	struct addr old[ANSWER_ADDRS_MAX];
	char slot_name[ANSWER_NAME_MAX];

	load_words(slot_name, slot->name, NAME_WORDS);
	return slot->family == family && strcmp(slot_name, name) == 0 &&
	       slot_addrs(slot, old) == count && memcmp(old, addrs, count * sizeof(old[0])) == 0;
}

static void slot_write(struct slot *slot, const char *name, int family, const struct addr *addrs,
                       size_t count)
{
	uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
	char padded[ANSWER_NAME_MAX] = {0};
	struct addr old[ANSWER_ADDRS_MAX];
	size_t old_count = slot_addrs(slot, old);

	memcpy(padded, name, strlen(name));
	filter_add(addrs, count, 1);

	atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_relaxed);
	atomic_store_explicit(&slot->count, (uint32_t)count, memory_order_release);
	atomic_store_explicit(&slot->age, ++last_age, memory_order_release);
	for (size_t i = 0; i < count; i++)
		store_words(slot->addrs[i], &addrs[i], ADDR_WORDS);
	store_words(slot->name, padded, NAME_WORDS);
	slot->family = family;
	atomic_store_explicit(&slot->sequence, sequence + 2, memory_order_release);

	filter_add(old, old_count, -1);
}

/* The slot of this name and family, or else an empty one, or else the oldest. */
static struct slot *slot_for(const char *name, int family)
{
	struct slot *best = &slots[0];

	for (size_t i = 0; i < ANSWERS_MAX; i++) {
		struct slot *slot = &slots[i];
		char slot_name[ANSWER_NAME_MAX];

		/* Slots fill from the front: nothing stands behind an empty one. */
		if (atomic_load_explicit(&slot->count, memory_order_relaxed) == 0)
			return slot;
		load_words(slot_name, slot->name, NAME_WORDS);
		if (slot->family == family && strcasecmp(slot_name, name) == 0)
			return slot;
		if (atomic_load_explicit(&slot->age, memory_order_relaxed) <
		    atomic_load_explicit(&best->age, memory_order_relaxed))
			best = slot;
	}
	return best;
}

void answers_record(const char *name, int family, const struct addr *addrs, size_t count)
{
	struct slot *slot;

	if (count == 0 || strlen(name) >= ANSWER_NAME_MAX)
		return;
	if (count > ANSWER_ADDRS_MAX)
		count = ANSWER_ADDRS_MAX;

	pthread_mutex_lock(&writers);
	slot = slot_for(name, family);
	/* A slot that is being written has no answer for anybody, for as long as its writer sleeps.
	 */
	if (slot_has(slot, name, family, addrs, count))
		atomic_store_explicit(&slot->age, ++last_age, memory_order_release);
	else
		slot_write(slot, name, family, addrs, count);
	pthread_mutex_unlock(&writers);
}

bool answers_may_have(const struct addr *addr)
{
	return atomic_load_explicit(filter_of(addr), memory_order_relaxed) != 0;
}

enum slot_read { SLOT_READ, SLOT_OTHER, SLOT_BUSY };

/*
 * Copies the slot if `requested` stands in it. Looks for the address first and copies then: nearly
 * all slots are none of our business. SLOT_BUSY: somebody wrote meanwhile.
 */
static enum slot_read slot_read_once(const struct slot *slot, const struct addr *requested,
                                     struct answer *ret, uint64_t *ret_age)
{
	uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
	size_t count = atomic_load_explicit(&slot->count, memory_order_acquire);
	size_t at = 0;

	if (sequence % 2 != 0)
		return SLOT_BUSY;
	for (; at < count; at++) {
		struct addr addr;

		load_words(&addr, slot->addrs[at], ADDR_WORDS);
		if (addr_equal(&addr, requested))
			break;
	}
	if (at < count) {
		ret->requested = at;
		ret->count = slot_addrs(slot, ret->addrs);
		load_words(ret->name, slot->name, NAME_WORDS);
		*ret_age = atomic_load_explicit(&slot->age, memory_order_acquire);
	}
	if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != sequence)
		return SLOT_BUSY;
	return at < count ? SLOT_READ : SLOT_OTHER;
}

/*
 * Writing takes well under a microsecond, so that this many tries outlast a writer that runs; one
 * that does not run (this is a signal handler on its thread, say) is not waited for.
 */
#define SLOT_TRIES_MAX 1000

static enum slot_read slot_read(const struct slot *slot, const struct addr *requested,
                                struct answer *ret, uint64_t *ret_age)
{
	enum slot_read read = SLOT_BUSY;

	for (int tries = 0; tries < SLOT_TRIES_MAX && read == SLOT_BUSY; tries++)
		read = slot_read_once(slot, requested, ret, ret_age);
	return read;
}

/* Keeps in `answer` only what stands in `other` as well; the requested address stands in both. */
static void answer_intersect(struct answer *answer, const struct answer *other)
{
	struct addr requested = answer->addrs[answer->requested];
	size_t kept = 0;

	for (size_t i = 0; i < answer->count; i++) {
		if (!addr_stands_in(&answer->addrs[i], other->addrs, other->count))
			continue;
		if (addr_equal(&answer->addrs[i], &requested))
			answer->requested = kept;
		answer->addrs[kept++] = answer->addrs[i];
	}
	answer->count = kept;
}

size_t answers_recall(const struct addr *requested, struct answer *ret_answer)
{
	struct answer other;
	uint64_t newest = 0, age = 0;

	ret_answer->count = 0;
	for (size_t i = 0; i < ANSWERS_MAX; i++) {
		enum slot_read read = slot_read(&slots[i], requested, &other, &age);

		if (read == SLOT_BUSY)
			return 0; /* it may be the one that says that nothing else was meant */
		if (read == SLOT_OTHER)
			continue;
		if (newest == 0) {
			*ret_answer = other;
		} else if (age > newest) {
			answer_intersect(&other, ret_answer);
			*ret_answer = other;
		} else {
			answer_intersect(ret_answer, &other);
		}
		if (age > newest)
			newest = age;
	}
	return ret_answer->count;
}

void answers_after_fork(void)
{
	pthread_mutex_init(&writers, NULL);
	for (size_t i = 0; i < ANSWERS_MAX; i++) {
		uint32_t sequence = atomic_load_explicit(&slots[i].sequence, memory_order_relaxed);

		/* Half written by a thread that this process does not have: forget it. */
		if (sequence % 2 != 0) {
			atomic_store_explicit(&slots[i].addrs[0][0], 0, memory_order_relaxed);
			atomic_store_explicit(&slots[i].count, 1, memory_order_relaxed);
			atomic_store_explicit(&slots[i].sequence, sequence + 1,
			                      memory_order_release);
		}
	}
}
