/*
 * relay: the link between the two network namespaces of the lab.
 *
 * A Happy Eyeballs race is decided by round trips, so the lab needs a link that has one. The usual
 * tool, the netem queueing discipline, is missing from many kernels; a TUN device is in nearly all.
 * This process owns one TUN device in each namespace and carries the packets across, each packet
 * held for half the round trip of its address. The address of a packet is its server side address:
 * the destination on the way there, the source on the way back. What a server answers (a
 * connection, a reset, an ICMP error) is left to the kernel behind the link, so that it takes a
 * round trip too.
 *
 *     relay SERVER_NETNS SYN_LOG [ADDRESS[/BITS]=MILLISECONDS | ADDRESS[/BITS]=drop]...
 *
 * Started in the client's network namespace; SERVER_NETNS is a path such as /proc/<pid>/ns/net.
 * With BITS, a multiple of 8, all addresses of that network are meant; the first that fits counts.
 * An address that is not named has the default round trip. "READY" on stdout says that both devices
 * exist. Every TCP SYN of the client gets a line in SYN_LOG, lost ones too, because the log is how
 * a test counts and times connection attempts without asking the program under test:
 *
 *     <milliseconds since start> <address> <port>[ again]        again: a retransmission
 *
 * The process ends when stdin does, so that it can not outlive the lab, or by SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define DEVICE_NAME "lab0" /* in both namespaces; they do not see each other */
#define DEFAULT_ROUND_TRIP_MS 20.0
#define NS_PER_MS 1000000ull

enum {
	PACKET_BYTES_MAX = 2048, /* the devices keep their MTU of 1500 */
	QUEUE_MAX = 8192,        /* 12 MB on the wire: more than any window opened over 30 ms */
	POLICIES_MAX = 64,
	SYNS_REMEMBERED = 1024, /* a SYN is sent again within two minutes; tests make few */
	READ_BURST = 64,        /* packets read from one side before due ones are sent */
};

/* IPv4 addresses are kept v4-mapped, so that there is one kind of address. */
struct policy {
	struct in6_addr address;
	size_t n_bytes;   /* of the address that must be the same */
	uint64_t hold_ns; /* half of the round trip */
	bool drop;
};

struct packet {
	uint64_t due_ns;
	uint64_t number; /* keeps packets that are due together in order of arrival */
	int to_fd;
	size_t n_bytes;
	uint8_t bytes[PACKET_BYTES_MAX];
};

struct headers {
	struct in6_addr source;
	struct in6_addr destination;
	const uint8_t *tcp; /* NULL: not TCP, or too short to be */
};

struct syn {
	struct in6_addr destination;
	uint8_t ports_and_sequence[8]; /* the first 8 bytes of the TCP header */
};

static struct policy policies[POLICIES_MAX];
static size_t n_policies;

static struct packet packets[QUEUE_MAX];
static uint16_t heap[QUEUE_MAX];   /* indices into packets, the one due first at 0 */
static uint16_t vacant[QUEUE_MAX]; /* a stack of indices into packets that are not in the heap */
static size_t n_queued;
static size_t n_vacant;
static uint64_t n_arrived;

static struct syn syns[SYNS_REMEMBERED]; /* a ring: the oldest is forgotten */
static size_t n_syns;

static uint64_t started_ns;
static int syn_log_fd = -1;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct in6_addr mapped(const void *ipv4)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&address.s6_addr[12], ipv4, 4);
	return address;
}

