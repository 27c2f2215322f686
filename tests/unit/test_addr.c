#include "base/addr.h"

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct addr addr_of(const char *text, uint32_t scope_id)
{
	struct addr addr = {.family = strchr(text, ':') ? AF_INET6 : AF_INET, .scope_id = scope_id};

	test_assert(inet_pton(addr.family, text, addr.bytes) == 1);
	return addr;
}

static struct sockaddr_in in_of(const char *text, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	test_assert(inet_pton(AF_INET, text, &in.sin_addr) == 1);
	return in;
}

static struct sockaddr_in6 in6_of(const char *text, uint16_t port, uint32_t scope_id)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
	                           .sin6_port = htons(port),
	                           .sin6_flowinfo = htonl(0x12345),
	                           .sin6_scope_id = scope_id};

	test_assert(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1);
	return in6;
}

/* What was taken apart and put together again must be what the kernel was to be given. */
static void check_round_trip(const void *sa, socklen_t len, const struct addr *expected)
{
	struct sockaddr_storage back;
	struct addr_extra extra;
	struct addr addr;

	memset(&addr, 0xff, sizeof(addr)); /* equal addresses are equal memory, padding included */
	memset(&back, 0xff, sizeof(back));
	test_assert(addr_from_sockaddr(sa, len, &addr, &extra) == 0);
	test_assert(addr_equal(&addr, expected));
	test_assert(extra.port == 443);
	test_assert(addr_to_sockaddr(&addr, &extra, &back) == len);
	test_assert(memcmp(&back, sa, len) == 0);
}

static void test_addr_socket_address_survives_the_round_trip(void)
{
	struct sockaddr_in in = in_of("192.0.2.7", 443);
	struct sockaddr_in6 global = in6_of("2001:db8::7", 443, 0);
	struct sockaddr_in6 local = in6_of("fe80::7", 443, 3);
	struct sockaddr_in6 mapped = in6_of("::ffff:192.0.2.7", 443, 0);
	struct addr expected;

	expected = addr_of("192.0.2.7", 0);
	check_round_trip(&in, sizeof(in), &expected);
	/* The program means the IPv4 host, however it wrote it. */
	check_round_trip(&mapped, sizeof(mapped), &expected);
	expected = addr_of("2001:db8::7", 0);
	check_round_trip(&global, sizeof(global), &expected);
	expected = addr_of("fe80::7", 3);
	check_round_trip(&local, sizeof(local), &expected);
}

static void test_addr_garbage_in_sin_zero_is_not_looked_at(void)
{
	struct sockaddr_in in = in_of("192.0.2.7", 443);
	struct addr expected = addr_of("192.0.2.7", 0), addr;
	struct addr_extra extra;

	memset(in.sin_zero, 0xa5, sizeof(in.sin_zero));
	test_assert(addr_from_sockaddr((void *)&in, sizeof(in), &addr, &extra) == 0);
	test_assert(addr_equal(&addr, &expected));
	test_assert(!extra.mapped && extra.flowinfo == 0);
}

static void test_addr_mapped_is_looked_up_as_ipv4_and_remembered_as_mapped(void)
{
	struct sockaddr_in6 in6 = in6_of("::ffff:192.0.2.7", 443, 9);
	struct addr expected = addr_of("192.0.2.7", 0), addr;
	struct addr_extra extra;

	test_assert(addr_from_sockaddr((void *)&in6, sizeof(in6), &addr, &extra) == 0);
	test_assert(addr_equal(&addr, &expected)); /* without the scope, which IPv4 has not */
	test_assert(extra.mapped);
	test_assert(extra.flowinfo == htonl(0x12345));
}

static void test_addr_ipv4_compatible_stays_ipv6(void)
{
	struct sockaddr_in6 in6 = in6_of("::192.0.2.7", 443, 0);
	struct addr_extra extra;
	struct addr addr;

	test_assert(addr_from_sockaddr((void *)&in6, sizeof(in6), &addr, &extra) == 0);
	test_assert(addr.family == AF_INET6 && !extra.mapped);
}

