/*
 * What he_connector promises, case by case; the network is that of tests/loop.bash, with a DNS
 * server of which the environment tells DNS_PID and DNS_LOG, see tests/connector.bats.
 *
 * Names below these domains, so that each case has some that nobody asked for before:
 *   good.test   fd93::10 10.93.0.10          four.test   10.93.0.10
 *   black.test  fd93::d1 10.93.0.10          self.test   fd93::e1 10.93.0.68 (nobody listens)
 *   dead.test   fd93::d1 10.93.0.66
 * and, not from the server, three: fd93::e1 10.93.0.66 10.93.0.10
 */
#include "promise.h"

#include <he.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#define GOOD_PORT 7001
#define GOOD6 "fd93::10"
#define GOOD4 "10.93.0.10"
#define DEAD6 "fd93::d1"

/* How long the resolver waits by itself, and what is well before that. */
#define RESOLVER_MS 30000
#define WELL_BEFORE_MS 10000

/* --- the DNS server --------------------------------------------------------------------------- */

static void tell_dns(int signal_number)
{
	CHECK(getenv("DNS_PID") != NULL);
	CHECK(kill((pid_t)atol(getenv("DNS_PID")), signal_number) == 0);
}

/* What is asked meanwhile is answered when it goes on. */
static void stop_dns(void)
{
	tell_dns(SIGSTOP);
}

static void let_dns_go_on(void *unused)
{
	(void)unused;
	tell_dns(SIGCONT);
}

/* How often `name` was looked up. */
static int queries(const char *name)
{
	FILE *log = fopen(getenv("DNS_LOG"), "r");
	char line[1024], wanted[300];
	int count = 0;

	CHECK(log != NULL);
	snprintf(wanted, sizeof(wanted), " query[A] %s from ", name);
	while (fgets(line, sizeof(line), log) != NULL)
		count += strstr(line, wanted) != NULL;
	fclose(log);
	return count;
}

static void wait_for_query(const char *name)
{
	for (long until = now_ms() + WELL_BEFORE_MS; queries(name) == 0; sleep_ms(10))
		CHECK(now_ms() < until);
}

/* --- threads ---------------------------------------------------------------------------------- */

static int threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	int count = 0;

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static int threads_at_first;

/* Waits until there are so many more than at first. */
static void wait_for_threads(int more)
{
	for (long until = now_ms() + RESOLVER_MS; threads() != threads_at_first + more; sleep_ms(5))
		CHECK(now_ms() < until);
}

/* Lookups run on in threads of their own, of which nobody tells when they have ended. */
static void wait_for_lookups(void)
{
	wait_for_threads(0);
}

static void write_event(void *fd)
{
	CHECK(eventfd_write(*(int *)fd, 1) == 0);
}

/* --- connecting ------------------------------------------------------------------------------- */

static struct he_connector *make(int answer_ms, int failure_ms, int answers_max, int family)
{
	struct he_connector_options options = HE_CONNECTOR_OPTIONS_INIT;
	struct he_connector *connector;

	options.answer_ms = answer_ms;
	options.failure_ms = failure_ms;
	options.answers_max = answers_max;
	options.family = family;
	connector = he_connector_new(&options);
	CHECK(connector != NULL);
	return connector;
}

static struct he_connector *make_default(void)
{
	struct he_connector *connector = he_connector_new(NULL);

	CHECK(connector != NULL);
	return connector;
}

static struct he_options with_timeout(int ms)
{
	struct he_options options = HE_OPTIONS_INIT;

	options.timeout_ms = ms;
	return options;
}

/* What all reports have in common, whatever happened. */
static void check_report(const struct he_report *report, int fd, int error)
{
	char text[2000];
	size_t len = he_report_text(report, text, sizeof(text));

	CHECK(len > 0 && len == strlen(text));
	fprintf(stderr, "%s\n", text);
	CHECK(he_report_winner(report) == NULL);
	for (size_t i = 0; i < he_report_count(report); i++)
		CHECK(he_report_attempt(report, i)->addr == NULL &&
		      he_report_attempt(report, i)->remote.ss_family != 0);
	CHECK((he_report_cause(report) == HE_CAUSE_NONE) == (fd >= 0));
	CHECK(he_report_error(report) == (fd >= 0 ? 0 : error));
	CHECK((he_report_gai(report) != 0) == (he_report_cause(report) == HE_CAUSE_RESOLVING));
}

