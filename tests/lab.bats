#!/usr/bin/env bats
# The lab itself, without the library: what the other files rely on when they say "blackholed" or "one
# SYN". Times are asserted as "not before" and, generously, "not after".

load lab/services

setup_file() {
	if ! LAB_WHY_NOT=$(lab_possible); then
		export LAB_WHY_NOT
		return
	fi
	lab_start "$BATS_FILE_TMPDIR"
	services_start "$BATS_FILE_TMPDIR"
}

teardown_file() { lab_stop; }

setup() {
	[[ -z ${LAB_WHY_NOT:-} ]] || skip "$LAB_WHY_NOT"
	lab_mark
}

# connect ADDRESS PORT: connects in the client and prints the milliseconds that it took; or fails with
# the kernel's words. 124: not within a second.
connect() {
	# shellcheck disable=SC2016  # expanded over there
	LC_ALL=C lab_client timeout 1 bash -c '
		before=${EPOCHREALTIME/./}
		exec 3<>"/dev/tcp/$0/$1" || exit
		echo $(((${EPOCHREALTIME/./} - before) / 1000))' "$@"
}

needs() { services_have "$1" || skip "no $1 server here"; }

# order NAME: the addresses that getaddrinfo() gives for NAME, in a line.
order() {
	local address type list=()
	while read -r address type _; do
		[[ $type != STREAM ]] || list+=("$address")
	done < <(lab_client getent ahosts "$1")
	echo "${list[*]}"
}

# in_client PROGRAM...: runs a client, which has ten seconds; skips if it is not installed.
in_client() {
	command -v "$1" >/dev/null || skip "no $1 here"
	run lab_client timeout 10 "$@"
}

# --- addresses ------------------------------------------------------------------------------------

@test "connect (healthy IPv6) takes its round trip and one SYN" {
	needs greeting
	run connect "$LAB_GOOD6" 7777
	((status == 0 && output >= LAB_R6_MS && output < 500))
	[[ $(lab_syns | wc -l) == 1 && $(lab_syns_to "$LAB_GOOD6") == 1 ]]
}

@test "connect (healthy IPv4) takes its own, longer round trip and one SYN" {
	needs greeting
	run connect "$LAB_GOOD4" 7777
	((status == 0 && output >= LAB_R4_MS && output < 500))
	[[ $(lab_syns | wc -l) == 1 && $(lab_syns_to "$LAB_GOOD4") == 1 ]]
}

@test "connect (healthy, nobody listens) is refused" {
	run connect "$LAB_GOOD6" 9
	((status != 0))
	[[ $output == *"Connection refused"* ]]
}

@test "connect (blackholed) is still waiting after a second" {
	for address in "$LAB_DEAD6" "$LAB_DEAD6B" "$LAB_DEAD4" "$LAB_DEAD4B"; do
		run connect "$address" 80
		((status == 124))
		[[ $(lab_syns_to "$address") == 1 ]]
	done
}

@test "connect (address that nobody has) is a blackhole too" {
	run connect fd92::dead 80
	((status == 124))
	run connect 10.92.0.200 80
	((status == 124))
}

@test "connect (refusing) gives ECONNREFUSED, every time" {
	for address in "$LAB_RST6" "$LAB_RST4" "$LAB_RST6" "$LAB_RST4"; do
		run connect "$address" 80
		((status != 0))
		[[ $output == *"Connection refused"* ]]
	done
}

@test "connect (ICMP administratively prohibited) gives EACCES for IPv6, every time" {
	for ((i = 0; i < 10; i++)); do
		run connect "$LAB_ICMP6" 80
		[[ $output == *"Permission denied"* ]]
	done
}

@test "connect (ICMP administratively prohibited) gives EHOSTUNREACH for IPv4, every time" {
	for ((i = 0; i < 10; i++)); do
		run connect "$LAB_ICMP4" 80
		[[ $output == *"No route to host"* ]]
	done
}

@test "connect (200 at once, ICMP administratively prohibited) fails for each within a second" {
	for address in "$LAB_ICMP6" "$LAB_ICMP4"; do
		in_client python3 -c '
import selectors, socket, sys
waiting = selectors.DefaultSelector()
for _ in range(200):
    one = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
    one.setblocking(False)
    one.connect_ex((sys.argv[1], 80))
    waiting.register(one, selectors.EVENT_WRITE)
failed = 0
while events := waiting.select(0.9):
    for key, _ in events:
        failed += key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        waiting.unregister(key.fileobj)
print(failed)' "$address"
		[[ $output == 200 ]]
	done
}

@test "connect (no route) gives ENETUNREACH and sends nothing" {
	run connect "$LAB_NOROUTE6" 80
	[[ $output == *"Network is unreachable"* ]]
	[[ -z $(lab_syns) ]]
}

