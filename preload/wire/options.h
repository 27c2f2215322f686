/*
 * wire/options: makes one socket behave as another, by reading what the program set on it and
 * setting that on the other, across address families where the option has a twin.
 *
 * Not copied: TCP_FASTOPEN_CONNECT and TCP_REPAIR (with them every connect() would "win" at once;
 * a socket that has them is not raced). TCP_MAXSEG and TCP_WINDOW_CLAMP read differently once a
 * socket connects and are given by value.
 *
 * Safe in: threads, signal handlers, fork, cancellation (no cancellation point inside).
 */
#ifndef WIRE_OPTIONS_H
#define WIRE_OPTIONS_H

#include "wire/own.h"

#include <stdbool.h>

/*
 * Sets on `to`, a socket of `to_domain`, what differs from `from`, a socket of `from_domain`.
 * `own` gives what the program's socket was like before it connected; `fresh` says that `to` has
 * not started to connect; else it is about to stand in for `from`.
 * Returns 0, or -errno of the first option that the kernel refuses: then `to` must not stand in
 * for `from`.
 */
int options_mirror(const struct own *own, int from, int from_domain, int to, int to_domain,
                   bool fresh);

/*
 * Gives `to` the status flags (O_NONBLOCK, O_ASYNC, ...), the owner and the signal of the open
 * file behind `from`. Returns 0 or -errno.
 */
int options_mirror_file(int from, int to);

#endif