/* Connects and tells by a report, which is the caller's; fails unless the peer is that one. */
static struct he_report *reach(struct he_connector *connector, const char *host, uint16_t port,
                               const char *peer)
{
	struct he_report *report = NULL;
	int fd = he_connector_connect(connector, host, port, NULL, &report);

	CHECK(report != NULL);
	check_report(report, fd, errno);
	CHECK(fd >= 0 && peer_is(fd, peer));
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
	close(fd);
	return report;
}

static void reach_good(struct he_connector *connector, const char *host)
{
	he_report_free(reach(connector, host, GOOD_PORT, GOOD6));
}

/* Fails to connect, with this cause and error; returns EAI_... */
static int miss(struct he_connector *connector, const char *host, uint16_t port,
                const struct he_options *options, enum he_cause cause, int error)
{
	struct he_report *report = NULL;
	int fd = he_connector_connect(connector, host, port, options, &report);
	int told = errno, gai;

	CHECK(fd == -1 && report != NULL);
	check_report(report, fd, told);
	CHECK(he_report_cause(report) == cause && told == error);
	gai = he_report_gai(report);
	he_report_free(report);
	return gai;
}

/* Whether the first attempt was on that address. */
static bool began_at(const struct he_report *report, const char *address)
{
	const struct he_attempt *first = he_report_attempt(report, 0);
	char text[INET6_ADDRSTRLEN];

	CHECK(first != NULL);
	if (first->remote.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&first->remote)->sin6_addr, text,
		          sizeof(text));
	else
		inet_ntop(AF_INET, &((const struct sockaddr_in *)&first->remote)->sin_addr, text,
		          sizeof(text));
	return strcmp(text, address) == 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer_is_used_again_until_cleared(void)
{
	struct he_connector *connector = make_default();
	struct he_connector *other = make_default();

	reach_good(connector, "again.good.test");
	reach_good(connector, "again.good.test");
	reach_good(connector, "AGAIN.good.Test");
	CHECK(queries("again.good.test") == 1);
	reach_good(other, "again.good.test");
	CHECK(queries("again.good.test") == 2);
	he_connector_clear_answers(connector);
	reach_good(connector, "again.good.test");
	CHECK(queries("again.good.test") == 3);
	he_connector_free(connector);
	he_connector_free(other);
}

static void answer_is_asked_for_again_after_its_time(void)
{
	struct he_connector *connector = make(200, 60000, 1024, AF_UNSPEC);
	struct he_connector *none = make(0, 60000, 1024, AF_UNSPEC);

	reach_good(connector, "old.good.test");
	sleep_ms(250);
	reach_good(connector, "old.good.test");
	CHECK(queries("old.good.test") == 2);
	reach_good(none, "none.good.test");
	reach_good(none, "none.good.test");
	CHECK(queries("none.good.test") == 2);
	he_connector_free(connector);
	he_connector_free(none);
}

static void oldest_answer_goes_first(void)
{
	struct he_connector *connector = make(60000, 60000, 2, AF_UNSPEC);

	reach_good(connector, "first.good.test");
	reach_good(connector, "second.good.test");
	reach_good(connector, "third.good.test");
	reach_good(connector, "second.good.test");
	reach_good(connector, "third.good.test");
	CHECK(queries("second.good.test") == 1 && queries("third.good.test") == 1);
	reach_good(connector, "first.good.test");
	CHECK(queries("first.good.test") == 2);
	he_connector_free(connector);
}

