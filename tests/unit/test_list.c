/*
 * The address lists of he.h. The numbers of cases are those of aiohappyeyeballs' own tests, as its
 * specification counts them: 2 to 6 of its utilities, and 53 to 55, its benchmarks, as behaviour.
 */
#include <he.h>

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#define COUNT_MAX 5000
#define PORT 80
#define SIX_LEN_WITHOUT_SCOPE 24

#define A "dead:beef::"
#define B "dead:aaaa::"
#define C "107.6.106.83"

/* Memory: the linker gives us the library's calls, to fail one of them and to count the rest. */
void *__real_malloc(size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void __wrap_free(void *memory);

static long blocks;                /* not freed yet */
static int mallocs_left = INT_MAX; /* before one fails */

void *__wrap_malloc(size_t size)
{
	void *memory = NULL;

	if (mallocs_left-- > 0)
		memory = __real_malloc(size);
	else
		errno = ENOMEM;
	blocks += memory != NULL;
	return memory;
}

void __wrap_free(void *memory)
{
	blocks -= memory != NULL;
	__real_free(memory);
}

/* A list that none of the functions under test has made. */
static struct given {
	struct addrinfo infos[COUNT_MAX];
	struct sockaddr_storage addrs[COUNT_MAX];
	size_t count;
} given;

static void give_nothing(void)
{
	given.count = 0;
}

static struct addrinfo *given_list(void)
{
	return given.count == 0 ? NULL : given.infos;
}

static struct addrinfo *give_bytes(const void *sa, socklen_t len)
{
	struct addrinfo *info = &given.infos[given.count];

	test_assert(given.count < COUNT_MAX && len <= sizeof(given.addrs[0]));
	memset(&given.addrs[given.count], 0, sizeof(given.addrs[0]));
	memcpy(&given.addrs[given.count], sa, len);
	*info = (struct addrinfo){.ai_family = ((const struct sockaddr *)sa)->sa_family,
	                          .ai_socktype = SOCK_STREAM,
	                          .ai_protocol = IPPROTO_TCP,
	                          .ai_addrlen = len,
	                          .ai_addr = (struct sockaddr *)&given.addrs[given.count]};
	if (given.count > 0)
		info[-1].ai_next = info;
	given.count++;
	return info;
}

static struct sockaddr_in four_of(const char *text, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	test_assert(inet_pton(AF_INET, text, &in.sin_addr) == 1);
	return in;
}

static struct sockaddr_in6 six_of(const char *text, uint16_t port, uint32_t flowinfo,
                                  uint32_t scope_id)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
	                           .sin6_port = htons(port),
	                           .sin6_flowinfo = htonl(flowinfo),
	                           .sin6_scope_id = scope_id};

	test_assert(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1);
	return in6;
}

static void give(const char *text)
{
	if (strchr(text, ':') != NULL) {
		struct sockaddr_in6 in6 = six_of(text, PORT, 0, 0);

		give_bytes(&in6, sizeof(in6));
	} else {
		struct sockaddr_in in = four_of(text, PORT);

		give_bytes(&in, sizeof(in));
	}
}

/* Addresses that differ, so that who is left can be told: index `i` of family '6' or '4'. */
static void give_numbered(char family, unsigned i)
{
	char text[INET6_ADDRSTRLEN];

	(void)snprintf(text, sizeof(text), family == '6' ? "2001:db8::%x" : "10.0.%u.%u",
	               family == '6' ? i + 1 : i / 250, i % 250 + 1);
	give(text);
}

static void give_families(const char *families)
{
	unsigned counts[2] = {0};

	give_nothing();
	for (; *families != '\0'; families++)
		give_numbered(*families, counts[*families == '6']++);
}

static bool is_copy(const struct addrinfo *copy, const struct addrinfo *entry)
{
	if (copy == NULL || copy == entry)
		return false;
	if (copy->ai_flags != entry->ai_flags || copy->ai_family != entry->ai_family ||
	    copy->ai_socktype != entry->ai_socktype || copy->ai_protocol != entry->ai_protocol ||
	    copy->ai_addrlen != entry->ai_addrlen)
		return false;
	if ((copy->ai_addr == NULL) != (entry->ai_addr == NULL) ||
	    (copy->ai_canonname == NULL) != (entry->ai_canonname == NULL))
		return false;
	if (copy->ai_addr != NULL && (copy->ai_addr == entry->ai_addr ||
	                              memcmp(copy->ai_addr, entry->ai_addr, copy->ai_addrlen) != 0))
		return false;
	return copy->ai_canonname == NULL || (copy->ai_canonname != entry->ai_canonname &&
	                                      strcmp(copy->ai_canonname, entry->ai_canonname) == 0);
}

/* `list` is the entries of the given list with these indexes, "" for none, as copies. */
static bool is_left(const struct addrinfo *list, const char *indexes)
{
	for (; *indexes != '\0'; indexes++, list = list->ai_next)
		if (!is_copy(list, &given.infos[*indexes - '0']))
			return false;
	return list == NULL;
}