static bool same_address(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* Reads ADDRESS or ADDRESS/BITS. */
static bool policy_read_address(char *text, struct policy *policy)
{
	char *slash = strchr(text, '/');
	struct in_addr ipv4;

	policy->n_bytes = 0;
	if (slash != NULL) {
		*slash = '\0';
		policy->n_bytes = (size_t)strtoul(slash + 1, NULL, 10) / 8;
	}
	if (inet_pton(AF_INET, text, &ipv4) == 1) {
		policy->address = mapped(&ipv4);
		policy->n_bytes += 12;
	} else if (inet_pton(AF_INET6, text, &policy->address) != 1) {
		return false;
	}
	if (slash == NULL)
		policy->n_bytes = sizeof policy->address;
	return policy->n_bytes <= sizeof policy->address;
}

/* Reads one ADDRESS=MILLISECONDS or ADDRESS=drop argument into the table. */
static void policy_add(const char *argument)
{
	const char *equals = strchr(argument, '=');
	struct policy *policy = &policies[n_policies];
	char text[INET6_ADDRSTRLEN + sizeof "/128"];
	char *end;
	double round_trip_ms;

	errno = EINVAL;
	if (n_policies == POLICIES_MAX || equals == NULL ||
	    (size_t)(equals - argument) >= sizeof text)
		die(argument);
	memcpy(text, argument, (size_t)(equals - argument));
	text[equals - argument] = '\0';

	if (!policy_read_address(text, policy))
		die(argument);

	policy->drop = strcmp(equals + 1, "drop") == 0;
	if (!policy->drop) {
		round_trip_ms = strtod(equals + 1, &end);
		if (end == equals + 1 || *end != '\0' ||
		    !(round_trip_ms >= 0 && round_trip_ms < 1e6))
			die(argument);
		policy->hold_ns = (uint64_t)(round_trip_ms / 2 * (double)NS_PER_MS);
	}
	n_policies++;
}

static const struct policy *policy_of(const struct in6_addr *address)
{
	static const struct policy unnamed = {
	    .hold_ns = (uint64_t)(DEFAULT_ROUND_TRIP_MS / 2 * (double)NS_PER_MS),
	};

	for (size_t i = 0; i < n_policies; i++)
		if (memcmp(&policies[i].address, address, policies[i].n_bytes) == 0)
			return &policies[i];
	return &unnamed;
}

/* Due earlier, or due together and arrived earlier. */
static bool before(uint16_t a, uint16_t b)
{
	if (packets[a].due_ns != packets[b].due_ns)
		return packets[a].due_ns < packets[b].due_ns;
	return packets[a].number < packets[b].number;
}

/* The queue is a binary heap, because addresses with different round trips overtake each other. */
static void queue_push(uint16_t packet)
{
	size_t at = n_queued++;

	while (at > 0 && before(packet, heap[(at - 1) / 2])) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = packet;
}

static uint16_t queue_pop(void)
{
	uint16_t first = heap[0], last = heap[--n_queued];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < n_queued) {
		if (child + 1 < n_queued && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], last))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return first;
}

/* Returns false for what is not IP. IPv6 extension headers are not followed: no SYN here has any.
 */
static bool headers_read(const uint8_t *bytes, size_t n_bytes, struct headers *headers)
{
	size_t tcp_at;

	headers->tcp = NULL;
	if (n_bytes >= 20 && bytes[0] >> 4 == 4) {
		headers->source = mapped(bytes + 12);
		headers->destination = mapped(bytes + 16);
		tcp_at = (size_t)(bytes[0] & 15) * 4;
		if (bytes[9] == IPPROTO_TCP && n_bytes >= tcp_at + 20)
			headers->tcp = bytes + tcp_at;
		return true;
	}
	if (n_bytes >= 40 && bytes[0] >> 4 == 6) {
		memcpy(&headers->source, bytes + 8, 16);
		memcpy(&headers->destination, bytes + 24, 16);
		if (bytes[6] == IPPROTO_TCP && n_bytes >= 60)
			headers->tcp = bytes + 40;
		return true;
	}
	return false;
}

/* A retransmitted SYN repeats ports and sequence number; a new attempt has another one. */
static bool syn_seen_before(const struct headers *headers)
{
	size_t n = n_syns < SYNS_REMEMBERED ? n_syns : SYNS_REMEMBERED;
	struct syn *syn;

	for (size_t i = 0; i < n; i++)
		if (same_address(&syns[i].destination, &headers->destination) &&
		    memcmp(syns[i].ports_and_sequence, headers->tcp, 8) == 0)
			return true;
	syn = &syns[n_syns++ % SYNS_REMEMBERED];
	syn->destination = headers->destination;
	memcpy(syn->ports_and_sequence, headers->tcp, 8);
	return false;
}

/* One write(2) a line: whoever reads the log while we run sees whole lines. */
static void syn_note(const struct headers *headers, uint64_t arrived_ns)
{
	const struct in6_addr *to = &headers->destination;
	uint64_t since_us = (arrived_ns - started_ns) / 1000;
	char text[INET6_ADDRSTRLEN], line[128];
	int n;

	if (IN6_IS_ADDR_V4MAPPED(to))
		inet_ntop(AF_INET, &to->s6_addr[12], text, sizeof text);
	else
		inet_ntop(AF_INET6, to, text, sizeof text);
	n = snprintf(line, sizeof line, "%llu.%03llu %s %u%s\n",
	             (unsigned long long)(since_us / 1000), (unsigned long long)(since_us % 1000),
	             text, (unsigned)(headers->tcp[2] << 8 | headers->tcp[3]),
	             syn_seen_before(headers) ? " again" : "");
	if (write(syn_log_fd, line, (size_t)n) != n)
		die("SYN log");
}