static void answer_that_nobody_waits_for_is_kept(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(200);

	stop_dns();
	miss(connector, "kept.good.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	let_dns_go_on(NULL);
	wait_for_lookups();
	reach_good(connector, "kept.good.test");
	CHECK(queries("kept.good.test") == 1);

	stop_dns();
	miss(connector, "cleared.good.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	he_connector_clear_answers(connector);
	let_dns_go_on(NULL);
	wait_for_lookups();
	CHECK(queries("cleared.good.test") == 1);
	reach_good(connector, "cleared.good.test");
	CHECK(queries("cleared.good.test") == 2);
	he_connector_free(connector);
}

static void unknown_name_is_told_and_not_kept(void)
{
	struct he_connector *connector = make_default();
	struct he_connector *ipv6 = make(60000, 60000, 1024, AF_INET6);

	for (int i = 1; i <= 2; i++) {
		CHECK(miss(connector, "no.such.test", 80, NULL, HE_CAUSE_RESOLVING, ENOENT) ==
		      EAI_NONAME);
		CHECK(queries("no.such.test") == i);
	}
	/* It has an address, of the other family. */
	CHECK(miss(ipv6, "x.four.test", 80, NULL, HE_CAUSE_RESOLVING, ENOENT) != 0);
	/* The server knows nobody to ask. */
	CHECK(miss(connector, "www.example.org", 80, NULL, HE_CAUSE_RESOLVING, EAGAIN) ==
	      EAI_AGAIN);
	/* Without a report it is errno that tells. */
	CHECK(he_connector_connect(connector, "no.such.test", 80, NULL, NULL) == -1 &&
	      errno == ENOENT);
	he_connector_free(connector);
	he_connector_free(ipv6);
}

static void family_is_the_connectors(void)
{
	struct he_connector *ipv4 = make(60000, 60000, 1024, AF_INET);

	he_report_free(reach(ipv4, "family.good.test", GOOD_PORT, GOOD4));
	CHECK(miss(ipv4, GOOD6, GOOD_PORT, NULL, HE_CAUSE_RESOLVING, ENOENT) == EAI_ADDRFAMILY);
	he_connector_free(ipv4);
}

static void numeric_host_needs_no_lookup(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(5000);

	stop_dns();
	reach_good(connector, GOOD6);
	he_report_free(reach(connector, GOOD4, GOOD_PORT, GOOD4));
	he_report_free(reach(connector, "::ffff:" GOOD4, GOOD_PORT, "::ffff:" GOOD4));
	miss(connector, "127.0.0.1", 9, &options, HE_CAUSE_ATTEMPTS, ECONNREFUSED);
	miss(connector, "::1", 9, &options, HE_CAUSE_ATTEMPTS, ECONNREFUSED);
	let_dns_go_on(NULL);
	he_connector_free(connector);
}

/* --- failures --------------------------------------------------------------------------------- */

static void failed_address_is_tried_last(void)
{
	struct he_connector *connector = make_default();
	const char *host = "last.black.test";
	struct he_report *report = reach(connector, host, GOOD_PORT, GOOD4);

	CHECK(began_at(report, DEAD6) && he_report_count(report) == 2);
	he_report_free(report);
	for (int i = 0; i < 2; i++) {
		report = reach(connector, host, GOOD_PORT, GOOD4);
		CHECK(began_at(report, GOOD4) && he_report_count(report) == 1);
		he_report_free(report);
	}
	/* It is the address that is known, by whatever name. */
	report = reach(connector, "other.black.test", GOOD_PORT, GOOD4);
	CHECK(began_at(report, GOOD4));
	he_report_free(report);
	he_connector_clear_failures(connector);
	report = reach(connector, host, GOOD_PORT, GOOD4);
	CHECK(began_at(report, DEAD6) && he_report_count(report) == 2);
	he_report_free(report);
	he_connector_free(connector);
}

static void failed_address_is_tried_first_after_its_time(void)
{
	struct he_connector *connector = make(60000, 300, 1024, AF_UNSPEC);
	struct he_connector *none = make(60000, 0, 1024, AF_UNSPEC);

	for (int i = 0; i < 2; i++) {
		struct he_report *report = reach(connector, "time.black.test", GOOD_PORT, GOOD4);

		CHECK(began_at(report, DEAD6));
		he_report_free(report);
		report = reach(none, "none.black.test", GOOD_PORT, GOOD4);
		CHECK(began_at(report, DEAD6));
		he_report_free(report);
		sleep_ms(350);
	}
	he_connector_free(connector);
	he_connector_free(none);
}

/* Families took turns before: it is not taken between the others again. */
static void failed_address_is_last_whatever_its_family(void)
{
	struct he_connector *connector = make_default();
	struct he_report *report = reach(connector, "refused", GOOD_PORT, GOOD4);

	CHECK(began_at(report, "fd93::e1") && he_report_count(report) == 2);
	he_report_free(report);
	report = reach(connector, "three", GOOD_PORT, GOOD4);
	CHECK(began_at(report, "10.93.0.66") && he_report_count(report) == 2);
	he_report_free(report);
	he_connector_free(connector);
}

static int listen_on(const char *address, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is6 = inet_pton(AF_INET6, address, &in6.sin6_addr) == 1;
	int fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0 && (is6 || inet_pton(AF_INET, address, &in.sin_addr) == 1));
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0);
	CHECK(bind(fd, is6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
	           is6 ? sizeof(in6) : sizeof(in)) == 0);
	CHECK(listen(fd, 9) == 0);
	return fd;
}