@test "connect (refusing, ICMP) takes a round trip to fail" {
	for address in "$LAB_RST6" "$LAB_ICMP6"; do
		before=$(lab_now_ms)
		run connect "$address" 80
		(($(lab_now_ms) - before >= LAB_R6_MS))
	done
}

# --- names ----------------------------------------------------------------------------------------

@test "getaddrinfo (names of the lab) gives IPv6 first and dead addresses first" {
	[[ $(order healthy.test) == "$LAB_GOOD6 $LAB_GOOD4" ]]
	[[ $(order black6.test) == "$LAB_DEAD6 $LAB_GOOD4" ]]
	[[ $(order refused6.test) == "$LAB_RST6 $LAB_GOOD4" ]]
	[[ $(order icmp6.test) == "$LAB_ICMP6 $LAB_GOOD4" ]]
	[[ $(order mix.test) == "$LAB_DEAD6 $LAB_DEAD6B $LAB_DEAD4 $LAB_GOOD4" ]]
	[[ $(order alldead.test) == "$LAB_DEAD6 $LAB_DEAD6B $LAB_DEAD4 $LAB_DEAD4B" ]]
	[[ $(order allrefused.test) == "$LAB_RST6 $LAB_RST4" ]]
	[[ $(order twoerrors.test) == "$LAB_RST6 $LAB_ICMP4" ]]
	[[ $(order only4.test) == "$LAB_GOOD4" ]]
	[[ $(order only6.test) == "$LAB_GOOD6" ]]
	[[ $(order two4.test) == "$LAB_DEAD4 $LAB_GOOD4" ]]
}

@test "getaddrinfo (address without a TCP route) still gives it first" {
	[[ $(order noroute6.test) == "$LAB_NOROUTE6 $LAB_GOOD4" ]]
}

@test "getaddrinfo (dead IPv4, good IPv6) gives IPv6 first whatever the file says" {
	[[ $(order black4.test) == "$LAB_GOOD6 $LAB_DEAD4" ]]
}

@test "getaddrinfo (unknown name) fails at once, without asking a name server" {
	before=$(lab_now_ms)
	run lab_client getent ahosts unknown.test
	((status == 2))
	(($(lab_now_ms) - before < 2000))
}

@test "getaddrinfo (line appended to the hosts file) knows the new name" {
	echo "$LAB_DEAD4B late.test" >>"$LAB_DIR/hosts"
	[[ $(order late.test) == "$LAB_DEAD4B" ]]
}

# --- what was sent --------------------------------------------------------------------------------

@test "lab_syn_gap (two connects 0.3 s apart) gives the time between the first SYNs" {
	run connect "$LAB_RST6" 80
	sleep 0.3
	run connect "$LAB_RST4" 80
	gap=$(lab_syn_gap "$LAB_RST6" "$LAB_RST4")
	((gap >= 300 && gap < 1500))
	run lab_syn_gap "$LAB_RST6" "$LAB_GOOD6"
	((status != 0))
}

@test "lab_syns (connect gives up) shows the second SYN as sent again" {
	lab_short_timeouts
	LC_ALL=C run lab_client timeout 20 bash -c "exec 3<>/dev/tcp/$LAB_DEAD6B/81"
	lab_kernel_timeouts
	[[ $output == *"Connection timed out"* ]]
	[[ $(lab_syns_to "$LAB_DEAD6B") == 1 ]]
	[[ $(lab_syns | grep -c "$LAB_DEAD6B 81 again\$") == 1 ]]
}

@test "lab_kernel_timeouts (after lab_short_timeouts) restores what a new namespace has" {
	kernels=$(unshare ${LAB_USER:+-Ur} -n cat /proc/sys/net/ipv4/tcp_syn_retries)
	lab_short_timeouts
	[[ $(lab_client cat /proc/sys/net/ipv4/tcp_syn_retries) == 1 ]]
	lab_kernel_timeouts
	[[ $(lab_client cat /proc/sys/net/ipv4/tcp_syn_retries) == "$kernels" ]]
}

# --- commands -------------------------------------------------------------------------------------

@test "lab_client (streams, status, directory) are those of the command" {
	run lab_client sh -c 'exit 7'
	((status == 7))
	[[ $(echo in | lab_client cat) == in ]]
	[[ $(lab_server sh -c 'echo out; echo err >&2' 2>/dev/null) == out ]]
	cd "$BATS_TEST_TMPDIR"
	[[ $(lab_client pwd) == "$PWD" ]]
}

@test "lab_server_exec (in the background) is the command itself for kill" {
	lab_server_exec sleep 60 3>&- &
	pid=$!
	lab_until grep -qx sleep "/proc/$pid/comm"
	kill "$pid"
	status=0
	wait "$pid" || status=$?
	((status == 143)) # SIGTERM
}

