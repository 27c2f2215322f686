#include "api/contender.h"

#include "base/addr.h"
#include "base/libc.h"
#include "wire/own.h"

#include <errno.h>
#include <fcntl.h>

static int fail(struct contender_failure *ret_failure, enum he_cause cause, int error)
{
	ret_failure->cause = cause;
	ret_failure->error = error;
	return -error;
}

static bool is_socket(int fd)
{
	uint64_t cookie;
	int r = own_cookie(fd, &cookie);

	return r != -EBADF && r != -ENOTSOCK;
}

static bool is_in_the_race(const struct contender *contenders, unsigned count, int fd)
{
	for (unsigned i = 0; i < count; i++)
		if (contenders[i].fd == fd)
			return true;
	return false;
}

/* Whether what the callback returned can race. */
static int check_given(int fd, int family, struct contender_failure *ret_failure)
{
	struct own own;
	int r = own_look(fd, &own);

	if (r == -ENOPROTOOPT || (r == 0 && own.domain != family))
		r = -EPROTOTYPE;
	if (r < 0)
		return fail(ret_failure, HE_CAUSE_CALLBACK_UNUSABLE, -r);
	if (!own.idle)
		return fail(ret_failure, HE_CAUSE_CALLBACK_IN_USE, EISCONN);
	own_look_at_rare(&own);
	/* connect() would say that it is connected before anything was sent. */
	if (own.fast_open || own.repairing)
		return fail(ret_failure, HE_CAUSE_CALLBACK_UNUSABLE, EOPNOTSUPP);
	return 0;
}

static int make_ready(int fd, struct contender_failure *ret_failure)
{
	int flags = libc_fcntl(fd, F_GETFL, 0);

	if (flags < 0 || libc_fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    libc_fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return fail(ret_failure, HE_CAUSE_CALLBACK_UNUSABLE, errno);
	return 0;
}

static int ask_for_socket(struct contender *contenders, unsigned i, const struct plan *plan,
                          struct contender_failure *ret_failure)
{
	int fd = plan->options.socket(plan->addrs[i], plan->options.socket_data);
	int r;

	if (fd == HE_ABORT) {
		ret_failure->aborts = true;
		return fail(ret_failure, HE_CAUSE_CALLBACK, ECANCELED);
	}
	if (fd < 0)
		return fail(ret_failure, HE_CAUSE_CALLBACK, -fd);
	/* That one is not closed: it is the other attempt's. */
	if (is_in_the_race(contenders, i, fd))
		return fail(ret_failure, HE_CAUSE_CALLBACK_SAME, EEXIST);
	/* Nor is what is no socket: a callback that returns 0 for success did not mean its stdin.
	 */
	r = check_given(fd, plan->addrs[i]->ai_family, ret_failure);
	if (r < 0 && !is_socket(fd))
		return r;
	contenders[i].fd = fd;
	return r < 0 ? r : make_ready(fd, ret_failure);
}

static int make_socket(struct contender *contender, const struct addrinfo *addr,
                       struct contender_failure *ret_failure)
{
	contender->fd =
	    socket(addr->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, addr->ai_protocol);
	return contender->fd < 0 ? fail(ret_failure, HE_CAUSE_SOCKET, errno) : 0;
}

static int bind_to_local(int fd, unsigned i, const struct plan *plan, struct he_report *report,
                         struct contender_failure *ret_failure)
{
	int error = 0;

	for (size_t k = 0; k < plan->local_count; k++) {
		const struct plan_local *local = &plan->locals[k];
		const struct sockaddr *name = (const struct sockaddr *)&local->name;

		if (local->name.ss_family != plan->addrs[i]->ai_family)
			continue;
		if (libc_bind(fd, name, local->len) == 0)
			return 0;
		error = errno;
		report_bind_failure(report, i, name, local->len, error);
	}
	if (error != 0)
		return fail(ret_failure, HE_CAUSE_BIND, error);
	return fail(ret_failure, HE_CAUSE_NO_LOCAL, EADDRNOTAVAIL);
}

/* Where it connects from: nowhere, if it found no way to send and was not bound. */
static void tell_local(int fd, struct sockaddr_storage *ret_local)
{
	struct sockaddr_storage local = {0};
	socklen_t len = sizeof(local);
	struct addr addr;
	struct addr_extra extra;

	if (getsockname(fd, (struct sockaddr *)&local, &len) == 0 &&
	    addr_from_sockaddr((struct sockaddr *)&local, len, &addr, &extra) == 0 &&
	    (!addr_is_any(&addr) || extra.port != 0))
		*ret_local = local;
}

enum handshake contender_start(struct contender *contenders, unsigned i, const struct plan *plan,
                               struct he_report *report, struct contender_failure *ret_failure)
{
	struct contender *contender = &contenders[i];
	const struct addrinfo *addr = plan->addrs[i];
	enum handshake state;
	int r;

	if (plan->options.socket != NULL)
		r = ask_for_socket(contenders, i, plan, ret_failure);
	else
		r = make_socket(contender, addr, ret_failure);
	if (r == 0) {
		r = own_cookie(contender->fd, &contender->cookie);
		if (r < 0)
			(void)fail(ret_failure, HE_CAUSE_SOCKET, -r);
	}
	if (r == 0 && (plan->options.flags & HE_BIND_LOCAL) != 0)
		r = bind_to_local(contender->fd, i, plan, report, ret_failure);
	if (r < 0)
		return HANDSHAKE_UNABLE;

	ret_failure->cause = HE_CAUSE_CONNECT;
	state =
	    handshake_begin(contender->fd, addr->ai_addr, addr->ai_addrlen, &ret_failure->error);
	tell_local(contender->fd, &report->attempts[i].local);
	return state;
}

void contender_close(struct contender *contender)
{
	if (contender->fd < 0)
		return;
	if (contender->cookie != 0)
		handshake_close(contender->fd, contender->cookie);
	else
		(void)libc_close(contender->fd);
	contender->fd = -1;
}
