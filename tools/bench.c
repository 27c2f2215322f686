/*
 * bench: what libhe costs where it does not help, and what a healthy race costs. Prints nanoseconds
 * per socket(), connect() and close() together; tools/bench.bash runs it with and without the
 * library and prints ratios.
 *
 *     bench MODE ROUNDS [NAME]
 *       unknown   to a loopback address that nobody resolved
 *       literal   to one that was resolved as a literal
 *       healthy   to ::1, the first address of NAME, which has 127.0.0.1 as well
 *       api       the same by he_connect()
 *
 * The modes for races that go on behind a non-blocking connect() are in bench_race.c.
 */
#include "bench_race.h"

#include <arpa/inet.h>
#include <err.h>
#include <he.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* A listener on loopback; returns its port. Connections are never accepted, only reset. */
static uint16_t listen_on(const struct sockaddr *sa, socklen_t len, int *ret_fd)
{
	struct sockaddr_storage name;
	socklen_t name_len = sizeof(name);
	int fd = socket(sa->sa_family, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, sa, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&name, &name_len) < 0)
		err(1, "listener");
	*ret_fd = fd;
	return ((struct sockaddr_in *)&name)->sin_port;
}

/* Adds the nanoseconds that it took. Without a list it is connect(), else he_connect(). */
static int connected(const struct sockaddr *sa, socklen_t len, const struct addrinfo *list,
                     double *took_ns)
{
	/* he_connect() makes the socket, so that counts for both. */
	double start = now_ns();
	int fd =
	    list != NULL ? he_connect(list, NULL, NULL) : socket(sa->sa_family, SOCK_STREAM, 0);

	if (fd < 0 || (list == NULL && connect(fd, sa, len) < 0))
		err(1, "connect");
	*took_ns += now_ns() - start;
	return fd;
}

/* Returns the nanoseconds that socket(), connect() and close() took. */
static double connect_and_close(const struct sockaddr *sa, socklen_t len,
                                const struct addrinfo *list, int listener)
{
	/* A reset instead of TIME-WAIT: the ports would run out. */
	struct linger reset = {1, 0};
	double start, took = 0;
	int fd = connected(sa, len, list, &took), peer;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	peer = accept(listener, NULL, NULL);
	start = now_ns();
	close(fd);
	took += now_ns() - start;
	close(peer);
	return took;
}

static struct addrinfo *resolve(const char *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;

	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		errx(1, "%s: not resolved", name);
	return list;
}

static void set_port(struct addrinfo *list, in_port_t port)
{
	for (; list != NULL; list = list->ai_next)
		((struct sockaddr_in *)list->ai_addr)->sin_port = port;
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *sa = (struct sockaddr *)&in;
	socklen_t len = sizeof(in);
	long rounds = argc >= 3 ? strtol(argv[2], NULL, 10) : 0;
	struct addrinfo *list = NULL;
	int listener = -1;
	double took = 0;

	if (rounds <= 0)
		errx(2, "usage: bench unknown|literal|healthy|api ROUNDS [NAME]\n"
		        "       bench connect|alone|pending COUNT NAME PORT");
	if (argc == 5)
		return bench_race(argv[1], (size_t)rounds, argv[3], argv[4]);
	freeaddrinfo(resolve("127.0.0.9")); /* so that the library is awake */
	if (strcmp(argv[1], "literal") == 0) {
		freeaddrinfo(resolve("127.0.0.1"));
	} else if (argc == 4) {
		list = resolve(argv[3]);
		sa = (struct sockaddr *)&in6;
		len = sizeof(in6);
	}
	in.sin_port = in6.sin6_port = listen_on(sa, len, &listener);
	set_port(list, in.sin_port);
	for (long i = 0; i < rounds; i++)
		took +=
		    connect_and_close(sa, len, strcmp(argv[1], "api") == 0 ? list : NULL, listener);
	if (list != NULL)
		freeaddrinfo(list);
	printf("%.1f\n", took / (double)rounds);
	return 0;
}
