/*
 * A black hole that needs no privilege: a loopback listener whose backlog is full drops every
 * further SYN, so a connect() to it waits as it would for a dead path.
 *
 *     blackhole PORT ADDRESS...
 *
 * Listens on PORT (0: any free one) of each address, fills the backlogs, prints "READY <port>" and
 * stays until its standard input ends.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel rounds a backlog of 0 up, and takes a few more before it begins to drop. */
#define FILLERS_MAX 16

static socklen_t parse(const char *text, unsigned port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		return sizeof(*in6);
	}
	if (inet_pton(AF_INET, text, &in->sin_addr) != 1)
		errx(2, "%s: not an address", text);
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	return sizeof(*in);
}

/* True once a connection attempt stays unanswered. */
static int fills(const struct sockaddr_storage *name, socklen_t len)
{
	int fd = socket(name->ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd watch = {.fd = fd, .events = POLLOUT};

	if (fd < 0)
		err(1, "socket");
	if (connect(fd, (const struct sockaddr *)name, len) < 0 && errno != EINPROGRESS)
		err(1, "connect");
	return poll(&watch, 1, 50) == 0;
}

int main(int argc, char **argv)
{
	unsigned port;
	char rest[64];

	if (argc < 3)
		errx(2, "usage: blackhole PORT ADDRESS...");
	port = (unsigned)strtoul(argv[1], NULL, 10);
	for (int i = 2; i < argc; i++) {
		struct sockaddr_storage name;
		socklen_t len = parse(argv[i], port, &name);
		int fd = socket(name.ss_family, SOCK_STREAM, 0);
		int on = 1;

		if (fd < 0)
			err(1, "socket");
		if (name.ss_family == AF_INET6)
			(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&name, len) < 0 || listen(fd, 0) < 0)
			err(1, "%s port %u", argv[i], port);
		if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
			err(1, "getsockname");
		/* The port is at the same place for both families. */
		port = ntohs(((struct sockaddr_in *)&name)->sin_port);
		for (int j = 0; j < FILLERS_MAX && !fills(&name, len); j++)
			if (j == FILLERS_MAX - 1)
				errx(1, "%s: the backlog does not fill", argv[i]);
	}
	printf("READY %u\n", port);
	fflush(stdout);
	while (read(STDIN_FILENO, rest, sizeof(rest)) > 0)
		;
	return 0;
}