static void test_addr_length_is_judged_as_the_kernel_does(void)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	} sa;
	static const struct {
		sa_family_t family;
		socklen_t len;
		int result;
	} rows[] = {
	    {AF_INET, 0, -EINVAL},
	    {AF_INET, 1, -EINVAL},
	    {AF_INET, 2, -EINVAL},
	    {AF_INET, 15, -EINVAL},
	    {AF_INET, 16, 0},
	    {AF_INET, 128, 0}, /* programs pass sizeof(struct sockaddr_storage) */
	    {AF_INET6, 16, -EINVAL},
	    {AF_INET6, 23, -EINVAL},
	    {AF_INET6, 24, 0}, /* RFC 2133's, without the scope */
	    {AF_INET6, 27, 0},
	    {AF_INET6, 28, 0},
	    {AF_INET6, 128, 0},
	    {AF_UNIX, 110, -EAFNOSUPPORT},
	    {AF_UNSPEC, 16, -EAFNOSUPPORT}, /* connect() to it dissolves an association */
	    {AF_NETLINK, 12, -EAFNOSUPPORT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr addr, before;
		struct addr_extra extra;

		memset(&sa, 0x5a, sizeof(sa));
		memset(&before, 0x77, sizeof(before));
		addr = before;
		sa.sa.sa_family = rows[i].family;
		test_at("family %d, length %u", rows[i].family, rows[i].len);
		test_assert(addr_from_sockaddr(&sa.sa, rows[i].len, &addr, &extra) ==
		            rows[i].result);
		test_assert(rows[i].result == 0 || addr_equal(&addr, &before));
		/* A scope that was not passed is not read: it is whatever lies behind. */
		if (rows[i].family == AF_INET6 && rows[i].len < 28 && rows[i].result == 0)
			test_assert(addr.scope_id == 0);
	}
}

static void test_addr_unaligned_socket_address_is_read(void)
{
	struct sockaddr_in in = in_of("192.0.2.7", 443);
	struct addr expected = addr_of("192.0.2.7", 0), addr;
	char bytes[sizeof(in) + 2];
	struct addr_extra extra;

	memcpy(bytes + 2, &in, sizeof(in));
	test_assert(addr_from_sockaddr((void *)(bytes + 2), sizeof(in), &addr, &extra) == 0);
	test_assert(addr_equal(&addr, &expected));
}

static void test_addr_ipv4_with_mapped_extra_becomes_mapped(void)
{
	struct addr addr = addr_of("192.0.2.7", 0);
	struct addr_extra extra = {.port = 80, .mapped = true};
	struct sockaddr_in6 expected = in6_of("::ffff:192.0.2.7", 80, 0);
	struct sockaddr_storage sa;

	expected.sin6_flowinfo = 0;
	test_assert(addr_to_sockaddr(&addr, &extra, &sa) == sizeof(struct sockaddr_in6));
	test_assert(memcmp(&sa, &expected, sizeof(expected)) == 0);

	/* An IPv6 candidate of a mapped request is an IPv6 address, whatever the request was. */
	addr = addr_of("2001:db8::7", 0);
	expected = in6_of("2001:db8::7", 80, 0);
	expected.sin6_flowinfo = 0;
	test_assert(addr_to_sockaddr(&addr, &extra, &sa) == sizeof(struct sockaddr_in6));
	test_assert(memcmp(&sa, &expected, sizeof(expected)) == 0);
}

static void test_addr_scope_makes_addresses_differ(void)
{
	struct addr one = addr_of("fe80::7", 1), two = addr_of("fe80::7", 2);
	struct addr same = addr_of("fe80::7", 1);

	test_assert(!addr_equal(&one, &two));
	test_assert(addr_equal(&one, &same));
	test_assert(addr_hash(&one) == addr_hash(&same));
	test_assert(addr_hash(&one) != addr_hash(&two));
}

static void test_addr_families_do_not_mix(void)
{
	/* The same bytes: 1.2.3.4 and 102:304::. */
	struct addr four = addr_of("1.2.3.4", 0), six = addr_of("102:304::", 0);

	test_assert(memcmp(four.bytes, six.bytes, sizeof(four.bytes)) == 0);
	test_assert(!addr_equal(&four, &six));
	test_assert(addr_hash(&four) != addr_hash(&six));
}

