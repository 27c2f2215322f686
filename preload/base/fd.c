#include "base/fd.h"

#include "base/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

/* Above the standard three, and never above half of what the program may use. */
#define FD_LOWEST 3
#define FD_HIGH 1024

int fd_duplicate_high(int fd)
{
	struct rlimit limit;
	int floor = FD_HIGH;
	int high;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < FD_HIGH)
		floor = (int)(limit.rlim_cur / 2);
	if (floor < FD_LOWEST)
		floor = FD_LOWEST;
	high = libc_fcntl(fd, F_DUPFD_CLOEXEC, floor);
	if (high < 0) /* the upper half is full: any number but the standard three will do */
		high = libc_fcntl(fd, F_DUPFD_CLOEXEC, FD_LOWEST);
	return high < 0 ? -errno : high;
}

int fd_raise(int fd)
{
	int high = fd_duplicate_high(fd);

	(void)libc_close(fd);
	return high;
}
