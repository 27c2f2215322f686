/*
 * The address lists of he.h. An entry is one block of memory, with its address and its canonical
 * name behind it, so that a list of any origin is freed in the same manner.
 */
#include <he.h>

#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A socket address, taken apart. */
struct endpoint {
	struct addr addr;
	struct addr_extra extra;
};

union ip_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* NULL without memory. The copy is the last of its list. */
static struct addrinfo *copy_entry(const struct addrinfo *entry)
{
	size_t addr_size = entry->ai_addr == NULL ? 0 : entry->ai_addrlen;
	size_t name_size = entry->ai_canonname == NULL ? 0 : strlen(entry->ai_canonname) + 1;
	struct addrinfo *copy = malloc(sizeof(*copy) + addr_size + name_size);
	char *behind;

	if (copy == NULL)
		return NULL;
	behind = (char *)(copy + 1);
	*copy = *entry;
	copy->ai_next = NULL;
	if (entry->ai_addr != NULL)
		copy->ai_addr = memcpy(behind, entry->ai_addr, addr_size);
	if (entry->ai_canonname != NULL)
		copy->ai_canonname = memcpy(behind + addr_size, entry->ai_canonname, name_size);
	return copy;
}

static int endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len,
                                  struct endpoint *ret_endpoint)
{
	if (sa == NULL)
		return -EINVAL;
	return addr_from_sockaddr(sa, len, &ret_endpoint->addr, &ret_endpoint->extra);
}

struct addrinfo *he_list_from_sockaddr(const struct sockaddr *sa, socklen_t len)
{
	struct addrinfo entry = {.ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
	struct sockaddr_storage name;
	struct endpoint endpoint;
	int r;

	if (sa == NULL) {
		errno = 0;
		return NULL;
	}
	r = endpoint_from_sockaddr(sa, len, &endpoint);
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	entry.ai_addrlen = addr_to_sockaddr(&endpoint.addr, &endpoint.extra, &name);
	entry.ai_addr = (struct sockaddr *)&name;
	entry.ai_family = name.ss_family;
	return copy_entry(&entry);
}

/* The kernel looks at the scope of these only; all others are the same on every interface. */
static bool has_zone(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_LINKLOCAL(addr) || IN6_IS_ADDR_MC_LINKLOCAL(addr) ||
	       IN6_IS_ADDR_MC_NODELOCAL(addr);
}

/* What stands behind the %: a name first, as in glibc, for an interface may be called "3". */
static int scope_from_text(const char *zone, uint32_t *ret_scope_id)
{
	unsigned long long number;
	char name[IF_NAMESIZE];
	unsigned index;

	if (*zone == '\0')
		return -EINVAL;
	/* The kernel cuts a name off there, and would take "eth0:80" for eth0. */
	if (strchr(zone, ':') != NULL)
		return -ENODEV;
	index = if_nametoindex(zone);
	if (index == 0) {
		if (zone[strspn(zone, "0123456789")] != '\0')
			return -errno;
		number = strtoull(zone, NULL, 10);
		if (number > UINT32_MAX)
			return -ENODEV;
		index = (unsigned)number;
		if (index != 0 && if_indextoname(index, name) == NULL)
			return errno == ENXIO ? -ENODEV : -errno;
	}
	*ret_scope_id = index;
	return 0;
}

/* Not by getaddrinfo(), which takes "127.1" and "0x7f.1", and 010.0.0.1 for 8.0.0.1. */
static int sockaddr_from_text(const char *host, uint16_t port, union ip_sockaddr *ret_name)
{
	size_t len = strcspn(host, "%");
	char text[INET6_ADDRSTRLEN];
	union ip_sockaddr name = {0};

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, host, len);
	text[len] = '\0';

	if (inet_pton(AF_INET6, text, &name.in6.sin6_addr) == 1) {
		name.in6.sin6_family = AF_INET6;
		name.in6.sin6_port = htons(port);
	} else if (inet_pton(AF_INET, text, &name.in.sin_addr) == 1) {
		name.in.sin_family = AF_INET;
		name.in.sin_port = htons(port);
	} else {
		return -EINVAL;
	}
	if (host[len] == '%') {
		int r = -EINVAL;

		if (name.sa.sa_family == AF_INET6 && has_zone(&name.in6.sin6_addr))
			r = scope_from_text(host + len + 1, &name.in6.sin6_scope_id);
		if (r < 0)
			return r;
	}
	*ret_name = name;
	return 0;
}

