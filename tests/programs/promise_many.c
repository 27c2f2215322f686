/* What many races at once, many one after another, and a short supply of everything may not change.
 */
#include "promise.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define GOOD4 "10.93.0.10"
#define THREADS 64

static const char *const hosts[] = {"black", "healthy", "mix", "refused", "two4", "half"};
static const char *const peers[] = {GOOD4, "fd93::10", GOOD4, GOOD4, GOOD4, GOOD4};

static void *connect_and_check(void *pointer)
{
	size_t which = (size_t)(intptr_t)pointer % (sizeof(hosts) / sizeof(hosts[0]));
	struct names names = resolve(hosts[which]);
	int fd = open_for(names.at[0]);
	char greeting[INET6_ADDRSTRLEN + 1] = {0};

	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, peers[which]));
	/* The server says which address was reached: the peer is who it says it is. */
	CHECK(read(fd, greeting, sizeof(greeting) - 1) > 0);
	CHECK(strncmp(greeting, peers[which], strlen(peers[which])) == 0);
	close(fd);
	freeaddrinfo(names.list);
	return NULL;
}

static void threads_race_at_once(void)
{
	pthread_t threads[THREADS];
	int before = descriptors();

	for (intptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, connect_and_check, (void *)i) == 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(descriptors() == before);
}

static void ten_thousand_leave_nothing(void)
{
	struct names names = resolve("healthy");
	int before = descriptors();

	for (int i = 0; i < 10000; i++) {
		int fd = open_for(names.at[0]);

		CHECK(connect_to(fd, names.at[0]) == 0);
		/* A reset leaves no TIME-WAIT: there are not that many ports. */
		CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
		                 sizeof(struct linger)) == 0);
		close(fd);
	}
	CHECK(descriptors() == before);
}

static void thousand_losers_leave_nothing(void)
{
	struct names names = resolve("refused");
	int before = descriptors();

	for (int i = 0; i < 300; i++) {
		int fd = open_for(names.at[0]);

		CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
		close(fd);
	}
	CHECK(descriptors() == before);
}

static struct names other_names;
static int other_result;

static void connect_to_sibling(void *flags)
{
	int fd = socket(other_names.at[1]->ai_family, SOCK_STREAM | *(int *)flags, 0);
	struct pollfd watch = {.fd = fd, .events = POLLOUT};

	other_result = connect_to(fd, other_names.at[1]);
	if (other_result < 0 && errno == EINPROGRESS && poll(&watch, 1, 2000) == 1)
		other_result = 0;
	CHECK(peer_is(fd, GOOD4));
}

/* A program with a race of its own: its second address is connected while the first is pending. */
static void own_race_is_left_alone(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]), flags = SOCK_NONBLOCK;
	pthread_t thread;

	other_names = names;
	other_result = -1;
	/* As soon as a race of a program's own may begin its second attempt, and before ours does.
	 */
	thread = later(170, connect_to_sibling, &flags);
	/* The first one starts no other attempt any more and ends as the kernel ends it. */
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ETIMEDOUT);
	CHECK(pthread_join(thread, NULL) == 0 && other_result == 0);
}

/* Two threads that block, each in its own call: a pool, which is helped like any program. */
static void pool_of_threads_races(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]), flags = 0;
	pthread_t thread;

	other_names = names;
	other_result = -1;
	thread = later(100, connect_to_sibling, &flags);
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	CHECK(pthread_join(thread, NULL) == 0 && other_result == 0);
}

static void several_names_share_only_what_is_common(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]);

	/* The dead address stands in "mix" and "half" as well; the good one in all three. */
	resolve("mix");
	resolve("half");
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
	/* And in one whose other address is another: nothing is common but the address itself. */
	resolve("alldead");
	fd = open_for(names.at[0]);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ETIMEDOUT);
}

static void literal_address_is_not_raced(void)
{
	struct names names = resolve("black"), literal = resolve("fd93::d1");
	int fd = open_for(names.at[0]);

	CHECK(literal.count == 1);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ETIMEDOUT);
}

static void expect_native(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]), before = descriptors();

	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ETIMEDOUT);
	CHECK(descriptors() == before);
	names = resolve("healthy");
	close(fd);
	fd = open_for(names.at[0]);
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, "fd93::10"));
}

/* Connects without blocking, and waits for the end. Returns the error, 0 when there is a peer. */
static int end_of(const char *host, int wait_ms)
{
	struct names names = resolve(host);
	int fd = socket(names.at[0]->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0), error;
	struct pollfd watch = {.fd = fd, .events = POLLOUT};

	CHECK(fd >= 0 && connect_to(fd, names.at[0]) < 0 && errno == EINPROGRESS);
	if (poll(&watch, 1, wait_ms) == 0) {
		CHECK(connect_to(fd, names.at[0]) < 0 && errno == EALREADY);
		close(fd);
		return EALREADY;
	}
	error = option_of(fd, SOL_SOCKET, SO_ERROR);
	CHECK((error == 0) == (watch.revents == POLLOUT) && (error == 0) == !peer_is(fd, ""));
	close(fd);
	return error;
}

static void expect_native_waits(void)
{
	int before = descriptors();

	CHECK(end_of("healthy", 2000) == 0);
	CHECK(end_of("refused", 2000) == ECONNREFUSED);
	CHECK(end_of("black", 600) == EALREADY);
	CHECK(descriptors() == before);
}

/* To a user who may have no more processes, threads included. */
static void without_processes_it_is_native(void)
{
	struct rlimit none = {0, 0};

	resolve("black");
	if (setrlimit(RLIMIT_NPROC, &none) < 0 || setresuid(65534, 65534, 65534) < 0)
		skip("needs a root who may become nobody");
	expect_native();
	expect_native_waits();
}

static void without_threads_it_is_native(void)
{
	/* seccomp: clone and clone3 fail with EPERM, as in a strict sandbox. */
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	resolve("black");
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	expect_native();
	expect_native_waits();
}

static void without_descriptors_it_is_native(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]), last = fd, count = 0;
	struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int next; (next = dup(fd)) >= 0; count++)
		last = next;
	CHECK(errno == EMFILE && count > 0);
	CHECK(connect_to(fd, names.at[0]) < 0 && errno == ETIMEDOUT);
	CHECK(close(last) == 0 && dup(fd) == last);
}

static void few_descriptors_race_few(void)
{
	struct names names = resolve("black");
	int fd = open_for(names.at[0]), last[2] = {-1, -1};
	struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int next; (next = open("/dev/null", O_RDONLY)) >= 0; last[1] = next)
		last[0] = last[1];
	/* Three: one for the second number, two for a socket on its way to a high number. */
	close(last[0]);
	close(last[1]);
	close(last[0] - 1);
	CHECK(connect_to(fd, names.at[0]) == 0 && peer_is(fd, GOOD4));
}

#define CASE(function)                                                                             \
	{                                                                                          \
#function, function                                                                \
	}

static const struct promise promises[] = {
    CASE(threads_race_at_once),           CASE(ten_thousand_leave_nothing),
    CASE(thousand_losers_leave_nothing),  CASE(own_race_is_left_alone),
    CASE(pool_of_threads_races),          CASE(several_names_share_only_what_is_common),
    CASE(literal_address_is_not_raced),   CASE(without_threads_it_is_native),
    CASE(without_processes_it_is_native), CASE(without_descriptors_it_is_native),
    CASE(few_descriptors_race_few),
};

int main(int argc, char **argv)
{
	return promise_main(argc, argv, promises, sizeof(promises) / sizeof(promises[0]));
}
