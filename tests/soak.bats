#!/usr/bin/env bats
# Random races (tests/soak): 20,000 of them, fewer where a sanitizer makes everything slow, and the same
# in every run, so that a change is judged by what it changes. `make soak` makes a million new ones. What
# fails is printed with the command that makes it again.

load helpers

setup() {
	descriptors_mark
	COUNT=10000
	WORKERS=256
	# A sanitizer makes everything ten times slower: what is close together shall stay so.
	[[ -z ${HE_SANITIZER:-} ]] || COUNT=1000 WORKERS=48
	# Its runtime has a lock that another thread may hold when one forks; the child waits for ever as
	# soon as it makes a thread.
	[[ ${HE_SANITIZER:-} != tsan ]] || export SOAK_WITHOUT='child races'
}

# soak OPTION...: passes when all races do.
soak() {
	run tests/soak/run "$@"
	# shellcheck disable=SC2154
	[[ $status -ne 77 ]] || skip "${output#*: }"
	# shellcheck disable=SC2154
	echo "$output" >&2
	[[ $status -eq 0 && $output == *" passed in "* ]]
}

@test "random races (natively) end as their first address does" {
	soak --native --seed 1 --count 600 --delay 10
	[[ $output == *"without libhe"* && $output == *" 0 of them elsewhere"* ]]
}

@test "random races (the same every time) end at the right peer or with the right error" {
	soak --seed 1 --count "$COUNT" --workers "$WORKERS"
	[[ $output == *", with libhe"* ]]
}

@test "random races (others, the same every time) end at the right peer or with the right error" {
	soak --seed 2 --count "$COUNT" --workers "$WORKERS"
	[[ $output == *", with libhe"* ]]
}
