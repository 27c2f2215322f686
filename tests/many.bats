# Many races at once and one after another, self-racing programs, and short supplies.
# The cases are in tests/programs/promise_many.c.

load helpers
load loop

@test "connect (64 threads, dead and live addresses) reaches the right peers" {
	promise promise_many threads_race_at_once fails
}

@test "connect (10,000 healthy races) leaves no descriptor" {
	promise promise_many ten_thousand_leave_nothing passes
}

@test "connect (300 races with a refused address) leaves no descriptor" {
	promise promise_many thousand_losers_leave_nothing fails
}

@test "connect (the program races by itself) starts nothing more" {
	promise promise_many own_race_is_left_alone passes
}

@test "connect (two threads, same name, different addresses) races in both" {
	promise promise_many pool_of_threads_races fails
}

@test "connect (address of several names) tries only common addresses" {
	promise promise_many several_names_share_only_what_is_common fails
}

@test "connect (literal address) is the real one" {
	promise promise_many literal_address_is_not_raced passes
}

@test "connect (seccomp refuses threads) is the real one" {
	promise promise_many without_threads_it_is_native passes
}

@test "connect (RLIMIT_NPROC refuses threads) is the real one" {
	promise promise_many without_processes_it_is_native passes
}

@test "connect (no descriptor left) is the real one" {
	promise promise_many without_descriptors_it_is_native passes
}

@test "connect (few descriptors left) races with those" {
	promise promise_many few_descriptors_race_few fails
}