static void test_addr_classes_are_told_apart(void)
{
	static const struct {
		const char *text;
		bool loopback, any;
	} rows[] = {
	    {"127.0.0.1", true, false},
	    {"127.255.255.254", true, false},
	    {"126.255.255.255", false, false},
	    {"128.0.0.1", false, false},
	    {"0.0.0.0", false, true},
	    {"192.0.2.7", false, false},
	    {"::1", true, false},
	    {"::", false, true},
	    {"::2", false, false},
	    {"7f00::1", false, false},
	    {"2001:db8::1", false, false},
	    {"fe80::1", false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr addr = addr_of(rows[i].text, 0);

		test_at("%s", rows[i].text);
		test_assert(addr_is_loopback(&addr) == rows[i].loopback);
		test_assert(addr_is_any(&addr) == rows[i].any);
	}
}

static void test_addr_format_gives_the_usual_text(void)
{
	static const struct {
		const char *text, *expected;
		uint32_t scope_id;
	} rows[] = {
	    {"192.0.2.7", "192.0.2.7", 0},
	    {"0.0.0.0", "0.0.0.0", 0},
	    {"255.255.255.255", "255.255.255.255", 0},
	    {"::", "::", 0},
	    {"2001:DB8:0:0:0:0:0:7", "2001:db8::7", 0},
	    {"fe80::7", "fe80::7%3", 3},
	    {"fe80::7", "fe80::7%10", 10},
	    {"fe80:1111:2222:3333:4444:5555:6666:7777",
	     "fe80:1111:2222:3333:4444:5555:6666:7777%4294967295", UINT32_MAX},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr addr = addr_of(rows[i].text, rows[i].scope_id);
		char text[ADDR_TEXT_MAX];

		test_at("%s scope %u", rows[i].text, rows[i].scope_id);
		memset(text, 'x', sizeof(text));
		addr_format(&addr, text);
		test_assert(memchr(text, '\0', sizeof(text)) != NULL);
		test_assert(strcmp(text, rows[i].expected) == 0);
	}
}

static void test_addr_format_of_no_address_is_empty(void)
{
	struct addr addr = {0};
	char text[ADDR_TEXT_MAX] = "x";

	addr_format(&addr, text);
	test_assert(*text == '\0');
}

/* Neighbours, as the addresses of one service are, must not fall on few hash values. */
static void test_addr_hash_spreads_neighbours(void)
{
	static uint8_t seen[1 << 15];
	struct addr addr = addr_of("2001:db8::", 0);
	unsigned distinct = 0;

	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 1024; i++) {
		uint32_t slot;

		addr.bytes[14] = (uint8_t)(i >> 8);
		addr.bytes[15] = (uint8_t)i;
		slot = addr_hash(&addr) % sizeof(seen);
		distinct += seen[slot] == 0;
		seen[slot] = 1;
	}
	/* A perfect hash would give 1008 on average; less than 950 is no accident. */
	test_assert(distinct > 950);
}

int main(void)
{
	test_run(test_addr_socket_address_survives_the_round_trip);
	test_run(test_addr_garbage_in_sin_zero_is_not_looked_at);
	test_run(test_addr_mapped_is_looked_up_as_ipv4_and_remembered_as_mapped);
	test_run(test_addr_ipv4_compatible_stays_ipv6);
	test_run(test_addr_length_is_judged_as_the_kernel_does);
	test_run(test_addr_unaligned_socket_address_is_read);
	test_run(test_addr_ipv4_with_mapped_extra_becomes_mapped);
	test_run(test_addr_scope_makes_addresses_differ);
	test_run(test_addr_families_do_not_mix);
	test_run(test_addr_classes_are_told_apart);
	test_run(test_addr_format_gives_the_usual_text);
	test_run(test_addr_format_of_no_address_is_empty);
	test_run(test_addr_hash_spreads_neighbours);
	return test_result();
}
