# A network on loopback alone, in a namespace of its own, for what a program observes where round
# trips do not matter. Needs root or unprivileged user namespaces; nothing else.
#
# Addresses, all on port 7001:          names, in the order that getaddrinfo() returns:
#   fd93::10 10.93.0.10   answer          healthy     fd93::10 10.93.0.10
#   fd93::d1 fd93::d2     blackholed      black       fd93::d1 10.93.0.10
#   10.93.0.66 .67        blackholed      refused     fd93::e1 10.93.0.10
#   fd93::e1 10.93.0.68   refuse          mix         fd93::d1 fd93::d2 10.93.0.66 10.93.0.10
#                                         alldead     fd93::d1 10.93.0.66
#                                         allrefused  fd93::e1 10.93.0.68
#                                         two4        10.93.0.66 10.93.0.10
#                                         half        fd93::e1 fd93::d1 10.93.0.10
#                                         worse       fd93::e1 10.93.0.66 10.93.0.10
#                                         hopeless    fd93::e1 10.93.0.66 fd93::d1
#                                         doomed      fd93::e1 10.93.0.66
#   fd93::f1              no way to it    noway       fd93::f1 10.93.0.66
#                                         someway     fd93::f1 10.93.0.66 10.93.0.10
# A black hole is a listener whose backlog is full.
# shellcheck shell=bash

LOOP_PORT=7001

# loop_user: prints the options that unshare(1) needs here: none for root, a user namespace for anybody
# else, and for the root of a container.
loop_user() {
	if unshare -nm true 2>/dev/null; then
		echo
	elif unshare -Urnm true 2>/dev/null; then
		echo -Ur
	else
		return 1
	fi
}

# loop_possible: returns 0, or prints why the network can not be made on this machine and returns 1.
loop_possible() {
	local user
	command -v ip >/dev/null || { echo "needs ip (Debian: iproute2)"; return 1; }
	[[ -e /etc/hosts ]] || { echo "needs an /etc/hosts to put its own in place of"; return 1; }
	user=$(loop_user) || {
		echo "needs a root who may make namespaces, or unprivileged user namespaces"
		return 1
	}
	unshare ${user:+"$user"} -nm bash -c 'ip link set lo up && mount --bind /etc/hosts /etc/hosts' \
		2>/dev/null || { echo "needs to configure its own namespaces"; return 1; }
}

# The inside of the namespace: sets it up, starts the servers, stays until its input ends.
loop_inside() {
	local dir=$1 address
	ip link set lo up
	for address in fd93::10 fd93::d1 fd93::d2 fd93::e1; do
		ip address add "$address/128" dev lo nodad
	done
	for address in 10 66 67 68 9; do
		ip address add "10.93.0.$address/32" dev lo
	done
	# For TCP alone, as getaddrinfo() puts last what it finds no way to.
	ip -6 route add fd93::f1 dev lo
	ip -6 rule add to fd93::f1 ipproto tcp unreachable
	# A dead connect ends after three seconds.
	echo 1 >/proc/sys/net/ipv4/tcp_syn_retries
	echo 0 2>/dev/null >/proc/sys/net/ipv4/tcp_syn_linear_timeouts
	# Room for the connections of 1,000 races at the same time.
	echo 4096 >/proc/sys/net/core/somaxconn
	cat >"$dir/hosts" <<-END
		127.0.0.1 localhost
		fd93::e1 refused allrefused half worse hopeless doomed
		fd93::d1 black mix alldead half hopeless
		fd93::f1 noway someway
		fd93::d2 mix
		fd93::10 healthy
		10.93.0.66 mix alldead two4 worse hopeless doomed noway someway
		10.93.0.68 allrefused
		10.93.0.10 healthy black refused mix two4 half worse someway
	END
	printf 'hosts: files\n' >"$dir/nsswitch.conf"
	printf 'precedence ::/0 100\nprecedence ::ffff:0:0/96 1\n' >"$dir/gai.conf"
	touch "$dir/resolv.conf"
	for file in hosts nsswitch.conf gai.conf resolv.conf; do
		[[ -e /etc/$file ]] && mount --bind "$dir/$file" "/etc/$file"
	done
	# bash gives background commands /dev/null to read, unless told otherwise.
	exec 4<&0
	"$B/tests/blackhole" $LOOP_PORT fd93::d1 fd93::d2 10.93.0.66 10.93.0.67 \
		<&4 >"$dir/blackhole.out" &
	"$B/tests/greet" $LOOP_PORT fd93::10 10.93.0.10 <&4 >"$dir/greet.out" &
	wait
}

