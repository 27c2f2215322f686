#include "base/quiet.h"
#include "base/libc.h"

#include <errno.h>
#include <pthread.h>

void quiet_begin(struct quiet *ret_quiet)
{
	sigset_t all;

	ret_quiet->error = errno;
	/*
	 * The mask first and, at the end, last: a handler that runs at that moment may leave by
	 * siglongjmp(), and then the cancellation state must be the program's own. Neither call can
	 * fail with these arguments.
	 */
	(void)sigfillset(&all);
	(void)libc_pthread_sigmask(SIG_SETMASK, &all, &ret_quiet->mask);
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ret_quiet->cancel_state);
}

void quiet_end(const struct quiet *quiet)
{
	errno = quiet->error;
	(void)pthread_setcancelstate(quiet->cancel_state, NULL);
	(void)libc_pthread_sigmask(SIG_SETMASK, &quiet->mask, NULL);
}