static size_t length(const struct addrinfo *list)
{
	size_t count = 0;

	for (; list != NULL; list = list->ai_next)
		count++;
	return count;
}

static bool are_same(const struct addrinfo *a, const struct addrinfo *b)
{
	for (; a != NULL && b != NULL; a = a->ai_next, b = b->ai_next)
		if (!is_copy(a, b))
			return false;
	return a == b;
}

/* Whole memory of a list, pointers included. */
static size_t record(const struct addrinfo *list, char *ret_bytes, size_t size)
{
	size_t used = 0;

	for (; list != NULL; list = list->ai_next) {
		size_t name_size = list->ai_canonname == NULL ? 0 : strlen(list->ai_canonname) + 1;

		test_assert(used + sizeof(*list) + list->ai_addrlen + name_size <= size);
		memcpy(ret_bytes + used, list, sizeof(*list));
		used += sizeof(*list);
		memcpy(ret_bytes + used, list->ai_addr, list->ai_addrlen);
		used += list->ai_addrlen;
		if (name_size > 0)
			memcpy(ret_bytes + used, list->ai_canonname, name_size);
		used += name_size;
	}
	return used;
}

static int pop(int count, struct addrinfo **ret_list)
{
	return he_list_pop(given_list(), count, ret_list);
}

static int remove_bytes(const void *sa, socklen_t len, struct addrinfo **ret_list)
{
	return he_list_remove(given_list(), sa, len, ret_list);
}

