#include "api/failure_memory.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 16

/* The index of `addr` and `port`; memory->count: it is not there. */
static size_t find(const struct failure_memory *memory, const struct addr *addr, uint16_t port)
{
	size_t i = 0;

	while (i < memory->count &&
	       !(memory->failures[i].port == port && addr_equal(&memory->failures[i].addr, addr)))
		i++;
	return i;
}

static void take_out(struct failure_memory *memory, size_t first, size_t count)
{
	struct failure *at;

	if (count == 0)
		return;
	at = memory->failures + first;
	memory->count -= count;
	memmove(at, at + count, (memory->count - first) * sizeof(*at));
}

/* So that there is room for one more. Returns false without memory. */
static bool make_room(struct failure_memory *memory, uint64_t now_ns)
{
	size_t old = 0;
	size_t room = memory->room == 0 ? ROOM_FIRST : memory->room * 2;
	struct failure *failures;

	while (old < memory->count && memory->failures[old].until_ns <= now_ns)
		old++;
	if (old == 0 && memory->count == FAILURE_MEMORY_MAX)
		old = 1;
	take_out(memory, 0, old);
	if (memory->count < memory->room)
		return true;
	failures = reallocarray(memory->failures, room, sizeof(*failures));
	if (failures == NULL)
		return false;
	memory->failures = failures;
	memory->room = room;
	return true;
}

void failure_memory_add(struct failure_memory *memory, const struct sockaddr *name, socklen_t len,
                        uint64_t now_ns)
{
	struct failure failure = {.until_ns = clock_add_ns(now_ns, memory->life_ns)};
	struct addr_extra extra;

	if (memory->life_ns == 0 || addr_from_sockaddr(name, len, &failure.addr, &extra) < 0)
		return;
	failure_memory_remove(memory, name, len);
	if (!make_room(memory, now_ns))
		return;
	failure.port = extra.port;
	memory->failures[memory->count++] = failure;
}

void failure_memory_remove(struct failure_memory *memory, const struct sockaddr *name,
                           socklen_t len)
{
	struct addr addr;
	struct addr_extra extra;
	size_t i;

	if (memory->count == 0 || addr_from_sockaddr(name, len, &addr, &extra) < 0)
		return;
	i = find(memory, &addr, extra.port);
	take_out(memory, i, i < memory->count ? 1 : 0);
}

bool failure_memory_has(const struct failure_memory *memory, const struct sockaddr *name,
                        socklen_t len, uint64_t now_ns)
{
	struct addr addr;
	struct addr_extra extra;
	size_t i;

	if (memory->count == 0 || addr_from_sockaddr(name, len, &addr, &extra) < 0)
		return false;
	i = find(memory, &addr, extra.port);
	return i < memory->count && memory->failures[i].until_ns > now_ns;
}

void failure_memory_clear(struct failure_memory *memory)
{
	free(memory->failures);
	memory->failures = NULL;
	memory->count = memory->room = 0;
}
