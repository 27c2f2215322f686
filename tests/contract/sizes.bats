#!/usr/bin/env bats
# Files and functions that fit into a head. A limit that is met by splitting at a random place is no
# gain; one that is hit usually means that a file has two subjects.

load ../helpers

FILE_MAX=450
FUNCTION_MAX=60

# long_files TREE: files of preload/ with more lines than that.
long_files() {
	local file lines
	for file in "$1"/preload/*/*.[ch]; do
		lines=$(wc -l <"$file")
		((lines <= FILE_MAX)) || echo "${file#"$1/"}: $lines lines"
	done
}

# long_functions TREE: a function is what stands between a line that is { and one that is }.
long_functions() {
	(cd "$1" && awk -v max="$FUNCTION_MAX" '
		/^\{/ { begin = FNR; name = before }
		/^\}/ && begin {
			if (FNR - begin + 1 > max)
				print FILENAME ":" begin ": " FNR - begin + 1 " lines: " name
			begin = 0
		}
		/^[^ \t{}#]/ { before = $0 }
		FNR == 1 { begin = 0 }' preload/*/*.[ch])
}

@test "files of preload/ have at most 450 lines" {
	run long_files "$ROOT"
	printf '%s\n' "$output"
	[[ $status -eq 0 && -z $output ]]
}

@test "functions of preload/ have at most 60 lines" {
	run long_functions "$ROOT"
	printf '%s\n' "$output"
	[[ $status -eq 0 && -z $output ]]
}

@test "a file and a function that are too long (planted) are found" {
	mkdir -p "$BATS_TEST_TMPDIR/preload/race"
	{
		printf 'void planted(void)\n{\n'
		yes '' | head -n 59
		printf '}\n\nint fits(void)\n{\n'
		yes '' | head -n 58
		printf '}\n'
		yes '' | head -n 330
	} >"$BATS_TEST_TMPDIR/preload/race/planted.c"
	run long_functions "$BATS_TEST_TMPDIR"
	[[ $output = 'preload/race/planted.c:2: 61 lines: void planted(void)' ]]
	run long_files "$BATS_TEST_TMPDIR"
	[[ $output = 'preload/race/planted.c: '* ]]
}
