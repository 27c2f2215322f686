#!/usr/bin/env bats
# What a program may do while a non-blocking connect() is pending, and every way to wait for it. The cases
# are in tests/programs/torture_*.c: in each of its conditions (healthy, black, refused, and so on), a
# case must pass under libhe, and do without libhe what its table says. They mostly wait, so tests/torture
# runs them all at the same time, before the tests look at what became of them; `make torture` runs them
# again and again.

load helpers
load set

setup_file() {
	set_run --once
}

# torture PROGRAM CASE: fails unless the case did as it must, in every condition and by every call.
torture() {
	local set=$BATS_FILE_TMPDIR/set how case condition expected status out said
	local -A said_by=([libhe]='with libhe' [native]='without libhe') wanted_of=() ran=()
	local wanted reason='' passed=0 failed=0
	wanted_of=([libhe passes]=0 [libhe fails]=0 [native passes]=0 [native fails]=1)
	while read -r how _ case condition expected status; do
		ran[$how]=yes
		out=$set/$how.torture_$1.$case.$condition
		wanted=${wanted_of[$how $expected]}
		if [[ $status -eq 77 ]]; then
			reason=$(sed -n 's/^skip: //p' "$out")
		elif read -r said <"$out" && [[ $status -eq $wanted && $said == "${said_by[$how]}" ]]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			printf '%s: %s %s: status %s, not %s\n' \
				"$how" "$case" "$condition" "$status" "$wanted" >&2
			cat "$out" >&2
		fi
	done < <(grep -E "^[a-z]+ torture_$1 $2(\.[a-z0-9_]+)? " "$set/results")
	[[ $failed -eq 0 && ${ran[libhe]:-} == yes && ${ran[native]:-} == yes ]] || return 1
	[[ $passed -gt 0 ]] || skip "$reason"
}

@test "torture (every case of the programs) has its test" {
	local program
	for program in wait number unseen; do
		"$PROGRAMS/torture_$program" --list | sed -E "s/^([a-z0-9_]+).*/	torture $program \1/"
	done | sort -u >"$BATS_TEST_TMPDIR/cases"
	# Two tests of one name would be one.
	grep -E '^	torture (wait|number|unseen) ' "$BATS_TEST_FILENAME" | sort >"$BATS_TEST_TMPDIR/tests"
	diff -u "$BATS_TEST_TMPDIR/cases" "$BATS_TEST_TMPDIR/tests"
}

@test "torture (each program) raced" {
	local program
	for program in wait number unseen; do
		grep -q "^libhe: torture_$program\[.* winner " "$BATS_FILE_TMPDIR/set/races"
	done
}

# --- waiters: one number, every call --------------------------------------------------------------

@test "poll, select, epoll_wait and kin (POLLOUT) are told of the winner alone" {
	torture wait out
}

@test "poll, select, epoll_wait and kin (POLLIN alone) are told of the greeting" {
	torture wait in
}

@test "poll, select, epoll_wait and kin (input, output, exceptions) are told in turn" {
	torture wait in_and_out
}

@test "poll, epoll_wait and kin (normal data, hang-up) are told nothing of a loser" {
	torture wait normal_bits_and_hang_up
}

@test "poll, epoll_wait and kin (POLLRDNORM alone) are told of the greeting" {
	torture wait readable_normally
}

@test "poll, epoll_wait and kin (POLLWRNORM alone) are told of the winner" {
	torture wait writable_normally
}

@test "poll, select, epoll_wait and kin (exceptions alone) are told nothing" {
	torture wait urgent
}

@test "poll, epoll_wait and kin (no events) are told nothing of a loser" {
	torture wait errors_alone
}

@test "poll, select, epoll_wait and kin (without end) end with the winner" {
	torture wait without_end
}

@test "poll, select, epoll_wait and kin (the longest time there is) end with the winner" {
	torture wait longest
}

@test "poll, select, epoll_wait and kin (no time at all, in a loop) find the winner" {
	torture wait zero
}

@test "poll, select, epoll_wait and kin (some ms, in a loop) find the winner" {
	torture wait again_and_again
}

@test "poll, select, epoll_wait and kin (time over before the winner) end in time" {
	torture wait too_short
}

@test "select (timeval) tells the time that remains" {
	torture wait select_tells_what_remains
}

@test "select (interrupted all the time) goes through its time once" {
	torture wait select_walks_through_its_time
}

# --- waiters: signals -----------------------------------------------------------------------------

