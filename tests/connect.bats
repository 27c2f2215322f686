# What connect() itself promises, under libhe: results, errors, signals, time limits.
# The cases are in tests/programs/promise_call.c.

load helpers
load loop

@test "connect (success) leaves errno alone" {
	promise promise_call errno_is_kept_on_success fails
}

@test "getpeername, getsockname (another attempt won) tell the truth" {
	promise promise_call names_are_the_winners fails
}

@test "connect (healthy) stays on the program's own socket" {
	promise promise_call healthy_uses_the_own_socket passes
}

@test "connect (all refused) reports the requested address, the rest at once" {
	promise promise_call last_error_is_the_requested_ones passes
}

@test "connect (no way to the first address, the other one dead) waits once for the whole list" {
	promise promise_call stand_in_is_waited_for_once fails
}

@test "connect (200 at once, no way to the first address, the other one dead) tells each the first error" {
	promise promise_call stand_ins_are_told_apart fails
}

@test "connect (no way to the first address, race left, the next one dead) races" {
	promise promise_call left_race_is_no_verdict fails
}

@test "getsockopt SO_ERROR (the winner waits for this thread) leaves all other races alone" {
	promise promise_call question_ends_the_race fails
}

@test "connect (same socket again after a lost race) races again" {
	promise promise_call same_socket_races_again fails
}

@test "connect (connected socket, to an address that failed) reports EISCONN" {
	promise promise_call connected_socket_gets_its_own_error passes
}

@test "connect (all dead) waits once for the whole list" {
	promise promise_call dead_list_is_waited_for_once fails
}

@test "connect (another destination after AF_UNSPEC) goes where it is told" {
	promise promise_call other_destination_is_another_matter passes
}

@test "connect (signal without SA_RESTART) returns EINTR and goes on" {
	promise promise_call signal_interrupts fails
}

@test "poll (after EINTR) reports the winner" {
	promise promise_call signal_interrupts_then_poll fails
}

@test "connect (signal with SA_RESTART) goes on" {
	promise promise_call signal_restarts fails
}

@test "connect (a signal every millisecond) still finds the winner" {
	promise promise_call many_signals_restart fails
}

@test "connect (a handler takes longer than the race) still finds the winner" {
	# The address in the middle is dead: the last one is tried after twice this.
	PRELOADED+=(HE_ATTEMPT_DELAY_MS=1100)
	promise promise_call handler_takes_seconds fails
}

@test "connect (what it returned is long on its way, another thread polls) waits for the next address" {
	[[ -z ${HE_SANITIZER:-} ]] || skip "a sanitizer's runtime makes calls of its own in between"
	PRELOADED+=("LD_PRELOAD=$LIBHE $PROGRAMS/fault.so" FAULT=connected:1:LONG HE_ATTEMPT_DELAY_MS=600)
	promise promise_call refusal_comes_late fails
}

@test "connect (addresses fail one after the other) does not use a processor meanwhile" {
	# The second one fails after three seconds, the third one two seconds later.
	PRELOADED+=(HE_ATTEMPT_DELAY_MS=2000)
	promise promise_call waiting_costs_nothing passes
}

@test "connect (SO_SNDTIMEO) returns EINPROGRESS and goes on" {
	promise promise_call send_timeout_ends_the_call fails
}

@test "connect (SO_SNDTIMEO, first address refused) counts from the first call" {
	promise promise_call send_timeout_counts_once fails
}

@test "close (after siglongjmp out of connect) leaves nothing behind" {
	promise promise_call longjmp_then_close fails
}

@test "poll (after siglongjmp out of connect) reports the winner" {
	promise promise_call longjmp_then_poll fails
}

@test "connect (thread cancelled) ends the thread at once" {
	promise promise_call cancellation_ends_the_thread passes
}

@test "connect (in a signal handler, during a race) races too" {
	promise promise_call connect_in_handler fails
}

@test "connect (in a signal handler, nothing runs yet) is the real one" {
	promise promise_call first_connect_in_handler_is_native passes
}
