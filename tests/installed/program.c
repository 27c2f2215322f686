/*
 * A program as one that is not of this project: it has the installed header and pkg-config, and is
 * compiled as C11 and as C++17.
 *
 *     program NAME DEAD GOOD PORT VERSION
 *
 * DEAD and GOOD are the addresses of NAME, of which the first does not answer; who listens on the
 * other one says which it is.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <he.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition,        \
			        strerror(errno));                                                  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static const char *name, *dead, *good;
static uint16_t port;

static struct addrinfo *resolve(void)
{
	struct addrinfo hints, *list;
	char service[8];

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	snprintf(service, sizeof(service), "%u", port);
	CHECK(getaddrinfo(name, service, &hints, &list) == 0);
	CHECK(list->ai_family == AF_INET6 && list->ai_next->ai_family == AF_INET);
	return list;
}

/* That `fd` is a connection to the good address; closes it. */
static void check_connection(int fd)
{
	char greeting[INET6_ADDRSTRLEN + 1] = "";
	ssize_t got;

	CHECK(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
	got = read(fd, greeting, sizeof(greeting) - 1);
	CHECK(got > 0 && strncmp(greeting, good, strlen(good)) == 0);
	close(fd);
}

static void blocks(void)
{
	struct addrinfo *list = resolve();
	struct he_options options = HE_OPTIONS_INIT;
	struct he_report *report = NULL;
	const struct he_attempt *attempt;
	char text[500];
	size_t len;

	options.timeout_ms = 20000;
	check_connection(he_connect(list, &options, &report));
	CHECK(he_report_cause(report) == HE_CAUSE_NONE && he_report_error(report) == 0);
	CHECK(he_report_gai(report) == 0 && he_report_winner(report) == list->ai_next);
	CHECK(he_report_count(report) == 2 && he_report_attempt(report, 2) == NULL);
	attempt = he_report_attempt(report, 1);
	CHECK(attempt->addr == list->ai_next && attempt->outcome == HE_OUTCOME_CONNECTED);
	CHECK(attempt->started_ns >= (int64_t)options.attempt_delay_ms * 1000000);
	CHECK(he_report_bind_failure(report, 1, 0) == NULL);
	len = he_report_text(report, text, sizeof(text));
	CHECK(len == strlen(text) && strstr(text, dead) != NULL && strstr(text, good) != NULL);
	puts(text);
	he_report_free(report);
	freeaddrinfo(list);
}

static void polls(void)
{
	struct addrinfo *list = resolve();
	struct he_race *race = he_begin(list, NULL);
	int waits = 0;

	CHECK(race != NULL);
	while (he_advance(race) == 0) {
		struct pollfd watch;

		watch.fd = he_descriptor(race);
		watch.events = POLLIN;
		CHECK(poll(&watch, 1, -1) == 1);
		waits++;
	}
	CHECK(waits > 0);
	check_connection(he_finish(race, NULL));

	race = he_begin(list, NULL);
	CHECK(race != NULL);
	he_cancel(race);
	CHECK(he_advance(race) == 1 && he_finish(race, NULL) == -1 && errno == ECANCELED);
	freeaddrinfo(list);
}

static int refuse(const struct addrinfo *addr, void *data)
{
	++*(int *)data;
	return addr->ai_family == AF_INET ? -EACCES : HE_ABORT;
}

static void lists(void)
{
	struct addrinfo *list = resolve(), *popped, *removed, *one;
	struct he_options options = HE_OPTIONS_INIT;
	struct he_report *report = NULL;
	int asked = 0;

	one = he_list_from_text(good, port);
	CHECK(one != NULL && one->ai_next == NULL && one->ai_family == AF_INET);
	CHECK(he_list_remove(list, one->ai_addr, one->ai_addrlen, &removed) == 0);
	CHECK(removed != NULL && removed->ai_next == NULL && removed->ai_family == AF_INET6);
	CHECK(he_list_pop(list, 1, &popped) == 0 && popped == NULL);
	he_list_free(one);
	one = he_list_from_sockaddr(list->ai_next->ai_addr, list->ai_next->ai_addrlen);
	CHECK(one != NULL);

	/* The socket function is given the entry of the list. */
	options.socket = refuse;
	options.socket_data = &asked;
	CHECK(he_connect(one, &options, NULL) == -1 && errno == EACCES && asked == 1);
	CHECK(he_connect(removed, &options, &report) == -1 && errno == ECANCELED && asked == 2);
	CHECK(he_report_cause(report) == HE_CAUSE_ABORTED);
	CHECK(strlen(he_cause_text(he_report_cause(report))) > 0);
	he_report_free(report);
	check_connection(he_connect(one, NULL, NULL));
	he_list_free(one);
	he_list_free(removed);
	freeaddrinfo(list);
}

static void connects_by_name(void)
{
	struct he_connector_options options = HE_CONNECTOR_OPTIONS_INIT;
	struct he_connector *connector;

	options.answers_max = 10;
	connector = he_connector_new(&options);
	CHECK(connector != NULL);
	check_connection(he_connector_connect(connector, name, port, NULL, NULL));
	he_connector_clear_answers(connector);
	he_connector_clear_failures(connector);
	check_connection(he_connector_connect(connector, name, port, NULL, NULL));
	he_connector_free(connector);
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	name = argv[1];
	dead = argv[2];
	good = argv[3];
	port = (uint16_t)atoi(argv[4]);
	CHECK(strcmp(he_version(), argv[5]) == 0 && strcmp(HE_VERSION, argv[5]) == 0);
	blocks();
	polls();
	lists();
	connects_by_name();
	puts("ok");
	return 0;
}
