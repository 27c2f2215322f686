/*
 * A server that answers: listens on PORT of each ADDRESS, tells every client the address it
 * reached ("fd93::10\n"), and hangs up. Prints "READY" and stays until its standard input ends.
 *
 *     greet PORT ADDRESS...
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENERS_MAX 16

static int listen_on(const char *text, uint16_t port)
{
	struct sockaddr_storage name = {0};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;
	struct sockaddr_in *in = (struct sockaddr_in *)&name;
	socklen_t len = sizeof(*in);
	int on = 1, fd;

	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		len = sizeof(*in6);
	} else if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		errx(2, "%s: not an address", text);
	}
	in->sin_port = htons(port);
	fd = socket(name.ss_family, SOCK_STREAM, 0);
	if (fd < 0)
		err(1, "socket");
	if (name.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&name, len) < 0 || listen(fd, 4096) < 0)
		err(1, "%s port %u", text, port);
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd watch[LISTENERS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
	nfds_t count = 1;
	char line[INET6_ADDRSTRLEN + 1];

	if (argc < 3 || argc > LISTENERS_MAX + 2)
		errx(2, "usage: greet PORT ADDRESS...");
	for (int i = 2; i < argc; i++)
		watch[count++] =
		    (struct pollfd){.fd = listen_on(argv[i], (uint16_t)strtoul(argv[1], NULL, 10)),
		                    .events = POLLIN};
	puts("READY");
	fflush(stdout);
	while (poll(watch, count, -1) > 0) {
		if (watch[0].revents != 0 && read(STDIN_FILENO, line, sizeof(line)) <= 0)
			return 0;
		for (nfds_t i = 1; i < count; i++) {
			int fd = watch[i].revents != 0 ? accept(watch[i].fd, NULL, NULL) : -1;

			if (fd < 0)
				continue;
			snprintf(line, sizeof(line), "%s\n", argv[i + 1]);
			if (write(fd, line, strlen(line)) < 0)
				warn("write");
			close(fd);
		}
	}
	return 1;
}
