/*
 * The race of a case, what is said of it, and what has to be as it was before.
 */
#include "conform.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct he_options options;
const struct he_options *options_given;
struct he_report *report;
int won = -1, won_errno;
bool by_a_loop;

void check_failed(const char *file, int line, const char *condition)
{
	static char text[4000];

	watching = false;
	fprintf(stderr, "%s:%d: %s (errno %s)\n", file, line, condition, strerrorname_np(errno));
	if (report != NULL) {
		(void)he_report_text(report, text, sizeof(text));
		fprintf(stderr, "%d: %s\n", won, text);
	}
	for (unsigned i = 0; i < seen.connects; i++) {
		struct peer *peer = peer_named((struct sockaddr *)&seen.connect[i].name);

		fprintf(stderr, "seen: connect to %s after %.1f ms\n",
		        peer != NULL ? peer->text : "somewhere",
		        (double)(seen.connect[i].at_ns - seen.begun_ns) / 1e6);
	}
	exit(1);
}

int64_t now_ns(void)
{
	struct timespec now;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* --- the race --------------------------------------------------------------------------------- */

void race_clear(void)
{
	if (won >= 0)
		CHECK(close(won) == 0);
	won = -1;
	won_errno = 0;
	he_report_free(report);
	report = NULL;
	memset(&seen, 0, sizeof(seen));
}

struct he_race *race_begin(void)
{
	struct he_race *handle;

	race_clear();
	seen.begun_ns = now_ns();
	watching = true;
	handle = he_begin(list, options_given);
	watching = false;
	CHECK(handle != NULL);
	return handle;
}

int race_advance(struct he_race *handle)
{
	int over;

	watching = true;
	over = he_advance(handle);
	watching = false;
	return over;
}

void race_wait(const struct he_race *handle)
{
	struct pollfd watch = {.fd = he_descriptor(handle), .events = POLLIN};

	CHECK(watch.fd >= 0);
	while (poll(&watch, 1, -1) < 0)
		CHECK(errno == EINTR);
}

int race_finish(struct he_race *handle)
{
	watching = true;
	won = he_finish(handle, &report);
	won_errno = won < 0 ? errno : 0;
	watching = false;
	return won;
}

int race(void)
{
	if (by_a_loop) {
		struct he_race *handle = race_begin();

		while (race_advance(handle) == 0)
			race_wait(handle);
		return race_finish(handle);
	}
	race_clear();
	seen.begun_ns = now_ns();
	watching = true;
	won = he_connect(list, options_given, &report);
	won_errno = won < 0 ? errno : 0;
	watching = false;
	return won;
}

/* --- what is said of it ----------------------------------------------------------------------- */

/* Calls `look` for each descriptor and where it leads, and returns how many it was true for. */
static unsigned count_descriptors(bool (*look)(int fd, const char *leads_to))
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned count = 0;

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		char leads_to[256];
		int fd = atoi(entry->d_name);
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, leads_to, sizeof(leads_to) - 1);

		if (len < 0 || fd == dirfd(dir))
			continue;
		leads_to[len] = '\0';
		count += look(fd, leads_to);
	}
	closedir(dir);
	return count;
}

static bool is_of_the_race(int fd, const char *leads_to)
{
	unsigned long inode;

	if (fd == won)
		return false;
	if (strstr(leads_to, "[eventpoll]") != NULL || strstr(leads_to, "[timerfd]") != NULL)
		return true;
	if (sscanf(leads_to, "socket:[%lu]", &inode) != 1)
		return false;
	for (unsigned i = 0; i < seen.sockets; i++)
		if (seen.inode[i] == inode)
			return true;
	return false;
}

bool nothing_is_open(void)
{
	return count_descriptors(is_of_the_race) == 0;
}

static bool has_name(int fd, const struct peer *peer)
{
	struct sockaddr_storage name = {0};
	socklen_t len = sizeof(name);

	return getpeername(fd, (struct sockaddr *)&name, &len) == 0 &&
	       memcmp(&name, &peer->name, peer->entry.ai_addrlen) == 0;
}

