/*
 * The server of the soak (tests/soak): listens on COUNT ports from PORT on, on every address of its
 * side, and tells each client whom it reached and who it is, then sends back what it is sent:
 *
 *     <own address> <client's address> <client's port>\n
 *
 * So a client can tell that the socket in its hands is the one whose peer it asked for. IPv4
 * addresses are told v4-mapped. Prints "READY"; ends by a signal.
 *
 *     soak_server PORT COUNT
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
/* Marks the listeners among the events: connections have their number alone. */
#define LISTENER (1ull << 32)

static int set;

static void watch(int fd, uint64_t data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void listen_on(uint16_t port)
{
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, off = 0;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, 4096) < 0)
		err(1, "port %u", port);
	watch(fd, LISTENER | (uint64_t)fd);
}

static void greet(int fd, const struct sockaddr_in6 *client)
{
	struct sockaddr_in6 own;
	socklen_t len = sizeof(own);
	char us[INET6_ADDRSTRLEN], them[INET6_ADDRSTRLEN], line[2 * INET6_ADDRSTRLEN + 16];
	int n;

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		err(1, "getsockname");
	n = snprintf(
	    line, sizeof(line), "%s %s %u\n", inet_ntop(AF_INET6, &own.sin6_addr, us, sizeof(us)),
	    inet_ntop(AF_INET6, &client->sin6_addr, them, sizeof(them)), ntohs(client->sin6_port));
	/* A client that went away, as losers of a race do, is told nothing. */
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
	else
		watch(fd, (uint64_t)fd);
}

static void accept_all(int listener)
{
	for (;;) {
		struct sockaddr_in6 client;
		socklen_t len = sizeof(client);
		int fd = accept4(listener, (struct sockaddr *)&client, &len, SOCK_NONBLOCK);

		if (fd >= 0)
			greet(fd, &client);
		else if (errno == EAGAIN || errno == EMFILE)
			return;
	}
}

static void echo(int fd)
{
	char bytes[512];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	/* A few bytes always fit. */
	if (n <= 0 || send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	unsigned long port = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (port == 0 || count == 0 || port + count > 65536)
		errx(2, "usage: soak_server PORT COUNT");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	set = epoll_create1(EPOLL_CLOEXEC);
	if (set < 0)
		err(1, "epoll_create1");
	for (unsigned long i = 0; i < count; i++)
		listen_on((uint16_t)(port + i));
	puts("READY");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[EVENTS_MAX];
		int n = epoll_wait(set, events, EVENTS_MAX, -1);

		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = (int)(events[i].data.u64 & 0xffffffff);

			if (events[i].data.u64 & LISTENER)
				accept_all(fd);
			else
				echo(fd);
		}
	}
}
