#include "wire/attempt.h"

#include "base/fd.h"
#include "base/libc.h"
#include "wire/handshake.h"
#include "wire/options.h"

#include <errno.h>

static int make_socket(const struct attempt *attempt, const struct own *own)
{
	int fd = socket(attempt->domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, own->protocol);

	return fd < 0 ? -errno : fd_raise(fd);
}

void attempt_prepare(struct attempt *attempt, const struct own *own)
{
	int fd = make_socket(attempt, own);
	int r = fd < 0 ? fd : own_cookie(fd, &attempt->cookie);

	if (r < 0 && fd >= 0)
		(void)libc_close(fd);
	attempt->fd = r < 0 ? -1 : fd;
	attempt->error = -r;
}

int attempt_adopt(struct attempt *attempt, int fd)
{
	int high = fd_duplicate_high(fd);

	if (high < 0)
		return high;
	/* Closed behind our back in this moment, and what has the number now is not ours to keep.
	 */
	if (!own_is(high, attempt->cookie)) {
		(void)libc_close(high);
		return -ESTALE;
	}
	attempt->fd = high;
	return 0;
}

/* The address that the program bound its own socket to, with a port of the kernel's choice. */
static int bind_as(const struct attempt *attempt, const struct own *own)
{
	struct addr_extra extra = {.mapped = attempt->domain == AF_INET6};
	struct sockaddr_storage name;
	socklen_t len;

	if (own->bound.family == 0)
		return 0;
	len = addr_to_sockaddr(&own->bound, &extra, &name);
	return libc_bind(attempt->fd, (struct sockaddr *)&name, len) < 0 ? -errno : 0;
}

/* Where the attempt goes: port and flow label are those of the requested address. */
static socklen_t name_for(const struct attempt *attempt, const struct addr_extra *extra,
                          struct sockaddr_storage *ret_name)
{
	struct addr_extra ours = {.port = extra->port, .mapped = attempt->domain == AF_INET6};

	if (attempt->addr.family == AF_INET6)
		ours.flowinfo = extra->flowinfo;
	return addr_to_sockaddr(&attempt->addr, &ours, ret_name);
}

/* The thread that made the socket may have been in another namespace than the program's socket is.
 */
static int same_netns(int a, int b)
{
	uint64_t netns_a, netns_b;
	int r = own_netns(a, &netns_a);

	if (r == 0)
		r = own_netns(b, &netns_b);
	return r < 0 ? r : netns_a == netns_b ? 0 : -EXDEV;
}

enum handshake attempt_start(struct attempt *attempt, const struct own *own,
                             const struct attempt *model, const struct addr_extra *extra,
                             int *ret_error)
{
	struct sockaddr_storage name;
	socklen_t len;
	int r;

	if (attempt->fd < 0 || !own_is(attempt->fd, attempt->cookie)) {
		*ret_error = attempt->fd < 0 ? attempt->error : EBADF;
		return HANDSHAKE_UNABLE;
	}
	r = same_netns(attempt->fd, model->fd);
	if (r == 0)
		r = options_mirror(own, model->fd, model->domain, attempt->fd, attempt->domain,
		                   true);
	if (r == 0)
		r = bind_as(attempt, own);
	if (r < 0) {
		*ret_error = -r;
		return HANDSHAKE_UNABLE;
	}

	len = name_for(attempt, extra, &name);
	return handshake_begin(attempt->fd, (struct sockaddr *)&name, len, ret_error);
}

void attempt_complete(const struct attempt *attempt, const struct addr_extra *extra)
{
	struct sockaddr_storage name;
	socklen_t len = name_for(attempt, extra, &name);

	/* Whatever is said here, the socket tells the program the truth. */
	(void)libc_connect(attempt->fd, (struct sockaddr *)&name, len);
}

enum handshake attempt_look(const struct attempt *attempt, int *ret_error)
{
	return handshake_look(attempt->fd, attempt->cookie, ret_error);
}

void attempt_close(struct attempt *attempt)
{
	if (attempt->fd < 0 || attempt->cookie == 0)
		return;
	handshake_close(attempt->fd, attempt->cookie);
	attempt->fd = -1;
}
