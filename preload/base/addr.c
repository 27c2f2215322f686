#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* RFC 2553's sockaddr_in6 had no scope; the kernel still takes that length. */
#define SIN6_LEN_WITHOUT_SCOPE offsetof(struct sockaddr_in6, sin6_scope_id)

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

int addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *ret_addr,
                       struct addr_extra *ret_extra)
{
	struct addr addr = {0};
	struct addr_extra extra = {0};

	if (len < sizeof(sa->sa_family))
		return -EINVAL;

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		if (len < sizeof(in))
			return -EINVAL;
		memcpy(&in, sa, sizeof(in));
		addr.family = AF_INET;
		memcpy(addr.bytes, &in.sin_addr, 4);
		extra.port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6 = {0};

		if (len < SIN6_LEN_WITHOUT_SCOPE)
			return -EINVAL;
		memcpy(&in6, sa, len < sizeof(in6) ? SIN6_LEN_WITHOUT_SCOPE : sizeof(in6));
		extra.port = ntohs(in6.sin6_port);
		extra.flowinfo = in6.sin6_flowinfo;
		extra.mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
		if (extra.mapped) {
			addr.family = AF_INET;
			memcpy(addr.bytes, &in6.sin6_addr.s6_addr[12], 4);
		} else {
			addr.family = AF_INET6;
			memcpy(addr.bytes, &in6.sin6_addr, 16);
			addr.scope_id = in6.sin6_scope_id;
		}
	} else {
		return -EAFNOSUPPORT;
	}

	*ret_addr = addr;
	*ret_extra = extra;
	return 0;
}

socklen_t addr_to_sockaddr(const struct addr *addr, const struct addr_extra *extra,
                           struct sockaddr_storage *ret_sa)
{
	memset(ret_sa, 0, sizeof(*ret_sa));

	if (addr->family == AF_INET && !extra->mapped) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret_sa;

		in->sin_family = AF_INET;
		in->sin_port = htons(extra->port);
		memcpy(&in->sin_addr, addr->bytes, 4);
		return sizeof(*in);
	}

	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sa;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(extra->port);
	in6->sin6_flowinfo = extra->flowinfo;
	if (addr->family == AF_INET) {
		memcpy(in6->sin6_addr.s6_addr, mapped_prefix, sizeof(mapped_prefix));
		memcpy(&in6->sin6_addr.s6_addr[12], addr->bytes, 4);
	} else {
		memcpy(&in6->sin6_addr, addr->bytes, 16);
		in6->sin6_scope_id = addr->scope_id;
	}
	return sizeof(*in6);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool addr_stands_in(const struct addr *addr, const struct addr *addrs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (addr_equal(addr, &addrs[i]))
			return true;
	return false;
}

bool addr_is_loopback(const struct addr *addr)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	if (addr->family == AF_INET)
		return addr->bytes[0] == 127;
	return memcmp(addr->bytes, loopback6, sizeof(loopback6)) == 0;
}

bool addr_is_any(const struct addr *addr)
{
	static const uint8_t any[16];

	return memcmp(addr->bytes, any, sizeof(any)) == 0;
}

uint32_t addr_hash(const struct addr *addr)
{
	uint64_t words[3];
	uint64_t h = 0;

	_Static_assert(sizeof(words) == sizeof(*addr), "an address is three words");
	memcpy(words, addr, sizeof(words));
	for (size_t i = 0; i < 3; i++) {
		/* 2^64 by the golden ratio: spreads every bit. */
		h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return (uint32_t)(h >> 32);
}

void addr_format(const struct addr *addr, char *ret_text)
{
	if (inet_ntop(addr->family, addr->bytes, ret_text, ADDR_TEXT_MAX) == NULL) {
		ret_text[0] = '\0';
		return;
	}
	if (addr->scope_id != 0) {
		size_t used = strlen(ret_text);
		char digits[11];
		size_t n = 0;

		ret_text[used++] = '%';
		for (uint32_t v = addr->scope_id; v != 0; v /= 10)
			digits[n++] = (char)('0' + v % 10);
		while (n > 0)
			ret_text[used++] = digits[--n];
		ret_text[used] = '\0';
	}
}
