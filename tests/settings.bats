# What each setting does to a program: tests of the whole, in the loopback network.

load helpers
load loop

# dial NAME=VALUE... -- ARGUMENTS: runs the dial program with libhe and these settings.
dial() {
	local settings=()
	while [[ $1 != -- ]]; do
		settings+=("$1")
		shift
	done
	shift
	run loop timeout 20 "${PRELOADED[@]}" "${settings[@]}" "$PROGRAMS/dial" "$@"
	# shellcheck disable=SC2154
	echo "$output" >&2
	races >&2
}

# took: whole milliseconds of the first connect() in $output.
took() {
	sed -n '1s/.* ms=\([0-9]*\).*/\1/p' <<<"$output"
}

# start_of ADDRESS: the whole milliseconds at which the race started that attempt.
start_of() {
	races | sed -n "s/.*[ ]$1 at \([0-9]*\)\.[0-9]* ms.*/\1/p"
}

@test "connect (no setting) tries the next address after 250 ms" {
	dial -- black 7001
	assert_loaded dial
	[[ $status -eq 0 && $(start_of 10.93.0.10) -ge 250 && $(start_of 10.93.0.10) -lt 600 ]]
}

@test "connect (HE_ATTEMPT_DELAY_MS=60) tries the next address after that" {
	dial HE_ATTEMPT_DELAY_MS=60 -- black 7001
	assert_loaded dial
	[[ $status -eq 0 && $(start_of 10.93.0.10) -ge 60 && $(start_of 10.93.0.10) -lt 240 ]]
}

@test "connect (HE_ATTEMPT_DELAY_MS out of range) warns once and keeps the default" {
	dial HE_ATTEMPT_DELAY_MS=5 -- -n 2 black 7001
	[[ $(races | grep -c "HE_ATTEMPT_DELAY_MS=5 is not a number from 10 to 2000; the default is used") -eq 1 ]]
	[[ $status -eq 0 && $(took) -ge 249 ]]
}

@test "connect (HE_DISABLE=1) is the real one" {
	dial HE_DISABLE=1 -- -f black 7001
	[[ $status -eq 1 && $output == *ETIMEDOUT* && -z $(races) ]]
}

@test "connect (HE_SKIP names the program) is the real one" {
	dial HE_SKIP=wget,dial -- -f black 7001
	[[ $status -eq 1 && $output == *ETIMEDOUT* && -z $(races) ]]
}

@test "connect (HE_ONLY names another program) is the real one" {
	dial HE_ONLY=wget,ssh -- -f black 7001
	[[ $status -eq 1 && $output == *ETIMEDOUT* && -z $(races) ]]
}

@test "connect (HE_ONLY names the program) races" {
	dial "HE_ONLY=wget, dial" -- -f black 7001
	assert_loaded dial
	[[ $status -eq 0 && $output == *"-> 10.93.0.10 "* ]]
}

@test "connect (HE_FIRST_FAMILY_COUNT=2) tries two IPv6 addresses first" {
	dial HE_FIRST_FAMILY_COUNT=2 -- mix 7001
	assert_loaded dial
	[[ $status -eq 0 && $(start_of fd93::d2) -lt $(start_of 10.93.0.66) ]]
}

@test "connect (HE_FIRST_FAMILY_COUNT=1) takes the families in turns" {
	dial -- mix 7001
	[[ $status -eq 0 && $(start_of fd93::d2) -gt $(start_of 10.93.0.66) ]]
}

@test "connect (HE_MAX_IN_FLIGHT=1) tries one address after the other" {
	dial HE_MAX_IN_FLIGHT=1 -- -f black 7001
	assert_loaded dial
	# The dead one takes the kernel's three seconds.
	[[ $status -eq 0 && $(start_of 10.93.0.10) -ge 2500 ]]
}