static void failed_address_is_forgotten_when_it_connects(void)
{
	static const char six[] = "fd93::e1", four[] = "10.93.0.68", host[] = "x.self.test";
	struct he_connector *connector = make_default();
	struct he_report *report;
	int fd;

	miss(connector, host, 7002, NULL, HE_CAUSE_ATTEMPTS, ECONNREFUSED);
	fd = listen_on(six, 7002);
	report = reach(connector, host, 7002, six); /* both had failed */
	CHECK(he_report_count(report) == 1);
	he_report_free(report);
	close(fd);
	fd = listen_on(four, 7002);
	report = reach(connector, host, 7002, four);
	CHECK(began_at(report, six) && he_report_count(report) == 2);
	he_report_free(report);
	report = reach(connector, host, 7002, four);
	CHECK(he_report_count(report) == 1);
	he_report_free(report);
	close(fd);
	he_connector_free(connector);
}

/* One that had no time to answer is next in turn: otherwise it would be the same again for ever. */
static void address_that_was_given_up_is_tried_last(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(200);
	struct he_report *report;

	miss(connector, "late.black.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	report = reach(connector, "late.black.test", GOOD_PORT, GOOD4);
	CHECK(began_at(report, GOOD4));
	he_report_free(report);
	he_connector_free(connector);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void timeout_ends_a_lookup(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(300);
	long begun = now_ms();

	stop_dns();
	for (int i = 1; i <= 2; i++) {
		/* The second one shares what the first has left. */
		miss(connector, "slow.good.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
		CHECK(now_ms() - begun >= 300 * i && now_ms() - begun < WELL_BEFORE_MS);
		CHECK(threads() == threads_at_first + 1);
	}
	let_dns_go_on(NULL);
	he_connector_free(connector);
}

static void timeout_is_for_lookup_and_race(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(3000);
	struct he_report *report;
	long begun = now_ms();
	pthread_t thread;

	stop_dns();
	thread = later(2500, let_dns_go_on, NULL);
	CHECK(he_connector_connect(connector, "both.dead.test", GOOD_PORT, &options, &report) ==
	          -1 &&
	      errno == ETIMEDOUT);
	CHECK(now_ms() - begun >= 3000 && now_ms() - begun < 2500 + 3000);
	check_report(report, -1, ETIMEDOUT);
	CHECK(he_report_cause(report) == HE_CAUSE_TIMEOUT && he_report_count(report) >= 1);
	CHECK(he_report_attempt(report, 0)->outcome == HE_OUTCOME_GIVEN_UP);
	he_report_free(report);
	pthread_join(thread, NULL);
	he_connector_free(connector);
}

static void cancel_fd_ends_a_lookup(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = HE_OPTIONS_INIT;
	long begun = now_ms();
	pthread_t thread;

	options.cancel_fd = eventfd(0, EFD_CLOEXEC);
	CHECK(options.cancel_fd >= 0);
	stop_dns();
	thread = later(200, write_event, &options.cancel_fd);
	for (int i = 0; i < 2; i++)
		miss(connector, "cancel.good.test", GOOD_PORT, &options, HE_CAUSE_CANCELLED,
		     ECANCELED);
	CHECK(now_ms() - begun >= 200 && now_ms() - begun < WELL_BEFORE_MS);
	let_dns_go_on(NULL);
	pthread_join(thread, NULL);
	/* As it is still readable, the race is cancelled, too. */
	wait_for_lookups();
	miss(connector, "cancel.good.test", GOOD_PORT, &options, HE_CAUSE_CANCELLED, ECANCELED);
	close(options.cancel_fd);
	he_connector_free(connector);
}

static void cancel_fd_ends_a_race(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = HE_OPTIONS_INIT;
	struct he_report *report;
	pthread_t thread;

	options.cancel_fd = eventfd(0, EFD_CLOEXEC);
	CHECK(options.cancel_fd >= 0);
	thread = later(200, write_event, &options.cancel_fd);
	miss(connector, "cancel.dead.test", GOOD_PORT, &options, HE_CAUSE_CANCELLED, ECANCELED);
	pthread_join(thread, NULL);
	close(options.cancel_fd);
	/* Who was cancelled has not failed. */
	report = reach(connector, "cancel.black.test", GOOD_PORT, GOOD4);
	CHECK(began_at(report, DEAD6));
	he_report_free(report);
	he_connector_free(connector);
}

static volatile sig_atomic_t handled;

static void count_signal(int unused)
{
	(void)unused;
	handled++;
}

static void signals_do_not_end_a_lookup(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(300);
	struct itimerval often = {{0, 10000}, {0, 10000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = count_signal};
	long begun = now_ms();

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	stop_dns();
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	miss(connector, "signal.good.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(now_ms() - begun >= 300 && handled > 0);
	let_dns_go_on(NULL);
	he_connector_free(connector);
}

static void signals_are_not_for_the_thread_of_a_lookup(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(100);
	sigset_t one, pending;

	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	CHECK(signal(SIGUSR1, count_signal) != SIG_ERR);
	stop_dns();
	miss(connector, "mask.good.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	CHECK(threads() > threads_at_first);
	CHECK(pthread_sigmask(SIG_BLOCK, &one, NULL) == 0 && kill(getpid(), SIGUSR1) == 0);
	sleep_ms(50);
	CHECK(handled == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
	CHECK(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
	CHECK(handled == 1);
	let_dns_go_on(NULL);
	he_connector_free(connector);
}

/* A thread that connects, and how it went. */
struct connecting {
	struct he_connector *connector;
	const char *host, *peer;
	pthread_t thread;
	bool right;
};

static void *connect_once(void *pointer)
{
	struct connecting *connecting = pointer;
	int fd =
	    he_connector_connect(connecting->connector, connecting->host, GOOD_PORT, NULL, NULL);

	connecting->right = fd >= 0 && peer_is(fd, connecting->peer);
	if (fd >= 0)
		close(fd);
	return NULL;
}

#define THREADS 32

static void threads_share_a_lookup(void)
{
	struct connecting all[THREADS];
	struct he_connector *connector = make_default();

	stop_dns();
	for (int i = 0; i < THREADS; i++) {
		bool even = i % 2 == 0;

		all[i] = (struct connecting){.connector = connector,
		                             .host = even ? "shared.good.test" : "shared.four.test",
		                             .peer = even ? GOOD6 : GOOD4};
		CHECK(pthread_create(&all[i].thread, NULL, connect_once, &all[i]) == 0);
	}
	/* Two lookups, not one for each. Threads that come late find the answer. */
	wait_for_threads(THREADS + 2);
	sleep_ms(200);
	CHECK(threads() == threads_at_first + THREADS + 2);
	let_dns_go_on(NULL);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(all[i].thread, NULL) == 0 && all[i].right);
	CHECK(queries("shared.good.test") == 1 && queries("shared.four.test") == 1);
	he_connector_free(connector);
}

static atomic_int cleaned_up;

static void clean_up(void *unused)
{
	(void)unused;
	atomic_fetch_add(&cleaned_up, 1);
}

static void *connect_and_clean_up(void *pointer)
{
	pthread_cleanup_push(clean_up, NULL);
	connect_once(pointer);
	pthread_cleanup_pop(1);
	return NULL;
}

static void cancelled_thread_leaves_nothing(void)
{
	struct connecting one = {.connector = make_default(), .host = "thread.good.test"};
	int before = descriptors();
	void *result;

	/* In a lookup. Its thread runs on, and has a socket. */
	stop_dns();
	CHECK(pthread_create(&one.thread, NULL, connect_and_clean_up, &one) == 0);
	wait_for_threads(2);
	sleep_ms(100);
	CHECK(pthread_cancel(one.thread) == 0 && pthread_join(one.thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED && cleaned_up == 1);
	let_dns_go_on(NULL);
	wait_for_lookups();
	CHECK(descriptors() == before);
	reach_good(one.connector, "thread.good.test");
	CHECK(queries("thread.good.test") == 1);

	/* In a race. */
	one.host = "thread.dead.test";
	CHECK(pthread_create(&one.thread, NULL, connect_and_clean_up, &one) == 0);
	wait_for_query("thread.dead.test");
	wait_for_threads(1);
	sleep_ms(100);
	CHECK(descriptors() > before);
	CHECK(pthread_cancel(one.thread) == 0 && pthread_join(one.thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED && cleaned_up == 2 && descriptors() == before);
	he_connector_free(one.connector);
}

static void freed_connector_is_not_needed_by_lookups(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(100);

	stop_dns();
	miss(connector, "freed.good.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	miss(connector, "freed.four.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	CHECK(threads() == threads_at_first + 2);
	errno = EXDEV;
	he_connector_free(connector);
	he_connector_free(NULL);
	CHECK(errno == EXDEV);
	let_dns_go_on(NULL);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

static void bad_options_fail_before_a_lookup(void)
{
	static const char host[] = "options.good.test";
	struct he_connector *connector = make_default();
	struct he_options options = HE_OPTIONS_INIT;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct addrinfo local = {.ai_family = AF_INET, .ai_addr = (struct sockaddr *)&in};
	FILE *file = tmpfile();

	stop_dns();
	miss(connector, NULL, 80, NULL, HE_CAUSE_NO_ADDRESS, EINVAL);
	miss(connector, "", 80, NULL, HE_CAUSE_NO_ADDRESS, EINVAL);
	miss(connector, host, 0, NULL, HE_CAUSE_NO_ADDRESS, EINVAL);
	options.timeout_ms = -1;
	miss(connector, host, 80, &options, HE_CAUSE_TIMEOUT_RANGE, EINVAL);
	options = with_timeout(0);
	options.attempt_delay_ms = 1;
	miss(connector, host, 80, &options, HE_CAUSE_ATTEMPT_DELAY, EINVAL);
	options = with_timeout(0);
	options.size = 0;
	miss(connector, host, 80, &options, HE_CAUSE_OPTIONS_SIZE, E2BIG);
	options = with_timeout(0);
	options.local = &local; /* of length 0 */
	miss(connector, host, 80, &options, HE_CAUSE_SHORT_ADDRESS, EINVAL);
	options = with_timeout(0);
	options.cancel_fd = 12345;
	miss(connector, host, 80, &options, HE_CAUSE_CANCEL_FD, EBADF);
	CHECK(file != NULL);
	options.cancel_fd = fileno(file);
	miss(connector, host, 80, &options, HE_CAUSE_CANCEL_FD, EPERM);
	fclose(file);
	let_dns_go_on(NULL);
	he_connector_free(connector);
	connector = make_default();
	reach_good(connector, host);
	CHECK(queries(host) == 1);
	he_connector_free(connector);
}

static void bad_connector_options_are_refused(void)
{
	static const struct he_connector_options bad[] = {
	    {sizeof(bad[0]), -1, 0, 1, AF_UNSPEC}, {sizeof(bad[0]), 0, -1, 1, AF_UNSPEC},
	    {sizeof(bad[0]), 0, 0, 0, AF_UNSPEC},  {sizeof(bad[0]), 0, 0, -1, AF_UNSPEC},
	    {sizeof(bad[0]), 0, 0, 1, AF_UNIX},
	};
	struct {
		struct he_connector_options known;
		size_t unknown; /* no padding behind it */
	} newer = {.known = HE_CONNECTOR_OPTIONS_INIT, .unknown = 1};
	struct he_connector *connector;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(he_connector_new(&bad[i]) == NULL && errno == EINVAL);
	newer.known.size = sizeof(newer);
	CHECK(he_connector_new(&newer.known) == NULL && errno == E2BIG);
	newer.known.size = 0;
	CHECK(he_connector_new(&newer.known) == NULL && errno == E2BIG);
	newer.known.size = sizeof(newer);
	newer.unknown = 0;
	connector = he_connector_new(&newer.known);
	CHECK(connector != NULL);
	he_connector_free(connector);
	connector = make(0, 0, 1, AF_INET6);
	he_connector_free(connector);
}

static void options_are_those_of_the_race(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = HE_OPTIONS_INIT;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct addrinfo local = {
	    .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&in, .ai_addrlen = sizeof(in)};
	struct he_report *report;
	int fd;

	/* With an IPv4 address to bind to, IPv6 is not for this call, and has not failed. */
	CHECK(inet_pton(AF_INET, "10.93.0.9", &in.sin_addr) == 1);
	options.flags = HE_NONBLOCK;
	options.local = &local;
	fd = he_connector_connect(connector, "local.good.test", GOOD_PORT, &options, &report);
	CHECK(fd >= 0 && peer_is(fd, GOOD4) && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	check_report(report, fd, 0);
	CHECK(he_report_attempt(report, 0)->cause == HE_CAUSE_NO_LOCAL);
	he_report_free(report);
	close(fd);
	report = reach(connector, "local.good.test", GOOD_PORT, GOOD6);
	CHECK(he_report_count(report) == 1);
	he_report_free(report);
	he_connector_free(connector);
}

static void without_a_thread_the_caller_looks_up(void)
{
	struct he_connector *connector = make_default();
	struct he_options options = with_timeout(100);
	pthread_attr_t attributes;
	pthread_t thread;

	thread = later(400, let_dns_go_on, NULL);
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, (size_t)1 << 50) == 0);
	CHECK(pthread_setattr_default_np(&attributes) == 0);
	reach_good(connector, "caller.good.test");
	stop_dns();
	miss(connector, "late.good.test", GOOD_PORT, &options, HE_CAUSE_TIMEOUT, ETIMEDOUT);
	/* It went on after 400 ms, and so the answer is there. */
	reach_good(connector, "late.good.test");
	CHECK(queries("late.good.test") == 1);
	pthread_join(thread, NULL);
	he_connector_free(connector);
}

static void without_descriptors_it_is_told(void)
{
	struct he_connector *connector = make_default();
	struct rlimit limit, none;
	int fd = open("/dev/null", O_RDONLY);

	/* Up to here all numbers are taken. */
	CHECK(fd >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none = (struct rlimit){(rlim_t)fd + 1, limit.rlim_max};
	for (int i = 0; i < fd; i++)
		if (fcntl(i, F_GETFD) < 0)
			skip("descriptors have gaps here");
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	miss(connector, "none.good.test", GOOD_PORT, NULL, HE_CAUSE_POLLING, EMFILE);
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	close(fd);
	wait_for_lookups();
	reach_good(connector, "none.good.test");
	he_connector_free(connector);
}

/* --- many ------------------------------------------------------------------------------------- */

static atomic_bool enough;

/* Everything that threads may do with one connector, all the time. */
static void *use(void *pointer)
{
	static const char *const hosts[] = {"many1.good.test", "many2.four.test",
	                                    "many3.good.test"};
	static const char *const peers[] = {GOOD6, GOOD4, GOOD6};
	struct connecting *one = pointer;

	one->right = true;
	for (unsigned i = 0; !atomic_load(&enough); i++) {
		struct connecting this = {
		    .connector = one->connector, .host = hosts[i % 3], .peer = peers[i % 3]};

		connect_once(&this);
		one->right = one->right && this.right;
		if (i % 7 == 0)
			he_connector_clear_answers(one->connector);
		if (i % 5 == 0)
			he_connector_clear_failures(one->connector);
	}
	return NULL;
}

#define USERS 8

static void use_for(struct he_connector *connector, void (*meanwhile)(struct he_connector *))
{
	struct connecting all[USERS];

	for (int i = 0; i < USERS; i++) {
		all[i] = (struct connecting){.connector = connector};
		CHECK(pthread_create(&all[i].thread, NULL, use, &all[i]) == 0);
	}
	meanwhile(connector);
	atomic_store(&enough, true);
	for (int i = 0; i < USERS; i++)
		CHECK(pthread_join(all[i].thread, NULL) == 0 && all[i].right);
}

static void sleep_meanwhile(struct he_connector *unused)
{
	(void)unused;
	sleep_ms(1000);
}

static void threads_may_do_everything_at_once(void)
{
	struct he_connector *connector = make(5, 5, 2, AF_UNSPEC);

	use_for(connector, sleep_meanwhile);
	he_connector_free(connector);
}

static void fork_meanwhile(struct he_connector *connector)
{
	for (int i = 0; i < 50; i++) {
		pid_t child = fork();
		int status;

		CHECK(child >= 0);
		if (child == 0) {
			alarm(10);
			he_connector_free(connector);
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
}

static void forked_child_may_free(void)
{
	struct he_connector *connector = make(5, 5, 2, AF_UNSPEC);

	use_for(connector, fork_meanwhile);
	he_connector_free(connector);
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct promise cases[] = {
    CASE(answer_is_used_again_until_cleared),
    CASE(answer_is_asked_for_again_after_its_time),
    CASE(oldest_answer_goes_first),
    CASE(answer_that_nobody_waits_for_is_kept),
    CASE(unknown_name_is_told_and_not_kept),
    CASE(family_is_the_connectors),
    CASE(numeric_host_needs_no_lookup),
    CASE(failed_address_is_tried_last),
    CASE(failed_address_is_tried_first_after_its_time),
    CASE(failed_address_is_last_whatever_its_family),
    CASE(failed_address_is_forgotten_when_it_connects),
    CASE(address_that_was_given_up_is_tried_last),
    CASE(timeout_ends_a_lookup),
    CASE(timeout_is_for_lookup_and_race),
    CASE(cancel_fd_ends_a_lookup),
    CASE(cancel_fd_ends_a_race),
    CASE(signals_do_not_end_a_lookup),
    CASE(signals_are_not_for_the_thread_of_a_lookup),
    CASE(threads_share_a_lookup),
    CASE(cancelled_thread_leaves_nothing),
    CASE(freed_connector_is_not_needed_by_lookups),
    CASE(bad_options_fail_before_a_lookup),
    CASE(bad_connector_options_are_refused),
    CASE(options_are_those_of_the_race),
    CASE(without_a_thread_the_caller_looks_up),
    CASE(without_descriptors_it_is_told),
    CASE(threads_may_do_everything_at_once),
    CASE(forked_child_may_free),
};

static void *tell_id(void *ret_id)
{
	*(pid_t *)ret_id = gettid();
	return NULL;
}

/*
 * With the first thread there comes one of ThreadSanitizer's own, which stays. A thread that was
 * joined may still be counted for a moment.
 */
static void count_threads(void)
{
	char path[64];
	pthread_t first;
	pid_t id;

	CHECK(pthread_create(&first, NULL, tell_id, &id) == 0);
	CHECK(pthread_join(first, NULL) == 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d", id);
	while (access(path, F_OK) == 0)
		sleep_ms(1);
	threads_at_first = threads();
}

int main(int argc, char **argv)
{
	int before = descriptors(), status;

	count_threads();
	status = promise_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
	/* Whatever it was, nothing is left. */
	wait_for_lookups();
	CHECK(descriptors() == before);
	return status;
}
