#include "base/quiet.h"

#include <errno.h>
#include <pthread.h>

void quiet_begin(struct quiet *ret_quiet)
{
	sigset_t all;

	ret_quiet->error = errno;
	/* Neither call can fail with these arguments. */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ret_quiet->cancel_state);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &ret_quiet->mask);
}

void quiet_end(const struct quiet *quiet)
{
	errno = quiet->error;
	(void)pthread_sigmask(SIG_SETMASK, &quiet->mask, NULL);
	(void)pthread_setcancelstate(quiet->cancel_state, NULL);
}
