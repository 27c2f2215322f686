/*
 * The report as text.
 */
#include "../conformance/conform.h"
#include "inputs.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Replaces each number after `mark` by T: times, and ports that the kernel chose. */
static void replace_numbers(char *text, const char *mark)
{
	for (char *at = text; (at = strstr(at, mark)) != NULL;) {
		size_t len;

		at += strlen(mark);
		len = strspn(at, "0123456789.");
		CHECK(len > 0);
		*at = 'T';
		memmove(at + 1, at + len, strlen(at + len) + 1);
	}
}

static unsigned port_of(const struct sockaddr_storage *name)
{
	/* At the same place in both families. */
	return ntohs(((const struct sockaddr_in *)name)->sin_port);
}

static void make_a_failure(void)
{
	(void)peer_refusing(A);
	(void)peer_nowhere(FOREIGN4);
	race();
	FAILED(ECONNREFUSED, HE_CAUSE_ATTEMPTS);
	CHECK(he_report_count(report) == 2);
}

void input_text_exact(void)
{
	char text[500], expected[500];
	size_t len;

	make_a_failure();
	len = he_report_text(report, text, sizeof(text));
	CHECK(len == strlen(text));
	CHECK(strchr(text, '\n') == NULL);
	replace_numbers(text, "at ");
	replace_numbers(text, "after ");
	snprintf(expected, sizeof(expected),
	         "no address could be connected to: Connection refused; "
	         "[" A "]:%u from [" A "]:%u at T ms: Connection refused after T ms; "
	         "" FOREIGN4 ":9 at T ms: Network is unreachable after T ms",
	         port_of(&he_report_attempt(report, 0)->remote),
	         port_of(&he_report_attempt(report, 0)->local));
	if (strcmp(text, expected) != 0)
		fprintf(stderr, "%s\n%s\n", text, expected);
	CHECK(strcmp(text, expected) == 0);
	/* There is no local address where the kernel did not choose one. */
	CHECK(he_report_attempt(report, 1)->local.ss_family == 0);
}

void input_text_cut(void)
{
	char whole[500], cut[sizeof(whole)];
	size_t len;

	make_a_failure();
	len = he_report_text(report, whole, sizeof(whole));
	CHECK(len > 100 && len < sizeof(whole));
	CHECK(he_report_text(report, NULL, 0) == len);
	for (size_t size = 0; size <= len + 2; size++) {
		size_t kept = size == 0 ? 0 : size <= len ? size - 1 : len;

		memset(cut, '#', sizeof(cut));
		CHECK(he_report_text(report, cut, size) == len);
		CHECK(memcmp(cut, whole, kept) == 0);
		CHECK(size == 0 || cut[kept] == '\0');
		for (size_t i = size; i < sizeof(cut); i++)
			CHECK(cut[i] == '#');
	}
}

/* A sentence for each, none twice, and one for what is no cause. */
void input_text_of_causes(void)
{
	for (int i = HE_CAUSE_NONE; i <= HE_CAUSE_CALLBACK_UNUSABLE; i++) {
		const char *text = he_cause_text((enum he_cause)i);

		CHECK(text != NULL && strlen(text) > 5 && strchr(text, '\n') == NULL);
		for (int k = HE_CAUSE_NONE; k < i; k++)
			CHECK(strcmp(text, he_cause_text((enum he_cause)k)) != 0);
	}
	CHECK(*he_cause_text((enum he_cause)1000) != '\0');
	CHECK(*he_cause_text((enum he_cause)(-1)) != '\0');
}
