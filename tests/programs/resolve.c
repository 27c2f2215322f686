/*
 * Calls the resolver functions in every way that programs do, bad ones included, and prints what
 * comes back, so that two runs can be compared. The first line says whether libhe is loaded.
 */
#include "promise.h"

static void print_list(const char *what, const char *node, const char *service,
                       const struct addrinfo *hints)
{
	struct addrinfo *list = NULL;
	int r;

	errno = 0;
	r = getaddrinfo(node, service, hints, &list);
	printf("%s: %d errno %d", what, r, r == EAI_SYSTEM ? errno : 0);
	for (struct addrinfo *at = list; r == 0 && at != NULL; at = at->ai_next) {
		char host[INET6_ADDRSTRLEN], port[8];

		CHECK(getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof(host), port,
		                  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0);
		printf(" %s/%s/%d/%d/%s", host, port, at->ai_socktype, at->ai_flags,
		       at->ai_canonname != NULL ? at->ai_canonname : "-");
	}
	puts("");
	if (r == 0)
		freeaddrinfo(list);
}

static void print_host(const char *what, const struct hostent *host, int error)
{
	printf("%s: error %d", what, error);
	for (char **at = host != NULL ? host->h_addr_list : NULL; at != NULL && *at != NULL; at++) {
		char text[INET6_ADDRSTRLEN];

		printf(" %s", inet_ntop(host->h_addrtype, *at, text, sizeof(text)));
	}
	puts("");
}

static void lists(void)
{
	struct addrinfo stream = {.ai_socktype = SOCK_STREAM};
	struct addrinfo canonical = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
	struct addrinfo passive = {.ai_family = AF_INET, .ai_flags = AI_PASSIVE};
	struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
	struct addrinfo mapped = {.ai_family = AF_INET6, .ai_flags = AI_V4MAPPED};
	struct addrinfo bad = {.ai_family = 99};

	print_list("name", "mix", "80", &stream);
	print_list("no hints", "healthy", NULL, NULL);
	print_list("canonical", "healthy", "80", &canonical);
	print_list("no node", NULL, "80", &stream);
	print_list("no node, no hints", NULL, "80", NULL);
	print_list("passive", NULL, "80", &passive);
	print_list("numeric", "192.0.2.7", "80", &numeric);
	print_list("numeric IPv6", "2001:db8::7", NULL, &stream);
	print_list("not numeric", "healthy", "80", &numeric);
	print_list("mapped", "two4", "80", &mapped);
	print_list("unknown name", "nowhere", "80", &stream);
	print_list("unknown service", "healthy", "no-such-service", &stream);
	print_list("bad family", "healthy", "80", &bad);
	print_list("nothing at all", NULL, NULL, &stream);
	print_list("empty name", "", "80", &stream);
}

static void hosts(void)
{
	struct hostent host, *found;
	char buffer[1024];
	int error = 0, r;

	h_errno = 0;
	found = gethostbyname("two4");
	print_host("gethostbyname", found, found != NULL ? 0 : h_errno);
	found = gethostbyname("nowhere");
	print_host("gethostbyname, unknown", found, found != NULL ? 0 : h_errno);
	found = gethostbyname2("half", AF_INET6);
	print_host("gethostbyname2", found, found != NULL ? 0 : h_errno);
	r = gethostbyname_r("two4", &host, buffer, sizeof(buffer), &found, &error);
	print_host("gethostbyname_r", found, found != NULL ? r : error);
	r = gethostbyname_r("two4", &host, buffer, 1, &found, &error);
	print_host("gethostbyname_r, small buffer", found, r);
	r = gethostbyname2_r("half", AF_INET6, &host, buffer, sizeof(buffer), &found, &error);
	print_host("gethostbyname2_r", found, found != NULL ? r : error);
}

int main(void)
{
	puts(dlsym(RTLD_DEFAULT, "libhe_version") != NULL ? "with libhe" : "without libhe");
	lists();
	hosts();
	puts("done");
	return 0;
}
