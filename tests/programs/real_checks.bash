# shellcheck shell=bash
# What the bats files of real programs share: running one of the table in real_programs.bash in the lab,
# and the checks. What is asserted is who was sent a SYN, in which order, not too early and not much too
# late; and that the program does what it natively does when all is well. tests/lab/measure.bash prints the
# times themselves.
# shellcheck disable=SC2154,SC2153  # needs, connect and says are set by real_find; NATIVE is no native

load helpers
load lab/services
load programs/real_programs

# The Connection Attempt Delay.
CAD=250
# The longest that libhe takes. With it, what follows a failure at once is told from what follows the delay,
# on a busy machine and with hundreds of sockets, too.
LONG_CAD=2000
# How much too early an attempt may look: the relay's clock counts, and on a busy machine the relay may
# note the first of two SYNs later than the second; by 5 ms, it was seen.
EARLY=25
# How much later than it should something may happen on a busy machine before we call it broken.
LATE=400
# After lab_short_timeouts the kernel gives up on an address after this.
KERNEL=3000
# The whole of a program that waits for nothing but its race, beyond what it takes natively when all is well.
# Who waits for the kernel by mistake is above it.
PROMPT=2500
# The same where everything is dead, beyond the kernel's timeout and the attempt delays.
HOPELESS=2000
# Under a sanitizer programs start in seconds, and only the order of things is asked for.
[[ -z ${HE_SANITIZER:-} ]] || LATE=5000 PROMPT=15000 HOPELESS=15000
# Seconds that nothing here needs, not even four dead addresses natively.
PATIENCE=60

# real_setup_file SERVICE...: the lab, with these servers, for a bats file; or LAB_WHY_NOT.
real_setup_file() {
	if [[ ${HE_SANITIZER:-} == tsan ]]; then
		export LAB_WHY_NOT="ThreadSanitizer needs programs built for it"
		return
	fi
	if ! LAB_WHY_NOT=$(lab_possible); then
		export LAB_WHY_NOT
		return
	fi
	real_build || return
	lab_start "$BATS_FILE_TMPDIR"
	services_start "$BATS_FILE_TMPDIR" "$@"
	lab_short_timeouts
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
	# As libhe's log calls it: a program may write behind its own name, as nginx does.
	comm="${needs[0]##*/}[^[]*"
	out=$BATS_TEST_TMPDIR/out
	[[ -z ${HE_RUNTIME:-} ]] || runs_with_runtime
}

# runs_with_runtime: skips the test of a program that does not run with a sanitizer's runtime: neither alone
# nor, as wget does, with libhe behind it. It is tried once a file.
runs_with_runtime() {
	local dir=$BATS_FILE_TMPDIR/runtime.$program
	if [[ ! -e $dir ]]; then
		mkdir "$dir"
		real_run healthy.test "$dir/try" timeout -k 1 8 env "LD_PRELOAD=$HE_RUNTIME"
		[[ $(healthy) == "$(real_outcome "$dir/try")" ]] ||
			real_run healthy.test "$dir/try" timeout -k 1 8 env "LD_PRELOAD=$HE_RUNTIME:$LIBHE"
		lab_mark
	fi
	[[ $(healthy) == "$(real_outcome "$dir/try")" ]] || skip "it does not run with the sanitizer's runtime"
}

LIMITED=(timeout -k 1 "$PATIENCE")

# preloaded HOST [WORD...]: runs the program under libhe, whose log is to show what it passes on, too. The
# loader's own word is taken for that libhe was there.
preloaded() {
	real_run "$1" "$out" "${LIMITED[@]}" "${PRELOADED[@]}" HE_LOG=debug LD_DEBUG=files \
		"LD_DEBUG_OUTPUT=$BATS_TEST_TMPDIR/loader" "${@:2}"
	races # for whoever reads why a test failed
	lab_syns | head -n 20
	assert_preloaded
}

assert_preloaded() {
	grep -qs 'calling init: .*/libhe\.so' "$BATS_TEST_TMPDIR"/loader.* ||
		{ echo "$program ran without libhe" >&2; return 1; }
}

# raced HOST [WORD...]: runs the program under libhe, which races it.
raced() {
	[[ $connect == blocks || $connect == async ]]
	preloaded "$@"
	if races | grep -q 'passed on: non-blocking socket'; then
		echo "$program was passed on" >&2
		return 1
	fi
	# A program that does not wait in connect() may be over before a race that was none is logged.
	[[ $1 == healthy.test && $connect == async ]] ||
		races | grep -q "^libhe: $comm\[[0-9]*\]: $1 port .* winner " || {
		echo "no race of $program was logged" >&2
		return 1
	}
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

# over: milliseconds that it took longer than the healthy native run.
over() {
	healthy >/dev/null
	echo $((($(<"$out/us") - $(<"$BATS_FILE_TMPDIR/healthy.$program/us")) / 1000))
}

# assert_prompt: it did not wait for the kernel to give an address up.
assert_prompt() {
	local over
	over=$(over)
	((over < PROMPT)) || { echo "took $over ms longer than natively when all is well" >&2; return 1; }
}

# syns: the addresses that were tried since the mark, in the order of their first SYN, each with the number
# of attempts; but for the addresses of dead_start, whose programs are trying at the same time.
syns() {
	lab_syns | awk '$4 == "" && $2 !~ /^(fd92::dead:|10\.92\.0\.1..$)/ {
			if (!($2 in n))
				order[++addresses] = $2
			n[$2]++
		}
		END { for (i = 1; i <= addresses; i++) print order[i], n[order[i]] }'
}

