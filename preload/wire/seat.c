#include "wire/seat.h"

#include "base/libc.h"
#include "wire/contests.h"
#include "wire/graft.h"
#include "wire/interests.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

struct attempt seat_of(const struct contest *contest)
{
	struct attempt seated = contest->attempts[contest->seat];

	if (seated.fd < 0)
		seated.fd = contest->numbers[0].fd;
	return seated;
}

bool seat_keep_numbers(struct contest *contest)
{
	uint64_t cookie = contest->attempts[contest->seat].cookie;

	for (unsigned i = contest->number_count; i-- > 0;)
		if (own_is_gone(contest->numbers[i].fd, cookie))
			contests_drop_number(contest, i);
	return contest->number_count > 0;
}

void seat_learn_error(struct contest *contest, unsigned i)
{
	struct race_attempt *attempt = &contest->race.attempts[i];
	int error;

	if (attempt->state == RACE_FAILED && attempt->error == 0 &&
	    attempt_look(&contest->attempts[i], &error) == HANDSHAKE_FAILED)
		attempt->error = error;
}

void seat_check_record(struct contest *contest)
{
	uint64_t cookie = contest->attempts[contest->seat].cookie;

	for (unsigned i = 0; i < contest->number_count; i++)
		if (interests_have(contest->numbers[i].fd, cookie))
			return;
	if ((contest->known & WAITERS_RECORD) != 0) {
		contest->known &= ~(unsigned)WAITERS_RECORD;
		contests_recount(contest);
	}
}

int seat_place(struct contest *contest, unsigned next)
{
	struct attempt *seated = &contest->attempts[contest->seat];
	enum own_progress progress;
	int r = 0;

	if (!seat_keep_numbers(contest))
		return -ESTALE;
	/* What was failing has connected after all, and the program may use it already. */
	if (own_progress(seat_of(contest).fd, &progress) == 0 && progress == OWN_CONNECTED)
		return -ESTALE;
	if (seated->fd < 0)
		r = attempt_adopt(seated, contest->numbers[0].fd);
	if (r == 0)
		r = graft_prepare(&contest->own, seated, &contest->attempts[next]);
	if (r < 0)
		return r;

	r = graft_place(contest->numbers[0].fd, seated, &contest->attempts[next]);
	if (r < 0)
		return r;
	/* What does not take it any more keeps the old socket, as a copy that nobody knows would.
	 */
	for (unsigned i = contest->number_count; i-- > 1;)
		if (graft_place(contest->numbers[i].fd, seated, &contest->attempts[next]) < 0)
			contests_drop_number(contest, i);
	/* The own one may come back, for the program to read. */
	if (contest->seat != 0)
		seat_learn_error(contest, contest->seat);
	contest->seat = next;
	contest->attempts[next].seated = true;
	contest->hidden = false;
	seat_check_record(contest);
	return 0;
}

void seat_give_back(struct contest *contest)
{
	const struct attempt *stood_in = &contest->attempts[contest->seat];

	if (contest->seat != 0 && seat_place(contest, 0) == 0 &&
	    own_is(stood_in->fd, stood_in->cookie))
		(void)libc_shutdown(stood_in->fd, SHUT_RDWR);
}

/* Touches no state, because a forked child may share the socket. */
static void wake_pollers(const struct attempt *attempt)
{
	int lowat = 0;
	socklen_t len = sizeof(lowat);

	if (libc_getsockopt(attempt->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, &len) == 0)
		(void)libc_setsockopt(attempt->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, len);
}

static void wake_connecting(const struct attempt *attempt)
{
	static const int least = 1;

	if (libc_shutdown(attempt->fd, SHUT_RDWR) == 0 || errno != EBUSY)
		return;
	/*
	 * Some kernels of 2023 (6.4 to 6.5, and stable ones of that summer) refuse to shut a socket
	 * down while a thread waits in connect(). There it ends at its next retransmission instead,
	 * after a second at most.
	 */
	(void)libc_setsockopt(attempt->fd, IPPROTO_TCP, TCP_SYNCNT, &least, sizeof(least));
	(void)libc_setsockopt(attempt->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &least, sizeof(least));
}

void seat_wake(const struct contest *contest)
{
	for (unsigned i = 0; i < contest->race.next; i++) {
		const struct attempt *attempt = &contest->attempts[i];

		/* A set that has the one which is there now would report it a second time. */
		if (!attempt->seated || attempt->fd < 0 || i == contest->seat)
			continue;
		if (!contest->unattended && contest->race.attempts[i].state == RACE_RUNNING)
			wake_connecting(attempt);
		else
			wake_pollers(attempt);
	}
}

/* The kernel rounds what is set: only a value as it is read back can be compared. */
static bool read_send_timeout(int fd, struct timeval *ret_timeout)
{
	socklen_t len = sizeof(*ret_timeout);

	return libc_getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, ret_timeout, &len) == 0;
}

void seat_cut_send_timeout(struct contest *contest, const struct timeval *left)
{
	int fd = seat_of(contest).fd;

	contest->send_timeout_is_cut =
	    read_send_timeout(fd, &contest->send_timeout) &&
	    libc_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, left, sizeof(*left)) == 0 &&
	    read_send_timeout(fd, &contest->send_timeout_cut);
}

void seat_restore_send_timeout(struct contest *contest)
{
	struct timeval present;
	int fd;

	if (!contest->send_timeout_is_cut)
		return;
	contest->send_timeout_is_cut = false;
	fd = seat_of(contest).fd;
	if (read_send_timeout(fd, &present) && present.tv_sec == contest->send_timeout_cut.tv_sec &&
	    present.tv_usec == contest->send_timeout_cut.tv_usec)
		(void)libc_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &contest->send_timeout,
		                      sizeof(contest->send_timeout));
}