@test "connect (HE_CONNECT_TIMEOUT_MS=400, all dead) gives up then with ETIMEDOUT" {
	dial HE_CONNECT_TIMEOUT_MS=400 -- -f alldead 7001
	assert_loaded dial
	[[ $status -eq 1 && $output == *ETIMEDOUT* && $(took) -ge 399 && $(took) -lt 1500 ]]
}

@test "connect (HE_CONNECT_TIMEOUT_MS=120, below the attempt delay) gives up in time" {
	dial HE_CONNECT_TIMEOUT_MS=120 -- -f alldead 7001
	[[ $status -eq 1 && $output == *ETIMEDOUT* && $(took) -ge 119 && $(took) -lt 1000 ]]
}

@test "connect (HE_LOG unset) prints nothing of ours" {
	run loop timeout 20 env -u HE_LOG LD_PRELOAD="${HE_RUNTIME:+$HE_RUNTIME:}$LIBHE" \
		"$PROGRAMS/dial" black 7001
	[[ $status -eq 0 && $output == *"-> 10.93.0.10 "* && $output != *libhe* ]]
}

@test "connect (HE_LOG=race) tells program, name, port, attempts and winner in one line" {
	dial -- black 7001
	[[ $(races | wc -l) -eq 1 ]]
	races | grep -Eq "^libhe: dial\[[0-9]+\]: black port 7001: fd93::d1 at 0\.0 ms: given up after [0-9.]+ ms; 10\.93\.0\.10 at [0-9.]+ ms: connected after [0-9.]+ ms; winner 10\.93\.0\.10$"
}

# waiters HOW: how those were found who wait for the number, in the only line of the log.
waiters() {
	dial -- -w "$1" black 7001
	[[ $(races | wc -l) -eq 1 ]]
	races | sed -n 's/.*; winner 10\.93\.0\.10 (waiters: \(.*\))$/\1/p'
}

@test "connect (HE_LOG=race, non-blocking) tells how the waiters were found" {
	[[ $(waiters poll) == poll ]]
	rm "$BATS_TEST_TMPDIR/races"
	[[ $(waiters epoll) == 'epoll record' ]]
	rm "$BATS_TEST_TMPDIR/races"
	[[ $(waiters unseen) == fdinfo ]]
}

@test "exit (HE_LOG=race, as soon as the race is over) is told of the race all the same" {
	# Each ends just when the reactor is about to write.
	seq 200 | loop timeout 60 "${PRELOADED[@]}" HE_LOG=race xargs -P 40 -I{} \
		"$PROGRAMS/dial" -w epoll black 7001 >/dev/null
	[[ $(races | grep -c 'winner 10\.93\.0\.10 (waiters: epoll record)$') -eq 200 ]]
}

@test "connect (HE_LOG=debug, bound to a port) tells why it was passed on" {
	run loop timeout 20 "${PRELOADED[@]}" HE_LOG=debug "$PROGRAMS/promise_fd" bound_port_is_not_raced
	[[ $status -eq 0 ]]
	races | grep -q "^libhe: promise_fd\[[0-9]*\]: passed on: socket is bound to a port$"
}

@test "connect (set-user-ID program) ignores every setting" {
	[[ $EUID -eq 0 ]] || skip "needs root to make a set-user-ID program"
	[[ -z ${HE_SANITIZER:-} ]] || skip "a sanitizer's runtime is no trusted library"
	command -v setpriv >/dev/null || skip "setpriv is not installed"
	cp "$PROGRAMS/dial" "$BATS_TEST_TMPDIR/dial"
	chmod u+s "$BATS_TEST_TMPDIR/dial"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
	# The loader leaves the library out altogether: it lies in no trusted directory.
	run loop setpriv --reuid 65534 --clear-groups timeout 20 env "LD_PRELOAD=$LIBHE" HE_LOG=race \
		"$BATS_TEST_TMPDIR/dial" -f black 7001
	[[ $output == *ETIMEDOUT* && $output != *libhe:* ]]
}