# --- services -------------------------------------------------------------------------------------

@test "http (real client) gets the page" {
	needs http
	in_client curl -sS http://healthy.test/
	[[ $output == "$SERVICES_TEXT" ]]
}

@test "tls (real client) shakes hands" {
	needs tls
	in_client openssl s_client -connect "[$LAB_GOOD6]:443" </dev/null
	[[ $output == *"CN = healthy.test"* ]]
	in_client openssl s_client -connect "$LAB_GOOD4:443" </dev/null
	[[ $output == *"CN = healthy.test"* ]]
}

@test "sshd (real client) shows its key and lets nobody in" {
	needs sshd
	in_client ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		healthy.test true
	((status == 255))
	[[ $output == *"Permission denied"* ]]
}

@test "git (real client) lists the repository" {
	needs git
	in_client git ls-remote git://healthy.test/small
	[[ $output == *HEAD* ]]
}

@test "rsync (real client) fetches the file" {
	needs rsync
	in_client rsync rsync://healthy.test/files/greeting.txt "$BATS_TEST_TMPDIR/"
	((status == 0))
	[[ $(<"$BATS_TEST_TMPDIR/greeting.txt") == "$SERVICES_TEXT" ]]
}

@test "greeting (both families) greets and closes" {
	needs greeting
	for address in "$LAB_GOOD6" "$LAB_GOOD4"; do
		in_client bash -c "cat </dev/tcp/$address/7777"
		[[ $output == "$SERVICES_TEXT" ]]
	done
}

@test "redis (real client) answers" {
	needs redis
	in_client redis-cli -h healthy.test echo "$SERVICES_TEXT"
	[[ $output == "$SERVICES_TEXT" ]]
}

@test "postgres (real client) answers over both families" {
	needs postgres
	for address in "$LAB_GOOD6" "$LAB_GOOD4"; do
		in_client psql -X -h "$address" -U lab -d postgres -Atc "select '$SERVICES_TEXT'"
		[[ $output == "$SERVICES_TEXT" ]]
	done
}

# --- the end --------------------------------------------------------------------------------------

# A lab of its own in a shell of its own: this file's lab goes on.
other_lab() {
	mkdir "$BATS_TEST_TMPDIR/other"
	env -u LAB_DIR timeout 60 bash -euc "source '$BATS_TEST_DIRNAME/lab/services.bash'
		lab_start '$BATS_TEST_TMPDIR/other'
		services_start '$BATS_TEST_TMPDIR/other'
		echo \$LAB_NETNS >'$BATS_TEST_TMPDIR/netns'
		lab_processes >'$BATS_TEST_TMPDIR/processes'
		$1" 3>&-
}

other_lab_gone() {
	LAB_NETNS=$(<"$BATS_TEST_TMPDIR/netns") lab_deserted
}

@test "lab_stop (with services) leaves no process, interface or mount" {
	mounts=$(</proc/self/mounts)
	other_lab 'lab_stop'
	(($(wc -l <"$BATS_TEST_TMPDIR/processes") >= 4))
	other_lab_gone
	while read -r pid; do
		[[ ! -d /proc/$pid ]]
	done <"$BATS_TEST_TMPDIR/processes"
	[[ $(</proc/self/mounts) == "$mounts" ]]
	[[ ! -e /sys/class/net/lab0 ]]
}

@test "services_stop (all services running) leaves the lab as it was before" {
	# shellcheck disable=SC2016  # expanded over there
	other_lab 'services_stop
		[[ $(lab_processes | wc -l) == 4 && -z $(lab_server ss -Hltn) ]]
		services_start "$(mktemp -d -p "$LAB_DIR")"
		lab_stop'
	other_lab_gone
}

@test "services_start (with a name) starts that and no other" {
	needs greeting
	# shellcheck disable=SC2016  # expanded over there
	other_lab 'services_stop
		services_start "$(mktemp -d -p "$LAB_DIR")" greeting
		services_have greeting && ! services_have http || exit
		[[ $(lab_server ss -Hltn) == *:7777* && -z $(lab_server ss -Hltn "sport != :7777") ]]
		lab_stop'
	other_lab_gone
}

@test "lab (whose shell is killed) goes too" {
	run other_lab "kill -KILL \$\$"
	((status == 137))
	lab_until other_lab_gone
}

@test "lab_stop (of a lab that is gone, when this one has its namespaces' numbers) ends nothing" {
	local gone
	true &
	gone=$!
	wait "$gone"
	(
		LAB_CLIENT_PID=$gone LAB_SERVER_PID=$gone LAB_KEEPER_PID=''
		lab_stop
	)
	lab_client true
}

@test "lab_start (with a lab running) refuses" {
	run lab_start "$BATS_TEST_TMPDIR"
	((status == 1))
	[[ $output == *"still running"* ]]
}
