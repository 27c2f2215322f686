# What the connector of libheconnect promises, with a real resolver and a real DNS server, whose log
# tells what was asked and which can be stopped. The cases are in tests/programs/connector.c.

load helpers
load loop

setup_file() {
	LOOP_WHY_NOT=$(loop_possible) || { export LOOP_WHY_NOT; return 0; }
	if ! command -v dnsmasq >/dev/null; then
		export LOOP_WHY_NOT='dnsmasq is not installed'
		return 0
	fi
	loop_start "$BATS_FILE_TMPDIR" || return 1
	dns_start "$BATS_FILE_TMPDIR"
}

teardown_file() {
	[[ -z ${DNS_PID:-} ]] || kill -KILL "$DNS_PID" 2>/dev/null || true
	loop_stop
}

# dns_start DIR: a DNS server in the network, and the resolver's files, which are DIR's, made for it.
# It waits for longer than any test, if the server does not answer.
dns_start() {
	local dir=$1 tries
	printf '%s three\n' fd93::e1 10.93.0.66 10.93.0.10 >>"$dir/hosts"
	printf 'hosts: files dns\n' >"$dir/nsswitch.conf"
	printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:1\n' >"$dir/resolv.conf"
	export DNS_LOG=$dir/dns.log
	loop dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group=root --pid-file="$dir/dns.pid" \
		--port=53 --listen-address=127.0.0.1 --bind-interfaces --no-hosts --no-resolv \
		--log-queries --log-facility="$DNS_LOG" --local=/test/ \
		--address=/good.test/fd93::10 --address=/good.test/10.93.0.10 \
		--address=/four.test/10.93.0.10 \
		--address=/black.test/fd93::d1 --address=/black.test/10.93.0.10 \
		--address=/dead.test/fd93::d1 --address=/dead.test/10.93.0.66 \
		--address=/self.test/fd93::e1 --address=/self.test/10.93.0.68 \
		</dev/null >"$dir/dns.out" 2>&1 3>&- &
	for ((tries = 0; tries < 200; tries++)); do
		if grep -qs started "$DNS_LOG" && [[ -s $dir/dns.pid ]]; then
			DNS_PID=$(<"$dir/dns.pid")
			export DNS_PID
			return 0
		fi
		sleep 0.05
	done
	cat "$dir/dns.out" "$DNS_LOG" >&2
	return 1
}

teardown() {
	[[ -z ${DNS_PID:-} ]] || kill -CONT "$DNS_PID"
	descriptors_check
}

# connector CASE: runs it, without libhe: the connector races by itself. Leaks are looked for where the
# build can tell.
connector() {
	local options=${ASAN_OPTIONS:-}
	# shellcheck disable=SC2153,SC2154
	run loop timeout 120 "${NATIVE[@]}" ASAN_OPTIONS="$options${options:+:}detect_leaks=1" \
		"$PROGRAMS/connector" "$1"
	# shellcheck disable=SC2154
	[[ $status -ne 77 ]] || skip "$(sed -n 's/^skip: //p' <<<"$output")"
	# shellcheck disable=SC2154
	echo "$output" >&2
	[[ $status -eq 0 && $output == *"ok $1"* && $output == *"without libhe"* ]]
}

@test "he_connector_connect (answer is known) asks nobody until answers are cleared" {
	connector answer_is_used_again_until_cleared
}

@test "he_connector_connect (answer_ms has passed, or is 0) asks again" {
	connector answer_is_asked_for_again_after_its_time
}

@test "he_connector_connect (more names than answers_max) forgets the oldest" {
	connector oldest_answer_goes_first
}

@test "he_connector_connect (earlier call did not wait for the answer) uses it, unless cleared" {
	connector answer_that_nobody_waits_for_is_kept
}

@test "he_connector_connect (no such name, no address, no server) fails, and asks again" {
	connector unknown_name_is_told_and_not_kept
}

@test "he_connector_connect (connector of one family) uses that family" {
	connector family_is_the_connectors
}

@test "he_connector_connect (numeric host) asks nobody" {
	connector numeric_host_needs_no_lookup
}

@test "he_connector_connect (address failed) tries it last until failures are cleared" {
	connector failed_address_is_tried_last
}

@test "he_connector_connect (failure_ms has passed, or is 0) tries it first again" {
	connector failed_address_is_tried_first_after_its_time
}

@test "he_connector_connect (IPv6 address failed, two IPv4 ones) tries it after both" {
	connector failed_address_is_last_whatever_its_family
}

@test "he_connector_connect (failed address connects) forgets the failure" {
	connector failed_address_is_forgotten_when_it_connects
}

@test "he_connector_connect (address did not connect before the timeout) tries it last" {
	connector address_that_was_given_up_is_tried_last
}

@test "he_connector_connect (lookup without end) keeps its timeout" {
	connector timeout_ends_a_lookup
}

@test "he_connector_connect (slow lookup, dead addresses) has one timeout for both" {
	connector timeout_is_for_lookup_and_race
}

@test "he_connector_connect (cancel_fd during a lookup) ends" {
	connector cancel_fd_ends_a_lookup
}

@test "he_connector_connect (cancel_fd during the race) ends, and nothing has failed" {
	connector cancel_fd_ends_a_race
}

@test "he_connector_connect (signals during a lookup) waits on" {
	connector signals_do_not_end_a_lookup
}

@test "he_connector_connect (lookup runs on) leaves signals to the program's threads" {
	connector signals_are_not_for_the_thread_of_a_lookup
}

@test "he_connector_connect (32 threads, 2 names) looks each up once and reaches the right peers" {
	connector threads_share_a_lookup
}

@test "he_connector_connect (pthread_cancel during lookup, race) leaves no descriptor" {
	connector cancelled_thread_leaves_nothing
}

@test "he_connector_free (lookups run on) leaves them alone" {
	connector freed_connector_is_not_needed_by_lookups
}

@test "he_connector_connect (bad options) fails before a lookup" {
	connector bad_options_fail_before_a_lookup
}

@test "he_connector_new (bad options) fails" {
	connector bad_connector_options_are_refused
}

@test "he_connector_connect (local address, HE_NONBLOCK) passes them to the race" {
	connector options_are_those_of_the_race
}

@test "he_connector_connect (no thread can be made) looks up by itself" {
	connector without_a_thread_the_caller_looks_up
}

@test "he_connector_connect (no descriptor is free) fails with EMFILE and recovers" {
	connector without_descriptors_it_is_told
}

@test "he_connector_connect (8 threads, answers and failures cleared meanwhile) reaches its peers" {
	connector threads_may_do_everything_at_once
}

@test "he_connector_free (in a forked child, threads of the parent connect) returns" {
	connector forked_child_may_free
}

@test "libheconnect.so (dlclose) stays, as lookups may run on in it" {
	readelf -dW "$B/libheconnect.so" | grep -q 'FLAGS_1.*NODELETE'
}
