/*
 * 1,000 races of he.h at the same time in a libuv loop: api_uv CASE. Compiled by
 * tests/api_loops.bats, where there is libuv.
 */
#include "api_loop.h"

#include <uv.h>

static struct entry entries[RACES];
static uv_poll_t polls[RACES];
static struct crowd crowd;

/* The descriptor is libuv's no more: he_finish() may close it. */
static void on_closed(uv_handle_t *handle)
{
	entry_finish(handle->data);
}

static void stop(struct entry *entry)
{
	uv_handle_t *handle = (uv_handle_t *)&polls[entry - entries];

	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void cancel(void)
{
	for (size_t i = 0; i < crowd.count; i++)
		if (entry_cancel(&entries[i]))
			stop(&entries[i]);
	crowd_cancel_by_descriptor(&crowd);
}

static void on_readable(uv_poll_t *poll, int error, int events)
{
	CHECK(error == 0 && events == UV_READABLE);
	if (entry_woken(poll->data))
		stop(poll->data);
	if (crowd_to_cancel(&crowd))
		cancel();
}

static void watch(uv_loop_t *loop, struct entry *entry)
{
	uv_poll_t *poll = &polls[entry - entries];

	CHECK(uv_poll_init(loop, poll, he_descriptor(entry->race)) == 0);
	poll->data = entry;
	CHECK(uv_poll_start(poll, UV_READABLE, on_readable) == 0);
}

static void run(bool mixed)
{
	uv_loop_t loop;
	int before;

	crowd_prepare();
	/* The process keeps a pipe for signals from its first loop on. */
	CHECK(uv_loop_init(&loop) == 0);
	before = descriptors();
	crowd_begin(&crowd, entries, RACES, mixed);
	for (size_t i = 0; i < RACES; i++) {
		if (he_advance(entries[i].race) == 1)
			entry_finish(&entries[i]);
		else
			watch(&loop, &entries[i]);
	}
	CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
	crowd_check(&crowd);
	CHECK(descriptors() == before);
	CHECK(uv_loop_close(&loop) == 0);
}

static void races_connect(void)
{
	run(false);
}

static void races_end_in_all_ways(void)
{
	run(true);
}

static const struct promise promises[] = {
    {"races_connect", races_connect},
    {"races_end_in_all_ways", races_end_in_all_ways},
};

int main(int argc, char **argv)
{
	return promise_main(argc, argv, promises, sizeof(promises) / sizeof(promises[0]));
}
