#!/usr/bin/env bats
# Real programs under libhe, in the lab, with everything that can be wrong with an address. The table of
# the programs is in tests/programs/real_programs.bash. What is asserted is who was sent a SYN, in which
# order, not too early and not much too late; and that the program does what it natively does when all
# is well. tests/lab/measure.bash prints the times themselves.
# shellcheck disable=SC2154,SC2153  # needs, connect and says are set by real_find; NATIVE is no native

bats_require_minimum_version 1.5.0
load helpers
load lab/services
load programs/real_programs

# The Connection Attempt Delay.
CAD=250
# How much too early an attempt may look: the relay's clock counts, and on a busy machine the relay may
# note the first of two SYNs later than the second; by 5 ms, it was seen.
EARLY=25
# How much later than it should something may happen on a busy machine before we call it broken.
LATE=400
# After lab_short_timeouts the kernel gives up on an address after this.
KERNEL=3000
# Seconds that nothing here needs, not even four dead addresses natively.
PATIENCE=20

setup_file() {
	if [[ ${HE_SANITIZER:-} == tsan ]]; then
		export LAB_WHY_NOT="ThreadSanitizer needs programs built for it"
		return
	fi
	if ! LAB_WHY_NOT=$(lab_possible); then
		export LAB_WHY_NOT
		return
	fi
	lab_start "$BATS_FILE_TMPDIR"
	services_start "$BATS_FILE_TMPDIR"
	lab_short_timeouts
	dead_start
}

teardown_file() { lab_stop; }

setup() {
	[[ -z ${LAB_WHY_NOT:-} ]] || skip "$LAB_WHY_NOT"
	descriptors_mark
	lab_mark
}

# --- running one ----------------------------------------------------------------------------------