@test "poll, select, epoll_wait and kin (signal) return EINTR, and the race goes on" {
	torture wait interrupted
}

@test "poll, select, epoll_wait and kin (signal with SA_RESTART) return EINTR all the same" {
	torture wait interrupted_restarting
}

@test "poll, select, epoll_wait and kin (a signal every ms) find the winner" {
	torture wait signal_every_ms
}

@test "ppoll, pselect, epoll_pwait, epoll_pwait2 (signal that they mask) go on" {
	torture wait masked
}

@test "ppoll, pselect, epoll_pwait, epoll_pwait2 (pending signal that they let through) return EINTR" {
	torture wait unmasked_pending
}

@test "ppoll, pselect, epoll_pwait, epoll_pwait2 (signals that they let through) return EINTR" {
	torture wait unmasked
}

@test "ppoll, pselect, epoll_pwait, epoll_pwait2 (pending signal, no time) leave the race alone" {
	torture wait zero_unmasked_pending
}

@test "siglongjmp (out of poll, select, epoll_wait and kin) leaves the race and the array alone" {
	torture wait jumped_out
}

@test "pthread_cancel (in poll, select, epoll_wait and kin) leaves the race and the array alone" {
	torture wait cancelled
}

# --- waiters: with other files --------------------------------------------------------------------

@test "poll, select, epoll_wait and kin (a pipe is ready meanwhile) tell in time" {
	torture wait with_others
}

@test "poll, select, epoll_wait and kin (others hang up or fail) tell what is no race's" {
	torture wait with_errors_of_others
}

@test "poll, select, epoll_wait and kin (others alone, nobody) take their time" {
	torture wait others_alone
}

@test "poll, select, epoll_wait and kin (others, since before the race) go on" {
	torture wait others_since_before
}

@test "poll, select, epoll_wait and kin (300 others) are told of the winner alone" {
	torture wait many_others
}

@test "poll, select, epoll_wait and kin (two threads, one number) tell both" {
	torture wait two_threads
}

@test "poll, select, epoll_wait and kin (two races) tell of each" {
	torture wait two_races
}

@test "poll and kin (array with duplicates and negative numbers) leave it the program's" {
	torture wait array_is_the_programs
}

@test "poll and kin (a number that is not open) report POLLNVAL" {
	torture wait number_that_is_not_open
}

@test "poll, select, epoll_wait and kin (bad arguments) fail as natively" {
	torture wait bad_arguments
}

@test "select (numbers of 1000 and 1500) finds the winner" {
	torture wait select_high_numbers
}

# --- waiters: epoll -------------------------------------------------------------------------------

@test "epoll_wait (comes back late, others are in the middle of it) tells of the winner" {
	torture wait comes_back_late
}

@test "epoll_wait (level, added before the first name is resolved) tells of the winner" {
	torture wait level_before
}

@test "epoll_wait (level, added after connect) tells of the winner" {
	torture wait level_after
}

@test "epoll_wait (edge, added before connect) tells of the winner once" {
	torture wait edge_before
}

@test "epoll_wait (edge, added after connect) tells of the winner once" {
	torture wait edge_after
}

@test "epoll_wait (one-shot, added before connect) tells of the winner once" {
	torture wait oneshot_before
}

@test "epoll_wait (one-shot, added after connect) tells of the winner once" {
	torture wait oneshot_after
}

@test "epoll_wait (edge and one-shot, added before connect) tells of the winner once" {
	torture wait edge_oneshot_before
}

@test "epoll_wait (edge and one-shot, added after connect) tells of the winner once" {
	torture wait edge_oneshot_after
}

@test "epoll_wait (EPOLLEXCLUSIVE, added before connect) tells of the winner" {
	torture wait exclusive_before
}

@test "epoll_wait (EPOLLEXCLUSIVE, added after connect) tells of the winner" {
	torture wait exclusive_after
}

@test "epoll_wait (edge, the unconnected socket was told) tells of the winner once" {
	torture wait edge_before_and_seen
}

@test "epoll_wait (one-shot, armed again after connect) tells of the winner once" {
	torture wait oneshot_before_and_seen
}

@test "epoll_wait (edge, input and output) tells of the winner and its greeting" {
	torture wait edge_in_and_out
}

@test "epoll_wait (level, input alone) tells of the greeting" {
	torture wait level_in
}

@test "epoll_wait (edge, input alone) tells of the greeting once" {
	torture wait edge_in
}

@test "epoll_wait (a set for input, a set for output) tells in both" {
	torture wait two_sets
}

