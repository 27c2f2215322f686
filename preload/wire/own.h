/*
 * wire/own: the facts of a socket, read from the kernel. Decides nothing.
 * Safe in: threads, signal handlers, fork, cancellation (no cancellation point inside).
 */
#ifndef WIRE_OWN_H
#define WIRE_OWN_H

#include "base/addr.h"

#include <stdbool.h>
#include <stdint.h>

/* What the program's socket is before its connect() starts. */
struct own {
	int fd; /* the program's number */
	uint64_t cookie;
	int domain;   /* AF_INET or AF_INET6 */
	int protocol; /* IPPROTO_TCP or IPPROTO_MPTCP */
	bool nonblocking;
	bool idle;      /* neither connected nor connecting nor listening */
	bool fast_open; /* TCP_FASTOPEN_CONNECT: connect() would succeed before any handshake */
	bool repairing; /* TCP_REPAIR: likewise */
	uint16_t bound_port;
	struct addr bound; /* family 0: not bound to an address */
	/*
	 * Two options that a connecting socket no longer tells as they were set, read in time:
	 * 0 when the program left them alone.
	 */
	int max_segment;
	int window_clamp;
	/* The program chose TTL or path MTU discovery; its caller's to set. */
	bool chose_hops;
};

/*
 * Reads the facts of `fd`, stopping early at the first one that speaks against a race: a descriptor
 * that is not a TCP or MPTCP socket costs one system call.
 * Returns 0, or -errno: -ENOPROTOOPT for a socket of another protocol, otherwise as getsockopt(2).
 */
int own_look(int fd, struct own *ret_own);

/*
 * Reads what few programs set: fast_open, repairing, max_segment, window_clamp, which own_look()
 * leaves as on a fresh socket.
 */
void own_look_at_rare(struct own *own);

/* An option that is an int; `fallback` where this kernel or socket has none to read. */
int own_option(int fd, int level, int name, int fallback);

/* The kernel's name for this socket, unique while the machine runs. Returns 0 or -errno. */
int own_cookie(int fd, uint64_t *ret_cookie);

/*
 * The cookie of the network namespace that the socket belongs to, which may be another than the
 * thread's. Returns 0, with 0 in ret_netns where the kernel (before 5.14) does not tell; or -errno.
 */
int own_netns(int fd, uint64_t *ret_netns);

/* How far a socket has come. Looking changes nothing, and takes no error from the socket. */
enum own_progress {
	OWN_CONNECTING,
	OWN_FAILING,   /* connects still, and whoever polls it is told of an error */
	OWN_CONNECTED, /* now, or once: it may have been reset or shut down since */
	OWN_CLOSED,    /* never connected: idle, or what it tried has failed */
};

/*
 * It is connecting, or failing: what own_progress() costs more is left to whoever polls it. For the
 * moment after connect(), where each microsecond is one that all healthy ones take longer.
 */
bool own_is_pending(int fd);

/* Returns 0 or -errno. */
int own_progress(int fd, enum own_progress *ret_progress);

/* True when the descriptor surely is that socket still. */
bool own_is(int fd, uint64_t cookie);

/* True when it surely is not any more. */
bool own_is_gone(int fd, uint64_t cookie);

#endif
