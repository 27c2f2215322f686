# Which resolver calls make an answer, and that they return what they return without libhe.

load helpers
load loop

# raced ARGUMENTS: dial with libhe connects to the good address, in one race.
raced() {
	run loop timeout 20 "${PRELOADED[@]}" "$PROGRAMS/dial" "$@"
	# shellcheck disable=SC2154
	echo "$output" >&2
	assert_loaded dial
	[[ $status -eq 0 && ${lines[0]} == *"-> 10.93.0.10 "* ]]
}

@test "connect (name from gethostbyname) races" {
	raced -h two4 7001
}

@test "connect (name from gethostbyname2) races" {
	run loop timeout 20 "${PRELOADED[@]}" "$PROGRAMS/dial" -H half 7001
	assert_loaded dial
	races | grep -q "half port 7001: fd93::e1 .*fd93::d1 at "
}

@test "connect (getaddrinfo with AF_INET) races IPv4 only" {
	raced -4 mix 7001
	[[ $(races) != *fd93* ]]
}

@test "connect (getaddrinfo with AF_INET6) races IPv6 only" {
	run loop timeout 20 "${PRELOADED[@]}" "$PROGRAMS/dial" -6 -f half 7001
	assert_loaded dial
	[[ $status -eq 1 && $(races) == *fd93::d1* && $(races) != *10.93* ]]
}

@test "getaddrinfo, gethostbyname (all kinds of calls) return what they return without libhe" {
	# shellcheck disable=SC2153
	run loop timeout 20 "${NATIVE[@]}" "$PROGRAMS/resolve"
	local plain=$output
	[[ $status -eq 0 && $plain == *"without libhe"*"done"* ]]
	run loop timeout 20 "${PRELOADED[@]}" "$PROGRAMS/resolve"
	[[ $status -eq 0 && $output == *"with libhe"* ]]
	diff <(sed 1d <<<"$plain") <(sed 1d <<<"$output")
}
