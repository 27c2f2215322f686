#!/usr/bin/env bash
# How long real programs take in the lab, natively and under libhe: a table for people, no test.
#
#     tests/lab/measure.bash [N] [PROGRAM...]
#
# Prints the median of N runs (default 5) of each program of tests/programs/real_programs.bash that libhe
# races, in milliseconds. The first three columns are natively, natively over IPv4 alone, and, as all that follow,
# under libhe, where a column tells how much longer the program took than natively:
#
#     healthy    nothing is wrong
#     black6 ... what is wrong is in the name. In brackets: longer than natively over IPv4 alone
#     dead       everything is dead: longer than natively with one address, which the kernel gives up
#                after 3 s in this lab
#
# The rows "blocks" and "async" are what a program may take longer than when nothing is wrong, by how its
# connect() waits: those that do not block may be 60 ms behind the ideal. "!" marks what exceeds it. "~"
# marks what exceeds it only because every round trip after the handshake goes over IPv4, too, and takes
# 10 ms more there: ssh and git make six of them and more. Against IPv4 alone, whose handshake is in both
# times, they keep the limit.
set -u

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=tests/helpers.bash
source "$here/../helpers.bash"
# shellcheck source=tests/lab/services.bash
source "$here/services.bash"
# shellcheck source=tests/programs/real_programs.bash
source "$here/../programs/real_programs.bash"

RUNS=5
if [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; then
	RUNS=$1
	shift
fi
PROGRAMS_ASKED=("$@")
((${#PROGRAMS_ASKED[@]})) || mapfile -t PROGRAMS_ASKED < <(real_names)

CAD=250
CONDITIONS=(healthy black6 refused6 icmp6 noroute6 mix dead)
declare -A HOST=([dead]=alldead.test) BLOCKS=(
	[healthy]=2
	[black6]=$((CAD + LAB_R4_MS + 25))
	[refused6]=$((LAB_R6_MS + LAB_R4_MS + 15))
	[icmp6]=$((LAB_R6_MS + LAB_R4_MS + 15))
	[noroute6]=$((LAB_R6_MS + LAB_R4_MS + 15))
	[mix]=$((3 * CAD + LAB_R4_MS + 30))
	[dead]=$((3 * CAD + 1000))
)
# The healthy time has the round trip over IPv6 in it.
declare -A ASYNC=(
	[healthy]=60
	[black6]=$((CAD + LAB_R4_MS - LAB_R6_MS + 60))
	[refused6]=$((LAB_R4_MS + 60))
	[icmp6]=$((LAB_R4_MS + 60))
	[noroute6]=$((LAB_R4_MS - LAB_R6_MS + 60))
	[mix]=$((3 * CAD + LAB_R4_MS - LAB_R6_MS + 60))
	[dead]=$((3 * CAD + 1000))
)
for condition in healthy black6 refused6 icmp6 noroute6 mix; do HOST[$condition]=$condition.test; done

# run PROGRAM WAY HOST I: one run; what it printed and how long it took is kept in $scratch.
run() {
	local words=("${NATIVE[@]}")
	[[ $2 == native ]] || words=(env "LD_PRELOAD=${HE_RUNTIME:+$HE_RUNTIME:}$LIBHE")
	real_find "$1"
	real_run "$3" "$scratch/$1/$2/$3/$4" timeout -k 1 20 "${words[@]}"
}

# median PROGRAM WAY HOST: microseconds.
median() {
	cat "$scratch/$1/$2/$3"/*/us | sort -n | awk '{ us[NR] = $1 } END { print us[int((NR + 1) / 2)] }'
}

# measure PROGRAM: all but the dead. The ways take turns, so that what the machine does hits them alike.
measure() {
	local i condition
	for ((i = 0; i < RUNS; i++)); do
		run "$1" native healthy.test "$i"
		run "$1" libhe healthy.test "$i"
		run "$1" native only4.test "$i"
		for condition in black6 refused6 icmp6 noroute6 mix; do
			run "$1" libhe "${HOST[$condition]}" "$i"
		done
	done
}

# measure_dead: seconds each, so all of a round at once.
measure_dead() {
	local i name pids
	echo "$LAB_DEAD6 onedead.test" >>"$LAB_DIR/hosts"
	for ((i = 0; i < RUNS; i++)); do
		pids=()
		for name in "${programs[@]}"; do
			run "$name" native onedead.test "$i" &
			pids+=($!)
			run "$name" libhe "${HOST[dead]}" "$i" &
			pids+=($!)
		done
		wait "${pids[@]}"
	done
}

# tell PROGRAM: its row.
tell() {
	local condition native ipv4 over limit mark brackets
	real_find "$1"
	native=$(median "$1" native healthy.test)
	ipv4=$(median "$1" native only4.test)
	printf '%-11s %8s %8s' "$1" "$(ms "$native")" "$(ms "$ipv4")"
	for condition in "${CONDITIONS[@]}"; do
		over=$(median "$1" libhe "${HOST[$condition]}")
		[[ $connect == blocks ]] && limit=$((BLOCKS[$condition] * 1000)) || limit=$((ASYNC[$condition] * 1000))
		mark='!' brackets=
		case $condition in
		healthy) ;;
		dead) native=$(median "$1" native onedead.test) ;;
		*)
			brackets=" ($(ms $((over - ipv4))))"
			((over - ipv4 > limit - LAB_R4_MS * 1000)) || mark='~'
			;;
		esac
		((over - native > limit)) || mark=
		printf ' %14s' "$(ms $((over - native)))$mark$brackets"
	done
	printf '\n'
}

# ms MICROSECONDS
ms() { awk -v us="$1" 'BEGIN { printf "%.1f", us / 1000 }'; }

if ! why=$(lab_possible); then
	echo "measure: $why" >&2
	exit 1
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/he-measure.XXXXXX")
trap 'lab_stop; rm -rf "$scratch"' EXIT
mkdir "$scratch/lab"
real_build || exit
lab_start "$scratch/lab" || exit
services_start "$scratch/lab"
lab_short_timeouts

programs=()
for name in "${PROGRAMS_ASKED[@]}"; do
	real_find "$name" || exit
	if why=$(real_lacks); then
		echo "measure: without $name: $why" >&2
	elif [[ $connect == blocks || $connect == async ]]; then
		programs+=("$name")
	fi
done
for name in "${programs[@]}"; do measure "$name"; done
measure_dead

printf '%-11s %8s %8s' program native IPv4
printf ' %14s' "${CONDITIONS[@]}"
printf '\n%-11s %8s %8s' blocks '' ''
for condition in "${CONDITIONS[@]}"; do printf ' %14s' "${BLOCKS[$condition]}"; done
printf '\n%-11s %8s %8s' async '' ''
for condition in "${CONDITIONS[@]}"; do printf ' %14s' "${ASYNC[$condition]}"; done
printf '\n'
for name in "${programs[@]}"; do tell "$name"; done
