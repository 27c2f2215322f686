/* The names of network.bash, and what their addresses do. */
#include "soak.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 250 /* libhe remembers 256 answers */

static struct name names[NAMES_MAX];
static size_t n_names;

/* The number in the address that says what it does; see network.bash. */
static enum kind kind_of(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	unsigned number = sa->ss_family == AF_INET ? ntohl(in->sin_addr.s_addr) >> 8 & 255
	                                           : in6->sin6_addr.s6_addr[13];

	switch (number) {
	case 1:
	case 2:
	case 3:
	case 4:
	case 81: return GOOD;
	case 17:
	case 18:
	case 82: return REFUSED;
	case 33:
	case 34: return PROHIBITED;
	case 49: return BLACK;
	case 65: return UNROUTED;
	default: FAIL("an address of unknown kind %u", number);
	}
}

int names_error(const struct address *address)
{
	switch (address->kind) {
	case GOOD: return 0;
	case REFUSED: return ECONNREFUSED;
	case PROHIBITED: return address->sa.ss_family == AF_INET ? EHOSTUNREACH : EACCES;
	case BLACK: return ETIMEDOUT;
	case UNROUTED: return ENETUNREACH;
	}
	FAIL("no such kind");
}

/* Returns 0, or what getaddrinfo() says. */
static int resolve(const char *text, struct name *ret_name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	struct name name = {0};
	bool good = false, black = false;
	int status = getaddrinfo(text, NULL, &hints, &list);

	if (status != 0)
		return status;
	snprintf(name.text, sizeof(name.text), "%s", text);
	for (struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
		struct address *address = &name.at[name.count++];

		if (name.count > NAME_ADDRESSES_MAX)
			FAIL("%s has too many addresses", text);
		memcpy(&address->sa, ai->ai_addr, ai->ai_addrlen);
		address->len = ai->ai_addrlen;
		address->kind = kind_of(&address->sa);
		good = good || address->kind == GOOD;
		black = black || address->kind == BLACK;
	}
	freeaddrinfo(list);
	name.slow = black && !good;
	*ret_name = name;
	return 0;
}

size_t names_load(void)
{
	char text[16];

	while (n_names < NAMES_MAX) {
		snprintf(text, sizeof(text), "s%zu", n_names);
		if (resolve(text, &names[n_names]) != 0)
			break;
		n_names++;
	}
	return n_names;
}

const struct name *names_at(size_t index)
{
	return &names[index % n_names];
}

void names_again(const struct name *name)
{
	struct name again;
	int status = resolve(name->text, &again);

	if (status != 0)
		FAIL("%s: %s", name->text, gai_strerror(status));
	MUST(again.count == name->count);
	for (size_t i = 0; i < again.count; i++)
		MUST(memcmp(&again.at[i].sa, &name->at[i].sa, name->at[i].len) == 0);
}

/* As an IPv6 address, v4-mapped if need be. */
static struct in6_addr as_in6(const struct sockaddr_storage *sa)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (sa->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)sa)->sin6_addr;
	memcpy(&address.s6_addr[12], &((const struct sockaddr_in *)sa)->sin_addr, 4);
	return address;
}

const struct address *names_find(const struct name *name, const struct sockaddr_storage *sa)
{
	struct in6_addr wanted = as_in6(sa);

	for (size_t i = 0; i < name->count; i++) {
		struct in6_addr address = as_in6(&name->at[i].sa);

		if (IN6_ARE_ADDR_EQUAL(&address, &wanted))
			return &name->at[i];
	}
	return NULL;
}

socklen_t names_fill(const struct address *address, uint16_t port, bool mapped,
                     struct sockaddr_storage *ret_sa)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sa;

	memset(ret_sa, 0, sizeof(*ret_sa));
	if (address->sa.ss_family == AF_INET && !mapped) {
		memcpy(ret_sa, &address->sa, address->len);
		((struct sockaddr_in *)ret_sa)->sin_port = htons(port);
		return address->len;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_addr = as_in6(&address->sa);
	in6->sin6_port = htons(port);
	return sizeof(*in6);
}
