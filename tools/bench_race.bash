#!/usr/bin/env bash
# Measures races that go on behind a non-blocking connect(), in the lab, where a round trip is 3 ms; the
# program with and without libhe takes turns, as in tools/bench.bash, which runs this. Medians of all
# runs; "x" is the median of the pairs' ratios.
set -u

cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/helpers.bash
source tests/helpers.bash
# shellcheck source=tests/lab/lab.bash
source tests/lab/lab.bash
# shellcheck source=tests/soak/network.bash
source tests/soak/network.bash

PAIRS=${BENCH_RACE_PAIRS:-7}
ROUNDS=${BENCH_RACE_ROUNDS:-500}

if ! why=$(lab_possible); then
	echo "bench: no races behind a delay: $why" >&2
	exit 0
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/he-bench.XXXXXX")
trap 'lab_stop; rm -rf "$scratch"' EXIT
mkdir "$scratch/lab"
soak_start "$scratch/lab" || exit
{
	lab_name healthy.bench fd94::2:f0 10.94.2.240
	lab_name black.bench fd94::31:f0 10.94.2.241
	lab_name refused.bench fd94::12:f0 10.94.2.242
	lab_name good.bench 10.94.2.243
} >>"$LAB_DIR/hosts"

# once WAY MODE COUNT NAME: the words that one run prints.
once() {
	local words=(env -u LD_PRELOAD)
	[[ $1 == native ]] || words=(env "LD_PRELOAD=${HE_RUNTIME:+$HE_RUNTIME:}${HE_BENCH_LIBHE:-$LIBHE}")
	lab_client timeout 120 "${words[@]}" "$B/bench" "$2" "$3" "$4" "$SOAK_PORT"
}

# pairs MODE COUNT NATIVE_NAME NAME: runs both in turns; lines of native and preloaded words.
pairs() {
	local i native preloaded
	for ((i = 0; i < PAIRS; i++)); do
		native=$(once native "$1" "$2" "$3") && preloaded=$(once libhe "$1" "$2" "$4") || return
		echo "$native $preloaded"
	done
}

# tell LABEL UNIT COLUMN <LINES: the medians of a column of three, and of the ratio.
tell() {
	awk -v label="$1" -v unit="$2" -v column="$3" '
		function median(v, n,    i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
			return v[int((n + 1) / 2)]
		}
		{ a[NR] = $column; b[NR] = $(column + 3); d[NR] = b[NR] - a[NR]; if (a[NR] > 0) r[++n] = b[NR] / a[NR] }
		END {
			printf "%-52s %9.1f %9.1f %+9.1f %s", label, median(a, NR), median(b, NR), median(d, NR), unit
			if (n > 0) printf "   x %.3f", median(r, n)
			printf "\n"
		}'
}

printf '\n%-52s %9s %9s %9s\n' "non-blocking, round trip 3 ms (medians of $PAIRS pairs)" native libhe more
if lines=$(pairs connect "$ROUNDS" healthy.bench healthy.bench); then
	tell "healthy: connect()" us 1 <<<"$lines"
	tell "healthy: connect() to the event" us 2 <<<"$lines"
	tell "healthy: CPU for each" us 3 <<<"$lines"
fi
if lines=$(pairs alone 1000 black.bench black.bench); then
	tell "first attempt alone: descriptors each" "  " 1 <<<"$lines"
	tell "first attempt alone: bytes of the process each" "B " 2 <<<"$lines"
	tell "first attempt alone: bytes of the kernel each" "B " 3 <<<"$lines"
fi

# Natively the dead path takes 3 s and the program's own way round it: there the good address alone is the
# measure. A refusal, natively, is walked around by the program.
PAIRS=3
declare -A PENDING # lines of the pairs, by condition and count
for condition in black refused; do
	[[ $condition == black ]] && native=good.bench || native=refused.bench
	for count in 1000 10000; do
		if lines=$(pairs pending "$count" "$native" "$condition.bench"); then
			PENDING[$condition $count]=$lines
			tell "$condition, $count at once: time for each" us 1 <<<"$lines"
			tell "$condition, $count at once: CPU for each" us 2 <<<"$lines"
			tell "$condition, $count at once: never connected" "  " 3 <<<"$lines"
		fi
	done
	# Where no cost grows with the number of races, each costs at 10,000 what it costs at 1,000.
	paste -d ' ' <(echo "${PENDING[$condition 1000]:-}") <(echo "${PENDING[$condition 10000]:-}") | awk -v what="$condition" '
		NF == 12 { native += $8 / $2; libhe += $11 / $5; n++ }
		END {
			if (n > 0)
				printf "%s, CPU for each at 10000 as against 1000: natively x %.2f, libhe x %.2f\n", \
					what, native / n, libhe / n
		}'
done
