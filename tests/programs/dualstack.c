/*
 * A dual-stack socket as the runtimes of .NET and Java make it: an AF_INET6 socket whose
 * IPV6_V6ONLY the program cleared by itself, so that it may connect to IPv4 addresses, too.
 *
 *     dualstack blocking|waiting HOST PORT
 *
 * waiting: non-blocking, and known to an edge-triggered epoll set, in which another thread waits,
 * before connect(). Prints what the socket and its peer's address are said to be, and what the
 * server says. Connects to the first address alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct waiter {
	int set;
	int number;
	pthread_mutex_t lock;
	pthread_cond_t told;
	int events;
};

static void *wait_for_events(void *argument)
{
	struct waiter *waiter = argument;
	struct epoll_event event;

	for (;;) {
		int got = epoll_wait(waiter->set, &event, 1, -1);

		if (got < 0 && errno == EINTR)
			continue;
		pthread_mutex_lock(&waiter->lock);
		waiter->events |= got == 1 ? (int)event.events : EPOLLERR;
		pthread_cond_signal(&waiter->told);
		pthread_mutex_unlock(&waiter->lock);
		if (got < 0)
			return NULL;
	}
}

/* Returns what happened when one of the events did, and forgets it. */
static int wait_until(struct waiter *waiter, int events)
{
	int seen;

	pthread_mutex_lock(&waiter->lock);
	while (!(waiter->events & (events | EPOLLERR | EPOLLHUP)))
		pthread_cond_wait(&waiter->told, &waiter->lock);
	seen = waiter->events;
	waiter->events = 0;
	pthread_mutex_unlock(&waiter->lock);
	return seen;
}

static int fail(const char *what, int error)
{
	printf("%s: %s\n", what, strerror(error));
	return 1;
}

/* The address as an AF_INET6 socket takes it: an IPv4 address is mapped. */
static struct sockaddr_in6 for_ipv6_socket(const struct addrinfo *answer)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};

	if (answer->ai_family == AF_INET6) {
		memcpy(&address, answer->ai_addr, sizeof(address));
	} else {
		const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)answer->ai_addr;

		address.sin6_port = ipv4->sin_port;
		address.sin6_addr.s6_addr[10] = address.sin6_addr.s6_addr[11] = 0xff;
		memcpy(&address.sin6_addr.s6_addr[12], &ipv4->sin_addr, 4);
	}
	return address;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *answer;
	static struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER,
	                               .told = PTHREAD_COND_INITIALIZER};
	struct sockaddr_in6 address;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int off = 0, domain = 0, error = 0;
	char text[1000];
	ssize_t got;

	if (argc != 4 || getaddrinfo(argv[2], argv[3], &hints, &answer) != 0)
		return 2;
	int waiting = strcmp(argv[1], "waiting") == 0;
	int number = socket(AF_INET6, SOCK_STREAM | (waiting ? SOCK_NONBLOCK : 0), 0);

	if (number < 0 || setsockopt(number, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return fail("socket", errno);
	if (waiting) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
		pthread_t thread;

		waiter.set = epoll_create1(EPOLL_CLOEXEC);
		if (epoll_ctl(waiter.set, EPOLL_CTL_ADD, number, &event) < 0 ||
		    pthread_create(&thread, NULL, wait_for_events, &waiter) != 0)
			return fail("epoll", errno);
		/* A socket that was never connected hangs up. */
		wait_until(&waiter, EPOLLHUP);
	}
	address = for_ipv6_socket(answer);
	if (connect(number, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno != EINPROGRESS)
			return fail("connect", errno);
		wait_until(&waiter, EPOLLOUT);
		len = sizeof(error);
		if (getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
			return fail("connect", error);
	}
	freeaddrinfo(answer);

	len = sizeof(domain);
	getsockopt(number, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	len = sizeof(peer);
	if (getpeername(number, (struct sockaddr *)&peer, &len) < 0)
		return fail("getpeername", errno);
	printf("%s socket, %s peer\n", domain == AF_INET6 ? "IPv6" : "other",
	       peer.ss_family == AF_INET6 ? "IPv6" : "other");

	while ((got = recv(number, text, sizeof(text), 0)) != 0) {
		if (got > 0)
			fwrite(text, 1, (size_t)got, stdout);
		else if (errno == EAGAIN)
			wait_until(&waiter, EPOLLIN | EPOLLRDHUP);
		else
			return fail("recv", errno);
	}
	return 0;
}
