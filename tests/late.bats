#!/usr/bin/env bats
# The torture set where addresses are refused, while a call of libhe takes 100 ms (tests/programs/fault.c):
# what a busy machine does once in a million races, a thread that is held up between two steps while others
# go on, here happens each time. tests/torture runs all of it before the tests look at it.

load helpers
load set

setup_file() {
	if [[ -n ${HE_SANITIZER:-} ]]; then
		export LAB_WHY_NOT="a sanitizer's runtime makes calls of its own in between"
		return
	fi
	set_run --late
}

# late CALL: fails unless each case passed, whichever of these calls took long.
late() {
	local set=$BATS_FILE_TMPDIR/set how program case condition status out said passed=0 failed=0
	while read -r how program case condition _ status; do
		out=$set/$how.$program.$case.$condition
		if [[ $status -eq 77 ]]; then
			continue
		elif read -r said <"$out" && [[ $status -eq 0 && $said == 'with libhe' ]]; then
			passed=$((passed + 1))
			continue
		fi
		failed=$((failed + 1))
		echo "$how: $program $case $condition: status $status" >&2
		cat "$out" >&2
	done < <(grep "^late\.$1\." "$set/results")
	[[ $failed -eq 0 && $passed -gt 0 ]]
}

@test "torture (an epoll_ctl() of libhe or the program takes long) passes" {
	late epoll_ctl
}

@test "torture (dup3() of libhe takes long) passes" {
	late dup3
}

@test "torture (a connect() of libhe or the program takes long) passes" {
	late connect
}

@test "torture (an fcntl() of libhe takes long) passes" {
	late fcntl
}

@test "torture (a getsockopt() of libhe takes long) passes" {
	late getsockopt
}

@test "torture (events are long on their way to a thread) passes" {
	late event
}

@test "torture (the kernel tells an error before the state) passes" {
	late state
}
