/*
 * What an old program does: resolves a name, tries its addresses in turn, and tells what came of
 * it. One line per connect():
 *
 *     <requested> -> <peer or error> fd=<number> errno=<errno after the call> ms=<whole
 * milliseconds>
 *
 *     dial [options] HOST PORT
 *       -4 -6      one family only            -n N    N connections one after another
 *       -f         the first address only     -k      keep the descriptors open
 *       -h         gethostbyname()            -H      gethostbyname2(AF_INET6), then (AF_INET)
 *       -m         MPTCP sockets              -a      always succeed; only tell
 *       -r         read a line from the peer and print it after the result
 *       -p         print the descriptor table's size at the end
 *       -o         set TCP_NODELAY and SO_KEEPALIVE first
 *       -w HOW     non-blocking sockets, waited for by poll, epoll, or unseen: by epoll_wait(), and
 *                  registered with a raw system call
 *
 * Ends with status 0 when the last connection was made.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool first_only, keep, read_line, always, options;
static const char *waits; /* NULL: sockets block */
static int protocol = 0;

static void print_name(const struct sockaddr *sa)
{
	char text[INET6_ADDRSTRLEN];

	if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)sa)->sin6_addr, text,
		          sizeof(text));
	else
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, text, sizeof(text));
	fputs(text, stdout);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void print_greeting(int fd)
{
	char c;

	struct pollfd watch = {.fd = fd, .events = POLLIN};

	printf(" ");
	while (poll(&watch, 1, -1) == 1 && read(fd, &c, 1) == 1 && c != '\n')
		putchar(c);
}

/* Returns when a pending connection has come to its end. */
static void wait_for_end(int fd)
{
	struct pollfd watch = {.fd = fd, .events = POLLOUT};
	struct epoll_event event = {.events = EPOLLOUT};
	int set, r;

	if (strcmp(waits, "poll") == 0) {
		r = poll(&watch, 1, -1);
	} else {
		set = epoll_create1(EPOLL_CLOEXEC);
		if (strcmp(waits, "unseen") == 0)
			r = (int)syscall(SYS_epoll_ctl, set, EPOLL_CTL_ADD, fd, &event);
		else
			r = epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
		if (r < 0)
			err(1, "epoll");
		r = epoll_wait(set, &event, 1, -1);
		close(set);
	}
	if (r != 1)
		err(1, "%s", waits);
}

/* Returns whether the connection was made. */
static bool try_address(const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);
	int fd = socket(sa->sa_family, SOCK_STREAM | (waits != NULL ? SOCK_NONBLOCK : 0), protocol);
	long start = now_ms();
	int r;

	if (fd < 0)
		err(1, "socket");
	if (options && (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0 ||
	                setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int)) < 0))
		err(1, "setsockopt");
	errno = 0;
	r = connect(fd, sa, len);
	if (r < 0 && errno == EINPROGRESS && waits != NULL) {
		wait_for_end(fd);
		r = getpeername(fd, (struct sockaddr *)&peer, &peer_len);
	}
	int error = errno;
	long took = now_ms() - start;

	print_name(sa);
	printf(" -> ");
	peer_len = sizeof(peer);
	if (r == 0 && getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0)
		print_name((struct sockaddr *)&peer);
	else
		fputs(r == 0 ? "nobody" : strerrorname_np(error), stdout);
	printf(" fd=%d errno=%d ms=%ld", fd, error, took);
	if (r == 0 && read_line)
		print_greeting(fd);
	puts("");
	fflush(stdout);
	if (!keep || r < 0)
		close(fd);
	return r == 0;
}

static bool by_addrinfo(const char *host, const char *port, int family)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list;
	int r = getaddrinfo(host, port, &hints, &list);
	bool made = false;

	if (r != 0)
		errx(1, "%s: %s", host, gai_strerror(r));
	for (struct addrinfo *at = list; at != NULL && !made; at = at->ai_next) {
		made = try_address(at->ai_addr, at->ai_addrlen);
		if (first_only)
			break;
	}
	freeaddrinfo(list);
	return made;
}

static bool by_hostent(const struct hostent *host, const char *port)
{
	uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));
	struct sockaddr_storage copies[16];
	socklen_t len =
	    host->h_addrtype == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	size_t count = 0;

	for (; count < 16 && host->h_addr_list[count] != NULL; count++) {
		struct sockaddr_storage *name = &copies[count];

		memset(name, 0, sizeof(*name));
		name->ss_family = (sa_family_t)host->h_addrtype;
		((struct sockaddr_in *)name)->sin_port = number;
		if (host->h_addrtype == AF_INET6)
			memcpy(&((struct sockaddr_in6 *)name)->sin6_addr, host->h_addr_list[count],
			       16);
		else
			memcpy(&((struct sockaddr_in *)name)->sin_addr, host->h_addr_list[count],
			       4);
	}
	for (size_t i = 0; i < count; i++)
		if (try_address((struct sockaddr *)&copies[i], len))
			return true;
	return false;
}

static void print_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -1; /* its own */

	while (dir != NULL && readdir(dir) != NULL)
		count++;
	printf("descriptors %d\n", count - 2);
	closedir(dir);
}

int main(int argc, char **argv)
{
	int family = AF_UNSPEC, rounds = 1, opt;
	bool print_table = false, hosts = false, hosts2 = false, made = false;

	while ((opt = getopt(argc, argv, "46fkhHmarpon:w:")) != -1) {
		switch (opt) {
		case '4': family = AF_INET; break;
		case '6': family = AF_INET6; break;
		case 'f': first_only = true; break;
		case 'k': keep = true; break;
		case 'h': hosts = true; break;
		case 'H': hosts2 = true; break;
		case 'm': protocol = IPPROTO_MPTCP; break;
		case 'a': always = true; break;
		case 'r': read_line = true; break;
		case 'p': print_table = true; break;
		case 'o': options = true; break;
		case 'w': waits = optarg; break;
		case 'n': rounds = atoi(optarg); break;
		default: return 2;
		}
	}
	if (argc - optind != 2)
		errx(2, "usage: dial [options] HOST PORT");
	for (int i = 0; i < rounds; i++) {
		struct hostent *host = hosts    ? gethostbyname(argv[optind])
		                       : hosts2 ? gethostbyname2(argv[optind], AF_INET6)
		                                : NULL;

		if (hosts || hosts2)
			made = host != NULL && by_hostent(host, argv[optind + 1]);
		else
			made = by_addrinfo(argv[optind], argv[optind + 1], family);
	}
	if (print_table)
		print_descriptors();
	return made || always ? 0 : 1;
}
