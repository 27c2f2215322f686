/*
 * Errors: of which attempt, and where they are told.
 */
#include "cases.h"
#include "conform.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

void case_19_empty_list(void)
{
	race();
	FAILED(EINVAL, HE_CAUSE_NO_ADDRESS);
	CHECK(he_report_count(report) == 0);
	CHECK(seen.sockets == 0);
}

static int no_socket(int family)
{
	(void)family;
	return EIO;
}

void case_20_single_address_errors(void)
{
	struct peer *only = peer_answering(C);

	hooks.socket = no_socket;
	race();
	FAILED(EIO, HE_CAUSE_ATTEMPTS);
	REPORTED(only);
	ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_SOCKET, EIO);
	CHECK(seen.connects == 0);
}

void case_28_all_sockets_fail(void)
{
	struct peer *first = peer_answering(C), *second = peer_answering(C2);

	hooks.socket = no_socket;
	options.attempt_delay_ms = 600000;
	race();
	FAILED(EIO, HE_CAUSE_ATTEMPTS);
	REPORTED(first, second);
	ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_SOCKET, EIO);
	ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_SOCKET, EIO);
	CHECK(seen.connects == 0);
}

static int no_ipv6(int family)
{
	return family == AF_INET6 ? EAFNOSUPPORT : 0;
}

/* When C fails as well, its error is the one to tell: A's was not tried. */
void case_29_ipv6_socket_fails(void)
{
	struct peer *a = peer_answering(A), *c = peer_answering(C);

	hooks.socket = no_ipv6;
	options.attempt_delay_ms = 600000;
	race();
	WON(c);
	REPORTED(a, c);
	CONNECTED_TO(c);
	ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_SOCKET, EAFNOSUPPORT);

	race_clear();
	peers_close();
	(void)peer_answering(A);
	(void)peer_refusing(C);
	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
}

void case_42_all_with_the_same_error(void)
{
	struct peer *a = peer_refusing(A), *b = peer_refusing(B), *c = peer_refusing(C);

	local(L6);
	local(L4);
	options.first_family_count = 2;
	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
	TRIED(a, b, c);
	for (size_t i = 0; i < 3; i++)
		REFUSED(i, ECONNREFUSED);
}

static int each_its_own(const struct peer *to)
{
	if (strcmp(to->text, A) == 0)
		return EPERM;
	return strcmp(to->text, B) == 0 ? ENOENT : ESRCH;
}

/* The original has no errno then; he_connect() tells that of the first attempt. */
void case_43_all_with_different_errors(void)
{
	struct peer *a = peer_answering(A), *b = peer_answering(B), *c = peer_answering(C);
	char text[1000];

	options.first_family_count = 2;
	hooks.connect = each_its_own;
	race();
	FAILED(EPERM, HE_CAUSE_ATTEMPTS);
	TRIED(a, b, c);
	REFUSED(0, EPERM);
	REFUSED(1, ENOENT);
	REFUSED(2, ESRCH);
	CHECK(he_report_text(report, text, sizeof(text)) < sizeof(text));
	CHECK(strstr(text, strerror(EPERM)) != NULL && strstr(text, strerror(ENOENT)) != NULL &&
	      strstr(text, strerror(ESRCH)) != NULL);
}

static int close_fails(int fd)
{
	(void)fd;
	return EIO;
}

static void cancel(struct peer *connected)
{
	(void)connected;
	CHECK(eventfd_write(options.cancel_fd, 1) == 0);
}

/*
 * A close() that fails has closed all the same, and says nothing about the connection: the error is
 * that of connect(), where the original has that of close(). In the second half it overrides the
 * cancellation there, and the next address is tried: a quirk. Here a race that is cancelled ends.
 */
void case_49_close_errors(void)
{
	struct peer *first = peer_refusing(C);

	hooks.close = close_fails;
	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
	TRIED(first);
	REFUSED(0, ECONNREFUSED);

	race_clear();
	peers_close();
	first = peer_silent(C);
	(void)peer_answering(C2);
	options.attempt_delay_ms = HE_SEQUENTIAL;
	options.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hooks.connected = cancel;
	race();
	FAILED(ECANCELED, HE_CAUSE_CANCELLED);
	TRIED(first);
	ENDED(0, HE_OUTCOME_GIVEN_UP, HE_CAUSE_NONE, 0);
	CHECK(close(options.cancel_fd) == 0);
}

static void refuse_first(struct peer *connected)
{
	if (strcmp(connected->text, FOREIGN6) == 0)
		peer_refuses_now(peer_named(list->ai_addr));
}

/* The first attempt fails last: when the others have. */
void case_g_errors_in_start_order(void)
{
	struct peer *first = peer_silent(A), *second = peer_nowhere(FOREIGN4),
	            *third = peer_nowhere(FOREIGN6);

	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
	hooks.connected = refuse_first;
	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
	TRIED(first, second, third);
	REFUSED(0, ECONNREFUSED);
	REFUSED(1, ENETUNREACH);
	REFUSED(2, ENETUNREACH);
	CHECK(ended_ns(0) > ended_ns(1) && ended_ns(0) > ended_ns(2));
}

void case_p_same_error_of_both_families(void)
{
	struct peer *a = peer_refusing(A), *c = peer_refusing(C);

	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
	TRIED(a, c);
	REFUSED(0, ECONNREFUSED);
	REFUSED(1, ECONNREFUSED);
}