/* Case 2, and the examples of the specification. */
static void test_list_pop_drops_the_first_ones_of_each_family(void)
{
	static const struct {
		const char *families;
		int count;
		const char *left;
	} rows[] = {
	    {"664", 1, "1"},     {"664", 2, ""},        {"664", 0, "012"},   {"6", 1, ""},
	    {"66644", 1, "124"}, {"66644", 2, "2"},     {"66644", 3, ""},    {"66644", INT_MAX, ""},
	    {"464", 1, "2"},     {"466644", 1, "2345"}, {"646464", 2, "45"}, {"4444", 3, "3"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addrinfo *list = &given.infos[0];

		test_at("%s, %d", rows[i].families, rows[i].count);
		give_families(rows[i].families);
		test_assert(pop(rows[i].count, &list) == 0);
		test_assert(is_left(list, rows[i].left));
		he_list_free(list);
	}
}

/* Case 2: [A, B, C] is emptied by two turns. */
static void test_list_pop_again_empties_the_list(void)
{
	struct addrinfo *once, *twice, *more = &given.infos[0];

	give_nothing();
	give(A), give(B), give(C);
	test_assert(pop(1, &once) == 0 && is_left(once, "1"));
	test_assert(he_list_pop(once, 1, &twice) == 0 && twice == NULL);
	test_assert(he_list_pop(twice, 1, &more) == 0 && more == NULL);
	he_list_free(once);
}

/* Case 3: they are counted one by one. */
static void test_list_pop_leaves_duplicates_behind_the_first_ones(void)
{
	struct addrinfo *list;

	give_nothing();
	give(A), give(A), give(C), give(C);
	test_assert(pop(1, &list) == 0);
	test_assert(is_left(list, "13"));
	he_list_free(list);
}

static void test_list_pop_counts_other_families_as_well(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/one"};
	struct addrinfo *list;

	give_nothing();
	give(C);
	give_bytes(&un, sizeof(un));
	give(A);
	give_bytes(&un, 7);
	give(C);
	test_assert(pop(1, &list) == 0);
	test_assert(is_left(list, "34"));
	he_list_free(list);
}

/* Case 53, the sizes of the benchmark with both counts. */
static void test_list_pop_of_any_size_drops_as_many_of_each_family(void)
{
	static const unsigned sizes[][2] = {{1, 1}, {4, 4}, {16, 16}, {0, 8}};

	for (size_t i = 0; i < 4; i++) {
		give_nothing();
		for (unsigned k = 0; k < sizes[i][0]; k++)
			give_numbered('6', k);
		for (unsigned k = 0; k < sizes[i][1]; k++)
			give_numbered('4', k);
		for (unsigned n = 1; n <= 2; n++) {
			unsigned six = sizes[i][0] > n ? sizes[i][0] - n : 0;
			unsigned four = sizes[i][1] > n ? sizes[i][1] - n : 0;
			struct addrinfo *list;

			test_at("%u and %u without %u", sizes[i][0], sizes[i][1], n);
			test_assert(pop((int)n, &list) == 0);
			test_assert(length(list) == six + four);
			test_assert(six == 0 || is_copy(list, &given.infos[n]));
			he_list_free(list);
		}
	}
}

/* Every list of two families with up to 8 entries: who is left is counted here once more. */
static void test_list_pop_is_what_counting_by_hand_leaves(void)
{
	for (unsigned size = 0; size <= 8; size++) {
		for (unsigned bits = 0; bits < 1u << size; bits++) {
			char families[9] = {0};

			for (unsigned i = 0; i < size; i++)
				families[i] = bits >> i & 1 ? '6' : '4';
			give_families(families);
			for (int count = 0; count <= (int)size + 1; count++) {
				int seen[2] = {0};
				char left[9] = {0};
				struct addrinfo *list = &given.infos[0];

				for (unsigned i = 0, n = 0; i < size; i++)
					if (seen[families[i] == '6']++ >= count)
						left[n++] = (char)('0' + i);
				test_at("%s, %d", families, count);
				test_assert(pop(count, &list) == 0);
				test_assert(is_left(list, left));
				he_list_free(list);
			}
		}
	}
}

static void check_pop_in_two_steps(int first, int second)
{
	struct addrinfo *step, *two, *one;

	test_at("%zu entries, %d and %d", given.count, first, second);
	test_assert(pop(first, &step) == 0);
	test_assert(he_list_pop(step, second, &two) == 0);
	test_assert(pop(first + second, &one) == 0);
	test_assert(two == NULL ? one == NULL : are_same(two, one));
	he_list_free(step);
	he_list_free(two);
	he_list_free(one);
}

static void test_list_pop_twice_is_pop_of_the_sum(void)
{
	for (unsigned size = 0; size <= 300; size += size / 3 + 1) {
		give_nothing();
		for (unsigned i = 0; i < size; i++)
			give_numbered(i * 7 % 5 < 2 ? '6' : '4', i);
		for (int first = 0; first <= (int)size; first += first / 2 + 1)
			for (int second = 0; second <= (int)size; second += second + 1)
				check_pop_in_two_steps(first, second);
	}
}

static void test_list_pop_of_thousands(void)
{
	struct addrinfo *list;

	give_nothing();
	for (unsigned i = 0; i < COUNT_MAX; i++)
		give_numbered(i < COUNT_MAX / 2 ? '6' : '4', i);
	test_assert(pop(1, &list) == 0);
	test_assert(length(list) == COUNT_MAX - 2);
	he_list_free(list);
	test_assert(pop(COUNT_MAX / 2 - 1, &list) == 0);
	test_assert(length(list) == 2);
	test_assert(is_copy(list, &given.infos[COUNT_MAX / 2 - 1]));
	test_assert(is_copy(list->ai_next, &given.infos[COUNT_MAX - 1]));
	he_list_free(list);
}

static void test_list_pop_of_a_negative_count_is_refused(void)
{
	struct addrinfo *untouched = &given.infos[0];

	give_families("64");
	test_assert(pop(-1, &untouched) == -1 && errno == EINVAL);
	test_assert(pop(INT_MIN, &untouched) == -1 && errno == EINVAL);
	test_assert(he_list_pop(NULL, -1, &untouched) == -1 && errno == EINVAL);
	test_assert(untouched == &given.infos[0]);
}

/* Case 4: one after another, to the empty list. */
static void test_list_remove_takes_a_whole_socket_address_out(void)
{
	struct sockaddr_in6 a = six_of(A, PORT, 0, 0), b = six_of(B, PORT, 0, 0);
	struct sockaddr_in c = four_of(C, PORT);
	struct addrinfo *one, *two, *none;

	give_nothing();
	give(A), give(B), give(C);
	test_assert(remove_bytes(&a, sizeof(a), &one) == 0);
	test_assert(is_left(one, "12"));
	test_assert(he_list_remove(one, (void *)&b, sizeof(b), &two) == 0);
	test_assert(is_left(two, "2"));
	test_assert(he_list_remove(two, (void *)&c, sizeof(c), &none) == 0);
	test_assert(none == NULL);
	he_list_free(one);
	he_list_free(two);
}

/* Cases 5 and 55: a spelling is lost in the socket address, so each finds the entry. */
static void test_list_remove_does_not_mind_how_the_address_was_spelled(void)
{
	static const char *const spellings[] = {"dead:beef::", "DEAD:BEEF::0",
	                                        "dead:beef:0000:0000:0000:0000:0000:0000",
	                                        "dead:beef::0.0.0.0"};

	give_nothing();
	give(A), give(B), give(C);
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		struct addrinfo *wanted = he_list_from_text(spellings[i], PORT), *list;

		test_at("%s", spellings[i]);
		test_assert(wanted != NULL);
		test_assert(
		    he_list_remove(given_list(), wanted->ai_addr, wanted->ai_addrlen, &list) == 0);
		test_assert(is_left(list, "12"));
		he_list_free(wanted);
		he_list_free(list);
	}
}

