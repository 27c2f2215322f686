/*
 * What a race costs that goes on behind a non-blocking connect(): without a round trip there would
 * be none, so these run in the lab (tools/bench_race.bash).
 *
 * bench connect COUNT NAME PORT: one after the other. Prints medians in us: connect(), and from
 * connect() to the event; then CPU us per connection.
 *
 * bench alone COUNT NAME PORT: at once, while each has its first attempt only. Prints, per
 * connection: descriptors, bytes of this process, bytes of the kernel (which is the whole
 * machine's).
 *
 * bench pending COUNT NAME PORT: at once, until all are connected; what fails goes on with the
 * next address. Prints, per connection, us and CPU us; then the number that never connected.
 */
#include "bench_race.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS_WANTED 100000

struct connection {
	int fd;
	const struct addrinfo *to;
};

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Of all threads, the library's among them. */
static double cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static struct addrinfo *resolve(const char *name, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int status = getaddrinfo(name, port, &hints, &list);

	if (status != 0)
		errx(1, "%s: %s", name, gai_strerror(status));
	return list;
}

static int error_of(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		err(1, "SO_ERROR");
	return error;
}

/* With a reset, because the ports of a few seconds of this would run out. */
static void hang_up(int fd)
{
	struct linger reset = {1, 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static int open_for(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

static void start(int fd, const struct addrinfo *to)
{
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
		err(1, "connect");
}

static int one_by_one(size_t count, const struct addrinfo *to)
{
	double *calls = calloc(count, sizeof(double)), *events = calloc(count, sizeof(double));
	double cpu;

	if (calls == NULL || events == NULL)
		err(1, "calloc");
	cpu = cpu_us();
	for (size_t i = 0; i < count; i++) {
		struct pollfd wait = {.fd = open_for(to), .events = POLLOUT};
		double begin = now_us();

		start(wait.fd, to);
		calls[i] = now_us() - begin;
		if (poll(&wait, 1, -1) != 1 || error_of(wait.fd) != 0)
			errx(1, "not connected");
		events[i] = now_us() - begin;
		hang_up(wait.fd);
	}
	cpu = (cpu_us() - cpu) / (double)count;
	printf("%.2f %.2f %.2f\n", median(calls, count), median(events, count), cpu);
	return 0;
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir != NULL && readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* The value in KiB of a line such as "VmRSS:  1234 kB". */
static double kib_of(const char *path, const char *label)
{
	FILE *file = fopen(path, "r");
	char line[256];
	double kib = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, label, strlen(label)) == 0)
			kib = strtod(line + strlen(label), NULL);
	if (file != NULL)
		fclose(file);
	return kib;
}

static int alone(size_t count, const struct addrinfo *to)
{
	int *fds = calloc(count, sizeof(int)), numbers;
	double resident, slab;

	if (fds == NULL)
		err(1, "calloc");
	/* One before: the library's own numbers, and the pages that it touches once. */
	start(open_for(to), to);
	for (size_t i = 0; i < count; i++)
		fds[i] = open_for(to);
	numbers = descriptors();
	resident = kib_of("/proc/self/status", "VmRSS:");
	slab = kib_of("/proc/meminfo", "Slab:");
	for (size_t i = 0; i < count; i++)
		start(fds[i], to);
	numbers = descriptors() - numbers;
	resident = kib_of("/proc/self/status", "VmRSS:") - resident;
	slab = kib_of("/proc/meminfo", "Slab:") - slab;
	printf("%.2f %.0f %.0f\n", (double)numbers / (double)count, resident * 1024 / (double)count,
	       slab * 1024 / (double)count);
	return 0;
}

static void begin(struct connection *connection, size_t i, int set)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = i};

	connection->fd = open_for(connection->to);
	start(connection->fd, connection->to);
	if (epoll_ctl(set, EPOLL_CTL_ADD, connection->fd, &event) < 0)
		err(1, "epoll_ctl");
}

/* Returns whether that is the end of it. */
static int end(struct connection *connection, size_t i, int set, size_t *failed)
{
	int error = error_of(connection->fd);

	hang_up(connection->fd);
	if (error != 0 && connection->to->ai_next != NULL) {
		connection->to = connection->to->ai_next;
		begin(connection, i, set);
		return 0;
	}
	*failed += error != 0;
	return 1;
}

static int pending(size_t count, const struct addrinfo *to)
{
	struct connection *connections = calloc(count, sizeof(*connections));
	struct epoll_event events[256];
	int set = epoll_create1(EPOLL_CLOEXEC);
	double cpu = cpu_us(), wall = now_us();
	size_t failed = 0, left = count;

	if (connections == NULL || set < 0)
		err(1, "pending");
	for (size_t i = 0; i < count; i++) {
		connections[i].to = to;
		begin(&connections[i], i, set);
	}
	while (left > 0) {
		int n = epoll_wait(set, events, 256, -1);

		for (int i = 0; i < n; i++) {
			size_t at = events[i].data.u64;

			left -= (size_t)end(&connections[at], at, set, &failed);
		}
	}
	printf("%.2f %.2f %zu\n", (now_us() - wall) / (double)count,
	       (cpu_us() - cpu) / (double)count, failed);
	return 0;
}

int bench_race(const char *mode, size_t count, const char *name, const char *port)
{
	struct rlimit files = {DESCRIPTORS_WANTED, DESCRIPTORS_WANTED};
	struct addrinfo *list = resolve(name, port);

	/* Who may not raise it has what there is. */
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (strcmp(mode, "connect") == 0)
		return one_by_one(count, list);
	if (strcmp(mode, "alone") == 0)
		return alone(count, list);
	if (strcmp(mode, "pending") == 0)
		return pending(count, list);
	errx(2, "%s: no such mode", mode);
}
