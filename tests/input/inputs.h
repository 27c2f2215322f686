/*
 * What he.h promises about input that is no good, and about a process that lacks something. As
 * tests/conformance/cases.h: X(name) is input_name().
 */
#ifndef INPUTS_H
#define INPUTS_H

#include <he.h>

#define INPUTS(X)                                                                                  \
	X(empty_list)                                                                              \
	X(unknown_family)                                                                          \
	X(other_family_inside)                                                                     \
	X(short_address)                                                                           \
	X(null_address)                                                                            \
	X(other_protocol)                                                                          \
	X(protocol_of_no_choice)                                                                   \
	X(bad_local)                                                                               \
	X(attempt_delay)                                                                           \
	X(family_count)                                                                            \
	X(timeout)                                                                                 \
	X(max_in_flight)                                                                           \
	X(flags)                                                                                   \
	X(size_too_small)                                                                          \
	X(size_of_a_newer_one)                                                                     \
	X(size_of_an_older_one)                                                                    \
	X(no_options)                                                                              \
	X(cancel_fd_regular)                                                                       \
	X(cancel_fd_closed)                                                                        \
	X(cancel_fd_many_races)                                                                    \
	X(callback_error)                                                                          \
	X(callback_same)                                                                           \
	X(callback_connected)                                                                      \
	X(callback_connecting)                                                                     \
	X(callback_listening)                                                                      \
	X(callback_udp)                                                                            \
	X(callback_unix)                                                                           \
	X(callback_other_family)                                                                   \
	X(callback_no_socket)                                                                      \
	X(callback_closed)                                                                         \
	X(callback_fast_open)                                                                      \
	X(callback_repairing)                                                                      \
	X(callback_bound)                                                                          \
	X(callback_mode)                                                                           \
	X(callback_bound_twice)                                                                    \
	X(finish_null)                                                                             \
	X(free_null)                                                                               \
	X(no_descriptors)                                                                          \
	X(no_descriptors_later)                                                                    \
	X(no_watches)                                                                              \
	X(no_memory)                                                                               \
	X(fork_finish)                                                                             \
	X(fork_cancel)                                                                             \
	X(fork_advance)                                                                            \
	X(fork_after_the_win)                                                                      \
	X(thread_cancelled_before)                                                                 \
	X(text_exact)                                                                              \
	X(text_cut)                                                                                \
	X(text_of_causes)

#define INPUTS_DECLARE(name) void input_##name(void);
INPUTS(INPUTS_DECLARE)

/* The race fails with this errno and that cause before it begins anything, and says why. */
#define REJECTED(error, cause) CHECK(was_rejected(error, cause))
_Bool was_rejected(int error, enum he_cause cause);

#endif