static bool is_first_step(const struct headers *headers)
{
	enum { SYN = 0x02, ACK = 0x10 };

	return headers->tcp != NULL && (headers->tcp[13] & (SYN | ACK)) == SYN;
}

/* Takes what waits on one device and puts it into the queue for the other. */
static void take(int from_fd, int to_fd, bool from_client)
{
	for (int i = 0; i < READ_BURST && n_vacant > 0; i++) {
		uint16_t index = vacant[n_vacant - 1];
		struct packet *packet = &packets[index];
		const struct policy *policy;
		struct headers headers;
		uint64_t arrived_ns;
		ssize_t n = read(from_fd, packet->bytes, sizeof packet->bytes);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			die("read");
		arrived_ns = now_ns();
		if (!headers_read(packet->bytes, (size_t)n, &headers))
			continue;
		if (from_client && is_first_step(&headers))
			syn_note(&headers, arrived_ns);
		policy = policy_of(from_client ? &headers.destination : &headers.source);
		if (policy->drop)
			continue;
		packet->due_ns = arrived_ns + policy->hold_ns;
		packet->number = n_arrived++;
		packet->to_fd = to_fd;
		packet->n_bytes = (size_t)n;
		n_vacant--;
		queue_push(index);
	}
}

/* A device that refuses a packet (it is not up yet, say) loses it, as a link would. */
static void send_due(void)
{
	while (n_queued > 0 && packets[heap[0]].due_ns <= now_ns()) {
		uint16_t index = queue_pop();
		struct packet *packet = &packets[index];

		if (write(packet->to_fd, packet->bytes, packet->n_bytes) < 0 && errno == EBADFD)
			die("write");
		vacant[n_vacant++] = index;
	}
}

/* Returns when stdin ends. */
static void carry(int client_fd, int server_fd)
{
	struct pollfd fds[] = {
	    {.fd = STDIN_FILENO, .events = POLLIN},
	    {.fd = client_fd, .events = POLLIN},
	    {.fd = server_fd, .events = POLLIN},
	};

	for (;;) {
		struct timespec wait, *timeout = NULL;
		char ignored[64];

		if (n_queued > 0) {
			uint64_t due_ns = packets[heap[0]].due_ns, now = now_ns();
			uint64_t wait_ns = due_ns > now ? due_ns - now : 0;

			wait.tv_sec = (time_t)(wait_ns / 1000000000u);
			wait.tv_nsec = (long)(wait_ns % 1000000000u);
			timeout = &wait;
		}
		/* With a full queue the devices keep their packets; only time can help. */
		if (ppoll(fds, n_vacant > 0 ? 3 : 1, timeout, NULL) < 0 && errno != EINTR)
			die("ppoll");
		if (fds[0].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
			return;
		take(client_fd, server_fd, true);
		take(server_fd, client_fd, false);
		send_due();
	}
}

/* Makes the device in the network namespace that this process is in at the moment. */
static int device_open(void)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	memcpy(request.ifr_name, DEVICE_NAME, sizeof DEVICE_NAME);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		die("TUNSETIFF");
	return fd;
}

/* Wakes on time if the machine lets us; on a busy machine without the right, somewhat late. */
static void be_punctual(void)
{
	struct sched_param priority = {.sched_priority = 1};

	prctl(PR_SET_TIMERSLACK, 1ul);
	(void)sched_setscheduler(0, SCHED_FIFO, &priority);
}

int main(int argc, char **argv)
{
	int client_fd, server_fd, netns_fd;

	started_ns = now_ns();
	if (argc < 3) {
		fprintf(stderr,
		        "usage: relay SERVER_NETNS SYN_LOG [ADDRESS=MILLISECONDS|drop]...\n");
		return EXIT_FAILURE;
	}
	for (int i = 3; i < argc; i++)
		policy_add(argv[i]);
	for (size_t i = 0; i < QUEUE_MAX; i++)
		vacant[n_vacant++] = (uint16_t)i;

	syn_log_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (syn_log_fd < 0)
		die(argv[2]);
	netns_fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (netns_fd < 0)
		die(argv[1]);
	client_fd = device_open();
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		die("setns");
	server_fd = device_open();
	close(netns_fd);

	be_punctual();
	if (write(STDOUT_FILENO, "READY\n", 6) != 6)
		die("stdout");
	carry(client_fd, server_fd);
	return EXIT_SUCCESS;
}
