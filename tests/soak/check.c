/* What a connection must be: to whom it is, that it carries, and what the program set. */
#include "soak.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int check_so_error(int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	MUST(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
	return error;
}

static int option_of(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	MUST(getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0);
	return value;
}

const struct address *race_peer(const struct race *race, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	const struct address *peer;
	uint16_t port;

	if (getpeername(fd, (struct sockaddr *)&sa, &len) < 0) {
		MUST(errno == ENOTCONN);
		return NULL;
	}
	peer = names_find(race->name, &sa);
	port = ((struct sockaddr_in *)&sa)->sin_port;
	if (peer == NULL || ntohs(port) != race->port || !race_may_win(race, peer))
		FAIL("connected to an address that it must not: number %td of %s, port %u",
		     peer == NULL ? -1 : peer - race->name->at, race->name->text, ntohs(port));
	return peer;
}

/* A blocking call of the program on a connection that stands; bounded by whoever watches. */
static size_t receive(int fd, char *bytes, size_t size)
{
	for (;;) {
		ssize_t n = recv(fd, bytes, size, MSG_DONTWAIT);

		if (n >= 0)
			return (size_t)n;
		if (errno != EAGAIN && errno != EINTR)
			FAIL("recv: %s", strerrorname_np(errno));
		if (errno == EAGAIN)
			(void)wait_poll(fd, WANT_IN, -1);
	}
}

static void tell_address(const struct sockaddr_storage *sa, char *text)
{
	char plain[INET6_ADDRSTRLEN];
	const void *bytes = &((const struct sockaddr_in6 *)sa)->sin6_addr;

	if (sa->ss_family == AF_INET)
		bytes = &((const struct sockaddr_in *)sa)->sin_addr;
	MUST(inet_ntop(sa->ss_family, bytes, plain, sizeof(plain)) != NULL);
	sprintf(text, "%s%s", sa->ss_family == AF_INET ? "::ffff:" : "", plain);
}

/* The server says whom it is and whom it sees: the two ends of this very socket. */
static void check_greeting(int fd)
{
	struct sockaddr_storage peer, own;
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);
	char line[256], wanted[256], us[80], them[80];
	size_t n = 0;

	while (n == 0 || line[n - 1] != '\n') {
		/* Nothing follows the line before the server is sent something. */
		size_t more = receive(fd, line + n, sizeof(line) - 1 - n);

		if (more == 0)
			FAIL("the connection ended after %zu bytes", n);
		n += more;
	}
	line[n] = '\0';
	MUST(getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0);
	MUST(getsockname(fd, (struct sockaddr *)&own, &own_len) == 0);
	tell_address(&peer, them);
	tell_address(&own, us);
	snprintf(wanted, sizeof(wanted), "%s %s %u\n", them, us,
	         ntohs(((struct sockaddr_in *)&own)->sin_port));
	if (strcmp(line, wanted) != 0)
		FAIL("greeted with \"%s\", not with \"%s\"", line, wanted);
}

static void check_echo(const struct race *race)
{
	uint64_t sent = race->number ^ 0x1122334455667788, received = 0;
	size_t n = 0;

	MUST(send(race->fd, &sent, sizeof(sent), MSG_NOSIGNAL) == sizeof(sent));
	while (n < sizeof(received)) {
		size_t more = receive(race->fd, (char *)&received + n, sizeof(received) - n);

		MUST(more > 0);
		n += more;
	}
	MUST(sent == received);
}

static void check_descriptor(const struct race *race)
{
	const struct plan *plan = &race->plan;

	MUST(fcntl(race->fd, F_GETFD) == race->descriptor_flags);
	MUST(fcntl(race->fd, F_GETFL) == race->file_flags);
	if (plan->owner)
		MUST(fcntl(race->fd, F_GETOWN) == getpid() && fcntl(race->fd, F_GETSIG) == SIGURG);
	if (plan->dual_stack)
		MUST(option_of(race->fd, SO_DOMAIN) == AF_INET6);
	if (plan->mptcp)
		MUST(option_of(race->fd, SO_PROTOCOL) == IPPROTO_MPTCP);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	MUST(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0);
	return cookie;
}

/* All its numbers have the winner, at once or, one being served after the other, nearly so. */
static void check_second(const struct race *race)
{
	int tries = 0;

	while (cookie_of(race->fd) != cookie_of(race->second)) {
		if (++tries > 2000)
			FAIL("the duplicate has another socket");
		sleep_ms(1);
	}
}

void check_winner(struct race *race)
{
	const struct address *requested = &race->name->at[race->plan.requested];
	const struct address *peer = race_peer(race, race->fd);

	if (peer == NULL)
		FAIL("told that it is connected, and it is not");
	check_descriptor(race);
	options_check(race, race->fd);
	if (race->second >= 0)
		check_second(race);
	wait_check_once(race);
	check_greeting(race->fd);
	if (race->plan.echo)
		check_echo(race);
	count(CONNECTED);
	if (peer != requested)
		count(ELSEWHERE);
	/* Where the attempt delay leaves time for it, who is healthy is not replaced. */
	if (requested->kind == GOOD && attempt_delay_ms >= 200) {
		count(HEALTHY);
		if (peer != requested)
			count(HEALTHY_LOST);
	}
}
