/*
 * base/libc.h for a library without hooks: the functions by their plain names. What is preloaded
 * before the C library stays in the chain; libhe.so, too, for which this is a program that races by
 * itself, and whose next address it may try when one has failed.
 */
#include "base/libc.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

int libc_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return bind(fd, addr, len);
}

int libc_close(int fd)
{
	return close(fd);
}

int libc_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return connect(fd, addr, len);
}

int libc_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	return epoll_ctl(set, operation, fd, event);
}

int libc_epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms)
{
	return epoll_wait(set, events, max, timeout_ms);
}

int libc_fcntl(int fd, int command, long argument)
{
	return fcntl(fd, command, argument);
}

int libc_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                     struct addrinfo **ret_list)
{
	return getaddrinfo(node, service, hints, ret_list);
}

int libc_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return getsockopt(fd, level, name, value, len);
}

int libc_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
               const sigset_t *mask)
{
	return ppoll(fds, count, timeout, mask);
}
