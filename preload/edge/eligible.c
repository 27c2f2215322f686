#include "edge/eligible.h"

enum eligible eligible_socket(const struct own *own, bool any_port, bool in_epoll)
{
	if (own->nonblocking)
		return PASS_NONBLOCKING;
	if (!own->idle)
		return PASS_NOT_IDLE;
	if (own->bound_port != 0 && !any_port)
		return PASS_BOUND_PORT;
	if (own->fast_open)
		return PASS_FAST_OPEN;
	if (own->repairing)
		return PASS_REPAIRING;
	if (in_epoll)
		return PASS_IN_EPOLL;
	return ELIGIBLE;
}

const char *eligible_text(enum eligible reason)
{
	switch (reason) {
	case ELIGIBLE:
		return "raced";
	case PASS_DISABLED:
		return "passed on: switched off for this program";
	case PASS_ONE_ADDRESS:
		return "passed on: no other address to try";
	case PASS_NOT_TCP:
		return "passed on: not a TCP socket";
	case PASS_NONBLOCKING:
		return "passed on: non-blocking socket";
	case PASS_NOT_IDLE:
		return "passed on: socket is in use already";
	case PASS_BOUND_PORT:
		return "passed on: socket is bound to a port";
	case PASS_FAST_OPEN:
		return "passed on: TCP_FASTOPEN_CONNECT is set";
	case PASS_REPAIRING:
		return "passed on: TCP_REPAIR is set";
	case PASS_IN_EPOLL:
		return "passed on: an epoll set has the socket";
	case PASS_OWN_RACE:
		return "passed on: the program races by itself";
	case PASS_NO_RESOURCES:
		return "passed on: no descriptor, thread or place for a race";
	}
	return "passed on";
}
