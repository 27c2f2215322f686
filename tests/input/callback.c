/*
 * What a socket callback may return.
 */
#include "../conformance/conform.h"
#include "inputs.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the callback returns for the first attempt; others get a fresh socket. */
static int given;

static int give(const struct addrinfo *addr, void *made)
{
	int first = given;

	given = -1;
	return first != -1 ? first : make_socket(addr, made);
}

static struct made made;

static void call_back(he_socket_fn *callback)
{
	options.socket = callback;
	options.socket_data = &made;
}

static int new_socket(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	return fd;
}

/* What the descriptor is of; 0: nothing. */
static ino_t inode_of(int fd)
{
	struct stat facts;

	return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

/* It was open, and still is the same. */
static bool is_still(int fd, ino_t inode)
{
	return inode != 0 && inode_of(fd) == inode;
}

/*
 * The first attempt fails for `what` the callback gave, which `make` makes, and the second one
 * wins; alone, its error is the race's.
 */
static void refuse_given(int (*make)(void), bool stays_open, enum he_cause cause, int error)
{
	struct peer *a = peer_answering(A), *c = peer_answering(C);
	int what = make();
	ino_t inode = inode_of(what);

	call_back(give);
	options.attempt_delay_ms = 600000;
	given = what;
	race();
	WON(c);
	REPORTED(a, c);
	CONNECTED_TO(c);
	ENDED(0, HE_OUTCOME_FAILED, cause, error);
	CHECK(*he_cause_text(cause) != '\0');
	CHECK(is_still(what, inode) == stays_open);

	a->entry.ai_next = NULL;
	race_clear();
	given = stays_open ? what : make();
	what = given;
	inode = inode_of(what);
	race();
	FAILED(error, HE_CAUSE_ATTEMPTS);
	ENDED(0, HE_OUTCOME_FAILED, cause, error);
	CHECK(seen.connects == 0);
	CHECK(is_still(what, inode) == stays_open);
	a->entry.ai_next = &c->entry;
}

static int no_more_files(void)
{
	return -EMFILE;
}

void input_callback_error(void)
{
	struct peer *c;

	refuse_given(no_more_files, false, HE_CAUSE_CALLBACK, EMFILE);
	/* What was tried names the error, wherever it stands. */
	race_clear();
	peers_close();
	(void)peer_answering(A);
	c = peer_refusing(C);
	given = -EMFILE;
	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
	CONNECTED_TO(c);
}

/* And lets the first peer answer: that attempt goes on with the socket. */
static int give_the_first_again(const struct addrinfo *addr, void *data)
{
	struct made *log = data;

	if (log->count == 0)
		return make_socket(addr, data);
	peer_answers_now(peer_named(list->ai_addr));
	return log->fd[0];
}

void input_callback_same(void)
{
	struct peer *a = peer_silent(A), *c = peer_answering(C);

	call_back(give_the_first_again);
	options.attempt_delay_ms = HE_ATTEMPT_DELAY_MIN_MS;
	race();
	WON(a);
	REPORTED(a, c);
	CONNECTED_TO(a);
	ENDED(1, HE_OUTCOME_FAILED, HE_CAUSE_CALLBACK_SAME, EEXIST);
	CHECK(peer_connections(c) == 0);
}

static struct peer *elsewhere(void)
{
	return peer_named(list->ai_next->ai_addr);
}

static int make_connected(void)
{
	int fd = new_socket(AF_INET6, SOCK_STREAM);

	CHECK(connect(fd, list->ai_addr, list->ai_addrlen) == 0);
	return fd;
}

void input_callback_connected(void)
{
	refuse_given(make_connected, false, HE_CAUSE_CALLBACK_IN_USE, EISCONN);
}

/* Nothing answers there: the handshake runs on. */
static int make_connecting(void)
{
	static struct sockaddr_in6 silent;
	int fd = new_socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK);

	if (silent.sin6_family == 0) {
		struct peer *peer = peer_silent(A2);

		memcpy(&silent, peer->entry.ai_addr, sizeof(silent));
		elsewhere()->entry.ai_next = NULL;
	}
	CHECK(connect(fd, (struct sockaddr *)&silent, sizeof(silent)) == -1 &&
	      errno == EINPROGRESS);
	return fd;
}

void input_callback_connecting(void)
{
	refuse_given(make_connecting, false, HE_CAUSE_CALLBACK_IN_USE, EISCONN);
}