@test "epoll_wait (40 sets) tells in all" {
	torture wait many_sets
}

@test "epoll_wait (same data for two races and a pipe) hides nothing of the pipe" {
	torture wait same_data
}

@test "epoll_wait (a set in a set) tells of the winner" {
	torture wait nested_sets
}

@test "poll, select, epoll_wait and kin (the epoll set itself) tell of the winner" {
	torture wait set_is_waited_for
}

@test "epoll_wait (another number of the set) tells of the winner" {
	torture wait set_has_another_number
}

@test "epoll_ctl (DEL, and ADD when all is over) tells of the winner, or the error that was asked for" {
	torture wait in_no_set_when_it_ends
}

@test "close (just told of the winner) takes it out of the sets" {
	torture wait set_forgets_what_is_closed
}

@test "close (another socket stands in) takes it out of the sets" {
	torture wait set_forgets_what_stands_in
}

@test "close (epoll set, number reused by a set) leaves the new set alone" {
	torture wait number_of_the_set_is_reused
}

@test "epoll_wait (data that a number had is something else's, the number another's) tells of both" {
	torture wait data_is_reused
}

@test "epoll_ctl (MOD from nothing to output, meanwhile) is kept" {
	torture wait modified_from_nothing
}

@test "epoll_ctl (MOD from input to output, meanwhile) is kept" {
	torture wait modified_from_in
}

@test "epoll_ctl (MOD all the time) is kept" {
	torture wait modified_at_each_turn
}

@test "epoll_ctl (DEL and ADD, meanwhile) are kept" {
	torture wait deleted_and_added
}

@test "epoll_ctl (DEL, meanwhile) is kept" {
	torture wait deleted
}

@test "epoll_ctl (what it refuses) is refused meanwhile and afterwards" {
	torture wait refused_registrations
}

@test "epoll_wait (one event at a time, others ready) tells of all" {
	torture wait one_at_a_time
}

@test "epoll_wait (in another thread, added meanwhile) wakes" {
	torture wait added_while_waiting
}

@test "epoll_wait (in another thread, other data after the end) tells of no failure" {
	torture wait data_changes_on_its_way
}

@test "epoll_wait (one-shot, in another thread, the number blocked for a moment and is polled) wakes" {
	torture wait oneshot_on_its_way_polled
}

@test "epoll_wait (one-shot, in another thread, the number blocked for a moment, connect asks) wakes" {
	torture wait oneshot_on_its_way_connected
}

@test "epoll_wait (in another thread since before the race) wakes" {
	torture wait begun_while_waiting
}

@test "epoll_wait (in another thread, MOD meanwhile) wakes" {
	torture wait modified_while_waiting
}

@test "epoll_wait (edge, two threads on one set) tells one of them" {
	torture wait edge_is_for_one_thread
}

@test "epoll_wait (level, two threads on one set and one on another) tells all" {
	torture wait level_is_for_all_threads
}

@test "epoll_wait (EPOLLEXCLUSIVE, a set for each of two threads) tells one at least" {
	torture wait exclusive_wakes_someone
}

@test "epoll_wait (300 races at once) tells of each once" {
	torture wait crowd_in_one_set
}

@test "poll (300 races at once) tells of each" {
	torture wait crowd_in_one_array
}

# --- the number in the program's hands ------------------------------------------------------------

@test "setsockopt (before connect) holds on the winner" {
	torture number options_before
}

@test "setsockopt (meanwhile) holds on the winner" {
	torture number options_during
}

@test "setsockopt (IPV6_TCLASS, meanwhile) holds on the winner" {
	torture number class_during
}

@test "setsockopt (another value meanwhile) holds on the winner" {
	torture number options_changed
}

@test "fcntl (F_SETFL, F_SETOWN, F_SETSIG, meanwhile) hold on the winner" {
	torture number status_flags_during
}

@test "ioctl (FIONBIO, FIOASYNC, FIOCLEX, FIONREAD, meanwhile) hold on the winner" {
	torture number ioctls_during
}

@test "fcntl, ioctl (close-on-exec, meanwhile) hold on the winner" {
	torture number close_on_exec_during
}

@test "getsockopt, getpeername, getsockname, recv (meanwhile) answer as a connecting socket" {
	torture number questions
}

@test "send (meanwhile) answers as a connecting socket" {
	torture number sending_is_for_later
}

@test "getsockname (at the end) tells the truth about the winner" {
	torture number names_at_the_end
}

