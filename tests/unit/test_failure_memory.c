#include "api/failure_memory.h"

#include "base/clock.h"
#include "test.h"

#include <netinet/in.h>
#include <string.h>

#define MS CLOCK_NS_PER_MS
#define NOW (UINT64_C(1000) * CLOCK_NS_PER_S)
#define LIFE (100 * MS)

static struct failure_memory empty(void)
{
	return (struct failure_memory){.life_ns = LIFE};
}

static struct sockaddr_in name_of(unsigned number, uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons(port),
	                            .sin_addr.s_addr = htonl(0x0a000000u + number)};
}

static void add(struct failure_memory *memory, unsigned number, uint64_t now_ns)
{
	struct sockaddr_in name = name_of(number, 80);

	failure_memory_add(memory, (struct sockaddr *)&name, sizeof(name), now_ns);
}

static bool has(const struct failure_memory *memory, unsigned number, uint64_t now_ns)
{
	struct sockaddr_in name = name_of(number, 80);

	return failure_memory_has(memory, (struct sockaddr *)&name, sizeof(name), now_ns);
}

static void test_failure_memory_is_of_one_address_and_port(void)
{
	struct failure_memory memory = empty();
	struct sockaddr_in other_port = name_of(1, 443);

	test_assert(!has(&memory, 1, NOW));
	add(&memory, 1, NOW);
	test_assert(has(&memory, 1, NOW) && !has(&memory, 2, NOW));
	test_assert(
	    !failure_memory_has(&memory, (struct sockaddr *)&other_port, sizeof(other_port), NOW));
	failure_memory_clear(&memory);
}

static void test_failure_memory_lasts_for_its_life_from_the_last_failure_on(void)
{
	struct failure_memory memory = empty();

	add(&memory, 1, NOW);
	test_assert(has(&memory, 1, NOW + LIFE - 1) && !has(&memory, 1, NOW + LIFE));
	add(&memory, 1, NOW + LIFE / 2);
	test_assert(has(&memory, 1, NOW + LIFE) && !has(&memory, 1, NOW + LIFE * 3 / 2));
	test_assert(memory.count == 1);
	failure_memory_clear(&memory);
}

static void test_failure_memory_without_life_remembers_nothing(void)
{
	struct failure_memory memory = {.life_ns = 0};

	add(&memory, 1, NOW);
	test_assert(!has(&memory, 1, NOW) && memory.failures == NULL);
	failure_memory_clear(&memory);
}

static void test_failure_memory_remove_forgets_one(void)
{
	struct failure_memory memory = empty();
	struct sockaddr_in second = name_of(2, 80);

	failure_memory_remove(&memory, (struct sockaddr *)&second, sizeof(second));
	for (unsigned i = 1; i <= 3; i++)
		add(&memory, i, NOW);
	failure_memory_remove(&memory, (struct sockaddr *)&second, sizeof(second));
	test_assert(has(&memory, 1, NOW) && !has(&memory, 2, NOW) && has(&memory, 3, NOW));
	failure_memory_remove(&memory, (struct sockaddr *)&second, sizeof(second));
	test_assert(memory.count == 2);
	failure_memory_clear(&memory);
}

static void test_failure_memory_when_full_forgets_the_oldest_failure(void)
{
	struct failure_memory memory = empty();

	for (unsigned i = 0; i < FAILURE_MEMORY_MAX; i++)
		add(&memory, i, NOW);
	add(&memory, 0, NOW + 1); /* no longer the oldest */
	add(&memory, FAILURE_MEMORY_MAX, NOW + 1);
	test_assert(memory.count == FAILURE_MEMORY_MAX && memory.room == FAILURE_MEMORY_MAX);
	for (unsigned i = 0; i <= FAILURE_MEMORY_MAX; i++) {
		test_at("%u", i);
		test_assert(has(&memory, i, NOW + 1) == (i != 1));
	}
	failure_memory_clear(&memory);
}

static void test_failure_memory_makes_room_where_the_time_is_up(void)
{
	struct failure_memory memory = empty();

	for (unsigned i = 0; i < FAILURE_MEMORY_MAX; i++)
		add(&memory, i, NOW + i);
	add(&memory, FAILURE_MEMORY_MAX, NOW + LIFE + 499);
	test_assert(memory.count == FAILURE_MEMORY_MAX - 500 + 1);
	test_assert(has(&memory, 500, NOW + 499) && has(&memory, FAILURE_MEMORY_MAX, NOW + 499));
	failure_memory_clear(&memory);
}

static void test_failure_memory_takes_a_mapped_address_for_its_ipv4_one(void)
{
	struct failure_memory memory = empty();
	struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(80)};

	memcpy(&mapped.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	failure_memory_add(&memory, (struct sockaddr *)&mapped, sizeof(mapped), NOW);
	test_assert(has(&memory, 1, NOW));
	failure_memory_clear(&memory);
	test_assert(!has(&memory, 1, NOW));
}

int main(void)
{
	test_run(test_failure_memory_is_of_one_address_and_port);
	test_run(test_failure_memory_lasts_for_its_life_from_the_last_failure_on);
	test_run(test_failure_memory_without_life_remembers_nothing);
	test_run(test_failure_memory_remove_forgets_one);
	test_run(test_failure_memory_when_full_forgets_the_oldest_failure);
	test_run(test_failure_memory_makes_room_where_the_time_is_up);
	test_run(test_failure_memory_takes_a_mapped_address_for_its_ipv4_one);
	return test_result();
}