/* Case 5, its end. */
static void test_list_remove_of_what_is_not_there_says_so(void)
{
	struct addrinfo *untouched = &given.infos[0];
	struct sockaddr_in other = four_of("107.6.106.2", PORT);

	give_nothing();
	test_assert(remove_bytes(&other, sizeof(other), &untouched) == -1 && errno == ENOENT);
	give(A), give(B), give(C);
	test_assert(remove_bytes(&other, sizeof(other), &untouched) == -1 && errno == ENOENT);
	test_assert(untouched == &given.infos[0]);
}

/* Case 54: the last one, of eight; and all duplicates at once. */
static void test_list_remove_takes_every_entry_for_the_address(void)
{
	struct sockaddr_in last = four_of("10.0.0.4", PORT);
	struct addrinfo *list;

	give_families("66664444");
	test_assert(remove_bytes(&last, sizeof(last), &list) == 0);
	test_assert(is_left(list, "0123456"));
	he_list_free(list);

	give_nothing();
	give("10.0.0.4"), give(A), give("10.0.0.4"), give("10.0.0.4");
	test_assert(remove_bytes(&last, sizeof(last), &list) == 0);
	test_assert(is_left(list, "1"));
	he_list_free(list);
}

static void test_list_remove_wants_port_flow_and_scope_equal(void)
{
	static const struct {
		const char *text;
		uint16_t port;
		uint32_t flowinfo, scope_id;
		bool equal;
	} rows[] = {
	    {"fe80::7", PORT, 5, 3, true},  {"fe80::7", PORT + 1, 5, 3, false},
	    {"fe80::7", PORT, 0, 3, false}, {"fe80::7", PORT, 5, 0, false},
	    {"fe80::8", PORT, 5, 3, false},
	};
	struct sockaddr_in6 entry = six_of("fe80::7", PORT, 5, 3);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_in6 wanted =
		    six_of(rows[i].text, rows[i].port, rows[i].flowinfo, rows[i].scope_id);
		struct addrinfo *list = NULL;
		int r;

		test_at("row %zu", i);
		give_nothing();
		give_bytes(&entry, sizeof(entry));
		r = remove_bytes(&wanted, sizeof(wanted), &list);
		test_assert(r == (rows[i].equal ? 0 : -1));
		test_assert(r == 0 || errno == ENOENT);
		test_assert(list == NULL);
	}
}

static void test_list_remove_takes_mapped_for_ipv4_when_there_is_nothing_nearer(void)
{
	struct sockaddr_in6 mapped = six_of("::ffff:192.0.2.1", PORT, 7, 9);
	struct sockaddr_in6 scopeless = six_of("::ffff:192.0.2.1", PORT, 7, 0);
	struct sockaddr_in6 flowless = six_of("::ffff:192.0.2.1", PORT, 0, 0);
	struct sockaddr_in6 other_port = six_of("::ffff:192.0.2.1", PORT + 1, 0, 0);
	struct sockaddr_in four = four_of("192.0.2.1", PORT);
	struct addrinfo *list = NULL;

	give_nothing();
	give("192.0.2.1");
	give_bytes(&mapped, sizeof(mapped));
	give("192.0.2.2");
	/* Each finds its own form first. */
	test_assert(remove_bytes(&four, sizeof(four), &list) == 0 && is_left(list, "12"));
	/* Then the other one, whatever it says beside the address and the port. */
	test_assert(he_list_remove(list, (void *)&four, sizeof(four), &list->ai_next->ai_next) ==
	            0);
	test_assert(is_left(list->ai_next->ai_next, "2"));
	he_list_free(list);
	/* A scope is nothing that an IPv4 host has. */
	test_assert(remove_bytes(&scopeless, sizeof(mapped), &list) == 0 && is_left(list, "02"));
	he_list_free(list);
	/* Flow information is: as it is not that of the mapped entry, IPv4 is nearer. */
	test_assert(remove_bytes(&flowless, sizeof(mapped), &list) == 0 && is_left(list, "12"));
	he_list_free(list);
	test_assert(remove_bytes(&other_port, sizeof(mapped), &list) == -1 && errno == ENOENT);

	/* Nor does the other form go along, when there is nothing else to tell them by. */
	give_nothing();
	give("::ffff:192.0.2.1"), give("192.0.2.1");
	test_assert(remove_bytes(&four, sizeof(four), &list) == 0 && is_left(list, "0"));
	he_list_free(list);
	test_assert(remove_bytes(&flowless, sizeof(mapped), &list) == 0 && is_left(list, "1"));
	he_list_free(list);
}

static void test_list_remove_leaves_entries_that_are_no_address(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in four = four_of(C, PORT);
	struct addrinfo *list;

	give_nothing();
	give_bytes(&un, sizeof(un));
	give(C);
	give_bytes(&four, sizeof(four) - 1);
	give_bytes(&four, 0);
	give(C);
	given.infos[4].ai_addr = NULL;
	test_assert(remove_bytes(&four, sizeof(four), &list) == 0);
	test_assert(is_left(list, "0234"));
	he_list_free(list);
}

