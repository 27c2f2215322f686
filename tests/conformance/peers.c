/*
 * Peers of a case: listeners, and what comes to them.
 */
#include "conform.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MAX 16
#define LOCALS_MAX 4

static struct peer peers[PEERS_MAX];
static unsigned peer_count;

static struct locals {
	struct addrinfo entry;
	struct sockaddr_storage name;
} locals[LOCALS_MAX];
static unsigned local_count;

struct addrinfo *list;

static socklen_t parse(const char *ip, uint16_t port, struct sockaddr_storage *ret_name)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_name;
	struct sockaddr_in *in = (struct sockaddr_in *)ret_name;

	memset(ret_name, 0, sizeof(*ret_name));
	if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	CHECK(inet_pton(AF_INET, ip, &in->sin_addr) == 1);
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	return sizeof(*in);
}

/* At the end of the list. */
static struct peer *append(const char *ip)
{
	struct peer *peer = &peers[peer_count];
	struct addrinfo *entry = &peer->entry;

	CHECK(peer_count < PEERS_MAX);
	peer->text = ip;
	peer->listener = -1;
	entry->ai_addrlen = parse(ip, 9, &peer->name);
	entry->ai_addr = (struct sockaddr *)&peer->name;
	entry->ai_family = peer->name.ss_family;
	entry->ai_socktype = SOCK_STREAM;
	entry->ai_protocol = IPPROTO_TCP;
	if (peer_count == 0)
		list = entry;
	else
		peers[peer_count - 1].entry.ai_next = entry;
	peer_count++;
	return peer;
}

/* A port of its own, which refuses as long as nobody listens. */
struct peer *peer_refusing(const char *ip)
{
	struct peer *peer = append(ip);
	socklen_t len = parse(ip, 0, &peer->name);

	peer->listener = socket(peer->name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(peer->listener >= 0);
	CHECK(bind(peer->listener, (struct sockaddr *)&peer->name, len) == 0);
	CHECK(getsockname(peer->listener, (struct sockaddr *)&peer->name, &len) == 0);
	return peer;
}

struct peer *peer_answering(const char *ip)
{
	struct peer *peer = peer_refusing(ip);

	CHECK(listen(peer->listener, PEER_FILES) == 0);
	return peer;
}

static bool is_full(int listener)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	CHECK(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	/* Of a listener: how many connections wait, and its backlog. */
	return info.tcpi_unacked > info.tcpi_sacked;
}

struct peer *peer_silent(const char *ip)
{
	struct peer *peer = peer_refusing(ip);

	CHECK(listen(peer->listener, 0) == 0);
	while (!is_full(peer->listener)) {
		int fd = socket(peer->name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		CHECK(fd >= 0 && peer->file_count < PEER_FILES);
		CHECK(connect(fd, peer->entry.ai_addr, peer->entry.ai_addrlen) == 0);
		peer->files[peer->file_count++] = fd;
	}
	peer->filler_count = peer->file_count;
	peer->silent = true;
	return peer;
}

struct peer *peer_nowhere(const char *ip)
{
	return append(ip);
}

struct peer *peer_again(const struct peer *peer)
{
	struct peer *twin = append(peer->text);

	twin->name = peer->name;
	return twin;
}

static bool take_connection(struct peer *peer)
{
	struct pollfd watch = {.fd = peer->listener, .events = POLLIN};
	int fd;

	if (poll(&watch, 1, 0) != 1 || (watch.revents & POLLIN) == 0)
		return false;
	fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fd >= 0 && peer->file_count < PEER_FILES);
	peer->files[peer->file_count++] = fd;
	return true;
}

void peer_answers_now(struct peer *peer)
{
	if (!peer->silent)
		return;
	peer->silent = false;
	CHECK(listen(peer->listener, PEER_FILES) == 0);
	while (take_connection(peer))
		;
	peer->filler_count = peer->file_count;
}

void peer_refuses_now(struct peer *peer)
{
	if (!peer->silent)
		return;
	peer->silent = false;
	CHECK(close(peer->listener) == 0);
	peer->listener = -1;
}

unsigned peer_connections(struct peer *peer)
{
	if (peer->listener < 0 || peer->silent)
		return 0;
	while (take_connection(peer))
		;
	return peer->file_count - peer->filler_count;
}

static unsigned open_now(struct peer *peer)
{
	unsigned count = 0;

	(void)peer_connections(peer);
	for (unsigned i = peer->filler_count; i < peer->file_count; i++) {
		char c;

		if (recv(peer->files[i], &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN)
			count++;
	}
	return count;
}

static bool has_open(struct peer *peer, unsigned count)
{
	int64_t end_ns = now_ns() + 10000 * NS_PER_MS;

	while (open_now(peer) != count && now_ns() < end_ns)
		(void)poll(NULL, 0, 5);
	return open_now(peer) == count;
}

bool peers_have_open(struct peer *only)
{
	for (unsigned i = 0; i < peer_count; i++)
		if (!has_open(&peers[i], &peers[i] == only))
			return false;
	return true;
}

struct peer *peer_named(const struct sockaddr *name)
{
	for (unsigned i = 0; i < peer_count; i++)
		if (memcmp(name, &peers[i].name, peers[i].entry.ai_addrlen) == 0)
			return &peers[i];
	return NULL;
}

void peers_close(void)
{
	for (unsigned i = 0; i < peer_count; i++) {
		struct peer *peer = &peers[i];

		for (unsigned k = 0; k < peer->file_count; k++)
			CHECK(close(peer->files[k]) == 0);
		CHECK(peer->listener < 0 || close(peer->listener) == 0);
	}
	memset(peers, 0, sizeof(peers));
	peer_count = local_count = 0;
	list = NULL;
}

void local(const char *ip)
{
	struct locals *added = &locals[local_count];

	CHECK(local_count < LOCALS_MAX);
	added->entry = (struct addrinfo){.ai_addr = (struct sockaddr *)&added->name};
	added->entry.ai_addrlen = parse(ip, 0, &added->name);
	added->entry.ai_family = added->name.ss_family;
	if (local_count++ == 0)
		options.local = &added->entry;
	else
		locals[local_count - 2].entry.ai_next = &added->entry;
}
