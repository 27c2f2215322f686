/* What the soak is under a sanitizer. */
#include "soak.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)

/*
 * ThreadSanitizer keeps books of descriptors, and misses those that come and go by raw system
 * calls, close_range(), fcntl() and SCM_RIGHTS: what it takes for one descriptor in the hands of
 * two threads are two, one after the other.
 */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:^__interceptor_close$\n"
	       "race:^__interceptor_dup$\n"
	       "race:^__interceptor_dup2$\n"
	       "race:^__interceptor_dup3$\n"
	       "race:^__interceptor_open$\n"
	       "race:^__interceptor_socket$\n"
	       "race:^__interceptor_socketpair$\n"
	       "race:^__interceptor_connect$\n"
	       "race:^__interceptor_send$\n"
	       "race:^__interceptor_recv$\n"
	       "race:^__interceptor_sendmsg$\n"
	       "race:^__interceptor_recvmsg$\n"
	       "race:^__interceptor_epoll_create1$\n"
	       "race:^__interceptor_epoll_ctl$\n"
	       "race:^__interceptor_epoll_wait$\n"
	       "race:^__interceptor_epoll_pwait$\n"
	       "race:^__interceptor_epoll_pwait2$\n";
}

const bool sanitized = true;

#elif defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)

const bool sanitized = true;

#else

const bool sanitized = false;

#endif
