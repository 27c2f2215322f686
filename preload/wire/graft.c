#include "wire/graft.h"

#include "base/libc.h"
#include "wire/interests.h"
#include "wire/options.h"

#include <errno.h>
#include <fcntl.h>

int graft_prepare(const struct own *own, const struct attempt *seated, const struct attempt *next)
{
	int r;

	if (!own_is(next->fd, next->cookie))
		return -EBADF;
	r = options_mirror(own, seated->fd, seated->domain, next->fd, next->domain, false);
	return r < 0 ? r : options_mirror_file(seated->fd, next->fd);
}

int graft_place(int fd, const struct attempt *seated, const struct attempt *next)
{
	int flags, r;

	if (!own_is(fd, seated->cookie))
		return -ESTALE;
	flags = libc_fcntl(fd, F_GETFD, 0);
	if (flags < 0)
		return -ESTALE;
	/* dup2() would clear close-on-exec. */
	flags = flags & FD_CLOEXEC ? O_CLOEXEC : 0;

	/* The registrations are those of the socket that goes. */
	r = interests_detach(fd);
	/* That may take a while with many sets. Between this look and dup3() nothing can stand. */
	if (r == 0 && !own_is(fd, seated->cookie))
		r = -ESTALE;
	if (r == 0 && libc_dup3(next->fd, fd, flags) < 0)
		r = -errno;
	if (r == 0) {
		r = interests_attach(fd, next->cookie);
		if (r == 0)
			return 0;
		/* A set without memory for it has that of the old one, which it just gave back. */
		if (own_is(fd, next->cookie))
			(void)libc_dup3(seated->fd, fd, flags);
	}
	/* Or something else has come to the number meanwhile, behind our back. */
	if (!own_is(fd, seated->cookie)) {
		interests_forget(fd);
		return -ESTALE;
	}
	interests_restore(fd, seated->cookie);
	return r;
}
