#include "wire/handshake.h"

#include "base/libc.h"
#include "wire/own.h"

#include <errno.h>

enum handshake handshake_begin(int fd, const struct sockaddr *name, socklen_t len, int *ret_error)
{
	if (libc_connect(fd, name, len) == 0)
		return HANDSHAKE_DONE;
	if (errno == EINPROGRESS)
		return HANDSHAKE_RUNNING;
	/* At once: the kernel found no way to send. Only a refusal can come from the network. */
	*ret_error = errno;
	return errno == ECONNREFUSED ? HANDSHAKE_FAILED : HANDSHAKE_UNSENT;
}

enum handshake handshake_look(int fd, uint64_t cookie, int *ret_error)
{
	enum own_progress progress;
	int error = 0;
	socklen_t len = sizeof(error);

	/* A program that closes every number may have another file there by now. */
	if (!own_is(fd, cookie) || own_progress(fd, &progress) < 0) {
		*ret_error = EBADF;
		return HANDSHAKE_UNABLE;
	}
	if (progress == OWN_CONNECTING)
		return HANDSHAKE_RUNNING;
	if (libc_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 &&
	    progress != OWN_CONNECTED) {
		*ret_error = errno;
		return HANDSHAKE_UNABLE; /* not the network's word */
	}
	if (progress == OWN_CONNECTED && error == 0)
		return HANDSHAKE_DONE;
	/* What it asked to be told of on the way (IP_RECVERR) is no end. */
	if (progress == OWN_FAILING && error == 0)
		return HANDSHAKE_RUNNING;
	/* Hung up without an error: reset between the two questions. */
	*ret_error = error != 0 ? error : ECONNRESET;
	return HANDSHAKE_FAILED;
}

void handshake_close(int fd, uint64_t cookie)
{
	if (!own_is_gone(fd, cookie))
		(void)libc_close(fd);
}

static enum race_end race_end_of(enum handshake state)
{
	switch (state) {
	case HANDSHAKE_DONE: return RACE_END_CONNECTED;
	case HANDSHAKE_UNSENT:
	case HANDSHAKE_UNABLE: return RACE_END_UNSENT;
	default: return RACE_END_FAILED;
	}
}

void handshake_report(enum handshake state, int error, struct race *race, unsigned i,
                      uint64_t now_ns)
{
	if (state == HANDSHAKE_RUNNING)
		return;
	race_report(race, i, race_end_of(state), error, now_ns);
	if (state == HANDSHAKE_UNABLE)
		race_forfeit(race, i, error);
}