# assert_syns ADDRESS...: these had one attempt of each socket, in this order, and nobody else had any. Where
# the addresses take turns natively, the last of these is the one where all sockets end.
assert_syns() {
	local got
	got=$(syns)
	if [[ -z $turns ]]; then
		assert_same "$(printf "%s $sockets\n" "$@")" "$got"
	else
		assert_same "$(printf '%s\n' "$@")" "$(cut -d ' ' -f 1 <<<"$got")"
		assert_same "${!#} $sockets" "$(tail -n 1 <<<"$got")"
	fi
}

# assert_gap FROM TO AT_LEAST BELOW: milliseconds from the first SYN to FROM to the first to TO.
assert_gap() {
	local gap
	[[ -z $turns ]] || return 0
	gap=$(lab_syn_gap "$1" "$2")
	((gap >= $3 && gap < $4)) ||
		{ echo "$gap ms from $1 to $2, not from $3 to $4" >&2; return 1; }
}

# --- what libhe races -----------------------------------------------------------------------------

check_healthy() {
	the "$1"
	if [[ $connect == hidden ]]; then
		preloaded healthy.test
	else
		raced healthy.test
	fi
	if [[ -n $turns ]]; then
		assert_same "$(printf '%s\n' "$LAB_GOOD6" "$LAB_GOOD4")" "$(syns | cut -d ' ' -f 1)"
		assert_same "$sockets" "$(syns | awk '{ n += $2 } END { print n }')"
	else
		assert_syns "$LAB_GOOD6"
	fi
	assert_does_as_when_healthy
	assert_prompt
}

check_blackholed() {
	the "$1"
	raced black6.test
	assert_syns "$LAB_DEAD6" "$LAB_GOOD4"
	assert_gap "$LAB_DEAD6" "$LAB_GOOD4" $((CAD - EARLY)) $((CAD + LATE))
	assert_does_as_when_healthy
	assert_prompt
}

# The control of what is blackholed: without libhe, it waits long for the first address. Counted from its
# SYN on: how long a program takes to start is not what this is about.
check_natively_waiting() {
	local run
	the "$1"
	# shellcheck disable=SC2016  # expanded over there
	real_run black6.test "$out" sh -c 'echo "$$" >"$0" && exec "$@"' "$out/pid" \
		"${LIMITED[@]}" "${NATIVE[@]}" &
	run=$!
	lab_until tried "$LAB_DEAD6" && sleep 1.5
	kill "$(<"$out/pid")" # fails if it has ended
	wait "$run"
	refute_loaded
	if [[ -z $turns ]]; then
		assert_syns "$LAB_DEAD6"
	else
		[[ $(syns) == "$LAB_DEAD6 "* ]]
	fi
}

tried() { [[ $(lab_syns_to "$1") != 0 ]]; }

# The control of what is refused, where the program knows one address only: without libhe, it fails.
check_natively_refused() {
	the "$1"
	real_run refused6.test "$out" "${LIMITED[@]}" "${NATIVE[@]}"
	refute_loaded
	assert_same "$LAB_RST6" "$(syns | cut -d ' ' -f 1)"
	[[ $(real_outcome "$out") != *"$says"* ]]
}

# check_failing PROGRAM HOST ADDRESS: the address says no, after its round trip.
check_failing() {
	the "$1"
	raced "$2" "HE_ATTEMPT_DELAY_MS=$LONG_CAD"
	assert_syns "$3" "$LAB_GOOD4"
	assert_gap "$3" "$LAB_GOOD4" "$LAB_R6_MS" "$LONG_CAD"
	assert_does_as_when_healthy
	assert_prompt
}
check_refused() { check_failing "$1" refused6.test "$LAB_RST6"; }
check_unreachable() { check_failing "$1" icmp6.test "$LAB_ICMP6"; }

# Nothing is sent to an address without a route; the program's own time shows that nobody waited.
# Of the program's own time, and the machine's, the log knows nothing: it tells when the address with a
# route was tried after the one without.
check_no_route() {
	local ms
	the "$1"
	raced noroute6.test "HE_ATTEMPT_DELAY_MS=$LONG_CAD"
	assert_syns "$LAB_GOOD4"
	assert_does_as_when_healthy
	ms=$(races | sed -n "s/.*: Network is unreachable after [0-9.]* ms; $LAB_GOOD4 at \([0-9]*\)\.[0-9] ms: connected .*/\1/p")
	if [[ ! $ms =~ ^[0-9]+$ ]] || ((ms >= LONG_CAD)); then
		echo "tried after ${ms:-?} ms" >&2
		return 1
	fi
}

