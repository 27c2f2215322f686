# The torture set for a bats file: tests/torture runs all of it before the tests look at what became of it
# in $BATS_FILE_TMPDIR/set.
# shellcheck shell=bash

# set_run WAY: --once or --late; leaves the reason in LAB_WHY_NOT where it cannot run here.
set_run() {
	local status=0
	export LAB_WHY_NOT=
	mkdir "$BATS_FILE_TMPDIR/set"
	"$ROOT/tests/torture" "$1" "$BATS_FILE_TMPDIR/set" >"$BATS_FILE_TMPDIR/out" 2>&1 || status=$?
	[[ $status -ne 77 ]] || LAB_WHY_NOT=$(sed 's/^tests.torture: //' "$BATS_FILE_TMPDIR/out")
	[[ $status -eq 0 || $status -eq 77 ]] || cat "$BATS_FILE_TMPDIR/out" >&2
	[[ $status -eq 0 || $status -eq 77 ]]
}

setup() {
	[[ -z $LAB_WHY_NOT ]] || skip "$LAB_WHY_NOT"
	descriptors_mark
}
