/*
 * Lists of addresses.
 */
#include "../conformance/conform.h"
#include "inputs.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

void input_empty_list(void)
{
	struct he_report *own = NULL;

	CHECK(list == NULL);
	REJECTED(EINVAL, HE_CAUSE_NO_ADDRESS);
	/* A report need not be asked for. */
	CHECK(he_connect(NULL, NULL, NULL) == -1 && errno == EINVAL);
	CHECK(he_connect(NULL, NULL, &own) == -1 && errno == EINVAL);
	CHECK(he_report_cause(own) == HE_CAUSE_NO_ADDRESS);
	he_report_free(own);
}

/* A good entry, the one to be changed, and another good one: the bad one is found anywhere. */
static struct addrinfo *among_good_ones(unsigned place)
{
	struct peer *peers[3];

	race_clear();
	peers_close();
	for (unsigned i = 0; i < 3; i++)
		peers[i] = i == place ? peer_nowhere(i == 1 ? FOREIGN6 : FOREIGN4)
		                      : peer_answering(i == 0 ? A : C);
	return &peers[place]->entry;
}

void input_unknown_family(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/nowhere"};

	for (unsigned place = 0; place < 3; place++) {
		struct addrinfo *entry = among_good_ones(place);

		entry->ai_family = AF_UNIX;
		entry->ai_addr = (struct sockaddr *)&name;
		entry->ai_addrlen = sizeof(name);
		REJECTED(EAFNOSUPPORT, HE_CAUSE_FAMILY);
		entry->ai_family = AF_UNSPEC;
		REJECTED(EAFNOSUPPORT, HE_CAUSE_FAMILY);
	}
}

/* The entry says one family and its address another. */
void input_other_family_inside(void)
{
	struct addrinfo *entry = among_good_ones(1);

	entry->ai_addr->sa_family = AF_INET;
	REJECTED(EAFNOSUPPORT, HE_CAUSE_FAMILY);
	entry->ai_addr->sa_family = AF_UNIX;
	REJECTED(EAFNOSUPPORT, HE_CAUSE_FAMILY);
	entry->ai_addr->sa_family = AF_INET6;
	entry->ai_family = AF_INET;
	REJECTED(EAFNOSUPPORT, HE_CAUSE_FAMILY);
}

/* What the kernel would not take either; its least for IPv6 is without the scope. */
void input_short_address(void)
{
	const socklen_t least[] = {sizeof(struct sockaddr_in), 24, sizeof(struct sockaddr_in)};

	for (unsigned place = 0; place < 3; place++) {
		struct addrinfo *entry = among_good_ones(place);

		for (socklen_t len = 0; len < least[place]; len++) {
			entry->ai_addrlen = len;
			REJECTED(EINVAL, HE_CAUSE_SHORT_ADDRESS);
		}
	}
}

void input_null_address(void)
{
	for (unsigned place = 0; place < 3; place++) {
		among_good_ones(place)->ai_addr = NULL;
		REJECTED(EINVAL, HE_CAUSE_SHORT_ADDRESS);
	}
}

/* As getaddrinfo() lists them for hints without a type. */
void input_other_protocol(void)
{
	static const struct {
		int type, protocol;
	} others[] = {
	    {SOCK_DGRAM, IPPROTO_UDP},  {SOCK_DGRAM, 0},          {SOCK_RAW, 0},
	    {SOCK_SEQPACKET, 0},        {0, IPPROTO_UDP},         {SOCK_STREAM, IPPROTO_SCTP},
	    {SOCK_STREAM, IPPROTO_UDP}, {SOCK_DGRAM, IPPROTO_TCP}};

	for (unsigned place = 0; place < 3; place++) {
		struct addrinfo *entry = among_good_ones(place);

		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
			entry->ai_socktype = others[i].type;
			entry->ai_protocol = others[i].protocol;
			REJECTED(EPROTONOSUPPORT, HE_CAUSE_PROTOCOL);
		}
	}
}

/* An entry that leaves type and protocol open is for TCP. */
void input_protocol_of_no_choice(void)
{
	struct peer *first = peer_refusing(A), *second = peer_answering(C);

	first->entry.ai_socktype = first->entry.ai_protocol = 0;
	second->entry.ai_protocol = 0;
	race();
	WON(second);
	TRIED(first, second);
}

void input_bad_local(void)
{
	struct addrinfo copy;

	(void)peer_answering(A);
	local(L6);
	copy = *options.local;
	options.local = &copy;
	copy.ai_addrlen = 3;
	REJECTED(EINVAL, HE_CAUSE_SHORT_ADDRESS);
	copy.ai_addr = NULL;
	copy.ai_addrlen = sizeof(struct sockaddr_in6);
	REJECTED(EINVAL, HE_CAUSE_SHORT_ADDRESS);
}
