#!/usr/bin/env bash
# Measures what libhe costs, as ratios to the same program without it in the same run: the two take
# turns, and the median of the pairs' ratios counts, because machines are noisy. Then, where the lab
# can run, the table of real programs (tests/lab/measure.bash). `make bench` runs it.
set -u

cd "$(dirname "$0")/.." || exit 1
B=${HE_BUILD:-build}
PAIRS=${BENCH_PAIRS:-31}
ROUNDS=${BENCH_ROUNDS:-2000}

# A name with ::1 and 127.0.0.1, in a mount namespace of our own.
if [[ -z ${BENCH_HOSTS:-} ]]; then
	BENCH_HOSTS=$(mktemp)
	export BENCH_HOSTS
	printf '::1 bench.test\n127.0.0.1 bench.test localhost\n' >"$BENCH_HOSTS"
	flags=-m
	[[ $EUID -eq 0 ]] || flags=-Urm
	# shellcheck disable=SC2016
	unshare $flags bash -c 'mount --bind "$BENCH_HOSTS" /etc/hosts && exec "$0"' "$0"
	status=$?
	rm -f "$BENCH_HOSTS"
	[[ $status -eq 0 ]] || exit "$status"
	[[ ${BENCH_LAB:-yes} != no ]] || exit 0
	tools/bench_race.bash || exit
	[[ ! -x tests/lab/measure.bash ]] || tests/lab/measure.bash 3
	exit
fi

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# compare TEXT MODE COMMAND...: bench in MODE, and as the command runs it.
compare() {
	local text=$1 mode=$2 i native ours natives=() ratios=()
	shift 2
	for ((i = 0; i < PAIRS; i++)); do
		native=$("$B/bench" "$mode" "$ROUNDS" bench.test) || exit
		ours=$("$@" "$ROUNDS" bench.test) || exit
		natives+=("$native")
		ratios+=("$(awk -v a="$ours" -v b="$native" 'BEGIN { printf "%.4f", a / b }')")
	done
	printf '%-42s %8.0f ns   x %s\n' "$text" "$(printf '%s\n' "${natives[@]}" | median)" \
		"$(printf '%s\n' "${ratios[@]}" | median)"
}

PRELOADED=(env "LD_PRELOAD=$PWD/$B/libhe.so" "$B/bench")
echo "socket(), connect(), close() on loopback, native median, and ratio with libhe (median of $PAIRS pairs)"
compare "an address that nobody resolved" unknown "${PRELOADED[@]}" unknown
compare "an address resolved as a literal" literal "${PRELOADED[@]}" literal
compare "a healthy race of two addresses" healthy "${PRELOADED[@]}" healthy
compare "the same by he_connect(), without libhe" healthy "$B/bench" api
