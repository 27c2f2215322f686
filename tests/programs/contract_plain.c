/*
 * contract_plain: connections that are none of libhe's business, between two system calls that
 * nobody else makes, so that a test can cut that section out of a trace and compare it with the
 * same section of a run without libhe.
 *
 *     contract_plain ADDRESS NODE...
 *
 * Resolves each NODE, then connects ten times to ADDRESS (IPv4), at a port that refuses. Says
 * whether libhe is loaded, and whether each connect() failed with ECONNREFUSED as it must.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TIMES 10

static void resolve(const char *node)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	int r = getaddrinfo(node, NULL, &hints, &list);

	if (r != 0) {
		(void)fprintf(stderr, "%s: %s\n", node, gai_strerror(r));
		exit(2);
	}
	freeaddrinfo(list);
}

/* A port that is bound and does not listen refuses for as long as it is ours. */
static struct sockaddr_in refusing_port(const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1 || fd < 0 ||
	    bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0) {
		perror(address);
		exit(2);
	}
	return in;
}

int main(int argc, char **argv)
{
	struct sockaddr_in in;
	int refused = 0;

	if (argc < 2)
		return 2;
	for (int i = 2; i < argc; i++)
		resolve(argv[i]);
	in = refusing_port(argv[1]);

	(void)syscall(SYS_getppid);
	for (int i = 0; i < TIMES; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		int r = connect(fd, (struct sockaddr *)&in, sizeof(in));

		refused += r < 0 && errno == ECONNREFUSED;
		(void)close(fd);
	}
	(void)syscall(SYS_getppid);

	printf("%s, refused %d\n",
	       dlsym(RTLD_DEFAULT, "libhe_version") != NULL ? "preloaded" : "native", refused);
	return refused == TIMES ? 0 : 1;
}
