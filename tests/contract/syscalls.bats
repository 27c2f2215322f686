#!/usr/bin/env bats
# A connect() that is none of libhe's business costs no system call: the trace of the program is
# the same, call by call and argument by argument, with the library and without.

load ../helpers

setup() {
	descriptors_mark
	requires strace
	[[ -z ${HE_RUNTIME:-}${HE_SANITIZER:-} ]] || skip 'a sanitizer makes calls of its own'
	strace -o /dev/null true 2>/dev/null || skip 'strace is not permitted here'
}

# section FILE: what the program did between its two markers. The port is the kernel's choice.
section() {
	awk '/getppid\(/ { inside = !inside; next } inside' "$1" |
		sed -E 's/^[0-9]+ +//; s/htons\([0-9]+\)/htons(PORT)/'
}

# same_calls ADDRESS NODE...: fails unless both runs of contract_plain do the same.
same_calls() {
	local tmp=$BATS_TEST_TMPDIR
	# Without a log, which would be a call by itself, though not between the markers.
	run "${NATIVE[@]}" strace -f -o "$tmp/native" "$PROGRAMS/contract_plain" "$@"
	[[ $status -eq 0 && $output = 'native, refused 10' ]]
	run strace -f -o "$tmp/preloaded" -E LD_PRELOAD="$LIBHE" "$PROGRAMS/contract_plain" "$@"
	[[ $status -eq 0 && $output = 'preloaded, refused 10' ]]

	section "$tmp/native" >"$tmp/native.calls"
	section "$tmp/preloaded" >"$tmp/preloaded.calls"
	# socket, connect, close: nothing was lost in the cutting.
	[[ $(wc -l <"$tmp/native.calls") -eq 30 ]]
	diff "$tmp/native.calls" "$tmp/preloaded.calls"
}

@test "connect (nothing was resolved) adds no system call" {
	same_calls 127.0.0.1
}

@test "connect (address in no answer) adds no system call" {
	same_calls 127.1.2.3 127.9.9.9 localhost
}

@test "connect (literal address that was resolved) adds no system call" {
	same_calls 127.4.5.6 127.4.5.6 localhost
}

@test "connect (literal address that a name has as well) adds no system call" {
	# localhost is 127.0.0.1 and usually ::1; who wrote the literal meant the literal.
	same_calls 127.0.0.1 127.0.0.1 localhost
}
