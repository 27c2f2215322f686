/*
 * 1,000 races of he.h at the same time in an epoll loop: api_epoll CASE.
 */
#include "api_loop.h"

#include <sys/epoll.h>

#define LOOPS 4

static struct entry entries[RACES];

static void stop(int set, struct entry *entry)
{
	CHECK(epoll_ctl(set, EPOLL_CTL_DEL, he_descriptor(entry->race), NULL) == 0);
	entry_finish(entry);
}

static void cancel(int set, struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->count; i++)
		if (entry_cancel(&crowd->entries[i]))
			stop(set, &crowd->entries[i]);
	crowd_cancel_by_descriptor(crowd);
}

/* `mode`: EPOLLIN, and perhaps EPOLLET. */
static void drive(struct crowd *crowd, uint32_t mode)
{
	struct epoll_event events[64];
	int set = epoll_create1(EPOLL_CLOEXEC);

	CHECK(set >= 0);
	for (size_t i = 0; i < crowd->count; i++) {
		struct entry *entry = &crowd->entries[i];
		struct epoll_event event = {.events = mode, .data = {.ptr = entry}};

		if (he_advance(entry->race) == 1)
			entry_finish(entry);
		else
			CHECK(epoll_ctl(set, EPOLL_CTL_ADD, he_descriptor(entry->race), &event) ==
			      0);
	}
	while (crowd->running > 0) {
		int count = epoll_wait(set, events, sizeof(events) / sizeof(events[0]), -1);

		CHECK(count > 0 || (count < 0 && errno == EINTR));
		for (int i = 0; i < count; i++) {
			struct entry *entry = events[i].data.ptr;

			/* One before it in the batch may have ended it. */
			if (entry->race != NULL && entry_woken(entry))
				stop(set, entry);
			if (crowd_to_cancel(crowd))
				cancel(set, crowd);
		}
	}
	close(set);
}

static void run(bool mixed, uint32_t mode)
{
	struct crowd crowd;
	int before;

	crowd_prepare();
	before = descriptors();
	crowd_begin(&crowd, entries, RACES, mixed);
	/* A set, a timer and a socket for each that runs. */
	CHECK(mixed || descriptors() >= before + 3 * RACES);
	drive(&crowd, mode);
	crowd_check(&crowd);
	CHECK(descriptors() == before);
}

static void races_connect(void)
{
	run(false, EPOLLIN);
}

static void races_connect_edge_triggered(void)
{
	run(false, EPOLLIN | EPOLLET);
}

static void races_end_in_all_ways(void)
{
	run(true, EPOLLIN);
}

static void races_end_in_all_ways_edge_triggered(void)
{
	run(true, EPOLLIN | EPOLLET);
}

static void *drive_crowd(void *crowd)
{
	drive(crowd, EPOLLIN);
	return NULL;
}

/* Begun by one thread, each is driven and finished by another. */
static void races_end_in_four_threads(void)
{
	struct crowd crowds[LOOPS];
	pthread_t threads[LOOPS];
	int before;

	crowd_prepare();
	before = descriptors();
	for (int i = 0; i < LOOPS; i++)
		crowd_begin(&crowds[i], entries + i * (RACES / LOOPS), RACES / LOOPS, true);
	for (int i = 0; i < LOOPS; i++)
		CHECK(pthread_create(&threads[i], NULL, drive_crowd, &crowds[i]) == 0);
	for (int i = 0; i < LOOPS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (int i = 0; i < LOOPS; i++)
		crowd_check(&crowds[i]);
	CHECK(descriptors() == before);
}

#define CASE(function)                                                                             \
	{                                                                                          \
#function, function                                                                \
	}

static const struct promise promises[] = {
    CASE(races_connect),
    CASE(races_connect_edge_triggered),
    CASE(races_end_in_all_ways),
    CASE(races_end_in_all_ways_edge_triggered),
    CASE(races_end_in_four_threads),
};

int main(int argc, char **argv)
{
	return promise_main(argc, argv, promises, sizeof(promises) / sizeof(promises[0]));
}
