/*
 * soak: makes random races, each of which can be made again (soak.h).
 *
 *     soak SEED FIRST COUNT [WORKERS [like NUMBER | alike SIZE]]
 *
 * Races FIRST to FIRST + COUNT - 1 of SEED, WORKERS at a time (default 256), in the network of
 * tests/soak/run; with like, each as the race with that number; with alike, as the first of the
 * SIZE that stand together. Stops at the first one that goes wrong: with exit status 1, the number,
 * the plan and what had happened. Every CHECKPOINT races all stop, and what is left is counted.
 */
#include "soak.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 299 /* each has a port: SOAK_PORTS in network.bash */
#define CHECKPOINT 10000
#define STACK_BYTES (512 * 1024)
/* All at once, they wait for each other in their first connect() for seconds on a busy machine. */
#define STAGGER_MS 4
/* A resident set is not exact, and libhe's tables are touched as they are used. */
#define GROWTH_MAX_KIB (16 * 1024)

bool with_libhe;
int attempt_delay_ms = 250;
uint64_t seed;
_Thread_local struct worker *worker_mine;
_Thread_local volatile int signals_seen;

static struct worker workers[WORKERS_MAX];
static unsigned n_workers = 256;
static uint64_t started_ns, first, last;
static uint64_t like = UINT64_MAX; /* none */
static uint64_t alike = 1;
static _Atomic(uint64_t) next_race, limit; /* workers go up to the limit and wait */
static _Atomic(int) lateness;
static _Atomic(uint64_t) counts[COUNTS];

static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go_on = PTHREAD_COND_INITIALIZER;
static unsigned n_idle;
static bool done;

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void sleep_ms(int ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

int lateness_ms(void)
{
	return atomic_load(&lateness);
}

void count(enum count what)
{
	atomic_fetch_add(&counts[what], 1);
}

void step(const char *format, ...)
{
	struct worker *worker = worker_mine;
	char text[300];
	va_list arguments;
	size_t at;
	int n;

	n = snprintf(text, sizeof(text), "    %.3f ", (double)(now_ns() - started_ns) / 1e9);
	va_start(arguments, format);
	n += vsnprintf(text + n, sizeof(text) - (size_t)n - 1, format, arguments);
	va_end(arguments);
	if (n > (int)sizeof(text) - 2)
		n = (int)sizeof(text) - 2;
	text[n++] = '\n';
	/* Its helper writes here as well, beside it. */
	at = atomic_fetch_add(&worker->steps_len, (size_t)n);
	if (at + (size_t)n <= sizeof(worker->steps))
		memcpy(worker->steps + at, text, (size_t)n);
}

/* Tells what is known of a race that went wrong, once, and ends the process. */
static _Noreturn void give_up(const struct worker *worker, const char *what)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;
	size_t len;

	if (atomic_flag_test_and_set(&told))
		for (;;)
			pause();
	fflush(stdout);
	fprintf(stderr, "soak: FAILED after %.1f s, %s libhe: %s\n",
	        (double)(now_ns() - started_ns) / 1e9, with_libhe ? "with" : "without", what);
	if (worker != NULL && atomic_load(&worker->race) != 0) {
		uint64_t race = atomic_load(&worker->race) - 1;

		len = atomic_load(&worker->steps_len);
		if (len > sizeof(worker->steps))
			len = sizeof(worker->steps);
		fprintf(stderr, "  race %" PRIu64 " of seed %" PRIu64 ": %s\n%.*s", race, seed,
		        worker->plan, (int)len, worker->steps);
		fprintf(stderr,
		        "  again: tests/soak/run%s --delay %d --seed %" PRIu64 " --first %" PRIu64
		        " --count 1\n  and many of it: --like %" PRIu64 " instead of --first\n",
		        with_libhe ? "" : " --native", attempt_delay_ms, seed, race, race);
	} else {
		fprintf(stderr, "  seed %" PRIu64 "\n", seed);
	}
	_exit(1);
}

void fail(const char *file, int line, const char *format, ...)
{
	char text[512];
	va_list arguments;
	int n = snprintf(text, sizeof(text), "%s:%d: ", file, line);

	va_start(arguments, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, arguments);
	va_end(arguments);
	give_up(worker_mine, text);
}

