# Shared by the bats files: where things are, and how to run a program with and without libhe.
#
# HE_BUILD picks the build to test (default: build); HE_RUNTIME is what must be preloaded before an
# instrumented library (a sanitizer's runtime), and is empty otherwise.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
B=${HE_BUILD:-$ROOT/build}
[[ $B = /* ]] || B=$ROOT/$B
# shellcheck disable=SC2034
HE=$B/he
LIBHE=$B/libhe.so
# shellcheck disable=SC2034
PROGRAMS=$B/tests
export LAB_RELAY=${LAB_RELAY:-$B/tests/relay}

# As words of a command, because a shell function cannot follow `timeout` or `lab_client`:
#     run timeout 5 "${PRELOADED[@]}" wget ...
# The race log goes to a file of the test, so that standard error stays what the program wrote.
# shellcheck disable=SC2034
PRELOADED=(env "LD_PRELOAD=${HE_RUNTIME:+$HE_RUNTIME:}$LIBHE" HE_LOG=race
	"HE_LOG_FILE=${BATS_TEST_TMPDIR:-/tmp}/races")
# shellcheck disable=SC2034
NATIVE=(env -u LD_PRELOAD)

# races: the lines that libhe logged in this test.
races() {
	cat "$BATS_TEST_TMPDIR/races" 2>/dev/null || true
}

# assert_loaded PROGRAM: fails unless PROGRAM ran with libhe and reported a race: no preloaded test
# may pass because the library was not there.
assert_loaded() {
	if ! races | grep -q "^libhe: $1\["; then
		printf 'no race of %s was logged; the log holds:\n%s\n' "$1" "$(races)" >&2
		return 1
	fi
}

# refute_loaded: the control: this run had no libhe.
refute_loaded() {
	[[ -z $(races) ]] || { printf 'libhe ran in a control:\n%s\n' "$(races)" >&2; return 1; }
}

# requires COMMAND...: skips the test, visibly, when a program is not installed.
requires() {
	local command
	for command; do
		command -v "$command" >/dev/null || skip "$command is not installed"
	done
}

# requires_plain_build: skips the test of a program that was not built for ThreadSanitizer.
requires_plain_build() {
	[[ ${HE_SANITIZER:-} != tsan ]] || skip "ThreadSanitizer needs programs built for it"
}

# descriptors_mark, descriptors_check: no test leaves a descriptor open in its shell.
descriptors_mark() {
	local numbers=(/proc/"$BASHPID"/fd/*)
	DESCRIPTORS_BEFORE=${#numbers[@]}
}

descriptors_check() {
	# bats tears a skipped or failed test down inside of it, with descriptors of its own.
	[[ -n ${BATS_TEST_COMPLETED:-} && -z ${BATS_TEST_SKIPPED:-} ]] || return 0
	local numbers=(/proc/"$BASHPID"/fd/*)
	[[ ${#numbers[@]} -le ${DESCRIPTORS_BEFORE:-99} ]] || {
		printf 'descriptors: %d before, now %s\n' "$DESCRIPTORS_BEFORE" "${numbers[*]}" >&2
		return 1
	}
}

setup() {
	descriptors_mark
}

teardown() {
	descriptors_check
}
