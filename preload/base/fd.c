#include "base/fd.h"

#include "base/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

/* Above the standard three, and never above half of what the program may use. */
#define FD_LOWEST 3
#define FD_HIGH 1024

/*
 * The kernel's table of a process has room for 64 numbers at first. To let it grow, a process with
 * threads has to wait until no processor uses the old one, which takes 10 ms and more: so as long
 * as the program itself does without, we do with the numbers at the end of it.
 */
#define FD_NEAR 48
#define FD_NEAR_END 64

static int duplicate_from(int fd, int lowest)
{
	return libc_fcntl(fd, F_DUPFD_CLOEXEC, lowest);
}

int fd_duplicate_high(int fd)
{
	struct rlimit limit;
	int floor = FD_HIGH;
	int high;

	if (fd < FD_NEAR) {
		high = duplicate_from(fd, FD_NEAR);
		if (high >= 0 && high < FD_NEAR_END)
			return high;
		if (high >= 0)
			(void)libc_close(high);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < FD_HIGH)
		floor = (int)(limit.rlim_cur / 2);
	if (floor < FD_LOWEST)
		floor = FD_LOWEST;
	high = duplicate_from(fd, floor);
	if (high < 0) /* the upper half is full: any number but the standard three will do */
		high = duplicate_from(fd, FD_LOWEST);
	return high < 0 ? -errno : high;
}

int fd_raise(int fd)
{
	int high = fd_duplicate_high(fd);

	(void)libc_close(fd);
	return high;
}