struct addrinfo *he_list_from_text(const char *host, uint16_t port)
{
	union ip_sockaddr name;
	int r;

	if (host == NULL) {
		errno = 0;
		return NULL;
	}
	r = sockaddr_from_text(host, port, &name);
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	return he_list_from_sockaddr(&name.sa, sizeof(name));
}

/* Says whether `entry`, which stands in `list`, is to go; `what` is the function's own. */
typedef bool drops_fn(const struct addrinfo *list, const struct addrinfo *entry, const void *what);

/* Returns 0, or -1 and errno, and then writes nothing. */
static int copy_without(const struct addrinfo *list, drops_fn *drops, const void *what,
                        struct addrinfo **ret_list)
{
	struct addrinfo *kept = NULL, **end = &kept;

	for (const struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next) {
		if (drops(list, entry, what))
			continue;
		*end = copy_entry(entry);
		if (*end == NULL) {
			he_list_free(kept);
			return -1;
		}
		end = &(*end)->ai_next;
	}
	*ret_list = kept;
	return 0;
}

/* Drops the first ones of each family, `what` is how many. */
static bool is_among_first(const struct addrinfo *list, const struct addrinfo *entry,
                           const void *what)
{
	int left = *(const int *)what;

	for (; left > 0 && list != entry; list = list->ai_next)
		left -= list->ai_family == entry->ai_family;
	return left > 0;
}

int he_list_pop(const struct addrinfo *list, int count, struct addrinfo **ret_list)
{
	if (count < 0) {
		errno = EINVAL;
		return -1;
	}
	return copy_without(list, is_among_first, &count, ret_list);
}

/* Address and port, however they are written; ret_extra says how `entry` has them. */
static bool is_same_host(const struct addrinfo *entry, const struct endpoint *wanted,
                         struct addr_extra *ret_extra)
{
	struct endpoint has;

	if (endpoint_from_sockaddr(entry->ai_addr, entry->ai_addrlen, &has) < 0)
		return false;
	*ret_extra = has.extra;
	return addr_equal(&has.addr, &wanted->addr) && has.extra.port == wanted->extra.port;
}

/* Drops the socket address `what`, an endpoint. */
static bool is_same(const struct addrinfo *list, const struct addrinfo *entry, const void *what)
{
	const struct endpoint *wanted = what;
	struct addr_extra extra;

	(void)list;
	return is_same_host(entry, wanted, &extra) && extra.mapped == wanted->extra.mapped &&
	       extra.flowinfo == wanted->extra.flowinfo;
}

/* Drops the IPv4 host of `what` in the other form: one of the two is v4-mapped. */
static bool is_other_form(const struct addrinfo *list, const struct addrinfo *entry,
                          const void *what)
{
	const struct endpoint *wanted = what;
	struct addr_extra extra;

	(void)list;
	return is_same_host(entry, wanted, &extra) && extra.mapped != wanted->extra.mapped;
}

static bool has_any(const struct addrinfo *list, drops_fn *drops, const void *what)
{
	const struct addrinfo *entry = list;

	while (entry != NULL && !drops(list, entry, what))
		entry = entry->ai_next;
	return entry != NULL;
}

int he_list_remove(const struct addrinfo *list, const struct sockaddr *sa, socklen_t len,
                   struct addrinfo **ret_list)
{
	struct endpoint wanted;
	int r = endpoint_from_sockaddr(sa, len, &wanted);

	if (r < 0) {
		errno = -r;
		return -1;
	}
	if (has_any(list, is_same, &wanted))
		return copy_without(list, is_same, &wanted, ret_list);
	if (has_any(list, is_other_form, &wanted))
		return copy_without(list, is_other_form, &wanted, ret_list);
	errno = ENOENT;
	return -1;
}

void he_list_free(struct addrinfo *list)
{
	int saved_errno = errno;

	while (list != NULL) {
		struct addrinfo *next = list->ai_next;

		free(list);
		list = next;
	}
	errno = saved_errno;
}