@test "connect (asked until it says 0) says EALREADY, 0, EISCONN" {
	torture number connect_is_asked
}

@test "getsockopt (SO_ERROR, asked until there is a peer) tells of no loser" {
	torture number error_is_asked
}

@test "connect (the rest of a list that failed) fails at once" {
	torture number rest_of_the_list
}

@test "close (meanwhile) leaves nothing" {
	torture number closed
}

@test "close (raw system call, meanwhile) leaves nothing" {
	torture number closed_raw
}

@test "close (number reused by open) leaves the file alone" {
	torture number closed_then_file
}

@test "close (raw, number reused by open) leaves the file alone" {
	torture number closed_raw_then_file
}

@test "close (number reused by another race) leaves that its own winner" {
	torture number closed_then_race
}

@test "close (raw, number reused by another race) leaves that its own winner" {
	torture number closed_raw_then_race
}

@test "close (number reused by a connection) leaves the connection alone" {
	torture number closed_then_connection
}

@test "close (raw, number reused by a connection) leaves the connection alone" {
	torture number closed_raw_then_connection
}

@test "close (all numbers there are) ends the race, and the next one wins" {
	torture number all_numbers_closed
}

@test "close_range (over the number) ends the race, and the next one wins" {
	torture number range_closed
}

@test "close_range (CLOSE_RANGE_CLOEXEC) holds on the winner" {
	torture number range_closed_on_exec
}

@test "closefrom (over the number) ends the race, and the next one wins" {
	torture number closed_from
}

@test "open (20 races are pending) gets the number that was closed" {
	torture number low_numbers_are_free
}

@test "connect (0, 1, 2 closed) puts nothing of ours there" {
	torture number standard_numbers_closed
}

@test "connect (the first attempt is alone) costs one descriptor, and two for the process" {
	torture number few_descriptors
}

@test "dup2 (onto the number) leaves the new file alone" {
	torture number dup2_onto
}

@test "dup3 (onto the number) leaves the new file alone" {
	torture number dup3_onto
}

@test "dup2 (from one race onto another) ends the other" {
	torture number dup2_from_one_race_onto_another
}

@test "dup (meanwhile) gives both the winner" {
	torture number dup_during
}

@test "dup2 (meanwhile) gives both the winner" {
	torture number dup2_during
}

@test "dup3 (meanwhile) gives both the winner" {
	torture number dup3_during
}

@test "fcntl (F_DUPFD, meanwhile) gives both the winner" {
	torture number fcntl_dup_during
}

@test "fcntl (F_DUPFD_CLOEXEC, meanwhile) gives both the winner" {
	torture number fcntl_dup_cloexec_during
}

@test "dup, close (the first number) leave the winner to the second" {
	torture number dup_then_close
}

@test "dup, close (the second number) leave the winner to the first" {
	torture number dup_then_close_the_duplicate
}

@test "dup, close (both numbers) leave nothing" {
	torture number dup_then_close_both
}

@test "poll, epoll_wait (both numbers of a duplicate) tell of both" {
	torture number both_are_waited_for
}

@test "dup (before connect) leaves the socket as it is" {
	torture number dup_before
}

@test "dup2, dup3, fcntl, close_range, close (what they refuse) leave the race alone" {
	torture number duplicates_refused
}

@test "fcntl (O_NONBLOCK cleared) leaves the race to the next poll" {
	torture number blocking_by_fcntl
}

@test "ioctl (FIONBIO cleared) leaves the race to the next poll" {
	torture number blocking_by_ioctl
}

@test "fcntl, ioctl (O_NONBLOCK cleared and set) leave the race alone" {
	torture number blocking_for_a_while
}

@test "connect (again, O_NONBLOCK cleared by fcntl) waits for the winner" {
	torture number blocking_by_fcntl_then_connect
}

@test "connect (again, O_NONBLOCK cleared by ioctl) waits for the winner" {
	torture number blocking_by_ioctl_then_connect
}

@test "recv (O_NONBLOCK cleared, healthy) waits for the greeting" {
	torture number blocking_then_receive
}

@test "send (O_NONBLOCK cleared, healthy) waits for the connection" {
	torture number blocking_then_send
}

@test "shutdown (SHUT_RDWR, meanwhile) ends the race" {
	torture number shut_down_both
}

@test "shutdown (SHUT_WR, meanwhile) ends the race" {
	torture number shut_down_writing
}

@test "shutdown (SHUT_RD, meanwhile) ends the race" {
	torture number shut_down_reading
}

