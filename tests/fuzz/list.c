/*
 * Drives the address lists of he.h with bytes of libFuzzer's choice. The first byte says what the
 * rest is: a text, a socket address, or a list and what is done with it. What must hold is written
 * down here in other words than in preload/api/list.c.
 */
#include <he.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES_MAX 40

#define must(expression) ((expression) ? (void)0 : fail(__LINE__, #expression))

/* libFuzzer's names. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

_Noreturn static void fail(int line, const char *expression)
{
	(void)fprintf(stderr, "tests/fuzz/list.c:%d: not true: %s\n", line, expression);
	abort();
}

/* What is left of the input; zeros behind its end. */
struct bytes {
	const uint8_t *at;
	size_t left;
};

static uint8_t take(struct bytes *bytes)
{
	if (bytes->left == 0)
		return 0;
	bytes->left--;
	return *bytes->at++;
}

/* A block of its own, so that a read behind its end is seen. */
static void *alone(const void *bytes, size_t size)
{
	void *copy = malloc(size + (size == 0));

	must(copy != NULL);
	return memcpy(copy, bytes, size);
}

static bool is_same_entry(const struct addrinfo *a, const struct addrinfo *b)
{
	if (a->ai_flags != b->ai_flags || a->ai_family != b->ai_family ||
	    a->ai_socktype != b->ai_socktype || a->ai_protocol != b->ai_protocol ||
	    a->ai_addrlen != b->ai_addrlen || (a->ai_addr == NULL) != (b->ai_addr == NULL) ||
	    (a->ai_canonname == NULL) != (b->ai_canonname == NULL))
		return false;
	if (a->ai_addr != NULL && memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen) != 0)
		return false;
	return a->ai_canonname == NULL || strcmp(a->ai_canonname, b->ai_canonname) == 0;
}

/* `list` is those of the `count` entries that `kept` says, in their order, and shares nothing. */
static void check_kept(const struct addrinfo *list, const struct addrinfo *entries, size_t count,
                       const bool *kept)
{
	for (size_t i = 0; i < count; i++) {
		if (!kept[i])
			continue;
		must(list != NULL && list != &entries[i]);
		must(is_same_entry(list, &entries[i]));
		must(list->ai_addr == NULL || list->ai_addr != entries[i].ai_addr);
		must(list->ai_canonname == NULL || list->ai_canonname != entries[i].ai_canonname);
		list = list->ai_next;
	}
	must(list == NULL);
}

/* A list of one for TCP: it comes apart and together again, in text as well. */
static void check_one(const struct addrinfo *one)
{
	struct addrinfo *again, *none = (struct addrinfo *)one;
	bool all = true;

	must(one->ai_next == NULL && one->ai_canonname == NULL && one->ai_flags == 0);
	must(one->ai_socktype == SOCK_STREAM && one->ai_protocol == IPPROTO_TCP);
	must(one->ai_family == AF_INET || one->ai_family == AF_INET6);
	must(one->ai_addr->sa_family == one->ai_family);
	must(one->ai_addrlen == (one->ai_family == AF_INET ? sizeof(struct sockaddr_in)
	                                                   : sizeof(struct sockaddr_in6)));

	again = he_list_from_sockaddr(one->ai_addr, one->ai_addrlen);
	must(again != NULL);
	check_kept(again, one, 1, &all);
	he_list_free(again);
	must(he_list_pop(one, 0, &again) == 0);
	check_kept(again, one, 1, &all);
	he_list_free(again);
	must(he_list_remove(one, one->ai_addr, one->ai_addrlen, &none) == 0 && none == NULL);
	must(he_list_pop(one, 1, &none) == 0 && none == NULL);
}

static bool is_strictly_numeric(const char *text)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, text, &addr) == 1 || inet_pton(AF_INET6, text, &addr) == 1;
}

