/*
 * In which order addresses are tried. All of them fail at once, so that all are.
 */
#include "cases.h"
#include "conform.h"

#include <stdio.h>
#include <string.h>

#define MANY 12

/* The address that is called "6b" and the like: the family, and which one of it. */
static struct peer *add(const char *name)
{
	static char texts[MANY][40];
	static unsigned next;
	char *text = texts[next++ % MANY];

	snprintf(text, sizeof(texts[0]), name[0] == '6' ? "2001:db8::%x" : "192.0.2.%d",
	         name[1] - 'a' + 1);
	return peer_nowhere(text);
}

/* Races the addresses of `given` and holds the order to `expected`; both as "6a 4a 6b". */
static void check_order(const char *given, const char *expected)
{
	const struct peer *peers[MANY + 1] = {0}, *ordered[MANY + 1] = {0};
	size_t count = 0;

	race_clear();
	peers_close();
	for (const char *at = given; *at != '\0'; at += strspn(at, "46abcdefgh"), at += *at == ' ')
		peers[count++] = add(at);
	for (size_t i = 0; i < count; i++) {
		const char *place =
		    strstr(given, (char[]){expected[3 * i], expected[3 * i + 1], '\0'});

		CHECK(place != NULL);
		ordered[i] = peers[(place - given) / 3];
	}
	CHECK(strlen(expected) == strlen(given));
	race();
	FAILED(ENETUNREACH, HE_CAUSE_ATTEMPTS);
	CHECK(were_reported(ordered));
	CHECK(were_connected_to(ordered));
}

void case_50_interleave(void)
{
	check_order("6a 6b 6c 4a 4b 4c", "6a 4a 6b 4b 6c 4c");
	check_order("6a 6b 6c 6d 4a", "6a 4a 6b 6c 6d");
	check_order("4a 6a 6b 6c", "4a 6a 6b 6c");
	check_order("4a 4b 6a 4c 6b", "4a 6a 4b 6b 4c");
	check_order("4a 6a 4b", "4a 6a 4b");
	check_order("6a 6b 6c", "6a 6b 6c");
	check_order("4a 4b", "4a 4b");
	/* Of nothing there is nothing to order. */
	race_clear();
	peers_close();
	race();
	FAILED(EINVAL, HE_CAUSE_NO_ADDRESS);
}

void case_51_interleave_first_family_count(void)
{
	options.first_family_count = 2;
	check_order("6a 6b 6c 4a", "6a 6b 4a 6c");
	check_order("6a 6b 6c 4a 4b", "6a 6b 4a 6c 4b");
	check_order("4a 6a 4b 6b 4c", "4a 4b 6a 4c 6b");
	check_order("6a 4a 4b", "6a 4a 4b");
	options.first_family_count = 1;
	check_order("6a 6b 6c 4a 4b", "6a 4a 6b 4b 6c");
	options.first_family_count = 3;
	check_order("6a 6b 6c 4a 4b", "6a 6b 6c 4a 4b");
	options.first_family_count = 2147483647;
	check_order("6a 4a 6b 4b 6c", "6a 6b 6c 4a 4b");
}

void case_k_sequence_interleaved(void)
{
	options.attempt_delay_ms = HE_SEQUENTIAL;
	check_order("6a 6b 4a 4b", "6a 6b 4a 4b");
	options.first_family_count = 1;
	check_order("6a 6b 4a 4b", "6a 4a 6b 4b");
	options.first_family_count = 2;
	check_order("6a 6b 6c 4a", "6a 6b 4a 6c");
}

void case_l_race_in_the_order_of_the_list(void)
{
	options.first_family_count = 0;
	check_order("6a 6b 6c 4a 4b", "6a 6b 6c 4a 4b");
	check_order("4a 4b 6a", "4a 4b 6a");
}

void case_m_duplicates(void)
{
	struct peer *first = peer_refusing(C), *second = peer_again(first),
	            *third = peer_again(first);

	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
	TRIED(first, second, third);
}

static int refuse(const struct peer *to)
{
	(void)to;
	return ECONNREFUSED;
}

/* Neither a race that reorders, binds and connects changes its lists, nor one that fails. */
void case_n_input_untouched(void)
{
	struct peer *peers[] = {peer_refusing(A), peer_nowhere(FOREIGN6), peer_answering(C)};
	struct addrinfo local_before;
	struct he_options before;
	struct peer copies[3];

	local(L6);
	local(L4);
	local_before = *options.local;
	before = options;
	for (int i = 0; i < 3; i++)
		copies[i] = *peers[i];
	for (int round = 0; round < 2; round++) {
		hooks.connect = round == 0 ? NULL : refuse;
		race();
		CHECK((won < 0) == (round == 1) && seen.binds > 0);
		CHECK(memcmp(&options, &before, sizeof(options)) == 0);
		CHECK(memcmp(options.local, &local_before, sizeof(local_before)) == 0);
		for (int i = 0; i < 3; i++) {
			const struct peer *peer = peers[i], *copy = &copies[i];

			CHECK(memcmp(&peer->entry, &copy->entry, sizeof(peer->entry)) == 0);
			CHECK(memcmp(&peer->name, &copy->name, sizeof(peer->name)) == 0);
		}
	}
}