static void test_list_remove_of_no_address_is_refused(void)
{
	struct addrinfo *untouched = &given.infos[0];
	struct sockaddr_in6 six = six_of(A, PORT, 0, 0);
	struct sockaddr_in four = four_of(C, PORT);
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	give_nothing();
	give(A), give(C);
	give_bytes(&un, sizeof(un));
	test_assert(remove_bytes(NULL, 0, &untouched) == -1 && errno == EINVAL);
	test_assert(remove_bytes(NULL, sizeof(four), &untouched) == -1 && errno == EINVAL);
	test_assert(remove_bytes(&four, 0, &untouched) == -1 && errno == EINVAL);
	test_assert(remove_bytes(&four, sizeof(four) - 1, &untouched) == -1 && errno == EINVAL);
	test_assert(remove_bytes(&six, SIX_LEN_WITHOUT_SCOPE - 1, &untouched) == -1);
	test_assert(errno == EINVAL);
	test_assert(remove_bytes(&un, sizeof(un), &untouched) == -1 && errno == EAFNOSUPPORT);
	test_assert(untouched == &given.infos[0]);
}

/* What it is for: the address that connected, and was no good after all. */
static void test_list_remove_of_getpeername_takes_the_connected_entry_out(void)
{
	static const char *const hosts[] = {"::ffff:127.0.0.1", "127.0.0.1"};
	struct sockaddr_in listening = four_of("127.0.0.1", 0);
	socklen_t len = sizeof(listening);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	test_assert(listener >= 0);
	test_assert(bind(listener, (void *)&listening, len) == 0 && listen(listener, 4) == 0);
	test_assert(getsockname(listener, (void *)&listening, &len) == 0);
	for (size_t i = 0; i < 2; i++) {
		struct addrinfo *to = he_list_from_text(hosts[i], ntohs(listening.sin_port)), *left;
		struct sockaddr_storage peer;
		int fd;

		test_at("%s", hosts[i]);
		test_assert(to != NULL);
		fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, to->ai_protocol);
		test_assert(fd >= 0 || errno == EAFNOSUPPORT);
		if (fd >= 0) {
			test_assert(connect(fd, to->ai_addr, to->ai_addrlen) == 0);
			len = sizeof(peer);
			test_assert(getpeername(fd, (void *)&peer, &len) == 0);
			give_nothing();
			give(C);
			give_bytes(to->ai_addr, to->ai_addrlen);
			test_assert(remove_bytes(&peer, len, &left) == 0 && is_left(left, "0"));
			he_list_free(left);
			/* A resolver gave IPv4, the program has IPv6 sockets only. */
			give_nothing();
			give_bytes(&listening, sizeof(listening));
			test_assert(remove_bytes(&peer, len, &left) == 0 && left == NULL);
			close(fd);
		}
		he_list_free(to);
	}
	close(listener);
}

/* Case 6: IPv4, and IPv6 with and without flow information and scope. */
static void test_list_from_sockaddr_is_a_list_of_that_address_for_tcp(void)
{
	struct sockaddr_in four = four_of(C, PORT);
	struct sockaddr_in6 sixes[] = {six_of(A, PORT, 0, 0), six_of(A, PORT, 1, 0),
	                               six_of(A, PORT, 1, 1), six_of("fe80::1", PORT, 0, 3),
	                               six_of("::ffff:192.0.2.1", PORT, 1, 0)};

	give_nothing();
	give_bytes(&four, sizeof(four));
	for (size_t i = 0; i < sizeof(sixes) / sizeof(sixes[0]); i++)
		give_bytes(&sixes[i], sizeof(sixes[i]));
	for (size_t i = 0; i < given.count; i++) {
		/* Programs pass the length of what they have. */
		socklen_t lens[] = {given.infos[i].ai_addrlen, sizeof(struct sockaddr_storage)};

		for (size_t k = 0; k < 2; k++) {
			struct addrinfo *list =
			    he_list_from_sockaddr(given.infos[i].ai_addr, lens[k]);

			test_at("row %zu, length %u", i, lens[k]);
			test_assert(is_copy(list, &given.infos[i]));
			test_assert(list->ai_next == NULL && list->ai_canonname == NULL);
			he_list_free(list);
		}
	}
}

static void test_list_from_sockaddr_does_not_keep_what_means_nothing(void)
{
	struct sockaddr_in four = four_of(C, PORT), clean = four;
	struct sockaddr_in6 six = six_of("fe80::1", PORT, 1, 3);
	struct sockaddr_in6 mapped = six_of("::ffff:192.0.2.1", PORT, 1, 3), scopeless = mapped;
	struct addrinfo *list;

	memset(four.sin_zero, 0xa5, sizeof(four.sin_zero));
	list = he_list_from_sockaddr((void *)&four, sizeof(four));
	test_assert(list != NULL && memcmp(list->ai_addr, &clean, sizeof(clean)) == 0);
	he_list_free(list);

	scopeless.sin6_scope_id = 0;
	list = he_list_from_sockaddr((void *)&mapped, sizeof(mapped));
	test_assert(list != NULL && memcmp(list->ai_addr, &scopeless, sizeof(mapped)) == 0);
	he_list_free(list);

	/* The scope lies behind this length, and the entry has one of its own all the same. */
	list = he_list_from_sockaddr((void *)&six, SIX_LEN_WITHOUT_SCOPE);
	six.sin6_scope_id = 0;
	test_assert(list != NULL && list->ai_addrlen == sizeof(six));
	test_assert(memcmp(list->ai_addr, &six, sizeof(six)) == 0);
	he_list_free(list);
}