/* What we take, the C library takes as well, for the same address; and it is written back. */
static void check_text(const struct addrinfo *one, const char *text, uint16_t port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	                         .ai_socktype = SOCK_STREAM};
	struct addrinfo *resolved, *again;
	char host[NI_MAXHOST], service[NI_MAXSERV];
	bool all = true;

	must(getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof(host), service,
	                 sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) == 0);
	must((unsigned long)port == strtoul(service, NULL, 10));
	again = he_list_from_text(host, port);
	must(again != NULL);
	check_kept(again, one, 1, &all);
	he_list_free(again);

	if (strchr(text, '%') != NULL) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)one->ai_addr;
		char name[IF_NAMESIZE];

		must(one->ai_family == AF_INET6 && strchr(strchr(text, '%'), ':') == NULL);
		must(in6->sin6_scope_id == 0 || if_indextoname(in6->sin6_scope_id, name) != NULL);
	}
	must(getaddrinfo(text, service, &hints, &resolved) == 0);
	must(resolved->ai_addrlen == one->ai_addrlen);
	must(memcmp(resolved->ai_addr, one->ai_addr, one->ai_addrlen) == 0);
	freeaddrinfo(resolved);
}

static void fuzz_text(struct bytes bytes)
{
	uint16_t port = (uint16_t)(take(&bytes) << 8 | take(&bytes));
	char *text = malloc(bytes.left + 1);
	struct addrinfo *list;

	must(text != NULL);
	memcpy(text, bytes.at, bytes.left);
	text[bytes.left] = '\0';
	errno = 0;
	list = he_list_from_text(text, port);
	if (list != NULL) {
		must(is_strictly_numeric(text) || strchr(text, '%') != NULL);
		check_one(list);
		check_text(list, text, port);
	} else {
		must(errno == EINVAL || errno == ENODEV);
		must(!is_strictly_numeric(text));
		must(errno == EINVAL || strchr(text, '%') != NULL);
	}
	he_list_free(list);
	free(text);
}

/* 0, or the errno value that is due for these bytes as a socket address. */
static int judge(const uint8_t *sa, size_t len)
{
	sa_family_t family;

	if (len < sizeof(family))
		return EINVAL;
	memcpy(&family, sa, sizeof(family));
	if (family == AF_INET)
		return len < sizeof(struct sockaddr_in) ? EINVAL : 0;
	if (family == AF_INET6)
		return len < offsetof(struct sockaddr_in6, sin6_scope_id) ? EINVAL : 0;
	return EAFNOSUPPORT;
}

/* The socket address without what means nothing; shorter ones must have been judged. */
static struct sockaddr_in6 normal(const uint8_t *sa, size_t len)
{
	struct sockaddr_in6 in6 = {0};
	struct sockaddr_in in;

	memcpy(&in, sa, sizeof(in));
	if (in.sin_family == AF_INET) {
		/* Is the shorter of the two. */
		memset(in.sin_zero, 0, sizeof(in.sin_zero));
		memcpy(&in6, &in, sizeof(in));
		return in6;
	}
	memcpy(&in6, sa,
	       len < sizeof(in6) ? offsetof(struct sockaddr_in6, sin6_scope_id) : sizeof(in6));
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		in6.sin6_scope_id = 0;
	return in6;
}

static void fuzz_sockaddr(struct bytes bytes)
{
	/* The length is not always all there is. */
	size_t less = take(&bytes) % 8;
	size_t len = bytes.left > less ? bytes.left - less : bytes.left;
	uint8_t *sa = alone(bytes.at, len);
	struct addrinfo *list, *untouched = (struct addrinfo *)&bytes, *none = untouched;
	int error = judge(sa, len);

	errno = 0;
	list = he_list_from_sockaddr((struct sockaddr *)sa, (socklen_t)len);
	must((list != NULL) == (error == 0));
	must(error == 0 || errno == error);
	must(he_list_remove(NULL, (struct sockaddr *)sa, (socklen_t)len, &untouched) == -1);
	must(errno == (error == 0 ? ENOENT : error));
	must(untouched == (struct addrinfo *)&bytes);
	if (list != NULL) {
		struct sockaddr_in6 expected = normal(sa, len);

		check_one(list);
		must(memcmp(list->ai_addr, &expected, list->ai_addrlen) == 0);
		must(he_list_remove(list, (struct sockaddr *)sa, (socklen_t)len, &none) == 0);
		must(none == NULL);
	}
	he_list_free(list);
	free(sa);
}

