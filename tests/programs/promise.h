/*
 * For the programs that check what a program may observe of a race (design: the contract). Each
 * case is a function that returns when all is well; `promise_X CASE` runs one and prints "ok CASE".
 * The names and the port are those of tests/loop.bash.
 */
#ifndef PROMISE_H
#define PROMISE_H

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT "7001"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s (errno %s)\n", __FILE__, __LINE__, #condition,  \
			        strerrorname_np(errno));                                           \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* Ends the case: it cannot run here. */
static inline void skip(const char *reason)
{
	printf("skip: %s\n", reason);
	exit(77);
}

struct promise {
	const char *name;
	void (*run)(void);
};

struct names {
	struct addrinfo *list;
	size_t count;
	struct addrinfo *at[8];
};

static inline struct names resolve_as(const char *host, int family)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	struct names names = {0};

	CHECK(getaddrinfo(host, PORT, &hints, &names.list) == 0);
	for (struct addrinfo *ai = names.list; ai != NULL && names.count < 8; ai = ai->ai_next)
		names.at[names.count++] = ai;
	return names;
}

static inline struct names resolve(const char *host)
{
	return resolve_as(host, AF_UNSPEC);
}

static inline int open_for(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	return fd;
}

static inline int connect_to(int fd, const struct addrinfo *ai)
{
	return connect(fd, ai->ai_addr, ai->ai_addrlen);
}

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void sleep_ms(long ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* The peer's address as text; "" when there is none. */
static inline const char *peer_of(int fd)
{
	static _Thread_local char text[INET6_ADDRSTRLEN];
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	text[0] = '\0';
	if (getpeername(fd, (struct sockaddr *)&name, &len) < 0)
		return text;
	if (name.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&name)->sin6_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET, &((struct sockaddr_in *)&name)->sin_addr, text, sizeof(text));
	return text;
}

static inline bool peer_is(int fd, const char *text)
{
	return strcmp(peer_of(fd), text) == 0;
}

static inline int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	CHECK(getsockopt(fd, level, name, &value, &len) == 0);
	return value;
}

/* How many descriptors this process has. */
static inline int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 3; /* ".", ".." and the directory itself */
}

/* Runs `act(argument)` in a thread after `ms`. */
struct later {
	long ms;
	void (*act)(void *);
	void *argument;
};

static inline void *later_run(void *pointer)
{
	struct later later = *(struct later *)pointer;

	free(pointer);
	sleep_ms(later.ms);
	later.act(later.argument);
	return NULL;
}

static inline pthread_t later(long ms, void (*act)(void *), void *argument)
{
	struct later *copy = malloc(sizeof(*copy));
	pthread_t thread;

	CHECK(copy != NULL);
	*copy = (struct later){ms, act, argument};
	CHECK(pthread_create(&thread, NULL, later_run, copy) == 0);
	return thread;
}

static inline int promise_main(int argc, char **argv, const struct promise *promises, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (argc == 2 && strcmp(argv[1], promises[i].name) == 0) {
			/* No run may pass because the library was not there, or because it was. */
			const char *libhe = dlsym(RTLD_DEFAULT, "libhe_version");

			printf("%s\n", libhe != NULL ? "with libhe" : "without libhe");
			fflush(stdout);
			promises[i].run();
			printf("ok %s\n", promises[i].name);
			return 0;
		}
	}
	fprintf(stderr, "usage: %s CASE; cases:\n", argv[0]);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "  %s\n", promises[i].name);
	return 2;
}

#endif
