/*
 * Sockets that the caller makes, and a race that the caller's callback ends.
 */
#include "cases.h"
#include "conform.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct made made;

static void call_back(he_socket_fn *callback)
{
	options.socket = callback;
	options.socket_data = &made;
	made.count = 0;
}

/* The callback was asked for so many sockets, by the caller's own entries in order of the starts.
 */
static void was_asked(unsigned count)
{
	CHECK(made.count == count && he_report_count(report) == count);
	for (unsigned i = 0; i < count; i++)
		CHECK(made.addr[i] == he_report_attempt(report, i)->addr);
}

void case_23_single_address_callback(void)
{
	struct peer *only = peer_answering(C);

	call_back(make_socket);
	race();
	WON(only);
	TRIED(only);
	was_asked(1);
	CHECK(made.addr[0] == &only->entry && made.fd[0] == won);
	CHECK(seen.sockets == 1);
}

/* The second one would fail; it is not even asked for. */
void case_27_callback_takes_the_first(void)
{
	struct peer *first = peer_answering(C);

	(void)peer_refusing(C2);
	call_back(make_socket);
	race();
	WON(first);
	TRIED(first);
	was_asked(1);
	CHECK(made.fd[0] == won);
}

/* Notes what it is asked for, and refuses for good. */
static int abort_at_once(const struct addrinfo *addr, void *data)
{
	struct made *log = data;

	log->addr[log->count++] = addr;
	return HE_ABORT;
}

/* HE_ABORT is the C word for the exception that is no OSError in the original. */
void case_38_callback_aborts(void)
{
	const int delays_ms[] = {HE_SEQUENTIAL, HE_ATTEMPT_DELAY_MS};

	(void)peer_answering(A);
	(void)peer_answering(B);
	(void)peer_answering(C);
	local(L6);
	local(L4);
	for (int i = 0; i < 2; i++) {
		options.attempt_delay_ms = delays_ms[i];
		call_back(abort_at_once);
		race();
		FAILED(ECANCELED, HE_CAUSE_ABORTED);
		was_asked(1);
		CHECK(seen.sockets == 0 && seen.binds == 0 && seen.connects == 0);
	}
}

/* Aborts because its socket does not become what it wants, which it closes. */
static int abort_with_a_socket(const struct addrinfo *addr, void *data)
{
	int fd = make_socket(addr, data);

	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == -1 && errno == ENOTTY);
	CHECK(close(fd) == 0);
	return HE_ABORT;
}

static int no_mode(int fd)
{
	(void)fd;
	return ENOTTY;
}

/*
 * The same failure in the library's own call is a system call's error, and as such that of one
 * attempt: the next address is tried.
 */
void case_39_nonblocking_mode_fails(void)
{
	struct peer *a = peer_answering(A), *c = peer_answering(C);

	options.attempt_delay_ms = HE_SEQUENTIAL;
	hooks.set_flags = no_mode;
	call_back(abort_with_a_socket);
	race();
	FAILED(ECANCELED, HE_CAUSE_ABORTED);
	was_asked(1);
	CHECK(seen.connects == 0);

	call_back(make_socket);
	race();
	FAILED(ENOTTY, HE_CAUSE_ATTEMPTS);
	REPORTED(a, c);
	ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_CALLBACK_UNUSABLE, ENOTTY);
	ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_CALLBACK_UNUSABLE, ENOTTY);
	was_asked(2);
	CHECK(seen.connects == 0);
}

static int abort_at_the_second(const struct addrinfo *addr, void *data)
{
	struct made *log = data;

	return log->count == 0 ? make_socket(addr, data) : abort_at_once(addr, data);
}

/* The attempt that runs is closed, the third address is not asked for. */
void case_47_abort_while_others_run(void)
{
	const int delays_ms[] = {HE_ATTEMPT_DELAY_MIN_MS, HE_SEQUENTIAL};

	for (int i = 0; i < 2; i++) {
		struct peer *a = i == 0 ? peer_silent(A) : peer_refusing(A);
		struct peer *c = peer_answering(C), *b = peer_answering(B);

		options.attempt_delay_ms = delays_ms[i];
		call_back(abort_at_the_second);
		race();
		FAILED(ECANCELED, HE_CAUSE_ABORTED);
		CONNECTED_TO(a);
		REPORTED(a, c);
		was_asked(2);
		if (i == 0)
			ENDED(0, HE_OUTCOME_GIVEN_UP, HE_CAUSE_NONE, 0);
		else
			REFUSED(0, ECONNREFUSED);
		CHECK(peer_connections(b) == 0 && peer_connections(c) == 0);
		race_clear();
		peers_close();
	}
}