check_mix() {
	the "$1"
	raced mix.test
	# The families take turns: RFC 8305 section 4.
	assert_syns "$LAB_DEAD6" "$LAB_DEAD4" "$LAB_DEAD6B" "$LAB_GOOD4"
	assert_gap "$LAB_DEAD6" "$LAB_DEAD4" $((CAD - EARLY)) $((CAD + LATE))
	assert_gap "$LAB_DEAD4" "$LAB_DEAD6B" $((CAD - EARLY)) $((CAD + LATE))
	assert_gap "$LAB_DEAD6B" "$LAB_GOOD4" $((CAD - EARLY)) $((CAD + LATE))
	assert_gap "$LAB_DEAD6" "$LAB_GOOD4" $((3 * CAD - EARLY)) $((3 * CAD + LATE))
	assert_does_as_when_healthy
	assert_prompt
}

# --- what libhe does not race ---------------------------------------------------------------------

# check_as_native PROGRAM HOST: it sends the SYNs that it sends without libhe, and does the same.
check_as_native() {
	local native native_syns got extra
	the "$1"
	[[ $connect == own || $connect == own250 || $connect == left ]]
	lab_mark
	real_run "$2" "$out.native" "${LIMITED[@]}" "${NATIVE[@]}"
	refute_loaded
	native=$(real_outcome "$out.native")
	native_syns=$(syns)
	assert_same "$(healthy)" "$native"
	[[ $native == *"$says"* ]]

	lab_mark
	preloaded "$2"
	assert_same "$native" "$(real_outcome "$out")"
	got=$(syns)
	# Two timers for the same moment: whichever is first. Only the last address may have one more.
	extra=$(awk '{ line[NR] = $0; last = $1; n = $2 }
		END { for (i = 1; i < NR; i++) print line[i]; print last, n + 1 }' <<<"$native_syns")
	[[ $connect == own250 && $2 != healthy.test && $got == "$extra" ]] ||
		assert_same "$native_syns" "$got"
}

# check_hidden PROGRAM HOST ADDRESS: libhe can not see it wait. It works, or is as it is without libhe.
check_hidden() {
	local native
	the "$1"
	[[ $connect == hidden ]]
	healthy >/dev/null
	lab_mark
	real_run "$2" "$out.native" "${LIMITED[@]}" "${NATIVE[@]}"
	refute_loaded
	native=$(real_outcome "$out.native" | sed "s/${2%%.*}/HOST/g")
	assert_same "$3 1" "$(syns)"

	lab_mark
	preloaded "$2"
	[[ $(syns) == "$3 1"* ]]
	[[ $(real_outcome "$out") == "$(healthy)" ]] || assert_same "$native" "$(real_outcome "$out")"
}

# --- everything dead ------------------------------------------------------------------------------

# dead_start PROGRAM...: this takes seconds with libhe and four times as long without, so all programs wait
# at the same time, while the other tests run. Each run has a number and a name with four dead addresses
# of its own.
dead_start() {
	local number=0 name way
	mkdir "$BATS_FILE_TMPDIR/dead"
	for name; do
		real_find "$name"
		! real_lacks >/dev/null || continue
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
	LAB_PATIENCE_MS=$((PATIENCE * 1000)) lab_until test -e "$BATS_FILE_TMPDIR/dead/$1/done"
	real_outcome "$BATS_FILE_TMPDIR/dead/$1" |
		sed "s/fd92::dead:$1:/fd92::dead:/g
			s/10\.92\.0\.$((100 + 2 * $1))/10.92.0.100/g; s/10\.92\.0\.$((101 + 2 * $1))/10.92.0.101/g"
}

check_all_dead() {
	local native preloaded expected ms address
	the "$1"
	native=$(<"$BATS_FILE_TMPDIR/dead/$program.native")
	preloaded=$(<"$BATS_FILE_TMPDIR/dead/$program.preloaded")
	expected=$(dead_outcome "$native")
	# Both would be the same if neither program had started.
	(($(<"$BATS_FILE_TMPDIR/dead/$native/us") >= KERNEL * 1000)) && [[ $expected != *"$says"* ]]
	assert_same "$expected" "$(dead_outcome "$preloaded")"

	cp "$BATS_FILE_TMPDIR/dead/$preloaded.log" "$BATS_TEST_TMPDIR/races"
	assert_loaded "$comm"
	if ! races | grep -q "^libhe: $comm\[[0-9]*\]: dead$preloaded.test port .* no winner"; then
		printf 'no race without a winner was logged; the log holds:\n%s\n' "$(races)" >&2
		return 1
	fi
	# Once each, although the program walks its list.
	for address in "fd92::dead:$preloaded:"{1,2} 10.92.0.$((100 + 2 * preloaded)) 10.92.0.$((101 + 2 * preloaded)); do
		[[ $(awk -v to="$address" '$2 == to && $4 == ""' "$LAB_DIR/syns" | wc -l) == 1 ]]
	done

	ms=$(($(<"$BATS_FILE_TMPDIR/dead/$preloaded/us") / 1000))
	((ms >= KERNEL && ms <= KERNEL + 3 * CAD + HOPELESS)) || { echo "took $ms ms" >&2; return 1; }
}