static int make_listening(void)
{
	int fd = new_socket(AF_INET6, SOCK_STREAM);

	CHECK(listen(fd, 1) == 0);
	return fd;
}

void input_callback_listening(void)
{
	refuse_given(make_listening, false, HE_CAUSE_CALLBACK_IN_USE, EISCONN);
}

static int make_udp(void)
{
	return new_socket(AF_INET6, SOCK_DGRAM);
}

void input_callback_udp(void)
{
	refuse_given(make_udp, false, HE_CAUSE_CALLBACK_UNUSABLE, EPROTOTYPE);
}

static int make_unix(void)
{
	return new_socket(AF_UNIX, SOCK_STREAM);
}

void input_callback_unix(void)
{
	refuse_given(make_unix, false, HE_CAUSE_CALLBACK_UNUSABLE, EPROTOTYPE);
}

static int make_ipv4(void)
{
	return new_socket(AF_INET, SOCK_STREAM);
}

void input_callback_other_family(void)
{
	refuse_given(make_ipv4, false, HE_CAUSE_CALLBACK_UNUSABLE, EPROTOTYPE);
}

static int make_stdin(void)
{
	return STDIN_FILENO;
}

/* A callback that returns 0 for success did not mean its standard input. */
void input_callback_no_socket(void)
{
	int fd = open("/dev/null", O_RDONLY);

	CHECK(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	CHECK(fd == STDIN_FILENO || close(fd) == 0);
	refuse_given(make_stdin, true, HE_CAUSE_CALLBACK_UNUSABLE, ENOTSOCK);
}

static int make_closed(void)
{
	return 900;
}

void input_callback_closed(void)
{
	refuse_given(make_closed, false, HE_CAUSE_CALLBACK_UNUSABLE, EBADF);
}

static int make_with(int option)
{
	int fd = new_socket(AF_INET6, SOCK_STREAM);

	CHECK(setsockopt(fd, IPPROTO_TCP, option, &(int){1}, sizeof(int)) == 0);
	return fd;
}

static int make_fast_open(void)
{
	return make_with(TCP_FASTOPEN_CONNECT);
}

/* Its connect() would say that it is connected before anything was sent. */
void input_callback_fast_open(void)
{
	refuse_given(make_fast_open, false, HE_CAUSE_CALLBACK_UNUSABLE, EOPNOTSUPP);
}

static int make_repairing(void)
{
	return make_with(TCP_REPAIR);
}

/* Likewise, and nothing ever would be. */
void input_callback_repairing(void)
{
	refuse_given(make_repairing, false, HE_CAUSE_CALLBACK_UNUSABLE, EOPNOTSUPP);
}

static uint16_t bound_port;

static int make_bound(const struct addrinfo *addr, void *data)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t len = sizeof(name);
	int fd = make_socket(addr, data);

	inet_pton(AF_INET, L4, &name.sin_addr);
	watching = false;
	CHECK(bind(fd, (struct sockaddr *)&name, len) == 0);
	watching = true;
	CHECK(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
	bound_port = name.sin_port;
	return fd;
}

/* To bind is one of the things that callbacks are for. */
void input_callback_bound(void)
{
	struct peer *only = peer_answering(C);
	struct sockaddr_in name;
	socklen_t len = sizeof(name);

	call_back(make_bound);
	race();
	WON(only);
	CHECK(getsockname(won, (struct sockaddr *)&name, &len) == 0);
	CHECK(name.sin_port == bound_port && seen.binds == 0);
}

/* The library's own bind() of a socket that is bound fails as the kernel says. */
void input_callback_bound_twice(void)
{
	struct peer *only = peer_answering(C);

	local(L4);
	call_back(make_bound);
	race();
	FAILED(EINVAL, HE_CAUSE_ATTEMPTS);
	REPORTED(only);
	ENDED(0, HE_OUTCOME_FAILED, HE_CAUSE_BIND, EINVAL);
	NOT_BOUND(0, 0, L4, EINVAL);
}

/* As it comes, a callback's socket blocks and is inherited; WON() looks at what it became. */
void input_callback_mode(void)
{
	struct peer *only = peer_answering(C);

	call_back(make_socket);
	for (unsigned flags = 0; flags <= HE_NONBLOCK; flags++) {
		made.count = 0;
		options.flags = flags;
		race();
		WON(only);
		CHECK(won == made.fd[0]);
	}
}
