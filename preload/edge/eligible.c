#include "edge/eligible.h"

enum eligible eligible_socket(const struct own *own, const struct eligible_marks *marks)
{
	if (!own->idle)
		return PASS_NOT_IDLE;
	if (own->bound_port != 0 && !marks->any_port)
		return PASS_BOUND_PORT;
	if (own->fast_open)
		return PASS_FAST_OPEN;
	if (own->repairing)
		return PASS_REPAIRING;
	if (marks->shared)
		return PASS_SHARED;
	return ELIGIBLE;
}

const char *eligible_text(enum eligible reason)
{
	switch (reason) {
	case ELIGIBLE: return "raced";
	case PASS_ONE_ADDRESS: return "passed on: no other address to try";
	case PASS_NOT_TCP: return "passed on: not a TCP socket";
	case PASS_NOT_IDLE: return "passed on: socket is in use already";
	case PASS_BOUND_PORT: return "passed on: socket is bound to a port";
	case PASS_FAST_OPEN: return "passed on: TCP_FASTOPEN_CONNECT is set";
	case PASS_REPAIRING: return "passed on: TCP_REPAIR is set";
	case PASS_SHARED: return "passed on: the socket has a second descriptor";
	case PASS_OWN_RACE: return "passed on: the program races by itself";
	case PASS_NO_RESOURCES: return "passed on: no descriptor, thread or place for a race";
	}
	return "passed on";
}