static void test_list_from_sockaddr_refuses_other_families_and_short_addresses(void)
{
	static const struct {
		sa_family_t family;
		socklen_t len;
		int error;
	} rows[] = {
	    {AF_INET, 0, EINVAL},
	    {AF_INET, 1, EINVAL},
	    {AF_INET, 2, EINVAL},
	    {AF_INET, sizeof(struct sockaddr_in) - 1, EINVAL},
	    {AF_INET6, sizeof(struct sockaddr_in), EINVAL},
	    {AF_INET6, SIX_LEN_WITHOUT_SCOPE - 1, EINVAL},
	    {AF_UNSPEC, sizeof(struct sockaddr_in), EAFNOSUPPORT},
	    {AF_UNIX, sizeof(struct sockaddr_un), EAFNOSUPPORT},
	    {AF_MAX, sizeof(struct sockaddr_in6), EAFNOSUPPORT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage sa = {.ss_family = rows[i].family};

		test_at("family %d, length %u", rows[i].family, rows[i].len);
		test_assert(he_list_from_sockaddr((void *)&sa, rows[i].len) == NULL);
		test_assert(errno == rows[i].error);
	}
}

/* Case 6, its end: no local address is wanted, which is no failure. */
static void test_list_from_nothing_is_empty_without_an_error(void)
{
	errno = EBADF;
	test_assert(he_list_from_sockaddr(NULL, 0) == NULL && errno == 0);
	errno = EBADF;
	test_assert(he_list_from_sockaddr(NULL, 16) == NULL && errno == 0);
	errno = EBADF;
	test_assert(he_list_from_text(NULL, PORT) == NULL && errno == 0);
}

/* What getaddrinfo() makes of a numeric address is what is expected of us. */
static struct addrinfo *resolved(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	                         .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	test_assert(getaddrinfo(host, port, &hints, &list) == 0);
	list->ai_flags = 0;
	return list;
}

static void test_list_from_text_takes_numeric_addresses(void)
{
	static const char *const rows[] = {
	    "192.0.2.1", "0.0.0.0", "255.255.255.255", "127.0.0.1", "::", "::1", "2001:db8::1",
	    "2001:DB8:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:255.255.255.255",
	    "::ffff:192.0.2.1", "::192.0.2.1", "64:ff9b::192.0.2.1", "fe80::1", "ff02::1",
	    "fe80::1%lo", "fe80::1%0", "ff02::1%lo", "ff01::1%lo", "febf::1%lo",
	    /* RFC 4007 knows this form for an index as well */
	    "fe80::1%1", "fe80::1%01"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addrinfo *expected = resolved(rows[i], "65535");
		struct addrinfo *list = he_list_from_text(rows[i], 65535);

		test_at("%s", rows[i]);
		test_assert(list != NULL && list->ai_next == NULL);
		test_assert(is_copy(list, expected));
		he_list_free(list);
		freeaddrinfo(expected);
	}
}

static void test_list_from_text_has_the_port_as_given(void)
{
	static const uint16_t ports[] = {0, 1, 80, 256, 65535};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct addrinfo *four = he_list_from_text("192.0.2.1", ports[i]);
		struct addrinfo *six = he_list_from_text("2001:db8::1", ports[i]);

		test_assert(four != NULL && six != NULL);
		test_assert(((struct sockaddr_in *)four->ai_addr)->sin_port == htons(ports[i]));
		test_assert(((struct sockaddr_in6 *)six->ai_addr)->sin6_port == htons(ports[i]));
		he_list_free(four);
		he_list_free(six);
	}
}