/* How many entries a directory of /proc has. */
static int entries_of(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	MUST(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static long resident_kib(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	MUST(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void list_descriptors(void)
{
	char path[64], target[64];

	for (int fd = 0; fd < 20000; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target));
		if (n > 0)
			fprintf(stderr, "  %d: %.*s\n", fd, (int)n, target);
	}
}

static int descriptors_before, threads_before;
static long resident_before;

/* Nobody races: what libhe needs for races is gone a moment after the last one. */
static void check_leftovers(bool is_first)
{
	uint64_t end = now_ns() + 10 * 1000000000ull;
	int descriptors, threads;
	long resident;
	char text[160];

	do {
		sleep_ms(50);
		descriptors = entries_of("/proc/self/fd");
		threads = entries_of("/proc/self/task");
	} while ((descriptors != descriptors_before || threads != threads_before) &&
	         now_ns() < end);
	resident = resident_kib();
	if (is_first)
		resident_before = resident;
	snprintf(text, sizeof(text),
	         "descriptors: %d, were %d; threads: %d, were %d; resident: %ld KiB, was %ld",
	         descriptors, descriptors_before, threads, threads_before, resident,
	         resident_before);
	if (descriptors != descriptors_before)
		list_descriptors();
	if (descriptors != descriptors_before || threads != threads_before)
		give_up(NULL, text);
	if (resident > resident_before + GROWTH_MAX_KIB && !sanitized)
		give_up(NULL, text);
	if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
		give_up(NULL, "a child is left");
}

static void *work(void *pointer)
{
	struct worker *worker = pointer;

	worker_mine = worker;
	for (;;) {
		uint64_t number = atomic_fetch_add(&next_race, 1);

		if (number >= atomic_load(&limit)) {
			pthread_mutex_lock(&idle_lock);
			n_idle++;
			while (!done && atomic_load(&next_race) >= atomic_load(&limit))
				pthread_cond_wait(&go_on, &idle_lock);
			n_idle--;
			pthread_mutex_unlock(&idle_lock);
			if (done)
				return NULL;
			sleep_ms((int)worker->index * STAGGER_MS);
			continue;
		}
		number = like != UINT64_MAX ? like : number - number % alike;
		/* Most of it is for a machine that is busy with other things. */
		atomic_store(&worker->deadline_ns,
		             now_ns() + (uint64_t)(30000 + 32 * attempt_delay_ms) * 1000000);
		atomic_store(&worker->race, number + 1);
		race_run(number, worker);
		atomic_store(&worker->race, 0);
	}
}

static bool all_idle(void)
{
	bool idle;

	pthread_mutex_lock(&idle_lock);
	idle = n_idle == n_workers;
	pthread_mutex_unlock(&idle_lock);
	return idle;
}

/* Looks after the workers until all have come to the limit. */
static void watch(void)
{
	while (!all_idle()) {
		uint64_t before = now_ns(), now;
		int late_ms, told = atomic_load(&lateness);

		sleep_ms(20);
		now = now_ns();
		late_ms = 4 * ((int)((now - before) / 1000000) - 20);
		/* Forgotten within seconds. */
		atomic_store(&lateness, late_ms > told ? late_ms : told - told / 64 - (told > 0));
		for (unsigned i = 0; i < n_workers; i++)
			if (atomic_load(&workers[i].race) != 0 &&
			    now > atomic_load(&workers[i].deadline_ns))
				give_up(&workers[i], "it waits, and nobody wakes it");
	}
}

/* The workers begin, and wait: the threads and the descriptors are counted before any race. */
static void start_workers(void)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (unsigned i = 0; i < n_workers; i++) {
		workers[i].index = i;
		if (pthread_create(&workers[i].thread, &attributes, work, &workers[i]) != 0)
			give_up(NULL, "no more threads");
	}
	while (!all_idle())
		sleep_ms(1);
	descriptors_before = entries_of("/proc/self/fd");
	threads_before = entries_of("/proc/self/task");
}

/*
 * Workers connect to one name, each to an address of its choice, which looks like a race of the
 * program's own. A program that is seen to take its addresses in turns, as this is, has none.
 */
static void take_turns(void)
{
	const struct name *name = names_at(0);
	struct sockaddr_storage sa;
	socklen_t len = names_fill(&name->at[1], PORT_SHARED, false, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)connect(fd, (struct sockaddr *)&sa, len);
	close(fd);
	sleep_ms(1500); /* until the thread for races is gone, which is not to be counted */
}

static void let_run_to(uint64_t number)
{
	pthread_mutex_lock(&idle_lock);
	atomic_store(&next_race, first);
	atomic_store(&limit, number);
	pthread_cond_broadcast(&go_on);
	pthread_mutex_unlock(&idle_lock);
	/* One of them at least takes the first. */
	while (atomic_load(&next_race) == first)
		sleep_ms(1);
	watch();
	first = number;
}

static void report(uint64_t races, double seconds)
{
	uint64_t healthy = counts[HEALTHY], lost = counts[HEALTHY_LOST];

	printf("soak: %" PRIu64 " races with %" PRIu64 " calls of connect(): %" PRIu64
	       " connected, %" PRIu64 " of them elsewhere, %" PRIu64 " failed, %" PRIu64
	       " abandoned; %.0f races/s, %ld KiB resident\n",
	       races, counts[CALLS], counts[CONNECTED], counts[ELSEWHERE], counts[FAILED],
	       counts[ABANDONED], (double)races / seconds, resident_kib());
	if (healthy > 0)
		printf("soak: %" PRIu64 " healthy ones, %" PRIu64 " of them replaced\n", healthy,
		       lost);
	/* On a busy machine an answer can take longer than the attempt delay. */
	if (lost * 20 > healthy + 200)
		give_up(NULL, "healthy connections were replaced");
}

static void on_signal(int number)
{
	(void)number;
	signals_seen++;
}

static void prepare(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	const char *delay = getenv("HE_ATTEMPT_DELAY_MS");
	struct rlimit files;

	setvbuf(stdout, NULL, _IOLBF, 0);
	started_ns = now_ns();
	with_libhe = dlsym(RTLD_DEFAULT, "libhe_version") != NULL;
	if (delay != NULL)
		attempt_delay_ms = atoi(delay);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGURG, SIG_IGN);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &action, NULL);
}

