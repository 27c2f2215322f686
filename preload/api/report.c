#include "api/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct he_report *report_new(size_t attempts_max, size_t bind_failures_max)
{
	struct he_report *report = calloc(1, sizeof(*report));

	if (report == NULL)
		return NULL;
	/* One more: calloc() may return NULL for none. */
	report->attempts = calloc(attempts_max + 1, sizeof(*report->attempts));
	report->bind_failures = calloc(bind_failures_max + 1, sizeof(*report->bind_failures));
	if (report->attempts == NULL || report->bind_failures == NULL) {
		he_report_free(report);
		return NULL;
	}
	return report;
}

void report_bind_failure(struct he_report *report, size_t attempt, const struct sockaddr *local,
                         socklen_t len, int error)
{
	struct report_bind *bind = &report->bind_failures[report->bind_failure_count++];

	bind->attempt = attempt;
	bind->failure.error = error;
	memcpy(&bind->failure.local, local, len);
}

void report_forget_list(struct he_report *report)
{
	report->winner = NULL;
	for (size_t i = 0; i < report->count; i++)
		report->attempts[i].addr = NULL;
}

enum he_cause he_report_cause(const struct he_report *report)
{
	return report->cause;
}

int he_report_error(const struct he_report *report)
{
	return report->error;
}

int he_report_gai(const struct he_report *report)
{
	return report->gai;
}

const struct addrinfo *he_report_winner(const struct he_report *report)
{
	return report->winner;
}

size_t he_report_count(const struct he_report *report)
{
	return report->count;
}

const struct he_attempt *he_report_attempt(const struct he_report *report, size_t i)
{
	return i < report->count ? &report->attempts[i] : NULL;
}

const struct he_bind_failure *he_report_bind_failure(const struct he_report *report, size_t i,
                                                     size_t k)
{
	for (size_t at = 0; at < report->bind_failure_count; at++)
		if (report->bind_failures[at].attempt == i && k-- == 0)
			return &report->bind_failures[at].failure;
	return NULL;
}

void he_report_free(struct he_report *report)
{
	int saved_errno = errno;

	if (report == NULL)
		return;
	free(report->attempts);
	free(report->bind_failures);
	free(report);
	errno = saved_errno;
}
