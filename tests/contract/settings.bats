#!/usr/bin/env bats
# The settings that the header names are the ones that people can read about, and no others.

load ../helpers

# The variables of the public header, by value and not by macro name, one a line.
declared() {
	sed -n 's/^#define HE_ENV_[A-Z_]* "\(HE_[A-Z_]*\)"$/\1/p' "$ROOT/include/he.h" | sort
}

@test "he.h names each setting once, by a macro of the same name" {
	[[ $(declared | wc -l) -ge 10 ]]
	[[ -z $(declared | uniq -d) ]]
	local macro variable
	while read -r _ macro variable; do
		[[ $variable = "\"HE_${macro#HE_ENV_}\"" ]]
	done < <(grep '^#define HE_ENV_' "$ROOT/include/he.h")
}

@test "every setting of he.h is in the table of README.md, and vice versa" {
	[[ -f $ROOT/README.md ]]
	# Rows begin with one or more variables, plain or in back quotes.
	sed -n 's/^|\([^|]*HE_[^|]*\)|.*/\1/p' "$ROOT/README.md" | grep -oE 'HE_[A-Z_]+' | sort -u \
		>"$BATS_TEST_TMPDIR/documented"
	declared | diff - "$BATS_TEST_TMPDIR/documented"
}

@test "no file of preload/ reads a variable that he.h does not name" {
	local variable
	while read -r variable; do
		declared | grep -qx "$variable"
	done < <(grep -hoE '"HE_[A-Z_]+"' "$ROOT"/preload/*/*.[ch] | tr -d '"' | sort -u)
	# And each macro is used: a setting that nothing reads would be a false promise.
	while read -r variable; do
		grep -qw "$variable" "$ROOT/preload/memory/settings.c"
	done < <(grep -oE 'HE_ENV_[A-Z_]+' "$ROOT/include/he.h" | sort -u)
}

@test "he --help mentions HE_LOG" {
	run "$HE" --help
	[[ $status -eq 0 && $output = *HE_LOG* ]]
}