# loop_start DIR: makes the namespace and its servers; DIR is for its files.
loop_start() {
	local dir=$1 tries
	LOOP_USER=$(loop_user) || return 1
	mkfifo "$dir/hold"
	sleep infinity >"$dir/hold" 3>&- &
	LOOP_HOLD=$!
	export -f loop_inside
	# shellcheck disable=SC2016
	B=$B LOOP_PORT=$LOOP_PORT unshare ${LOOP_USER:+"$LOOP_USER"} -nm bash -c 'loop_inside "$1"' _ "$dir" \
		<"$dir/hold" >"$dir/inside.out" 2>&1 3>&- &
	LOOP_PID=$!
	export LOOP_HOLD LOOP_PID LOOP_USER
	for ((tries = 0; tries < 200; tries++)); do
		grep -qs READY "$dir/blackhole.out" && grep -qs READY "$dir/greet.out" && return 0
		sleep 0.05
	done
	cat "$dir/inside.out" >&2
	return 1
}

# loop CMD...: runs a command inside.
loop() {
	nsenter -t "$LOOP_PID" -n -m ${LOOP_USER:+-U --preserve-credentials} --wd="$PWD" "$@"
}

loop_stop() {
	[[ -n ${LOOP_HOLD:-} ]] || return 0
	kill "$LOOP_HOLD" 2>/dev/null || true
	wait "$LOOP_PID" 2>/dev/null || true
}

# promise PROGRAM CASE passes|fails: runs a case of a promise program with libhe, where it must pass;
# the last word says what its control without libhe must do, at the same time.
promise() {
	local program=$PROGRAMS/$1 case=$2 control=$3 status=0 native=0
	# shellcheck disable=SC2153,SC2154
	loop timeout 30 "${NATIVE[@]}" "$program" "$case" >"$BATS_TEST_TMPDIR/native" 2>&1 3>&- &
	local pid=$!
	run loop timeout 30 "${PRELOADED[@]}" "$program" "$case"
	wait "$pid" || native=$?
	# shellcheck disable=SC2154
	[[ $status -ne 77 ]] || skip "$(sed -n 's/^skip: //p' <<<"$output")"
	# shellcheck disable=SC2154
	echo "$output" >&2
	races >&2
	[[ $status -eq 0 && $output == *"ok $case"* && $output == *"with libhe"* ]] || return 1
	case $control in
	passes) [[ $native -eq 0 ]] ;;
	fails) [[ $native -eq 1 ]] ;;
	esac || {
		printf 'the control did not do as it must (%s), status %s: %s\n' \
			"$control" "$native" "$(<"$BATS_TEST_TMPDIR/native")" >&2
		return 1
	}
	[[ $(<"$BATS_TEST_TMPDIR/native") != *"with libhe"* ]]
}

# A bats file that loads this gets the network for all its tests, or skips them with the reason.
setup_file() {
	LOOP_WHY_NOT=$(loop_possible) || { export LOOP_WHY_NOT; return 0; }
	loop_start "$BATS_FILE_TMPDIR"
}

teardown_file() {
	loop_stop
}

loop_setup() {
	descriptors_mark
	[[ -z ${LOOP_WHY_NOT:-} ]] || skip "$LOOP_WHY_NOT"
}

setup() {
	loop_setup
}
