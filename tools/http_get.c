/*
 * An example of he_connector: fetches a page and prints its body.
 *
 *     http_get http://host[:port]/path
 *
 * `host` is a name, an IPv4 address or an IPv6 address in brackets. Ends with status 0; 1 when
 * there is no page (standard error tells why, with every address that was tried); 2 when the URL is
 * none.
 */
#include <he.h>

#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS 30000

struct url {
	char host[256];
	uint16_t port;
	const char *path;
};

static bool parse(const char *text, struct url *ret_url)
{
	unsigned port = 80;
	int used = 0;

	if (sscanf(text, "http://[%255[0-9a-fA-F:.%%]]%n", ret_url->host, &used) != 1 &&
	    sscanf(text, "http://%255[^][:/?# ]%n", ret_url->host, &used) != 1)
		return false;
	if (used == 0) /* no bracket at the end */
		return false;
	text += used;
	if (*text == ':') {
		if (sscanf(text, ":%5u%n", &port, &used) != 1 || port < 1 || port > 65535)
			return false;
		text += used;
	}
	/* Nothing that would end the request line. */
	if (*text != '\0' && (*text != '/' || strpbrk(text, " \r\n") != NULL))
		return false;
	ret_url->port = (uint16_t)port;
	ret_url->path = *text == '\0' ? "/" : text;
	return true;
}

static int dial(const struct url *url)
{
	struct he_connector *connector = he_connector_new(NULL);
	struct he_options options = HE_OPTIONS_INIT;
	struct he_report *report;
	char text[4096];
	int fd;

	if (connector == NULL)
		err(1, "he_connector_new");
	options.timeout_ms = TIMEOUT_MS;
	fd = he_connector_connect(connector, url->host, url->port, &options, &report);
	if (fd < 0 && report == NULL)
		err(1, "%s", url->host);
	if (fd < 0) {
		he_report_text(report, text, sizeof(text));
		errx(1, "%s: %s", url->host, text);
	}
	he_report_free(report);
	he_connector_free(connector);
	return fd;
}

static void ask(int fd, const struct url *url)
{
	bool brackets = strchr(url->host, ':') != NULL;
	char *request;
	int len = asprintf(&request, "GET %s HTTP/1.0\r\nHost: %s%s%s:%u\r\n\r\n", url->path,
	                   brackets ? "[" : "", url->host, brackets ? "]" : "", url->port);

	if (len < 0)
		err(1, "asprintf");
	for (int sent = 0; sent < len;) {
		ssize_t n = send(fd, request + sent, (size_t)(len - sent), MSG_NOSIGNAL);

		if (n < 0)
			err(1, "%s: send", url->host);
		sent += (int)n;
	}
	free(request);
}

/* HTTP/1.0: the page ends where the connection does. */
static void print_answer(int fd, const struct url *url)
{
	FILE *answer = fdopen(fd, "r");
	char line[8192];
	unsigned status;
	size_t n;

	if (answer == NULL)
		err(1, "fdopen");
	if (fgets(line, sizeof(line), answer) == NULL ||
	    sscanf(line, "HTTP/%*u.%*u %3u", &status) != 1)
		errx(1, "%s: no answer in HTTP", url->host);
	line[strcspn(line, "\r\n")] = '\0';
	if (status < 200 || status > 299)
		errx(1, "%s: %s", url->host, line);
	while (fgets(line, sizeof(line), answer) != NULL && strcmp(line, "\r\n") != 0)
		;
	while ((n = fread(line, 1, sizeof(line), answer)) > 0)
		if (fwrite(line, 1, n, stdout) < n)
			err(1, "standard output");
	if (ferror(answer))
		err(1, "%s: read", url->host);
	fclose(answer);
	if (fflush(stdout) != 0)
		err(1, "standard output");
}

int main(int argc, char **argv)
{
	struct url url;
	int fd;

	if (argc != 2 || !parse(argv[1], &url)) {
		fprintf(stderr, "usage: http_get http://host[:port]/path\n");
		return 2;
	}
	fd = dial(&url);
	ask(fd, &url);
	print_answer(fd, &url);
	return 0;
}