/* In a child of posix_spawn(): the sets of ours are close-on-exec, so these are of libhe. */
static int look_for_inherited(void)
{
	char path[64], target[64];

	for (int fd = 3; fd < 20000; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strncmp(target, "anon_inode:[event", 17) == 0) {
			fprintf(stderr, "soak: inherited %d: %s\n", fd, target);
			return 1;
		}
	}
	return 0;
}

/* False when there is no such word. */
static bool choose_kinds(const char *word, uint64_t number)
{
	if (strcmp(word, "like") == 0)
		like = number;
	else if (strcmp(word, "alike") == 0)
		alike = number;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	uint64_t begin;

	if (argc == 2 && strcmp(argv[1], "--inherited") == 0)
		return look_for_inherited();
	if (argc < 4 || argc == 6 || argc > 7 ||
	    (argc == 7 && !choose_kinds(argv[5], strtoull(argv[6], NULL, 0)))) {
		fprintf(stderr,
		        "usage: soak SEED FIRST COUNT [WORKERS [like NUMBER | alike SIZE]]\n");
		return 2;
	}
	prepare();
	seed = strtoull(argv[1], NULL, 0);
	first = begin = strtoull(argv[2], NULL, 0);
	last = first + strtoull(argv[3], NULL, 0);
	if (argc >= 5)
		n_workers = (unsigned)strtoul(argv[4], NULL, 0);
	if (n_workers == 0 || n_workers > WORKERS_MAX || first >= last || alike == 0)
		return 2;
	printf("soak: seed %" PRIu64 ", races %" PRIu64 " to %" PRIu64
	       ", %u at a time, delay %d ms, %s libhe\n",
	       seed, first, last - 1, n_workers, attempt_delay_ms, with_libhe ? "with" : "without");
	if (names_load() < 2)
		give_up(NULL, "no names; see tests/soak/run");
	take_turns();
	start_workers();
	while (first < last) {
		bool is_first = first == begin;

		let_run_to(last - first > CHECKPOINT ? first + CHECKPOINT : last);
		check_leftovers(is_first);
	}
	pthread_mutex_lock(&idle_lock);
	done = true;
	pthread_cond_broadcast(&go_on);
	pthread_mutex_unlock(&idle_lock);
	for (unsigned i = 0; i < n_workers; i++)
		pthread_join(workers[i].thread, NULL);
	report(last - begin, (double)(now_ns() - started_ns) / 1e9);
	return 0;
}
