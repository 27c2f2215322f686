/*
 * he_report_text(), and the sentences of enum he_cause.
 */
#include "api/report.h"
#include "base/addr.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *he_cause_text(enum he_cause cause)
{
	switch (cause) {
	case HE_CAUSE_NONE: return "connected";
	case HE_CAUSE_ATTEMPTS: return "no address could be connected to";
	case HE_CAUSE_TIMEOUT: return "timeout_ms has passed";
	case HE_CAUSE_CANCELLED: return "cancelled";
	case HE_CAUSE_ABORTED: return "ended by the socket callback";
	case HE_CAUSE_POLLING:
		return "no descriptor to poll: close some, or raise the limit (ulimit -n)";
	case HE_CAUSE_RESOLVING: return "the name could not be resolved";
	case HE_CAUSE_NO_ADDRESS:
		return "no address given: pass a list of getaddrinfo(), or host and port";
	case HE_CAUSE_FAMILY: return "an address is neither IPv4 nor IPv6: leave it out";
	case HE_CAUSE_PROTOCOL:
		return "an address is not for TCP: ask getaddrinfo() for SOCK_STREAM in the hints";
	case HE_CAUSE_SHORT_ADDRESS: return "an address is shorter than its family needs";
	case HE_CAUSE_OPTIONS_SIZE:
		return "options are not those of this library: begin with the INIT macro of he.h";
	case HE_CAUSE_ATTEMPT_DELAY:
		return "attempt_delay_ms must be HE_SEQUENTIAL (0), or 10 or more";
	case HE_CAUSE_FAMILY_COUNT:
		return "first_family_count must be HE_FIRST_FAMILY_COUNT_AUTO (-1), or 0 or more";
	case HE_CAUSE_TIMEOUT_RANGE: return "timeout_ms must be 0 (none) or more";
	case HE_CAUSE_MAX_IN_FLIGHT: return "max_in_flight must be 0 (no limit) or more";
	case HE_CAUSE_FLAGS: return "flags has a bit that this library does not know";
	case HE_CAUSE_CANCEL_FD:
		return "cancel_fd cannot be polled: pass -1, or an eventfd or pipe";
	case HE_CAUSE_CONNECT: return "connect() failed";
	case HE_CAUSE_SOCKET: return "no socket could be made";
	case HE_CAUSE_NO_LOCAL: return "no local address is of its family";
	case HE_CAUSE_BIND: return "no local address could be bound to";
	case HE_CAUSE_CALLBACK: return "the socket callback failed";
	case HE_CAUSE_CALLBACK_SAME:
		return "the socket callback returned the socket of another attempt";
	case HE_CAUSE_CALLBACK_IN_USE:
		return "the socket callback returned a socket that is in use already";
	case HE_CAUSE_CALLBACK_UNUSABLE:
		return "the socket callback returned no fresh TCP socket of the address's family";
	}
	return "unknown cause";
}

/* Text of any length, of which the first `size` bytes are kept. */
struct text {
	char *bytes;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
	size_t room = text->len < text->size ? text->size - text->len : 0;
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(room > 0 ? text->bytes + text->len : NULL, room, format, arguments);
	va_end(arguments);
	if (len > 0)
		text->len += (size_t)len;
}

static void add_error(struct text *text, int error)
{
	const char *description = strerrordesc_np(error);

	if (description != NULL)
		add(text, "%s", description);
	else
		add(text, "error %d", error);
}

static void add_name(struct text *text, const struct sockaddr_storage *name)
{
	struct addr addr;
	struct addr_extra extra;
	char host[ADDR_TEXT_MAX];

	if (addr_from_sockaddr((const struct sockaddr *)name, sizeof(*name), &addr, &extra) < 0)
		return;
	addr_format(&addr, host);
	add(text, name->ss_family == AF_INET6 && !extra.mapped ? "[%s]:%u" : "%s:%u", host,
	    extra.port);
}

static void add_failure(struct text *text, enum he_cause cause, int error)
{
	if (cause != HE_CAUSE_CONNECT)
		add(text, "%s: ", he_cause_text(cause));
	add_error(text, error);
}

static void add_attempt(struct text *text, const struct he_report *report, size_t i)
{
	const struct he_attempt *attempt = &report->attempts[i];
	const struct he_bind_failure *failure;

	add(text, "; ");
	add_name(text, &attempt->remote);
	if (attempt->local.ss_family != 0) {
		add(text, " from ");
		add_name(text, &attempt->local);
	}
	for (size_t k = 0; (failure = he_report_bind_failure(report, i, k)) != NULL; k++) {
		add(text, ", not bound to ");
		add_name(text, &failure->local);
		add(text, " (");
		add_error(text, failure->error);
		add(text, ")");
	}
	add(text, " at %.1f ms: ", (double)attempt->started_ns / 1e6);
	switch (attempt->outcome) {
	case HE_OUTCOME_CONNECTED: add(text, "connected"); break;
	case HE_OUTCOME_FAILED: add_failure(text, attempt->cause, attempt->error); break;
	case HE_OUTCOME_LOST: add(text, "closed"); break;
	case HE_OUTCOME_GIVEN_UP: add(text, "given up"); break;
	}
	add(text, " after %.1f ms", (double)(attempt->ended_ns - attempt->started_ns) / 1e6);
}

size_t he_report_text(const struct he_report *report, char *ret_text, size_t size)
{
	struct text text = {ret_text, size, 0};

	if (size > 0)
		ret_text[0] = '\0';
	add(&text, "%s", he_cause_text(report->cause));
	if (report->gai != 0) {
		add(&text, ": %s", gai_strerror(report->gai));
	} else if (report->error != 0) {
		add(&text, ": ");
		add_error(&text, report->error);
	}
	for (size_t i = 0; i < report->count; i++)
		add_attempt(&text, report, i);
	return text.len;
}