static bool has_mode(int fd)
{
	bool nonblocking = (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;

	return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 &&
	       nonblocking == ((options.flags & HE_NONBLOCK) != 0);
}

/* The attempts that did not connect ended as this race lets them. */
static bool others_ended_as(enum he_outcome outcome)
{
	for (size_t i = 0; i < he_report_count(report); i++) {
		const struct he_attempt *attempt = he_report_attempt(report, i);
		bool failed = attempt->outcome == HE_OUTCOME_FAILED;

		if (attempt->addr != he_report_winner(report) && !failed &&
		    attempt->outcome != outcome)
			return false;
		if (failed != (attempt->error != 0) || attempt->ended_ns < attempt->started_ns)
			return false;
	}
	return true;
}

bool has_won(struct peer *peer)
{
	CHECK(won >= 0);
	CHECK(he_report_winner(report) == &peer->entry);
	CHECK(he_report_cause(report) == HE_CAUSE_NONE && he_report_error(report) == 0);
	CHECK(he_report_gai(report) == 0);
	CHECK(has_name(won, peer));
	CHECK(has_mode(won));
	CHECK(nothing_is_open());
	CHECK(others_ended_as(HE_OUTCOME_LOST));
	CHECK(peers_have_open(peer));
	for (size_t i = 0; i < he_report_count(report); i++)
		if (he_report_attempt(report, i)->addr == &peer->entry)
			return has_ended(i, HE_OUTCOME_CONNECTED, HE_CAUSE_NONE, 0);
	return false;
}

bool has_failed(int error, enum he_cause cause)
{
	CHECK(won == -1);
	CHECK(won_errno == error && he_report_error(report) == error);
	CHECK(he_report_cause(report) == cause);
	CHECK(*he_cause_text(cause) != '\0');
	CHECK(he_report_winner(report) == NULL);
	CHECK(nothing_is_open());
	CHECK(others_ended_as(HE_OUTCOME_GIVEN_UP));
	CHECK(peers_have_open(NULL));
	return true;
}

bool were_reported(const struct peer **expected)
{
	size_t i = 0;

	for (; expected[i] != NULL; i++) {
		const struct he_attempt *attempt = he_report_attempt(report, i);

		if (attempt == NULL || attempt->addr != &expected[i]->entry ||
		    memcmp(&attempt->remote, &expected[i]->name, sizeof(attempt->remote)) != 0)
			return false;
	}
	return he_report_count(report) == i && he_report_attempt(report, i) == NULL;
}

bool were_connected_to(const struct peer **expected)
{
	size_t i = 0;

	for (; expected[i] != NULL; i++)
		if (i == seen.connects || memcmp(&seen.connect[i].name, &expected[i]->name,
		                                 sizeof(expected[i]->name)) != 0)
			return false;
	return seen.connects == i;
}

bool has_ended(size_t i, enum he_outcome outcome, enum he_cause cause, int error)
{
	const struct he_attempt *attempt = he_report_attempt(report, i);

	return attempt != NULL && attempt->outcome == outcome && attempt->cause == cause &&
	       attempt->error == error;
}

bool was_not_bound(size_t i, size_t k, const char *ip, int error)
{
	const struct he_bind_failure *failure = he_report_bind_failure(report, i, k);
	char text[INET6_ADDRSTRLEN];
	const void *bytes;

	if (failure == NULL)
		return false;
	bytes = failure->local.ss_family == AF_INET6
	            ? (const void *)&((const struct sockaddr_in6 *)&failure->local)->sin6_addr
	            : (const void *)&((const struct sockaddr_in *)&failure->local)->sin_addr;
	inet_ntop(failure->local.ss_family, bytes, text, sizeof(text));
	return strcmp(text, ip) == 0 && failure->error == error;
}

int64_t started_ns(size_t i)
{
	CHECK(i < he_report_count(report));
	return he_report_attempt(report, i)->started_ns;
}

int64_t ended_ns(size_t i)
{
	CHECK(i < he_report_count(report));
	return he_report_attempt(report, i)->ended_ns;
}

/* --- what has to be as it was ----------------------------------------------------------------- */

static char table[4000];

static bool write_down(int fd, const char *leads_to)
{
	size_t len = strlen(table);
	int added = snprintf(table + len, sizeof(table) - len, "%d %s\n", fd, leads_to);

	CHECK(added > 0 && (size_t)added < sizeof(table) - len);
	return true;
}

static const char *descriptors(void)
{
	table[0] = '\0';
	(void)count_descriptors(write_down);
	return table;
}

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
/* AddressSanitizer takes the stack that it looks at when a cancelled thread ends for one in use. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "use_sigaltstack=0";
}
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
static void *end_at_once(void *unused)
{
	return unused;
}

/* ThreadSanitizer starts its own thread together with the first one of the program. */
static void start_threads_of_the_runtime(void)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, end_at_once, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}
#else
static void start_threads_of_the_runtime(void)
{
}
#endif

static unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* For a program without heap.c, which counts. */
__attribute__((weak)) long heap_live(void)
{
	return 0;
}

static char descriptors_before[sizeof(table)];
static unsigned threads_before;
static long heap_before;

void scene_begin(void)
{
	options = (struct he_options)HE_OPTIONS_INIT;
	options_given = &options;
	start_threads_of_the_runtime();
	strcpy(descriptors_before, descriptors());
	threads_before = threads();
	heap_before = heap_live();
}

void scene_end(void)
{
	const char *left;

	race_clear();
	peers_close();
	memset(&hooks, 0, sizeof(hooks));
	left = descriptors();
	if (strcmp(left, descriptors_before) != 0)
		fprintf(stderr, "descriptors before:\n%safterwards:\n%s", descriptors_before, left);
	CHECK(strcmp(left, descriptors_before) == 0);
	CHECK(heap_live() == heap_before);
	/* A thread that was joined may be on its way out. */
	for (int i = 0; i < 1000 && threads() != threads_before; i++)
		(void)poll(NULL, 0, 5);
	CHECK(threads() == threads_before);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

int conform_main(int argc, char **argv, const struct conform_case *cases, size_t count)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (size_t i = 0; i < count; i++)
			printf("%s %s\n", cases[i].name, cases[i].function);
		return 0;
	}
	by_a_loop = argc == 3 && strcmp(argv[2], "loop") == 0;
	for (size_t i = 0; i < count && argc == 2 + by_a_loop; i++) {
		if (strcmp(argv[1], cases[i].name) == 0) {
			scene_begin();
			cases[i].run();
			scene_end();
			printf("ok %s\n", cases[i].function);
			return 0;
		}
	}
	fprintf(stderr, "usage: %s list, or %s CASE [loop]\n", argv[0], argv[0]);
	return 2;
}