static void test_list_from_text_refuses_what_is_not_numeric(void)
{
	static const char *const rows[] = {
	    "", " ", "localhost", "example.com", "%", "%lo", "lo",
	    /* what inet_aton() and getaddrinfo() would take */
	    "127.1", "127.0.1", "2130706433", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "010.0.0.1",
	    "1.2.3.4 ", "1.2.3.4\n", "1.2.3.4 junk",
	    /* junk before, behind and between */
	    " 1.2.3.4", "1.2.3.4.", "1.2.3.4.5", "1.2.3", "1.2.3.", ".1.2.3.4", "1..2.3",
	    "1.2.3.256", "+1.2.3.4", "-1.2.3.4", "1.2.3.4:80", "1.2.3.4/24", " ::1", "::1 ",
	    "::1/128", "[::1]", "[::1]:80", ":::", "1::2::3", "::12345", "1:2:3:4:5:6:7",
	    "1:2:3:4:5:6:7:8:9", "::ffff:1.2.3", "::ffff:1.2.3.256", "::1.2.3.4:5", "2001:db8::g",
	    "0000:0000:0000:0000:0000:0000:255.255.255.2555",
	    "1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8",
	    /* zones where there is none, or that are none */
	    "192.0.2.1%lo", "192.0.2.1%1", "169.254.0.1%lo", "2001:db8::1%lo", "2001:db8::1%1",
	    "::1%lo", "::1%1", "::%1", "::ffff:169.254.0.1%lo", "fec0::1%1", "fc00::1%lo",
	    "ff05::1%lo", "ff0e::1%1", "2001:db8::1%", "2001:db8::1%0", "fe80::1%", "ff02::1%",
	    "1.2.3.4%"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_at("\"%s\"", rows[i]);
		errno = 0;
		test_assert(he_list_from_text(rows[i], PORT) == NULL);
		test_assert(errno == EINVAL);
	}
}

static void test_list_from_text_refuses_zones_that_are_no_interface(void)
{
	static const char *const rows[] = {
	    "fe80::1%no_such_thing", "fe80::1%a_name_that_is_longer_than_any_interface_has",
	    "fe80::1%2147483647", "fe80::1%4294967295", "fe80::1%4294967296", "fe80::1%4294967297",
	    "fe80::1%18446744073709551617", "fe80::1%99999999999999999999999", "fe80::1%-1",
	    "fe80::1%+1", "fe80::1% 1", "fe80::1%1 ", "fe80::1%0x1", "fe80::1%1x", "fe80::1%1%1",
	    "fe80::1%lo ", "fe80::1% lo", "fe80::1%lo\n", "fe80::1%LO", "fe80::1%l", "fe80::1%%lo",
	    /* the kernel would take it for lo, and so does getaddrinfo() */
	    "fe80::1%lo:", "fe80::1%lo:80", "fe80::1%1:80", "fe80::1%:", "ff02::1%lo:1"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_at("\"%s\"", rows[i]);
		errno = 0;
		test_assert(he_list_from_text(rows[i], PORT) == NULL);
		test_assert(errno == ENODEV);
	}
}

static void test_list_from_text_finds_every_interface_by_name_and_by_index(void)
{
	struct if_nameindex *all = if_nameindex();

	test_assert(all != NULL);
	for (struct if_nameindex *each = all; each->if_index != 0; each++) {
		char by_name[64], by_index[64];
		struct addrinfo *name, *number;

		(void)snprintf(by_name, sizeof(by_name), "fe80::1%%%s", each->if_name);
		(void)snprintf(by_index, sizeof(by_index), "fe80::1%%%u", each->if_index);
		test_at("%s, %s", by_name, by_index);
		name = he_list_from_text(by_name, PORT);
		number = he_list_from_text(by_index, PORT);
		test_assert(name != NULL && number != NULL);
		test_assert(((struct sockaddr_in6 *)name->ai_addr)->sin6_scope_id ==
		            each->if_index);
		test_assert(is_copy(number, name));
		he_list_free(name);
		he_list_free(number);
	}
	if_freenameindex(all);
}

/* Then nobody knows whether there is such an interface. */
static void test_list_from_text_without_a_descriptor_blames_neither_text_nor_zone(void)
{
	static const char *const rows[] = {"fe80::1%lo", "fe80::1%1"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rlimit limit, none = {0};
		struct addrinfo *list;
		int error;

		test_at("%s", rows[i]);
		test_assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
		none.rlim_max = limit.rlim_max;
		test_assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
		list = he_list_from_text(rows[i], PORT);
		error = errno;
		test_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		test_assert(list == NULL);
		test_assert(error != 0 && error != EINVAL && error != ENODEV);
	}
}

/* Of several kinds of sockets, with a name, from the C library. */
static struct addrinfo *resolver_list(const char *host)
{
	struct addrinfo hints = {.ai_flags = host == NULL ? AI_PASSIVE : AI_CANONNAME};
	struct addrinfo *list = NULL;

	test_assert(getaddrinfo(host, "80", &hints, &list) == 0);
	test_assert(length(list) > 1);
	return list;
}