# the PROGRAM: what the test is about. Skips the test if it can not be run.
the() {
	local reason
	real_find "$1"
	if reason=$(real_lacks); then
		skip "$reason"
	fi
	program=$1
	[[ $connect != either ]] || learn
	comm=${needs##*/} # as libhe's log calls it
	out=$BATS_TEST_TMPDIR/out
}

# raced: skips the test if libhe does not race the connect() of the program yet.
raced() {
	[[ $connect == blocks ]] || skip "its connect() does not block, and is passed on"
}

# learn: finds out, once a file, whether this version of the program blocks.
learn() {
	local dir=$BATS_FILE_TMPDIR/probe.$program
	if [[ ! -e $dir ]]; then
		real_run healthy.test "$dir" "${LIMITED[@]}" "${PRELOADED[@]}" HE_LOG=debug "HE_LOG_FILE=$dir/log"
		lab_mark
	fi
	connect=blocks
	! grep -q 'passed on: non-blocking socket' "$dir/log" || connect=passes
}

LIMITED=(timeout -k 1 "$PATIENCE")

# preloaded HOST [WORD...]: runs the program under libhe, whose log is to show what it passes on, too.
preloaded() {
	real_run "$1" "$out" "${LIMITED[@]}" "${PRELOADED[@]}" HE_LOG=debug "${@:2}"
	races # for whoever reads why a test failed
	lab_syns
	assert_loaded "$comm"
	if [[ $connect == passes ]]; then
		races | grep -q "^libhe: $comm\[[0-9]*\]: passed on: non-blocking socket"
	else
		races | grep -q "^libhe: $comm\[[0-9]*\]: $1 port .* winner "
	fi
}

# healthy: what the program does natively when all is well. It is asked once a file.
healthy() {
	local dir=$BATS_FILE_TMPDIR/healthy.$program
	if [[ ! -e $dir ]]; then
		real_run healthy.test "$dir.new" "${LIMITED[@]}" "${NATIVE[@]}"
		mv "$dir.new" "$dir"
	fi
	real_outcome "$dir"
}

assert_same() {
	[[ $1 == "$2" ]] || { diff -u --label expected --label got <(echo "$1") <(echo "$2") >&2; return 1; }
}

# assert_does_as_when_healthy: what the program printed, its files and its exit status are those of the
# healthy native run, and that worked.
assert_does_as_when_healthy() {
	local expected
	expected=$(healthy)
	[[ $expected == *"$says"* ]] || { echo "natively: $expected" >&2; return 1; }
	assert_same "$expected" "$(real_outcome "$out")"
}

# assert_syns ADDRESS...: these had one attempt each, in this order, and nobody else had any; but for
# the addresses of dead_start, whose programs are trying at the same time.
assert_syns() {
	assert_same "$(printf '%s\n' "$@")" \
		"$(lab_syns | awk '$4 == "" && $2 !~ /^(fd92::dead:|10\.92\.0\.1..$)/ { print $2 }')"
}

# assert_gap FROM TO AT_LEAST BELOW: milliseconds from the first SYN to FROM to the first to TO.
assert_gap() {
	local gap
	gap=$(lab_syn_gap "$1" "$2")
	((gap >= $3 && gap < $4)) ||
		{ echo "$gap ms from $1 to $2, not from $3 to $4" >&2; return 1; }
}

# --- conditions -----------------------------------------------------------------------------------

check_healthy() {
	the "$1"
	preloaded healthy.test
	assert_syns "$LAB_GOOD6"
	assert_does_as_when_healthy
}

check_blackholed() {
	the "$1"
	raced
	preloaded black6.test
	assert_syns "$LAB_DEAD6" "$LAB_GOOD4"
	assert_gap "$LAB_DEAD6" "$LAB_GOOD4" $((CAD - EARLY)) $((CAD + LATE))
	assert_does_as_when_healthy
}

# The control of what is blackholed: without libhe, it takes long.
check_natively_waiting() {
	the "$1"
	real_run black6.test "$out" timeout -k 1 1.5 "${NATIVE[@]}"
	refute_loaded
	assert_syns "$LAB_DEAD6"
	[[ $(<"$out/status") == 124 ]]
}

# What libhe passes on is as it is natively.
check_left_alone() {
	the "$1"
	[[ $connect == passes ]] || skip "its connect() blocks, and is raced"
	real_run black6.test "$out" timeout -k 1 1.5 "${PRELOADED[@]}" HE_LOG=debug
	assert_loaded "$comm"
	assert_syns "$LAB_DEAD6"
	[[ $(<"$out/status") == 124 ]]
}

# check_failing PROGRAM HOST ADDRESS: the address says no, after its round trip.
check_failing() {
	the "$1"
	preloaded "$2"
	assert_syns "$3" "$LAB_GOOD4"
	assert_gap "$3" "$LAB_GOOD4" "$LAB_R6_MS" "$CAD"
	assert_does_as_when_healthy
}
check_refused() { check_failing "$1" refused6.test "$LAB_RST6"; }
check_unreachable() { check_failing "$1" icmp6.test "$LAB_ICMP6"; }

# Nothing is sent to an address without a route; the program's own time shows that nobody waited.
check_no_route() {
	the "$1"
	preloaded noroute6.test
	assert_syns "$LAB_GOOD4"
	assert_does_as_when_healthy
	local over=$((($(<"$out/us") - $(<"$BATS_FILE_TMPDIR/healthy.$program/us")) / 1000))
	((over < CAD)) || { echo "took $over ms longer than natively when all is well" >&2; return 1; }
}

check_mix() {
	the "$1"
	raced
	preloaded mix.test
	# The families take turns: RFC 8305 section 4.
	assert_syns "$LAB_DEAD6" "$LAB_DEAD4" "$LAB_DEAD6B" "$LAB_GOOD4"
	assert_gap "$LAB_DEAD6" "$LAB_DEAD4" $((CAD - EARLY)) $((CAD + LATE))
	assert_gap "$LAB_DEAD4" "$LAB_DEAD6B" $((CAD - EARLY)) $((CAD + LATE))
	assert_gap "$LAB_DEAD6B" "$LAB_GOOD4" $((CAD - EARLY)) $((CAD + LATE))
	assert_gap "$LAB_DEAD6" "$LAB_GOOD4" $((3 * CAD - EARLY)) $((3 * CAD + LATE))
	assert_does_as_when_healthy
}

# --- everything dead ------------------------------------------------------------------------------

# This takes seconds with libhe and four times as long without, so all programs wait at the same time,
# while the other tests run. Each run has a number and a name with four dead addresses of its own.
dead_start() {
	local number=0 name way
	mkdir "$BATS_FILE_TMPDIR/dead"
	for name in $(real_names); do
		for way in native preloaded; do
			lab_name "dead$number.test" "fd92::dead:$number:"{1,2} \
				"10.92.0.$((100 + 2 * number))" "10.92.0.$((101 + 2 * number))" >>"$LAB_DIR/hosts"
			echo "$number" >"$BATS_FILE_TMPDIR/dead/$name.$way"
			lab_detached dead_run "$name" "$number" "$way" </dev/null >/dev/null 2>&1 &
			number=$((number + 1))
		done
	done
}

dead_run() {
	local dir=$BATS_FILE_TMPDIR/dead/$2 words=("${NATIVE[@]}")
	real_find "$1"
	[[ $3 == native ]] || words=("${PRELOADED[@]}" HE_LOG=debug "HE_LOG_FILE=$dir.log")
	real_run "dead$2.test" "$dir" "${LIMITED[@]}" "${words[@]}"
	: >"$dir/done"
}

# dead_outcome NUMBER: what the program did, with the same addresses for every number.
dead_outcome() {
	lab_until test -e "$BATS_FILE_TMPDIR/dead/$1/done"
	real_outcome "$BATS_FILE_TMPDIR/dead/$1" |
		sed "s/fd92::dead:$1:/fd92::dead:/g
			s/10\.92\.0\.$((100 + 2 * $1))/10.92.0.100/g; s/10\.92\.0\.$((101 + 2 * $1))/10.92.0.101/g"
}

check_all_dead() {
	local native preloaded expected ms address
	the "$1"
	raced
	native=$(<"$BATS_FILE_TMPDIR/dead/$program.native")
	preloaded=$(<"$BATS_FILE_TMPDIR/dead/$program.preloaded")
	expected=$(dead_outcome "$native")
	# Both would be the same if neither program had started.
	[[ $expected == *"onnection timed out"* ]]
	assert_same "$expected" "$(dead_outcome "$preloaded")"

	cp "$BATS_FILE_TMPDIR/dead/$preloaded.log" "$BATS_TEST_TMPDIR/races"
	assert_loaded "$comm"
	races | grep -q "^libhe: $comm\[[0-9]*\]: dead$preloaded.test port .* no winner: Connection timed out"
	# Once each, although the program walks its list.
	for address in "fd92::dead:$preloaded:"{1,2} 10.92.0.$((100 + 2 * preloaded)) 10.92.0.$((101 + 2 * preloaded)); do
		[[ $(awk -v to="$address" '$2 == to && $4 == ""' "$LAB_DIR/syns" | wc -l) == 1 ]]
	done

	ms=$(($(<"$BATS_FILE_TMPDIR/dead/$preloaded/us") / 1000))
	((ms >= KERNEL && ms <= KERNEL + 3 * CAD + 1000)) || { echo "took $ms ms" >&2; return 1; }
}

# --- the tests: bats finds only what is spelled out -----------------------------------------------

@test "wget (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy wget; }
@test "ssh (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy ssh; }
@test "git (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy git; }
@test "perl (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy perl; }
@test "perl_timed (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy perl_timed; }
@test "bash (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy bash; }
@test "openssl (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy openssl; }
@test "python3 (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy python3; }
@test "telnet (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy telnet; }
@test "busybox_nc (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy busybox_nc; }
@test "nc (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy nc; }
@test "rsync (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy rsync; }

@test "wget (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed wget; }
@test "ssh (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed ssh; }
@test "git (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed git; }
@test "perl (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed perl; }
@test "perl_timed (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed perl_timed; }
@test "bash (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed bash; }
@test "openssl (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed openssl; }
@test "python3 (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed python3; }
@test "telnet (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed telnet; }
@test "busybox_nc (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed busybox_nc; }
@test "nc (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed nc; }
@test "rsync (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed rsync; }

@test "wget (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting wget; }
@test "ssh (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting ssh; }
@test "git (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting git; }
@test "perl (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting perl; }
@test "perl_timed (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting perl_timed; }
@test "bash (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting bash; }
@test "openssl (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting openssl; }
@test "python3 (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting python3; }
@test "telnet (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting telnet; }
@test "busybox_nc (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting busybox_nc; }
@test "nc (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting nc; }
@test "rsync (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting rsync; }

@test "perl_timed (IPv6 blackholed, non-blocking) waits as it does without libhe" { check_left_alone perl_timed; }
@test "nc (IPv6 blackholed, non-blocking) waits as it does without libhe" { check_left_alone nc; }
@test "rsync (IPv6 blackholed, non-blocking) waits as it does without libhe" { check_left_alone rsync; }

@test "wget (IPv6 refused) connects over IPv4 at once" { check_refused wget; }
@test "ssh (IPv6 refused) connects over IPv4 at once" { check_refused ssh; }
@test "git (IPv6 refused) connects over IPv4 at once" { check_refused git; }
@test "perl (IPv6 refused) connects over IPv4 at once" { check_refused perl; }
@test "perl_timed (IPv6 refused) connects over IPv4 at once" { check_refused perl_timed; }
@test "bash (IPv6 refused) connects over IPv4 at once" { check_refused bash; }
@test "openssl (IPv6 refused) connects over IPv4 at once" { check_refused openssl; }
@test "python3 (IPv6 refused) connects over IPv4 at once" { check_refused python3; }
@test "telnet (IPv6 refused) connects over IPv4 at once" { check_refused telnet; }
@test "busybox_nc (IPv6 refused) connects over IPv4 at once" { check_refused busybox_nc; }
@test "nc (IPv6 refused) connects over IPv4 at once" { check_refused nc; }
@test "rsync (IPv6 refused) connects over IPv4 at once" { check_refused rsync; }

@test "wget (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable wget; }
@test "ssh (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable ssh; }
@test "git (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable git; }
@test "perl (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable perl; }
@test "perl_timed (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable perl_timed; }
@test "bash (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable bash; }
@test "openssl (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable openssl; }
@test "python3 (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable python3; }
@test "telnet (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable telnet; }
@test "busybox_nc (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable busybox_nc; }
@test "nc (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable nc; }
@test "rsync (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable rsync; }

@test "wget (no route to IPv6) connects over IPv4 at once" { check_no_route wget; }
@test "ssh (no route to IPv6) connects over IPv4 at once" { check_no_route ssh; }
@test "git (no route to IPv6) connects over IPv4 at once" { check_no_route git; }
@test "perl (no route to IPv6) connects over IPv4 at once" { check_no_route perl; }
@test "perl_timed (no route to IPv6) connects over IPv4 at once" { check_no_route perl_timed; }
@test "bash (no route to IPv6) connects over IPv4 at once" { check_no_route bash; }
@test "openssl (no route to IPv6) connects over IPv4 at once" { check_no_route openssl; }
@test "python3 (no route to IPv6) connects over IPv4 at once" { check_no_route python3; }
@test "telnet (no route to IPv6) connects over IPv4 at once" { check_no_route telnet; }
@test "busybox_nc (no route to IPv6) connects over IPv4 at once" { check_no_route busybox_nc; }
@test "nc (no route to IPv6) connects over IPv4 at once" { check_no_route nc; }
@test "rsync (no route to IPv6) connects over IPv4 at once" { check_no_route rsync; }

@test "wget (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix wget; }
@test "ssh (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix ssh; }
@test "git (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix git; }
@test "perl (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix perl; }
@test "perl_timed (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix perl_timed; }
@test "bash (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix bash; }
@test "openssl (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix openssl; }
@test "python3 (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix python3; }
@test "telnet (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix telnet; }
@test "busybox_nc (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix busybox_nc; }
@test "nc (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix nc; }
@test "rsync (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix rsync; }

@test "wget (everything dead) fails as natively, after one kernel timeout" { check_all_dead wget; }
@test "ssh (everything dead) fails as natively, after one kernel timeout" { check_all_dead ssh; }
@test "git (everything dead) fails as natively, after one kernel timeout" { check_all_dead git; }
@test "perl (everything dead) fails as natively, after one kernel timeout" { check_all_dead perl; }
@test "perl_timed (everything dead) fails as natively, after one kernel timeout" { check_all_dead perl_timed; }
@test "bash (everything dead) fails as natively, after one kernel timeout" { check_all_dead bash; }
@test "openssl (everything dead) fails as natively, after one kernel timeout" { check_all_dead openssl; }
@test "python3 (everything dead) fails as natively, after one kernel timeout" { check_all_dead python3; }
@test "telnet (everything dead) fails as natively, after one kernel timeout" { check_all_dead telnet; }
@test "busybox_nc (everything dead) fails as natively, after one kernel timeout" { check_all_dead busybox_nc; }
@test "nc (everything dead) fails as natively, after one kernel timeout" { check_all_dead nc; }
@test "rsync (everything dead) fails as natively, after one kernel timeout" { check_all_dead rsync; }
