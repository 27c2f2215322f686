/*
 * edge/eligible: may this socket be raced? A pure predicate over facts that others gathered; the
 * reason is what the debug log says and what tests expect.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef EDGE_ELIGIBLE_H
#define EDGE_ELIGIBLE_H

#include "wire/own.h"

enum eligible {
	ELIGIBLE,
	PASS_ONE_ADDRESS,  /* nothing else that the program could have meant */
	PASS_NOT_TCP,      /* another protocol, or no socket at all */
	PASS_NOT_IDLE,     /* connected, connecting or listening: the kernel's own error is due */
	PASS_BOUND_PORT,   /* the program chose its port: a second socket cannot have it as well */
	PASS_FAST_OPEN,    /* TCP_FASTOPEN_CONNECT: connect() succeeds before any handshake */
	PASS_REPAIRING,    /* TCP_REPAIR: likewise */
	PASS_SHARED,       /* it has a second number, which would keep the old socket */
	PASS_OWN_RACE,     /* the program races by itself */
	PASS_NO_RESOURCES, /* no descriptor, thread or place left for a race */
};

/* What the program did to the socket, which the kernel does not tell: see memory/marks. */
struct eligible_marks {
	bool any_port; /* the port, if there is one, is the kernel's choice */
	bool shared;
};

/* The socket's own reasons. */
enum eligible eligible_socket(const struct own *own, const struct eligible_marks *marks);

/* A few words for the log. */
const char *eligible_text(enum eligible reason);

#endif