@test "connect (AF_UNSPEC, meanwhile) ends the race, and the socket is as new" {
	torture number dissolved
}

@test "connect (AF_UNSPEC while another one stands in) gives the program's own socket back" {
	torture number dissolved_midway
}

@test "fork (both go on) gives the parent the winner, and the child nothing of ours" {
	torture number forked_then_both_go_on
}

@test "fork (the child closes and reuses the number) gives the parent the winner" {
	torture number forked_then_child_closes
}

@test "fork (the parent closes and reuses the number) leaves the child its socket" {
	torture number forked_then_parent_closes
}

@test "fork (the child connects too) gives both a winner" {
	torture number forked_then_child_races
}

@test "fork, exec (without close-on-exec) inherit the number and nothing of ours" {
	torture number executed_without_close_on_exec
}

@test "vfork, exec (the child closes the number) inherit nothing of ours" {
	torture number executed_by_vfork
}

@test "vfork, exec (the child puts a file on the number) inherit nothing of ours" {
	torture number executed_by_vfork_after_dup2
}

@test "posix_spawn (with and without the number) inherits nothing of ours" {
	torture number spawned
}

@test "exec (of the racing process) inherits the number, which connects as natively" {
	torture number becomes_another_program
}

@test "sendmsg (SCM_RIGHTS, to another process) gives it a connecting socket" {
	torture number given_to_another_process
}

@test "sendmsg (SCM_RIGHTS, to itself) gives it a connecting socket" {
	torture number given_to_oneself
}

@test "close (while another thread is in poll, select) ends the race" {
	torture number closed_by_another_thread
}

@test "dup2 (while another thread is in poll) leaves the new file alone" {
	torture number replaced_by_another_thread
}

@test "close (while another thread is in epoll_wait) ends the race" {
	torture number closed_by_another_thread_in_set
}

@test "connect (AF_UNSPEC by another thread) is told to who waits" {
	torture number dissolved_by_another_thread
}

@test "connect (by a thread that is gone) goes on" {
	torture number connected_by_another_thread
}

@test "poll, select, epoll_wait (after a signal to a blocking connect) find the winner" {
	torture number signal_then_wait
}

@test "poll, select, epoll_wait (after SO_SNDTIMEO of a blocking connect) find the winner" {
	torture number timeout_then_wait
}

@test "connect (made to block after the first address failed) tells that one's error when all fail" {
	torture number waited_for_in_connect_late
}

@test "poll, select, epoll_wait (after siglongjmp out of a blocking connect) find the winner" {
	torture number jump_then_wait
}

@test "connect (again, after a signal to a blocking connect) waits for the winner" {
	torture number left_then_connect
}

@test "fcntl (O_NONBLOCK set after siglongjmp out of a blocking connect) leaves the race alone" {
	torture number left_then_nonblocking
}

@test "close (raw, after siglongjmp out of a blocking connect) leaves the new file alone" {
	torture number left_then_closed
}

@test "connect (IPV6_V6ONLY cleared) wins v4-mapped" {
	torture number dual_stack
}

@test "connect (a v4-mapped address) wins v4-mapped" {
	torture number mapped_address
}

@test "connect (MPTCP) wins with MPTCP" {
	torture number multipath
}

@test "bind (an address, port 0) holds on the winner" {
	torture number bound
}

# --- what no hook sees ----------------------------------------------------------------------------

@test "epoll_wait (registered raw, after a further connect that blocks) tells of the winner" {
	torture unseen raw_set_and_connect
}

@test "epoll_wait (registered raw, after a further connect) tells of the winner" {
	torture unseen raw_set_and_connect_asked
}

@test "epoll_wait (registered raw, after a question for the error) tells of the winner" {
	torture unseen raw_set_and_error_asked
}

@test "epoll_wait (registered raw, after a further connect when the first failed) tells of the winner" {
	torture unseen raw_set_and_connect_asked_late
}

@test "ppoll (raw, output) ends as natively or better" {
	torture unseen raw_poll_out
}

@test "ppoll (raw, input) ends as natively or better" {
	torture unseen raw_poll_in
}

@test "pselect6 (raw, output) ends as natively or better" {
	torture unseen raw_select_out
}

@test "pselect6 (raw, input) ends as natively or better" {
	torture unseen raw_select_in
}

@test "epoll (all raw, level, added before connect) ends as natively or better" {
	torture unseen all_raw_level_before
}

@test "epoll (all raw, level, added after connect) ends as natively or better" {
	torture unseen all_raw_level_after
}