/*
 * Writes a socket address of two bytes, and few addresses there are, so that some come twice.
 * Returns its length, which is less than its family needs now and then.
 */
static size_t make_sockaddr(struct bytes *bytes, uint8_t ret_sa[sizeof(struct sockaddr_in6)])
{
	uint8_t kind = take(bytes), value = take(bytes);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(value & 1)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(value & 1)};
	size_t len = kind & 1 ? sizeof(in6) : sizeof(in);

	in.sin_addr.s_addr = htonl(0xc0000200u | (value >> 1 & 3));
	memset(in.sin_zero, kind >> 4, sizeof(in.sin_zero));
	if (kind & 2) {
		in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(&in6.sin6_addr.s6_addr[12], &in.sin_addr, sizeof(in.sin_addr));
	} else {
		in6.sin6_addr.s6_addr[0] = 0xfe;
		in6.sin6_addr.s6_addr[1] = 0x80;
		in6.sin6_addr.s6_addr[15] = value >> 1 & 3;
	}
	in6.sin6_flowinfo = htonl(value >> 3 & 1);
	in6.sin6_scope_id = value >> 4 & 1;
	if ((value >> 5) == 7)
		in.sin_family = in6.sin6_family = kind; /* any */
	if ((value >> 5) == 6)
		len = kind % (len + 1);
	memcpy(ret_sa, kind & 1 ? (void *)&in6 : (void *)&in, len);
	return len;
}

static size_t make_entries(struct bytes *bytes, struct addrinfo *ret_entries)
{
	size_t count = take(bytes) % (ENTRIES_MAX + 1);

	for (size_t i = 0; i < count; i++) {
		uint8_t sa[sizeof(struct sockaddr_in6)], form = take(bytes);
		size_t len = make_sockaddr(bytes, sa);
		struct addrinfo *entry = &ret_entries[i];

		*entry = (struct addrinfo){.ai_flags = form,
		                           .ai_family = len > 0 ? sa[0] : form,
		                           .ai_socktype = form & 3,
		                           .ai_protocol = form >> 2,
		                           .ai_addrlen = (socklen_t)len,
		                           .ai_addr = alone(sa, len)};
		if (form % 8 == 7) {
			entry->ai_canonname = alone("name", sizeof("name"));
			entry->ai_canonname[form >> 6] = '\0';
		}
		if (form == 0xff) {
			free(entry->ai_addr);
			entry->ai_addr = NULL;
		}
		entry->ai_next = i + 1 < count ? entry + 1 : NULL;
	}
	return count;
}

static void check_pop(const struct addrinfo *entries, size_t count, int n)
{
	bool kept[ENTRIES_MAX];
	struct addrinfo *list;

	for (size_t i = 0; i < count; i++) {
		int before = 0;

		for (size_t k = 0; k < i; k++)
			before += entries[k].ai_family == entries[i].ai_family;
		kept[i] = before >= n;
	}
	must(he_list_pop(count == 0 ? NULL : entries, n, &list) == 0);
	check_kept(list, entries, count, kept);
	he_list_free(list);
}

