# The namespace of a case of tests/conformance or tests/input, with the addresses of
# tests/conformance/conform.h on its loopback interface, and no other network. For bats files that load
# loop before, whose words on what is needed hold.
# shellcheck shell=bash

# An IPv6 address cannot be bound to while the kernel looks for its duplicate.
SCENE='link set lo up
address add dead:beef::/128 dev lo nodad
address add dead:beef::2/128 dev lo nodad
address add dead:beef::3/128 dev lo nodad
address add dead:aaaa::/128 dev lo nodad
address add 107.6.106.83/32 dev lo
address add 107.6.106.84/32 dev lo
address add 107.6.106.85/32 dev lo
address add 107.6.106.86/32 dev lo'

# scene_enter CMD...: the inside of the namespace.
scene_enter() {
	local tries
	ip -batch - <<<"$SCENE" || return
	# The kernel gives an IPv6 address its route a moment later; ::1 is the fifth.
	for ((tries = 0; tries < 500; tries++)); do
		[[ $(ip -6 route show table local type local | wc -l) -lt 5 ]] || exec "$@"
		sleep 0.01
	done
	return 1
}

# scene CMD...: runs a command in a namespace of its own.
scene() {
	# shellcheck disable=SC2016
	SCENE=$SCENE unshare ${LOOP_USER:+"$LOOP_USER"} -n bash -c "$(declare -f scene_enter)"'
		scene_enter "$@"' _ env -u LD_PRELOAD timeout 60 "$@"
}

# holds PROGRAM CASE: runs a case, with he_connect() and with an event loop at the same time.
holds() {
	local program=$PROGRAMS/$1 case=$2 status=0 looped=0
	scene "$program" "$case" loop >"$BATS_TEST_TMPDIR/loop" 2>&1 3>&- &
	local pid=$!
	run scene "$program" "$case"
	wait "$pid" || looped=$?
	# shellcheck disable=SC2154
	printf '%s\nin an event loop:\n%s\n' "$output" "$(<"$BATS_TEST_TMPDIR/loop")" >&2
	[[ $status -eq 0 && $looped -eq 0 ]]
	[[ $output = 'ok '* && $(<"$BATS_TEST_TMPDIR/loop") = "$output" ]]
}

# The cases need no servers, only namespaces.
setup_file() {
	LOOP_WHY_NOT=$(loop_possible) || { export LOOP_WHY_NOT; return 0; }
	LOOP_USER=$(loop_user)
	export LOOP_USER
}

teardown_file() { :; }