static void test_list_of_getaddrinfo_is_read_only(void)
{
	static const char *const hosts[] = {NULL, "127.0.0.1", "fe80::1%lo", "localhost"};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		static char before[10000], after[sizeof(before)];
		struct addrinfo *list = resolver_list(hosts[i]), *all, *popped, *removed, *last;
		size_t size = record(list, before, sizeof(before));

		test_at("%s", hosts[i] == NULL ? "passive" : hosts[i]);
		test_assert(he_list_pop(list, 0, &all) == 0 && are_same(all, list));
		test_assert(he_list_pop(list, 1, &popped) == 0 && length(popped) < length(list));
		test_assert(he_list_remove(list, list->ai_addr, list->ai_addrlen, &removed) == 0);
		test_assert(length(removed) < length(list));
		test_assert(he_list_pop(list, INT_MAX, &last) == 0 && last == NULL);
		he_list_free(popped);
		he_list_free(removed);

		test_assert(record(list, after, sizeof(after)) == size);
		test_assert(memcmp(before, after, size) == 0);
		/* The copy does not need it. */
		freeaddrinfo(list);
		test_assert(hosts[i] == NULL || all->ai_canonname[0] != '\0');
		test_assert(he_list_pop(all, 0, &last) == 0 && are_same(last, all));
		he_list_free(last);
		he_list_free(all);
	}
}

/* Whatever the list: one allocation for each entry, all of which fail once. */
static void test_list_without_memory_writes_nothing_and_leaves_nothing(void)
{
	struct sockaddr_in four = four_of("10.0.0.1", PORT);
	struct addrinfo *untouched = &given.infos[0];
	long blocks_before = blocks;

	give_families("664464");
	for (int fails = 0; fails < 5; fails++) {
		test_at("malloc %d fails", fails);
		mallocs_left = fails;
		test_assert(remove_bytes(&four, sizeof(four), &untouched) == -1 && errno == ENOMEM);
		mallocs_left = fails < 4 ? fails : 0;
		test_assert(pop(1, &untouched) == -1 && errno == ENOMEM);
		test_assert(untouched == &given.infos[0]);
	}
	mallocs_left = 0;
	test_assert(he_list_from_sockaddr((void *)&four, sizeof(four)) == NULL && errno == ENOMEM);
	mallocs_left = 0;
	test_assert(he_list_from_text("fe80::1%lo", PORT) == NULL && errno == ENOMEM);
	/* Nobody needs memory for nothing. */
	mallocs_left = 0;
	test_assert(pop(6, &untouched) == 0 && untouched == NULL);
	mallocs_left = INT_MAX;
	test_assert(blocks == blocks_before);
}

static void test_list_free_keeps_errno(void)
{
	struct addrinfo *list;

	give_families("664464");
	test_assert(pop(0, &list) == 0);
	errno = ENOTTY;
	he_list_free(list);
	test_assert(errno == ENOTTY);
	he_list_free(NULL);
	test_assert(errno == ENOTTY);
}

/* The last test: what those before have made is freed. */
static void test_list_free_frees_all(void)
{
	test_assert(blocks == 0);
}

int main(void)
{
	test_run(test_list_pop_drops_the_first_ones_of_each_family);
	test_run(test_list_pop_again_empties_the_list);
	test_run(test_list_pop_leaves_duplicates_behind_the_first_ones);
	test_run(test_list_pop_counts_other_families_as_well);
	test_run(test_list_pop_of_any_size_drops_as_many_of_each_family);
	test_run(test_list_pop_is_what_counting_by_hand_leaves);
	test_run(test_list_pop_twice_is_pop_of_the_sum);
	test_run(test_list_pop_of_thousands);
	test_run(test_list_pop_of_a_negative_count_is_refused);
	test_run(test_list_remove_takes_a_whole_socket_address_out);
	test_run(test_list_remove_does_not_mind_how_the_address_was_spelled);
	test_run(test_list_remove_of_what_is_not_there_says_so);
	test_run(test_list_remove_takes_every_entry_for_the_address);
	test_run(test_list_remove_wants_port_flow_and_scope_equal);
	test_run(test_list_remove_takes_mapped_for_ipv4_when_there_is_nothing_nearer);
	test_run(test_list_remove_leaves_entries_that_are_no_address);
	test_run(test_list_remove_of_no_address_is_refused);
	test_run(test_list_remove_of_getpeername_takes_the_connected_entry_out);
	test_run(test_list_from_sockaddr_is_a_list_of_that_address_for_tcp);
	test_run(test_list_from_sockaddr_does_not_keep_what_means_nothing);
	test_run(test_list_from_sockaddr_refuses_other_families_and_short_addresses);
	test_run(test_list_from_nothing_is_empty_without_an_error);
	test_run(test_list_from_text_takes_numeric_addresses);
	test_run(test_list_from_text_has_the_port_as_given);
	test_run(test_list_from_text_refuses_what_is_not_numeric);
	test_run(test_list_from_text_refuses_zones_that_are_no_interface);
	test_run(test_list_from_text_finds_every_interface_by_name_and_by_index);
	test_run(test_list_from_text_without_a_descriptor_blames_neither_text_nor_zone);
	test_run(test_list_of_getaddrinfo_is_read_only);
	test_run(test_list_without_memory_writes_nothing_and_leaves_nothing);
	test_run(test_list_free_keeps_errno);
	test_run(test_list_free_frees_all);
	return test_result();
}