/* The IPv4 address and port, as one number, of an address of either form; 0: neither. */
static uint64_t four_of(const struct sockaddr_in6 *name)
{
	uint32_t addr;

	if (name->sin6_family == AF_INET)
		addr = ((const struct sockaddr_in *)(const void *)name)->sin_addr.s_addr;
	else if (IN6_IS_ADDR_V4MAPPED(&name->sin6_addr))
		memcpy(&addr, &name->sin6_addr.s6_addr[12], sizeof(addr));
	else
		return 0;
	return (uint64_t)1 << 48 | (uint64_t)addr << 16 | name->sin6_port;
}

static void check_remove(const struct addrinfo *entries, size_t count, const uint8_t *sa,
                         size_t len)
{
	struct addrinfo *list = (struct addrinfo *)entries;
	const struct addrinfo *given = count == 0 ? NULL : entries;
	bool same[ENTRIES_MAX], other[ENTRIES_MAX], *gone;
	size_t same_count = 0, other_count = 0;
	int error = judge(sa, len), r;
	struct sockaddr_in6 wanted;

	errno = 0;
	r = he_list_remove(given, (const struct sockaddr *)sa, (socklen_t)len, &list);
	if (error != 0) {
		must(r == -1 && errno == error && list == entries);
		return;
	}
	wanted = normal(sa, len);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = (const uint8_t *)entries[i].ai_addr;
		struct sockaddr_in6 has;

		same[i] = other[i] = false;
		if (at == NULL || judge(at, entries[i].ai_addrlen) != 0)
			continue;
		has = normal(at, entries[i].ai_addrlen);
		same[i] = memcmp(&has, &wanted, sizeof(has)) == 0;
		other[i] = has.sin6_family != wanted.sin6_family && four_of(&has) != 0 &&
		           four_of(&has) == four_of(&wanted);
		same_count += same[i];
		other_count += other[i];
	}
	if (same_count + other_count == 0) {
		must(r == -1 && errno == ENOENT && list == entries);
		return;
	}
	must(r == 0);
	gone = same_count > 0 ? same : other;
	for (size_t i = 0; i < count; i++)
		gone[i] = !gone[i];
	check_kept(list, entries, count, gone);
	he_list_free(list);
}

static void fuzz_list(struct bytes bytes)
{
	struct addrinfo entries[ENTRIES_MAX], before[ENTRIES_MAX], *untouched = before;
	uint8_t wanted[sizeof(struct sockaddr_in6)], *sa;
	int n = (int8_t)take(&bytes);
	size_t len = make_sockaddr(&bytes, wanted);
	size_t count = make_entries(&bytes, entries);

	memcpy(before, entries, count * sizeof(entries[0]));
	if (n < 0) {
		must(he_list_pop(count == 0 ? NULL : entries, n, &untouched) == -1);
		must(errno == EINVAL && untouched == before);
		n = -(n + 1);
	}
	check_pop(entries, count, n);
	sa = alone(wanted, len);
	check_remove(entries, count, sa, len);
	free(sa);
	for (size_t i = 0; i < count; i++)
		if (entries[i].ai_addr != NULL)
			check_remove(entries, count, (uint8_t *)entries[i].ai_addr,
			             entries[i].ai_addrlen);

	must(memcmp(before, entries, count * sizeof(entries[0])) == 0);
	for (size_t i = 0; i < count; i++) {
		free(entries[i].ai_addr);
		free(entries[i].ai_canonname);
	}
}

/* Asked by root for an interface that is not there, the kernel looks for a module of that name. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2];

	(void)argc;
	(void)argv;
	must(syscall(SYS_capget, &header, sets) == 0);
	sets[0].effective &= ~(1u << CAP_NET_ADMIN | 1u << CAP_SYS_MODULE);
	must(syscall(SYS_capset, &header, sets) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = {data, size};

	/* The committed inputs begin with 't', 's' and 'l', which are 2, 1 and 0 here. */
	switch (take(&bytes) % 3) {
	case 2: fuzz_text(bytes); break;
	case 1: fuzz_sockaddr(bytes); break;
	default: fuzz_list(bytes); break;
	}
	return 0;
}
