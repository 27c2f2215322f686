#!/usr/bin/env bats
# What libheconnect says to input that is no good, and in a process that lacks something: an error with a
# name, and nothing left behind. The cases are in tests/input/*.c; holds runs one with he_connect() and in
# an event loop.

load helpers
load loop
load conformance/scene

@test "he_connect (NULL list) fails with EINVAL" { holds he_input empty_list; }
@test "he_connect (entry of another family) fails with EAFNOSUPPORT" { holds he_input unknown_family; }
@test "he_connect (entry and its address disagree) fails with EAFNOSUPPORT" { holds he_input other_family_inside; }
@test "he_connect (address too short) fails with EINVAL" { holds he_input short_address; }
@test "he_connect (entry without an address) fails with EINVAL" { holds he_input null_address; }
@test "he_connect (datagram entry and others) fails with EPROTONOSUPPORT" { holds he_input other_protocol; }
@test "he_connect (type and protocol 0) connects" { holds he_input protocol_of_no_choice; }
@test "he_connect (bad local address) fails with EINVAL" { holds he_input bad_local; }
@test "he_connect (attempt_delay_ms 1 to 9, negative) fails with EINVAL" { holds he_input attempt_delay; }
@test "he_connect (first_family_count -2 and less) fails with EINVAL" { holds he_input family_count; }
@test "he_connect (timeout_ms negative) fails with EINVAL" { holds he_input timeout; }
@test "he_connect (max_in_flight negative) fails with EINVAL" { holds he_input max_in_flight; }
@test "he_connect (unknown flags) fails with EINVAL" { holds he_input flags; }
@test "he_connect (size 0 to 7) fails with E2BIG" { holds he_input size_too_small; }
@test "he_connect (larger options) fails with E2BIG, unless the rest is zero" { holds he_input size_of_a_newer_one; }
@test "he_connect (shorter options) takes the default for the rest" { holds he_input size_of_an_older_one; }
@test "he_connect (NULL options) takes the default" { holds he_input no_options; }
@test "he_connect (cancel_fd of a regular file) fails with EPERM" { holds he_input cancel_fd_regular; }
@test "he_connect (cancel_fd closed) fails with EBADF" { holds he_input cancel_fd_closed; }
@test "he_connect (one cancel_fd for many races) ends them all" { holds he_input cancel_fd_many_races; }
@test "he_connect (callback returns -EMFILE) starts the next" { holds he_input callback_error; }
@test "he_connect (callback returns the first socket again) goes on with it" { holds he_input callback_same; }
@test "he_connect (callback returns a connected socket) starts the next" { holds he_input callback_connected; }
@test "he_connect (callback returns a connecting socket) starts the next" { holds he_input callback_connecting; }
@test "he_connect (callback returns a listening socket) starts the next" { holds he_input callback_listening; }
@test "he_connect (callback returns a UDP socket) starts the next" { holds he_input callback_udp; }
@test "he_connect (callback returns a Unix socket) starts the next" { holds he_input callback_unix; }
@test "he_connect (callback returns an IPv4 socket for IPv6) starts the next" { holds he_input callback_other_family; }
@test "he_connect (callback returns 0, standard input) starts the next and leaves it open" { holds he_input callback_no_socket; }
@test "he_connect (callback returns a closed number) starts the next" { holds he_input callback_closed; }
@test "he_connect (callback sets TCP_FASTOPEN_CONNECT) starts the next" { holds he_input callback_fast_open; }
@test "he_connect (callback sets TCP_REPAIR) starts the next" { holds he_input callback_repairing; }
@test "he_connect (callback binds) connects from there" { holds he_input callback_bound; }
@test "he_connect (callback's socket blocks and is inherited) returns it as he.h says" { holds he_input callback_mode; }
@test "he_connect (callback binds, and so do options) fails with EINVAL" { holds he_input callback_bound_twice; }
@test "he_finish (NULL) fails with EINVAL" { holds he_input finish_null; }
@test "he_report_free (NULL) does nothing, and leaves errno alone" { holds he_input free_null; }
@test "he_connect (no descriptors) fails with EMFILE" { holds he_input no_descriptors; }
@test "he_connect (no descriptor for the second) goes on with the first" { holds he_input no_descriptors_later; }
@test "he_connect (no more epoll watches) fails with ENOSPC" { holds he_input no_watches; }
@test "he_connect (any allocation fails) fails with ENOMEM" { holds he_input no_memory; }
@test "he_connect (fork, he_finish in the child) goes on in the parent" { holds he_input fork_finish; }
@test "he_connect (fork, he_cancel in the child) goes on in the parent" { holds he_input fork_cancel; }
@test "he_connect (fork, he_advance in the child) goes on in the parent" { holds he_input fork_advance; }
@test "he_connect (fork, he_finish in the child of a race that is won) leaves the parent its socket" { holds he_input fork_after_the_win; }
@test "he_connect (thread cancelled before) ends the thread" { holds he_input thread_cancelled_before; }
@test "he_report_text (two attempts failed) tells both" { holds he_input text_exact; }
@test "he_report_text (any size) cuts as snprintf does" { holds he_input text_cut; }
@test "he_cause_text (any cause) has a sentence of its own" { holds he_input text_of_causes; }

@test "every case of he_input has a test, and every test a case" {
	sed -n 's/^@test .* { holds he_input \([a-z_]*\); }$/\1/p' "$BATS_TEST_FILENAME" |
		diff - <("$PROGRAMS/he_input" list | cut -d' ' -f1)
}
