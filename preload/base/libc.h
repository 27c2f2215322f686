/*
 * base/libc: the functions behind our hooks, that is, what the program would have called without
 * libhe: the next definition after ours in the loader's order, so that other preloaded libraries
 * keep their place in the chain. The only dlsym() of the library.
 *
 * Everything in libhe that needs one of these functions calls it by these names; calling it by its
 * plain name would enter our own hook.
 *
 * Resolved by a constructor, before main() and so before any signal handler can call a hook; a
 * hook that another library's constructor reaches earlier resolves what it needs by itself.
 * Safe in: threads, signal handlers (after the constructor), fork, cancellation (as the function).
 */
#ifndef BASE_LIBC_H
#define BASE_LIBC_H

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

enum libc_function {
	LIBC_BIND,
	LIBC_CLOSE,
	LIBC_CLOSEFROM,
	LIBC_CLOSE_RANGE,
	LIBC_CONNECT,
	LIBC_DUP,
	LIBC_DUP2,
	LIBC_DUP3,
	LIBC_EPOLL_CTL,
	LIBC_EPOLL_PWAIT,
	LIBC_EPOLL_PWAIT2,
	LIBC_EPOLL_WAIT,
	LIBC_FCNTL,
	LIBC_FCNTL64,
	LIBC_GETADDRINFO,
	LIBC_GETHOSTBYNAME,
	LIBC_GETHOSTBYNAME2,
	LIBC_GETHOSTBYNAME2_R,
	LIBC_GETHOSTBYNAME_R,
	LIBC_GETSOCKOPT,
	LIBC_IOCTL,
	LIBC_POLL,
	LIBC_POLL_CHK,
	LIBC_PPOLL,
	LIBC_PPOLL_CHK,
	LIBC_PSELECT,
	LIBC_PTHREAD_SIGMASK,
	LIBC_SELECT,
	LIBC_SETSOCKOPT,
	LIBC_SHUTDOWN,
	LIBC_SIGPROCMASK,
	LIBC_FUNCTIONS
};

/*
 * The next definition, or NULL when no library in this process has one (an older glibc without
 * closefrom(); then no program that could call our hook was linked against it either).
 */
void *libc_next(enum libc_function which);

int libc_bind(int fd, const struct sockaddr *addr, socklen_t len);
int libc_close(int fd);
int libc_close_range(unsigned first, unsigned last, int flags);
void libc_closefrom(int first);
int libc_connect(int fd, const struct sockaddr *addr, socklen_t len);
int libc_dup(int fd);
int libc_dup2(int old_fd, int new_fd);
int libc_dup3(int old_fd, int new_fd, int flags);
struct epoll_event;
int libc_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int libc_epoll_pwait(int set, struct epoll_event *events, int max, int timeout_ms,
                     const sigset_t *mask);
int libc_epoll_pwait2(int set, struct epoll_event *events, int max, const struct timespec *timeout,
                      const sigset_t *mask);
int libc_epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms);

/* `argument` is a number or a pointer, as the command wants; 0 for commands without one. */
int libc_fcntl(int fd, int command, long argument);

/* The one for 64-bit file offsets; the same where all are, or where there is none. */
int libc_fcntl64(int fd, int command, long argument);
int libc_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                     struct addrinfo **ret_list);
struct hostent *libc_gethostbyname(const char *name);
struct hostent *libc_gethostbyname2(const char *name, int family);
int libc_gethostbyname_r(const char *name, struct hostent *host, char *buffer, size_t size,
                         struct hostent **ret_host, int *ret_error);
int libc_gethostbyname2_r(const char *name, int family, struct hostent *host, char *buffer,
                          size_t size, struct hostent **ret_host, int *ret_error);
int libc_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int libc_ioctl(int fd, unsigned long request, long argument);
int libc_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int libc_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
               const sigset_t *mask);
/* The fortified forms, which end the program when `size`, in bytes, is too small for `count`. */
int libc_poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size);
int libc_ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                   const sigset_t *mask, size_t size);
int libc_pselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                 const struct timespec *timeout, const sigset_t *mask);
int libc_pthread_sigmask(int how, const sigset_t *set, sigset_t *ret_old);
int libc_select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                struct timeval *timeout);
int libc_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int libc_shutdown(int fd, int how);
int libc_sigprocmask(int how, const sigset_t *set, sigset_t *ret_old);

#endif
