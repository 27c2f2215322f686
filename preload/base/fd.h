/*
 * base/fd: where descriptors of ours are allowed to be.
 * Safe in: threads, signal handlers, fork, cancellation (when disabled around the call).
 */
#ifndef BASE_FD_H
#define BASE_FD_H

/*
 * Moves `fd` to a high number, close-on-exec: programs count on close(0); open() giving 0, and on
 * low numbers for select(). `fd` is closed in every case. Returns the new number, at least 3, or
 * -errno.
 */
int fd_raise(int fd);

/* A second number for `fd`, high and close-on-exec; `fd` stays. Returns it, or -errno. */
int fd_duplicate_high(int fd);

#endif
