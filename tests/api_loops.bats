#!/usr/bin/env bats
# The races of he.h in event loops: 1,000 at the same time, each with one descriptor to poll, driven by
# epoll and by libuv. The cases are in tests/programs/api_epoll.c and api_uv.c, and what must become of the
# races in api_loop.h beside them.

load helpers
load loop

UV=/usr/include/uv.h

setup_file() {
	LOOP_WHY_NOT=$(loop_possible) || { export LOOP_WHY_NOT; return 0; }
	loop_start "$BATS_FILE_TMPDIR" || return
	# What is to be cancelled must not end by itself meanwhile.
	loop bash -c 'echo 6 >/proc/sys/net/ipv4/tcp_syn_retries'
	[[ ! -e $UV ]] || build_api_uv
}

# Not by the Makefile, as what it needs is installed when the tests are run; but as all is built there,
# sanitizers included.
build_api_uv() {
	local flags
	flags=$(<"$B/flags") || return
	(cd "$ROOT" && eval "$flags -o \"\$BATS_FILE_TMPDIR/api_uv\" tests/programs/api_uv.c \
		\"\$B/libheconnect.a\" -luv -ldl -pthread")
}

# expect PROGRAM CASE: without libhe.so, which has no part in it.
expect() {
	run loop timeout 120 "${NATIVE[@]}" "$1" "$2"
	echo "status $status: $output"
	[[ $status -ne 77 ]] || skip "$(sed -n 's/^skip: //p' <<<"$output")"
	[[ $status -eq 0 && $output == *"ok $2"* && $output == *"without libhe"* ]]
}

expect_uv() {
	[[ -e $UV ]] || skip "libuv is not installed"
	expect "$BATS_FILE_TMPDIR/api_uv" "$1"
}

@test "epoll (1,000 races, the first address dead) connects all after the delay" {
	expect "$PROGRAMS/api_epoll" races_connect
}

@test "epoll (the same, edge-triggered) connects all after the delay" {
	expect "$PROGRAMS/api_epoll" races_connect_edge_triggered
}

@test "epoll (1,000 races, some refused, cancelled, abandoned) each ends as it must" {
	expect "$PROGRAMS/api_epoll" races_end_in_all_ways
}

@test "epoll (the same, edge-triggered) each ends as it must" {
	expect "$PROGRAMS/api_epoll" races_end_in_all_ways_edge_triggered
}

@test "epoll (the same, begun in one thread and driven in four others) each ends as it must" {
	expect "$PROGRAMS/api_epoll" races_end_in_four_threads
}

@test "libuv (1,000 races, the first address dead) connects all after the delay" {
	expect_uv races_connect
}

@test "libuv (1,000 races, some refused, cancelled, abandoned) each ends as it must" {
	expect_uv races_end_in_all_ways
}
