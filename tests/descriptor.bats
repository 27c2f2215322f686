# What a descriptor promises across a race: flags, options, and the program's hands on it.
# The cases are in tests/programs/promise_fd.c.

load helpers
load loop

@test "FD_CLOEXEC (another attempt won) is as the program set it" {
	promise promise_fd close_on_exec_is_kept fails
}

@test "O_ASYNC, F_SETOWN, F_SETSIG (another attempt won) are kept" {
	promise promise_fd file_flags_are_kept fails
}

@test "setsockopt (before connect, other family won) holds on the winner" {
	promise promise_fd options_are_kept fails
}

@test "getsockopt (nothing was set) reads as on a fresh socket" {
	promise promise_fd untouched_options_are_a_fresh_sockets fails
}

@test "setsockopt (during connect) holds on the winner" {
	promise promise_fd options_set_meanwhile_are_kept fails
}

@test "epoll_wait (registered before connect) keeps the registration" {
	promise promise_fd epoll_set_keeps_it fails
}

@test "epoll_wait (registered during connect) keeps the registration" {
	promise promise_fd epoll_set_keeps_what_it_gets_meanwhile fails
}

@test "dup (before connect) keeps all numbers one socket" {
	promise promise_fd duplicates_stay_one_socket passes
}

@test "getsockopt (TTL and path MTU discovery, other family won) reads that family's defaults" {
	loop sh -c 'echo 99 >/proc/sys/net/ipv4/ip_default_ttl'
	promise promise_fd defaults_of_the_other_family_stay fails
}

@test "connect (socket of another network namespace) stays in it" {
	promise promise_fd other_namespace_is_respected passes
}

@test "bind (an address, port 0) holds on the winner" {
	promise promise_fd bound_address_is_kept fails
}

@test "bind (a port) keeps connect native" {
	promise promise_fd bound_port_is_not_raced passes
}

@test "connect (IPV6_V6ONLY cleared by hand) wins v4-mapped" {
	promise promise_fd dual_stack_stays_one_family fails
}

@test "connect (a v4-mapped address) wins v4-mapped" {
	promise promise_fd mapped_request_is_raced_mapped fails
}

@test "connect (MPTCP) wins with MPTCP" {
	promise promise_fd mptcp_stays_mptcp fails
}

@test "connect (non-blocking) returns at once and races" {
	promise promise_fd nonblocking_does_not_block fails
}

@test "connect (UDP) is the real one" {
	promise promise_fd datagrams_are_native passes
}

@test "close (during connect, number reused) leaves the new file alone" {
	promise promise_fd close_then_reuse_is_safe passes
}

@test "close (raw system call during connect) leaves the new file alone" {
	promise promise_fd raw_close_then_reuse_is_safe passes
}

@test "dup2 (over a racing number) leaves the new file alone" {
	promise promise_fd dup2_over_it_is_safe passes
}

@test "close_range (over a racing number) leaves nothing behind" {
	promise promise_fd close_range_ends_it passes
}

@test "shutdown (from another thread) ends connect as natively" {
	promise promise_fd shutdown_ends_the_call passes
}

@test "open (during a race) gets the lowest number" {
	promise promise_fd low_numbers_are_the_programs fails
}

@test "connect (0, 1, 2 closed) puts nothing of ours there" {
	promise promise_fd without_standard_descriptors fails
}

@test "fork (during connect) gives the child none of our descriptors" {
	promise promise_fd forked_child_keeps_nothing fails
}

@test "exec (during connect) inherits none of our descriptors" {
	promise promise_fd executed_child_inherits_nothing fails
}
