/*
 * The server of the torture programs: tells every client the address it reached ("fd92::2\n"),
 * sends back whatever the client says, and stays until the client goes: a connection that only the
 * client ends shows what a waiter is told of it, and nothing else. Prints "READY" when it listens.
 *
 *     torture_server PORT
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Hundreds of races at once, of several programs. */
#define BACKLOG 4096

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

	if (fd < 0)
		err(1, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, BACKLOG) < 0)
		err(1, "port %u", port);
	return fd;
}

/* Without the dress of IPv4 on an IPv6 socket: a client asks for the address as it knows it. */
static void greet(int fd)
{
	struct sockaddr_in6 reached;
	socklen_t len = sizeof(reached);
	char line[INET6_ADDRSTRLEN + 1];

	if (getsockname(fd, (struct sockaddr *)&reached, &len) < 0)
		return;
	if (IN6_IS_ADDR_V4MAPPED(&reached.sin6_addr))
		inet_ntop(AF_INET, &reached.sin6_addr.s6_addr[12], line, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &reached.sin6_addr, line, INET6_ADDRSTRLEN);
	strcat(line, "\n");
	(void)!write(fd, line, strlen(line));
}

/* Returns 0 when the client is gone. */
static int echo(int fd)
{
	char said[512];
	ssize_t n = read(fd, said, sizeof(said));

	return n > 0 && write(fd, said, (size_t)n) == n;
}

int main(int argc, char **argv)
{
	struct epoll_event event = {.events = EPOLLIN}, ready[64];
	struct rlimit files;
	int listener, set;

	if (argc != 2)
		errx(2, "usage: torture_server PORT");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* Whom it would greet may be gone. */
	signal(SIGPIPE, SIG_IGN);
	listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
	set = epoll_create1(EPOLL_CLOEXEC);
	event.data.fd = listener;
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) < 0)
		err(1, "epoll");
	puts("READY");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(set, ready, 64, -1);

		if (count < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < count; i++) {
			if (ready[i].data.fd != listener) {
				if (!echo(ready[i].data.fd))
					close(ready[i].data.fd);
				continue;
			}
			event.data.fd = accept(listener, NULL, NULL);
			if (event.data.fd < 0)
				continue;
			greet(event.data.fd);
			if (epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event) < 0)
				close(event.data.fd);
		}
	}
}
