#!/usr/bin/env bats
# What libheconnect shows: the names of preload/api/symbols.map, in the shared library and in the archive,
# in he.h and in the manual. And what it is not: a library of hooks.

load ../helpers

setup() {
	descriptors_mark
	SHARED=$B/libheconnect.so
	ARCHIVE=$B/libheconnect.a
	MAP=$ROOT/preload/api/symbols.map
	PAGES=("$ROOT"/include/man/*.3)
	cd "$BATS_TEST_TMPDIR" || return
}

# wanted MAP: its names with the nodes that they are in, as NAME@@NODE, one a line.
wanted() {
	awk '/^[A-Z0-9_]+ *\{/ { node = $1 } /^global:/ { global = 1 } /^local:/ { global = 0 }
		global && /^\t[a-z0-9_]+;$/ { gsub(/[\t;]/, ""); print $0 "@@" node }' "$1" | sort
}

# shown LIBRARY: what it exports, likewise; the names of the nodes themselves are no functions.
shown() {
	nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" { print $3 }' | sort
}

# globals ARCHIVE: what it defines for others. A sanitizer adds marks of its own.
globals() {
	nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | grep -v '^__odr_asan' | sort
}

# uncommented FILE: without what stands in comments, the settings of libhe.so, and the guard.
uncommented() {
	tr '\n' '\1' <"$1" | sed 's,/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/,,g' | tr '\1' '\n' |
		sed '/HE_ENV_/d; /HE_H$/d'
}

# declared HEADER, told PAGE...: the names of the API in them, of functions, types and constants.
declared() { uncommented "$1" | grep -oE '\b(he|HE)_[A-Za-z0-9_]+' | sort -u; }
told() { sed -e '/^\.TH/d' -e 's/\\f[BIPR]//g' "$@" | grep -oE '\b(he|HE)_[A-Za-z0-9_]+' | sort -u; }

# Both print prototypes, one a line and without spaces, as neither layout is the other's.
prototypes() {
	uncommented "$1" | sed '/^#.*\\$/,/[^\\]$/d; /^#/d; /^extern "C"/d' | tr -d ' \t\n' |
		sed 's/[;{}]/\n/g' | grep -E 'he_[a-z_]+\(' | sort
}
synopses() {
	sed -n '/^\.SH SYNOPSIS/,/^\.SH/s/^\.BI\? *//p' "$@" | grep -v '^#include\|^cc ' | tr -d '" \n' |
		sed 's/;/\n/g' | sort
}

# functions HEADER: those that it declares. A name ends at the parenthesis, and begins behind its type.
functions() { prototypes "$1" | sed -E '/^typedef/d; s/\(.*//; s/.*(he_.*)/\1/' | sort; }

@test "symbols.map has one name a line, each of them once" {
	wanted "$MAP" >names
	[[ $(wc -l <names) -ge 17 ]]
	[[ $(grep -v $'^\t\\*;$' "$MAP" | grep -c $'^\t.*;') -eq $(wc -l <names) ]]
	[[ -z $(sed 's/@@.*//' names | uniq -d) ]]
	# A name of another kind would be one of the program's.
	run grep -v '^he_' names
	[[ -z $output ]]
}

@test "libheconnect.so exports exactly the names of symbols.map, in their nodes" {
	diff <(wanted "$MAP") <(shown "$SHARED")
}

@test "libheconnect.a defines exactly the names of symbols.map for others" {
	diff <(wanted "$MAP" | sed 's/@@.*//') <(globals "$ARCHIVE")
}

@test "he.h declares every name of symbols.map, and no function besides" {
	wanted "$MAP" | sed 's/@@.*//' >names
	diff names <(functions "$ROOT/include/he.h")
}

@test "the manual tells about everything in he.h, and about nothing else" {
	declared "$ROOT/include/he.h" >in_header
	[[ $(grep -c '^HE_CAUSE_' in_header) -ge 26 ]]
	diff in_header <(told "${PAGES[@]}")
}

@test "the manual has every function in a NAME, and with the prototype of he.h" {
	prototypes "$ROOT/include/he.h" >in_header
	[[ $(wc -l <in_header) -ge 25 ]]
	diff in_header <(synopses "${PAGES[@]}")
	local name
	sed -n '/^\.SH NAME/,/^\.SH/p' "${PAGES[@]}" >heads
	while read -r name; do grep -qw "${name%@@*}" heads; done < <(wanted "$MAP")
}

@test "the manual pages are those of this version, without a complaint of mandoc and man" {
	requires mandoc man
	local version
	version=$(sed -n 's/^#define HE_VERSION "\(.*\)"/\1/p' "$ROOT/include/he.h")
	[[ $(grep -hc "^\.TH .* \"libhe $version\" " "${PAGES[@]}" | sort -u) == 1 ]]
	run mandoc -T lint -W style "${PAGES[@]}"
	[[ $status -eq 0 && -z $output ]]
	local page
	for page in "${PAGES[@]}"; do
		LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" \
			2>complaints >/dev/null
		[[ ! -s complaints ]]
	done
}

@test "libheconnect has no hooks, neither shared nor as an archive" {
	# The names that libhe.so stands in for: a program that links the API has libc's own.
	sed -n '/global:/,/local:/s/^\t\t\([a-z0-9_]*\);$/\1/p' "$ROOT/preload/edge/exports.map" | sort >hooks
	[[ $(wc -l <hooks) -gt 20 ]]
	[[ -z $(comm -12 hooks <(shown "$SHARED" | sed 's/@.*//' | sort)) ]]
	[[ -z $(comm -12 hooks <(globals "$ARCHIVE")) ]]
	# It looks for no definition behind another one.
	run nm -D --undefined-only "$SHARED"
	[[ $output != *' dlsym'* && $output != *' dlvsym'* ]] || [[ -n ${HE_SANITIZER:-} ]]
}

@test "libheconnect.so.0 needs nothing but libc, and what unwinds a cancelled thread" {
	[[ -z ${HE_RUNTIME:-}${HE_SANITIZER:-} ]] || skip 'the library is instrumented'
	run readelf -dW "$SHARED"
	[[ $output = *'soname: [libheconnect.so.0]'* ]]
	# Not libdl in particular, that of dlsym().
	sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' <<<"$output" >needed
	grep -qx 'libc\.so\.6' needed
	run grep -vxE 'libc\.so\.6|libgcc_s\.so\.1|ld-linux.*\.so\.[0-9]+' needed
	[[ -z $output ]]
	[[ $(readlink "$SHARED") = libheconnect.so.0 ]]
}

@test "libheconnect reads no environment, and neither ends nor prints" {
	[[ -z ${HE_RUNTIME:-}${HE_SANITIZER:-} ]] || skip 'the library is instrumented'
	local library
	for library in "-D $SHARED" "$ARCHIVE"; do
		# shellcheck disable=SC2086
		run nm --undefined-only $library
		[[ $status -eq 0 && $output = *' malloc'* ]]
		# Of abort() clang makes use for a cleanup handler that throws; sources have none (rooms.bats).
		run grep -wE '(secure_)?getenv|environ|_?exit|__assert_fail|signal|sigaction|(v?[fd]?printf|puts|perror|syslog)(_chk)?' \
			<<<"${output//@/ }"
		[[ -z $output ]]
	done
}

@test "libheconnect.so binds at load, is read-only after relocation and is not executable data" {
	run readelf -dW "$SHARED"
	[[ $output = *BIND_NOW* || $output = *'FLAGS_1'*NOW* ]]
	[[ $output != *TEXTREL* ]]
	[[ $output != *RPATH* && $output != *RUNPATH* ]]
	run readelf -lW "$SHARED"
	[[ $output = *GNU_RELRO* ]]
	grep -q 'GNU_STACK .* RW ' <<<"$output"
	if grep -q 'LOAD .* RWE ' <<<"$output"; then return 1; fi
}

@test "a name that is exported, declared or told about in one place only (planted) is found" {
	sed 's/^local:/\the_planted;\nlocal:/' "$MAP" >planted.map
	run diff <(wanted planted.map) <(shown "$SHARED")
	[[ $output = *'< he_planted@@LIBHECONNECT_0'* ]]
	{ cat "$ROOT/include/he.h"; echo 'int he_planted(void); /* he_commented() */'; } >planted.h
	run diff <(declared planted.h) <(told "${PAGES[@]}")
	[[ ${#lines[@]} -eq 2 && ${lines[1]} = '< he_planted' ]]
	run diff <(prototypes planted.h) <(synopses "${PAGES[@]}")
	[[ ${#lines[@]} -eq 2 && ${lines[1]} = '< inthe_planted(void)' ]]
	sed 's/int he_advance(/long he_advance(/' "$ROOT/include/he.h" >planted.h
	run diff <(prototypes planted.h) <(synopses "${PAGES[@]}")
	[[ $output = *'< longhe_advance(structhe_race*race)'* ]]
}
