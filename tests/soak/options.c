/* Socket options that a race must carry over, set before it and during it. */
#include "soak.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

/* Two values of each: the second is what is set during the race. None changes how it ends. */
static const struct {
	int level, name, values[2];
} options[OPTIONS] = {
    {SOL_SOCKET, SO_KEEPALIVE, {1, 1}},
    {SOL_SOCKET, SO_OOBINLINE, {1, 1}},
    {SOL_SOCKET, SO_PRIORITY, {3, 5}},
    {IPPROTO_TCP, TCP_NODELAY, {1, 1}},
    {IPPROTO_TCP, TCP_KEEPIDLE, {77, 78}},
    {IPPROTO_TCP, TCP_KEEPINTVL, {7, 8}},
    {IPPROTO_TCP, TCP_KEEPCNT, {3, 4}},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, {60000, 70000}},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, {16384, 20000}},
    /* The kernel doubles these, and says so when asked. */
    {SOL_SOCKET, SO_SNDBUF, {30000, 40000}},
    {SOL_SOCKET, SO_RCVBUF, {50000, 60000}},
};

static int read_option(int fd, unsigned i)
{
	int value = -1;
	socklen_t len = sizeof(value);

	MUST(getsockopt(fd, options[i].level, options[i].name, &value, &len) == 0);
	return value;
}

static int expected(unsigned i, int round)
{
	int value = options[i].values[round];

	return options[i].name == SO_SNDBUF || options[i].name == SO_RCVBUF ? 2 * value : value;
}

/* `round`: 0 before the race, 1 during it. */
void options_set(struct race *race, unsigned which, int round)
{
	for (unsigned i = 0; i < OPTIONS; i++) {
		if ((which & 1u << i) == 0)
			continue;
		MUST(setsockopt(race->fd, options[i].level, options[i].name,
		                &options[i].values[round], sizeof(int)) == 0);
		race->options[round] |= 1u << i;
	}
}

void options_check(struct race *race, int fd)
{
	for (unsigned i = 0; i < OPTIONS; i++) {
		unsigned bit = 1u << i;
		int round = (race->options[1] & bit) != 0, value;

		if (((race->options[0] | race->options[1]) & bit) == 0)
			continue;
		value = read_option(fd, i);
		if (value != expected(i, round))
			FAIL("option %d of level %d is %d, was set to %d %s the race",
			     options[i].name, options[i].level, value, expected(i, round),
			     round ? "during" : "before");
	}
}
