/*
 * base/quiet: a stretch of code that no signal handler interrupts and no cancellation ends, so
 * that a lock taken inside can never be found held by a handler of the same thread. Costs two
 * system calls. errno is restored at the end.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef BASE_QUIET_H
#define BASE_QUIET_H

#include <signal.h>

struct quiet {
	sigset_t mask;    /* the program's own, put back at the end */
	int cancel_state; /* likewise */
	int error;        /* errno at the begin */
};

void quiet_begin(struct quiet *ret_quiet);
void quiet_end(const struct quiet *quiet);

#endif
