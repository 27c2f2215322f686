/*
 * Local addresses to bind to.
 */
#include "cases.h"
#include "conform.h"

#include <string.h>
#include <sys/socket.h>

/* The winner has this local address; a port of 0 in the list is any port. */
static bool is_bound_to(const char *ip)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct addrinfo *expected;
	bool same;

	CHECK(getsockname(won, (struct sockaddr *)&name, &len) == 0);
	for (size_t i = 0; i < he_report_count(report); i++) {
		const struct he_attempt *attempt = he_report_attempt(report, i);

		if (attempt->outcome == HE_OUTCOME_CONNECTED)
			CHECK(memcmp(&attempt->local, &name, len) == 0);
	}
	CHECK(getaddrinfo(ip, NULL, &(struct addrinfo){.ai_flags = AI_NUMERICHOST}, &expected) ==
	      0);
	/* But for the port, which stands at the same place in both families. */
	memset((char *)&name + sizeof(sa_family_t), 0, 2);
	same = memcmp(&name, expected->ai_addr, len) == 0;
	freeaddrinfo(expected);
	return same;
}

void case_34_local_ipv6_family_count_2_first_ipv6_fails(void)
{
	struct peer *a = peer_refusing(A), *b = peer_answering(B);

	(void)peer_answering(C);
	local(L6);
	options.first_family_count = 2;
	race();
	WON(b);
	TRIED(a, b);
	CHECK(is_bound_to(L6));
}

void case_35_local_both_first_ipv6_fails(void)
{
	struct peer *a = peer_refusing(A), *c;

	(void)peer_answering(B);
	c = peer_answering(C);
	local(L6);
	local(L4);
	race();
	WON(c);
	TRIED(a, c);
	CHECK(is_bound_to(L4));
}

/*
 * An artefact in the original, whose test has one socket for all attempts, so that the failed bind
 * of C is B's, too, and nobody wins. With sockets of their own, B is tried and does.
 */
void case_36_local_ipv4_bind_fails_first_ipv6_fails(void)
{
	struct peer *a = peer_refusing(A), *b = peer_answering(B), *c = peer_answering(C);

	local(L6);
	local(FOREIGN4);
	race();
	WON(b);
	REPORTED(a, c, b);
	CONNECTED_TO(a, b);
	REFUSED(0, ECONNREFUSED);
	ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_BIND, EADDRNOTAVAIL);
	NOT_BOUND(1, 0, FOREIGN4, EADDRNOTAVAIL);
	CHECK(is_bound_to(L6));
}

/* C is never reached, contrary to the comment in the original. */
void case_37_local_ipv4_bind_fails_family_count_2(void)
{
	struct peer *a = peer_refusing(A), *b = peer_answering(B);

	(void)peer_answering(C);
	local(L6);
	local(FOREIGN4);
	options.first_family_count = 2;
	race();
	WON(b);
	TRIED(a, b);
}

void case_40_local_ipv4_only(void)
{
	struct peer *a = peer_answering(A), *b = peer_answering(B), *c = peer_answering(C);

	local(L4);
	options.attempt_delay_ms = 600000;
	options.first_family_count = 2;
	race();
	WON(c);
	REPORTED(a, b, c);
	CONNECTED_TO(c);
	ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_NO_LOCAL, EADDRNOTAVAIL);
	ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_NO_LOCAL, EADDRNOTAVAIL);
	CHECK(peer_connections(a) == 0 && peer_connections(b) == 0);
	CHECK(is_bound_to(L4));
}

/* EADDRNOTAVAIL, which an address that is not ours really gives, for the EINTR of the original. */
void case_41_local_bind_fails_all(void)
{
	struct peer *a = peer_answering(A), *b = peer_answering(B), *c = peer_answering(C);

	local(FOREIGN6);
	local(FOREIGN4);
	options.first_family_count = 2;
	race();
	FAILED(EADDRNOTAVAIL, HE_CAUSE_ATTEMPTS);
	REPORTED(a, b, c);
	CHECK(seen.connects == 0 && seen.binds == 3);
	NOT_BOUND(0, 0, FOREIGN6, EADDRNOTAVAIL);
	NOT_BOUND(1, 0, FOREIGN6, EADDRNOTAVAIL);
	NOT_BOUND(2, 0, FOREIGN4, EADDRNOTAVAIL);
	for (size_t i = 0; i < 3; i++) {
		ENDED(i, HE_OUTCOME_FAILED, HE_CAUSE_BIND, EADDRNOTAVAIL);
		CHECK(he_report_bind_failure(report, i, 1) == NULL);
	}
}

/*
 * The failed bind stays in the report, and does not hide the error of the connection, which the
 * original loses.
 */
void case_h_bind_error_and_connect_error(void)
{
	struct peer *only = peer_refusing(C);
	char text[400];

	local(FOREIGN4);
	local(L6);
	local(L4);
	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
	TRIED(only);
	CHECK(seen.binds == 2);
	NOT_BOUND(0, 0, FOREIGN4, EADDRNOTAVAIL);
	CHECK(he_report_bind_failure(report, 0, 1) == NULL);
	REFUSED(0, ECONNREFUSED);
	CHECK(he_report_text(report, text, sizeof(text)) < sizeof(text));
	CHECK(strstr(text, FOREIGN4) != NULL && strstr(text, strerror(EADDRNOTAVAIL)) != NULL);
	CHECK(strstr(text, strerror(ECONNREFUSED)) != NULL);
}

/* HE_BIND_LOCAL stands for the list that is empty, and not none, in the original. */
void case_i_no_local_address(void)
{
	struct peer *a = peer_answering(A), *c = peer_answering(C);
	struct sockaddr name = {.sa_family = AF_UNIX};
	struct addrinfo of_no_use = {
	    .ai_family = AF_UNIX, .ai_addr = &name, .ai_addrlen = sizeof(name)};
	const struct addrinfo *locals[] = {NULL, &of_no_use};
	const unsigned flags[] = {HE_BIND_LOCAL, 0};

	for (int i = 0; i < 2; i++) {
		options.local = locals[i];
		options.flags = flags[i];
		race();
		FAILED(EADDRNOTAVAIL, HE_CAUSE_ATTEMPTS);
		REPORTED(a, c);
		ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_NO_LOCAL, EADDRNOTAVAIL);
		ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_NO_LOCAL, EADDRNOTAVAIL);
		CHECK(seen.connects == 0 && seen.binds == 0);
	}
}
