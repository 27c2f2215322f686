#include "wire/graft.h"

#include "base/libc.h"
#include "wire/options.h"

#include <errno.h>
#include <fcntl.h>

int graft_place(const struct own *own, const struct attempt *seated, const struct attempt *next)
{
	int flags, r;

	if (!own_is(own->fd, seated->cookie))
		return -ESTALE;
	if (!own_is(next->fd, next->cookie))
		return -EBADF;
	/* Once more: the program may have set options while the attempts ran. */
	r = options_mirror(own, seated->fd, seated->domain, next->fd, next->domain, false);
	if (r == 0)
		r = options_mirror_file(seated->fd, next->fd);
	if (r < 0)
		return r;
	flags = libc_fcntl(own->fd, F_GETFD, 0);
	if (flags < 0)
		return -ESTALE;
	/* dup2() would clear close-on-exec. */
	if (libc_dup3(next->fd, own->fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return -errno;
	return 0;
}
