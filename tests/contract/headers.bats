#!/usr/bin/env bats
# Every header can be included first and alone: a reader, and a new file, need to know no order.

load ../helpers

WARNINGS=(-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Werror)

# compile COMPILER HEADER OPTION...: as C11, by itself. Twice in one unit, for its guard.
compile() {
	local compiler=$1 header=$2
	shift 2
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		"$compiler" -std=c11 "${WARNINGS[@]}" -I"$ROOT/include" -I"$ROOT/preload" "$@" \
			-fsyntax-only -x c -
}

compile_all() {
	local compiler=$1 header count=0
	for header in "$ROOT"/include/*.h; do
		# The public one asks for no feature macros.
		compile "$compiler" "${header##*/}"
		count=$((count + 1))
	done
	for header in "$ROOT"/preload/*/*.h; do
		compile "$compiler" "${header#"$ROOT/preload/"}" -D_GNU_SOURCE
		count=$((count + 1))
	done
	((count > 10))
}

@test "every header compiles alone (gcc, C11, warnings are errors)" {
	requires gcc
	compile_all gcc
}

@test "every header compiles alone (clang, C11, warnings are errors)" {
	requires clang
	compile_all clang
}

@test "include/he.h compiles as C++17 and declares C names" {
	requires g++
	local compiler
	for compiler in g++ clang++; do
		command -v "$compiler" >/dev/null || continue
		"$compiler" -std=c++17 -Wall -Wextra -Wpedantic -Werror -I"$ROOT/include" -S -o - \
			-x c++ - >"$BATS_TEST_TMPDIR/assembly" <<-'END'
				#include "he.h"
				#include "he.h"
				const char *version() { return libhe_version; }
			END
		# C++ leaves names of variables alone; inside a namespace's mangling it would not.
		grep -qw libhe_version "$BATS_TEST_TMPDIR/assembly"
	done
}

@test "a header that needs another one (planted) is found" {
	mkdir -p "$BATS_TEST_TMPDIR/preload/base" "$BATS_TEST_TMPDIR/include"
	printf 'size_t planted(void);\n' >"$BATS_TEST_TMPDIR/preload/base/planted.h"
	ROOT=$BATS_TEST_TMPDIR run compile gcc base/planted.h -D_GNU_SOURCE
	[[ $status -ne 0 && $output = *size_t* ]]
}