@test "epoll (all raw, input alone) ends as natively or better" {
	torture unseen all_raw_level_in
}

@test "epoll (all raw, edge, added before connect) ends as natively or better" {
	torture unseen all_raw_edge_before
}

@test "epoll (all raw, edge, added after connect) ends as natively or better" {
	torture unseen all_raw_edge_after
}

@test "epoll (all raw, polled by somebody else) ends as natively or better" {
	torture unseen all_raw_and_looked_at
}

@test "send (in a loop, no wait) ends as natively or better" {
	torture unseen sends_until_it_can
}

@test "recv (in a loop, no wait) ends as natively or better" {
	torture unseen receives_until_it_can
}

@test "SIGIO (no wait but for it) ends as natively or better" {
	torture unseen waits_for_signals
}

@test "epoll_wait (level, raw ADD before connect) tells of the winner" {
	torture unseen level_before
}

@test "epoll_wait (level, raw ADD after connect) tells of the winner" {
	torture unseen level_after
}

@test "epoll_wait (edge, raw ADD before connect) tells of the winner once" {
	torture unseen edge_before
}

@test "epoll_wait (edge, raw ADD after connect) tells of the winner once" {
	torture unseen edge_after
}

@test "epoll_wait (one-shot, raw ADD before connect) tells of the winner once" {
	torture unseen oneshot_before
}

@test "epoll_wait (one-shot, raw ADD after connect) tells of the winner once" {
	torture unseen oneshot_after
}

@test "epoll_wait (EPOLLEXCLUSIVE, raw ADD) tells of the winner" {
	torture unseen exclusive_after
}

@test "epoll_wait (one-shot that is spent, raw ADD) tells nothing until it is armed" {
	torture unseen oneshot_spent_before
}

@test "epoll_wait (raw ADD in the middle) tells of the winner once" {
	torture unseen added_midway
}

@test "epoll_wait (raw MOD after ADD) tells of the winner with the new data" {
	torture unseen modified_unseen
}

@test "epoll_wait (raw DEL after ADD) tells nothing" {
	torture unseen deleted_unseen
}

@test "epoll_wait (raw DEL, and ADD again) tells of the winner with the new data" {
	torture unseen deleted_unseen_and_added
}

@test "epoll_wait (12 sets, one ADD of them not raw) tells in all" {
	torture unseen one_of_many_seen
}

@test "epoll_wait (a set in a set, raw ADD) tells of the winner" {
	torture unseen nested
}

@test "epoll_wait (raw duplicate of the set) tells of the winner" {
	torture unseen set_has_another_number
}

@test "epoll_wait (same data for a pipe, raw ADD) tells of both" {
	torture unseen others_in_the_set
}

@test "open (20 races that were added raw are pending) gets the number that was closed" {
	torture unseen low_numbers_are_free
}

@test "setsockopt, fcntl (raw, meanwhile) hold on the winner" {
	torture unseen options_unseen
}

@test "fcntl (raw, O_NONBLOCK cleared) leaves the race to the next poll" {
	torture unseen blocking_unseen
}

@test "dup3 (raw, onto the number) leaves the new file alone" {
	torture unseen replaced_unseen
}

@test "epoll_wait (raw dup3 over it while it waits) leaves the new file alone" {
	torture unseen replaced_unseen_while_waited_for
}

@test "dup (raw, meanwhile) leaves the winner to the first number" {
	torture unseen duplicated_unseen
}

@test "dup, close (raw, the first number) leave the duplicate its socket" {
	torture unseen duplicated_unseen_then_closed
}

@test "close_range (raw, over all of ours) leaves the next connect none the worse" {
	torture unseen range_closed_unseen
}

@test "close_range (raw, over all of ours, numbers reused) leaves the new files alone" {
	torture unseen range_closed_unseen_then_reused
}

@test "epoll_wait (taken out by a raw call, AF_UNSPEC, connected again, put in by a raw call) tells of the end" {
	torture unseen begun_again_unseen
}

@test "clone (raw, both go on) gives the parent the winner" {
	torture unseen forked_unseen
}

@test "pidfd_getfd (by another process) gives it a connecting socket" {
	torture unseen taken_by_another_process
}

@test "epoll_wait (ADD by io_uring before connect) tells of the winner" {
	torture unseen ring_registers_before
}

@test "epoll_wait (ADD by io_uring after connect) tells of the winner" {
	torture unseen ring_registers_after
}

@test "poll by io_uring (output) ends as natively or better" {
	torture unseen ring_polls
}
