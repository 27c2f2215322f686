/*
 * All cases, by the number of tests/conformance/README.md: X(number, name) is case_number_name().
 */
#ifndef CASES_H
#define CASES_H

#define CASES(X)                                                                                   \
	X(7, one_winner)                                                                           \
	X(8, multiple_winners)                                                                     \
	X(11, one_successful)                                                                      \
	X(12, first_error_second_successful)                                                       \
	X(13, first_timeout_second_successful)                                                     \
	X(14, none_successful)                                                                     \
	X(15, long_delay_early_failure)                                                            \
	X(17, slow_and_slower_and_failure)                                                         \
	X(18, sequence_of_failure_and_slow)                                                        \
	X(19, empty_list)                                                                          \
	X(20, single_address_errors)                                                               \
	X(21, single_address_success)                                                              \
	X(23, single_address_callback)                                                             \
	X(24, sequence_takes_the_first)                                                            \
	X(25, multiple_winners_cleaned_up)                                                         \
	X(26, race_takes_the_first)                                                                \
	X(27, callback_takes_the_first)                                                            \
	X(28, all_sockets_fail)                                                                    \
	X(29, ipv6_socket_fails)                                                                   \
	X(30, ipv4_would_fail)                                                                     \
	X(31, first_ipv6_fails)                                                                    \
	X(32, family_count_2_first_ipv6_fails)                                                     \
	X(33, ipv6_only_first_fails)                                                               \
	X(34, local_ipv6_family_count_2_first_ipv6_fails)                                          \
	X(35, local_both_first_ipv6_fails)                                                         \
	X(36, local_ipv4_bind_fails_first_ipv6_fails)                                              \
	X(37, local_ipv4_bind_fails_family_count_2)                                                \
	X(38, callback_aborts)                                                                     \
	X(39, nonblocking_mode_fails)                                                              \
	X(40, local_ipv4_only)                                                                     \
	X(41, local_bind_fails_all)                                                                \
	X(42, all_with_the_same_error)                                                             \
	X(43, all_with_different_errors)                                                           \
	X(47, abort_while_others_run)                                                              \
	X(48, cancellation)                                                                        \
	X(49, close_errors)                                                                        \
	X(50, interleave)                                                                          \
	X(51, interleave_first_family_count)                                                       \
	X(a, stale_failure)                                                                        \
	X(b, fresh_delay_after_early_failure)                                                      \
	X(c, late_winner_after_exhaustion)                                                         \
	X(d, starts_a_delay_apart)                                                                 \
	X(e, losers_closed_before_return)                                                          \
	X(f, cancel_and_timeout_close_all)                                                         \
	X(g, errors_in_start_order)                                                                \
	X(h, bind_error_and_connect_error)                                                         \
	X(i, no_local_address)                                                                     \
	X(j, single_address_without_timer)                                                         \
	X(k, sequence_interleaved)                                                                 \
	X(l, race_in_the_order_of_the_list)                                                        \
	X(m, duplicates)                                                                           \
	X(n, input_untouched)                                                                      \
	X(o, mode_of_the_socket)                                                                   \
	X(p, same_error_of_both_families)                                                          \
	X(q, late_finishers)

#define CASES_DECLARE(number, name) void case_##number##_##name(void);
CASES(CASES_DECLARE)

#endif
