#!/usr/bin/env bats
# he run: what the program gets (its library, settings, descriptors, exit status), and what the user is
# told about a program that no library can help. Every kind of program here is a real file that the
# kernel and the loader have their own opinion of; the tests that run one hold the verdict to it.
# shellcheck disable=SC2016 # $0 is for the shell that is started
# shellcheck disable=SC2154 # stderr and stderr_lines are set by run

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
	# Reachable by other users, which the directories of bats are not.
	PUBLIC=$(mktemp -d "${TMPDIR:-/tmp}/he-launcher.XXXXXX")
	chmod 755 "$PUBLIC"
	cp "$HE" "$LIBHE" "$PROGRAMS/launcher_report" "$PUBLIC"
	export PUBLIC
	unset LD_PRELOAD HE_LOG HE_LOG_FILE ASAN_OPTIONS
}

teardown_file() { rm -rf "$PUBLIC"; }

setup() {
	descriptors_mark
	# An instrumented library needs its runtime in every program; the verdicts need no library.
	[[ -z ${HE_SANITIZER:-} || $BATS_TEST_DESCRIPTION == *--check* ]] ||
		skip 'the library is instrumented'
	cd "$BATS_TEST_TMPDIR" || return
	report=$PROGRAMS/launcher_report
	# As the launcher writes it: without symbolic links in the directory.
	library=$(realpath "$(dirname "$LIBHE")")/libhe.so
	echo 'int main(void) { return 7; }' >seven.c
}

# compile NAME OPTION...: builds a program that exits with 7, or skips: not every machine has
# every library for it.
compile() {
	local name=$1
	shift
	"${CC:-cc}" -o "$name" seven.c "$@" 2>/dev/null || skip "cannot build with $*"
}

# nobody COMMAND...: as a user who owns nothing here.
nobody() {
	if ((EUID == 0)); then
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	else
		"$@"
	fi
}

requires_setid() {
	((EUID == 0)) || skip 'only root can give files away'
	requires setpriv
	[[ $(findmnt -no OPTIONS -T "$PUBLIC") != *nosuid* ]] || skip "$PUBLIC is mounted nosuid"
}

# A warning is one line, names the program and does not stop it: its status is 7.
expect_warning() {
	local program=$1 reason=$2
	run --separate-stderr "$HE" run -- "$program"
	[[ $status == 7 && $output == '' ]]
	((${#stderr_lines[@]} == 1))
	[[ $stderr == "he: $program: cannot be helped: it $reason"*'; '* ]]
}

expect_verdict() {
	run "-$2" "$HE" run --check -- "$1"
	((${#lines[@]} == 1))
	[[ $output == "$1: "$3 ]]
}

# --- exit status

@test "he run (program exits) the program's own status" {
	run "$HE" run -- sh -c 'exit 42'
	[[ $status == 42 && $output == '' ]]
	run "$HE" run sh -c 'kill -TERM $$'
	[[ $status == 143 ]]
}

@test "he run (no such program) 127 and one line" {
	for program in no-such-program-here ./no-such-file ''; do
		PATH=/usr/bin:/bin run -127 "$HE" run -- "$program"
		[[ $output == "he: $program: No such file or directory" ]]
	done
}

@test "he run (file without x, directory) 126 and one line" {
	echo : >plain
	for program in ./plain /; do
		run "$HE" run -- "$program"
		[[ $status == 126 && $output == "he: $program: Permission denied" ]]
	done
	PATH=$PWD run "$HE" run -- plain
	[[ $status == 126 ]]
}

@test "he run (PATH with a forbidden file before a good one) the good one, as execvp does" {
	mkdir forbidden good
	echo : >forbidden/tool
	printf '#!/bin/sh\nexit 9\n' >good/tool
	chmod +x good/tool
	PATH=/nowhere:$PWD/forbidden:$PWD/good run -9 "$HE" run tool
	cd good
	PATH=:/nowhere run -9 "$HE" run tool
}

@test "he run (PATH unset) the system's own directories" {
	run env -u PATH "$HE" run -- true
	[[ $status == 0 && $output == '' ]]
}

@test "he (no, unknown or broken command line) 125, named, with a hint" {
	run "$HE"
	[[ $status == 125 && $output == *"try 'he --help'" ]]
	(($("$HE" 2>&1 | wc -l) == 1))
	run "$HE" walk
	[[ $status == 125 && $output == "he: unknown command 'walk'; try 'he --help'" ]]
	run "$HE" --nonsense
	[[ $status == 125 && $output == "he: unknown option '--nonsense'; try 'he --help'" ]]
	run "$HE" run
	[[ $status == 125 && $output == "he: no program to run; try 'he --help'" ]]
	for option in --nonsense --nonsense=1 -z -log --attempt-delay --lo; do
		run "$HE" run "$option" -- true
		[[ $status == 125 && $output == "he: unknown option '${option%=1}'; try 'he --help'" ]]
	done
	run "$HE" run --log
	[[ $status == 125 && $output == "he: option '--log' needs a value; try 'he --help'" ]]
}

@test "he run (library not there) 125 and a remedy" {
	cp "$HE" he
	[[ ! -e /usr/local/lib/libhe.so ]] || skip 'a libhe is installed'
	run ./he run -- true
	[[ $status == 125 && $output == 'he: libhe.so: not found'*"'make install'" ]]
}

# --- help and version

@test "he --version (always) name and version" {
	run "$HE" --version
	[[ $status == 0 && $output =~ ^he\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "he --help (any place) usage with every option and its range" {
	run --separate-stderr "$HE" --help
	[[ $status == 0 && $stderr == '' ]]
	[[ $output == 'Usage: he run '* && $output == *'--attempt-delay-ms N: 10 to 2000, default 250'* ]]
	local help=$output
	for arguments in -h 'run --help' 'run -h' 'run --log race --help no-such-program'; do
		# shellcheck disable=SC2086  # several arguments
		run "$HE" $arguments
		[[ $status == 0 && $output == "$help" ]]
	done
}

@test "he --help, --version (output full) 125" {
	[[ -c /dev/full ]] || skip 'no /dev/full'
	run -125 sh -c '"$0" --help >/dev/full' "$HE"
	run -125 sh -c '"$0" --version >/dev/full' "$HE"
}

# --- LD_PRELOAD

@test "he run (no LD_PRELOAD) the library alone, absolute and loaded" {
	run "$HE" run -- "$report" LD_PRELOAD @loaded
	[[ $status == 0 && $output == "$library"$'\n'loaded ]]
	LD_PRELOAD='' run "$HE" run -- "$report" LD_PRELOAD
	[[ $output == "$library" ]]
	LD_PRELOAD=' : ::' run "$HE" run -- "$report" LD_PRELOAD
	[[ $output == "$library" ]]
}

@test "he run (relative, by symbolic link, by PATH) the same absolute library" {
	ln -s "$HE" link
	for he in ./link "$(realpath --relative-to=. "$HE")"; do
		run "$he" run -- "$report" LD_PRELOAD
		[[ $output == "$library" ]]
	done
	PATH=$(dirname "$HE"):$PATH run he run -- "$report" LD_PRELOAD
	[[ $output == "$library" ]]
}

@test "he run (installed as bin and lib) the library in lib, or in lib/<multiarch>" {
	mkdir -p usr/bin usr/lib
	cp "$HE" usr/bin/he
	cp "$LIBHE" usr/lib
	run usr/bin/he run -- "$report" LD_PRELOAD
	[[ $output == "$(realpath usr/lib)/libhe.so" ]]

	local multiarch
	multiarch=$("${CC:-cc}" -print-multiarch)
	[[ -n $multiarch ]] || skip 'no multiarch here'
	mkdir "usr/lib/$multiarch"
	mv usr/lib/libhe.so "usr/lib/$multiarch"
	run usr/bin/he run -- "$report" LD_PRELOAD
	[[ $output == "$(realpath "usr/lib/$multiarch")/libhe.so" ]]
}

@test "he run (LD_PRELOAD by colons and spaces) ours first, theirs in order, no empty element" {
	for existing in libm.so.6:libdl.so.2 'libm.so.6 libdl.so.2' ': libm.so.6:: libdl.so.2 :'; do
		LD_PRELOAD=$existing run "$HE" run -- "$report" LD_PRELOAD
		[[ $status == 0 && $output == "$library:libm.so.6:libdl.so.2" ]]
	done
}

@test "he run (a libhe.so is there already) once, and ours" {
	LD_PRELOAD=libm.so.6:$library run "$HE" run -- "$report" LD_PRELOAD
	[[ $output == "$library:libm.so.6" ]]
	run "$PUBLIC/he" run -- "$HE" run -- "$report" LD_PRELOAD
	[[ $output == "$library" ]]
}

@test "he run (sanitizer in LD_PRELOAD) it stays first" {
	local asan
	asan=$("${CC:-cc}" -print-file-name=libasan.so)
	[[ $asan == /* ]] || skip 'no libasan'
	export ASAN_OPTIONS=detect_leaks=0
	LD_PRELOAD="$asan:libm.so.6" run "$HE" run -- "$report" LD_PRELOAD
	[[ $status == 0 && $output == "$asan:$library:libm.so.6" ]]
	# Elsewhere it would end he himself already, unless it is told not to mind.
	ASAN_OPTIONS+=:verify_asan_link_order=0
	LD_PRELOAD="libm.so.6:$asan" run "$HE" run -- "$report" LD_PRELOAD
	[[ $status == 0 && $output == "$asan:$library:libm.so.6" ]]
}

@test "he run (program built with AddressSanitizer) runs with the library, options kept" {
	compile asan -fsanitize=address
	LD_PRELOAD=$library run ./asan
	[[ $status != 7 ]] || skip 'this runtime does not mind'
	run "$HE" run -- ./asan
	[[ $status == 7 && $output == '' ]]
	expect_verdict ./asan 0 'can be helped'

	"${CC:-cc}" -fsanitize=address -o asan_report "$ROOT/tests/programs/launcher_report.c"
	ASAN_OPTIONS=detect_leaks=0 run "$HE" run -- ./asan_report ASAN_OPTIONS @loaded
	[[ $output == $'detect_leaks=0:verify_asan_link_order=0\nloaded' ]]
}

@test "he run (path that LD_PRELOAD cannot carry) 125 and a remedy" {
	for directory in 'with space' with:colon; do
		mkdir "$directory"
		cp "$HE" "$LIBHE" "$directory"
		run "$directory/he" run -- true
		[[ $status == 125 && $output == *"$directory/libhe.so': LD_PRELOAD cannot hold"*elsewhere ]]
	done
}

# --- options

@test "he run (settings as options) the variables of the library" {
	run "$HE" run --attempt-delay-ms 100 --resolution-delay-ms=0 --log race -- \
		"$report" HE_ATTEMPT_DELAY_MS HE_RESOLUTION_DELAY_MS HE_LOG HE_LOG_FILE HE_MAX_IN_FLIGHT
	[[ $status == 0 && $output == $'100\n0\nrace' ]]
	run "$HE" run -v "$report" HE_LOG
	[[ $output == race ]]
	HE_MAX_IN_FLIGHT=3 HE_LOG=debug run "$HE" run "$report" HE_MAX_IN_FLIGHT HE_LOG
	[[ $output == $'3\ndebug' ]]
}

@test "he run (option twice) the last one" {
	run "$HE" run --attempt-delay-ms 100 --attempt-delay-ms=200 -- "$report" HE_ATTEMPT_DELAY_MS
	[[ $output == 200 ]]
}

@test "he run (options after the program) the program's" {
	run "$HE" run echo --check --log -- -v
	[[ $status == 0 && $output == '--check --log -- -v' ]]
	run "$HE" run -- echo -- x
	[[ $output == '-- x' ]]
}

@test "he run (number out of range or no number) 125 with option, value and range" {
	for value in 9 2001 '' x 100x -100 +100 ' 100' 1e2 99999999999999999999; do
		run "$HE" run "--attempt-delay-ms=$value" -- true
		[[ $status == 125 ]]
		[[ $output == "he: --attempt-delay-ms: '$value' is not a whole number from 10 to 2000" ]]
	done
	for value in 10 2000; do
		run -0 "$HE" run --attempt-delay-ms "$value" -- true
	done
}

@test "he run --log (unknown level) 125 with the levels" {
	run "$HE" run --log=loud -- true
	[[ $status == 125 && $output == "he: --log: 'loud' is not off, warn, race or debug" ]]
}

@test "he run --log-file (relative) absolute, and races are logged unless a level is given" {
	run "$HE" run --log-file log -- "$report" HE_LOG_FILE HE_LOG
	[[ $output == "$PWD/log"$'\n'race && -f log ]]
	run "$HE" run --log-file=/dev/null --log warn -- "$report" HE_LOG_FILE HE_LOG
	[[ $output == $'/dev/null\nwarn' ]]
	HE_LOG=debug run "$HE" run --log-file=/dev/null -- "$report" HE_LOG
	[[ $output == debug ]]
}

@test "he run --log-file (cannot be written) 125, because the library will not say it" {
	run "$HE" run --log-file nowhere/log -- true
	[[ $status == 125 && $output == "he: --log-file: '$PWD/nowhere/log': No such file or directory" ]]
	run -125 "$HE" run --log-file= -- true
}

@test "he run (descriptors) the program has those that he had" {
	run "$report" @descriptors
	local before=$output
	run "$HE" run -v --log-file log -- "$report" @descriptors
	[[ $output == "$before" ]]
	run "$HE" run -- "$report" @descriptors 5</dev/null
	[[ $output == *'5 '* ]]
	run "$HE" run -- sh -c 'exec "$0" @descriptors <&-' "$report"
	[[ $output != '0 '* ]]
}

# --- what can be helped, and what cannot

@test "he run --check (ordinary program) can be helped, and does not run" {
	expect_verdict true 0 'can be helped'
	compile seven
	run "$HE" run --check ./seven --its --arguments
	[[ $status == 0 && $output == './seven: can be helped' ]]
}

@test "he run (ordinary program) runs without a word" {
	compile seven
	run "$HE" run -- ./seven
	[[ $status == 7 && $output == '' ]]
}

@test "he run --check (missing, forbidden) the status of running it" {
	PATH=/usr/bin:/bin expect_verdict no-such-program-here 127 'No such file or directory'
	expect_verdict / 126 'Permission denied'
}

@test "he run (static, static-pie) warned, run" {
	compile static -static
	expect_warning ./static 'is statically linked'
	expect_verdict ./static 125 'cannot be helped: it is statically linked*'
	compile static -static-pie
	expect_warning ./static 'is statically linked'
}

@test "he run -q (static) run without a warning" {
	compile static -static
	run "$HE" run -q -- ./static
	[[ $status == 7 && $output == '' ]]
	run "$HE" run --quiet -- ./static
	[[ $status == 7 && $output == '' ]]
}

@test "he run (static) what it starts gets the library" {
	cat >seven.c <<-'END'
		#include <unistd.h>
		int main(int argc, char **argv) { return argc < 2 || execvp(argv[1], argv + 1); }
	END
	compile starter -static
	run --separate-stderr "$HE" run -- ./starter "$report" @loaded
	[[ $status == 0 && $output == loaded && $stderr == *'it is statically linked'* ]]
}

@test "he run (set-user-ID of another) warned, and the kernel agrees" {
	requires_setid
	chmod 4755 "$PUBLIC/launcher_report"
	run --separate-stderr nobody "$PUBLIC/he" run -- "$PUBLIC/launcher_report" @secure LD_PRELOAD
	chmod 755 "$PUBLIC/launcher_report"
	[[ $status == 0 && $output == 1 ]]
	[[ $stderr == "he: $PUBLIC/launcher_report: cannot be helped: it has set-user-ID"* ]]
}

@test "he run (set-group-ID of another) warned, and the kernel agrees" {
	requires_setid
	chmod 2755 "$PUBLIC/launcher_report"
	run --separate-stderr nobody "$PUBLIC/he" run -- "$PUBLIC/launcher_report" @secure
	chmod 755 "$PUBLIC/launcher_report"
	[[ $status == 0 && $output == 1 && $stderr == *'cannot be helped: it has set-user-ID'* ]]
}

@test "he run (set-user-ID that changes nothing) no warning, and the kernel agrees" {
	requires_setid
	chmod 4755 "$PUBLIC/launcher_report"
	# Our own; and another's under no_new_privs, as in most containers and services.
	run "$PUBLIC/he" run -- "$PUBLIC/launcher_report" @secure @loaded
	[[ $status == 0 && $output == $'0\nloaded' ]]
	run nobody setpriv --no-new-privs "$PUBLIC/he" run -- "$PUBLIC/launcher_report" @secure @loaded
	chmod 755 "$PUBLIC/launcher_report"
	[[ $status == 0 && $output == $'0\nloaded' ]]
}

@test "he run (a real set-user-ID program) warned" {
	local program
	requires passwd
	program=$(command -v passwd)
	[[ -u $program ]] || skip "$program is not set-user-ID"
	run nobody "$PUBLIC/he" run --check -- passwd
	[[ $status == 125 && $output == 'passwd: cannot be helped: it has set-user-ID'* ]]
}

@test "he run (unreadable) set-user-ID still seen, otherwise run without a word" {
	requires_setid
	compile seven
	cp seven "$PUBLIC/unreadable"
	chmod 4711 "$PUBLIC/unreadable"
	run nobody "$PUBLIC/he" run --check -- "$PUBLIC/unreadable"
	[[ $status == 125 && $output == *'cannot be helped: it has set-user-ID'* ]]
	chmod 711 "$PUBLIC/unreadable"
	run nobody "$PUBLIC/he" run --check -- "$PUBLIC/unreadable"
	[[ $status == 125 && $output == *': may be helped: it cannot be read'* ]]
	run nobody "$PUBLIC/he" run -- "$PUBLIC/unreadable"
	[[ $status == 7 && $output == '' ]]
}

@test "he run (file capabilities) warned unless root, and the kernel agrees" {
	requires_setid
	requires setcap
	for capabilities in cap_net_raw+ep cap_net_raw+p; do
		setcap "$capabilities" "$PUBLIC/launcher_report" || skip 'no file capabilities here'
		run --separate-stderr nobody "$PUBLIC/he" run -- "$PUBLIC/launcher_report" @secure
		[[ $status == 0 && $output == 1 && $stderr == *'cannot be helped: it has '*capabilities* ]]
		run "$PUBLIC/he" run -- "$PUBLIC/launcher_report" @secure @loaded
		[[ $status == 0 && $output == $'0\nloaded' ]]
	done
	for capabilities in cap_net_raw+i =; do
		setcap "$capabilities" "$PUBLIC/launcher_report"
		run nobody "$PUBLIC/he" run -- "$PUBLIC/launcher_report" @secure @loaded
		[[ $status == 0 && $output == $'0\nloaded' ]]
	done
	setcap -r "$PUBLIC/launcher_report"
}

@test "he run (32-bit program) warned, run without the library" {
	compile narrow -m32
	./narrow && false
	(($? == 7)) || skip 'cannot run 32-bit programs'
	expect_warning ./narrow 'is built for another machine'
	# With the library the loader would have complained here, and expect_warning failed.
	LD_PRELOAD=$library run ./narrow
	[[ $status == 7 && $output == *'wrong ELF class'* ]]
}

@test "he run --check (another machine's header) cannot be helped" {
	compile seven
	# e_ident: class, byte order. e_machine: the number is no machine's.
	for patch in '4 \001' '5 \002' '18 \377\377'; do
		cp seven other
		printf '%b' "${patch#* }" | dd of=other bs=1 seek="${patch% *}" conv=notrunc status=none
		cmp -s seven other && printf '\002' | dd of=other bs=1 seek=4 conv=notrunc status=none
		expect_verdict ./other 125 'cannot be helped: it is built for another machine*'
	done
}

@test "he run (musl) warned, run without the library" {
	requires musl-gcc
	CC=musl-gcc compile musl
	expect_warning ./musl 'uses musl'
	musl-gcc -D_GNU_SOURCE -o report "$ROOT/tests/programs/launcher_report.c"
	run --separate-stderr "$HE" run -- ./report LD_PRELOAD
	[[ $status == 0 && $output == '' ]]
	CC=musl-gcc compile static -static
	expect_warning ./static 'is statically linked'
}

@test "he run (loader does not exist) 127, and the loader is named" {
	compile foreign -Wl,--dynamic-linker=/no/ld-musl-none.so.1
	run -127 "$HE" run -- ./foreign
	[[ $output == 'he: ./foreign: its interpreter /no/ld-musl-none.so.1: No such file or directory' ]]
}

@test "he run (section .go.buildinfo) warned of Go, static or not" {
	cat >>seven.c <<-'END'
		__asm__(".pushsection .go.buildinfo,\"aw\"; .ascii \"\\377 Go buildinf:\"; .popsection");
	END
	compile go
	expect_warning ./go 'is a Go program'
	compile go -static
	expect_warning ./go 'is a Go program'
}

@test "he run (note named Go, sections stripped) warned of Go" {
	cat >>seven.c <<-'END'
		__asm__(".pushsection .note.go.buildid,\"a\",%note; .balign 4; .long 4, 4, 4; .asciz \"Go\";"
		        ".byte 0; .ascii \"test\"; .popsection");
	END
	compile go -Wl,-z,noseparate-code
	objcopy --strip-all --strip-section-headers go 2>/dev/null || strip go
	expect_warning ./go 'is a Go program'
	compile go -static
	expect_warning ./go 'is a Go program'
}

@test "he run (real Go programs) warned of Go" {
	requires go
	printf 'package main\nimport "os"\nfunc main() { os.Exit(7) }\n' >main.go
	for cgo in 0 1; do
		GOCACHE=$PWD/cache CGO_ENABLED=$cgo go build -o go main.go || skip 'go build fails'
		expect_warning ./go 'is a Go program'
	done
}

# --- scripts

@test "he run (script) judged by its interpreter" {
	compile static -static
	printf '#!/bin/sh\nexit 8\n' >good
	printf '#! %s/static -x\n' "$PWD" >bad
	printf '#!%s/nowhere\n' "$PWD" >missing
	chmod +x good bad missing
	run "$HE" run -- ./good
	[[ $status == 8 && $output == '' ]]
	run --separate-stderr "$HE" run -- ./bad
	[[ $status == 7 ]]
	[[ $stderr == "he: ./bad: cannot be helped: its interpreter $PWD/static is statically linked"* ]]
	run -127 "$HE" run -- ./missing
	[[ $output == "he: ./missing: its interpreter $PWD/nowhere: No such file or directory" ]]
}

@test "he run (script of scripts) followed as far as the kernel does" {
	compile static -static
	local interpreter=$PWD/static
	for level in 1 2 3 4 5 6; do
		printf '#!%s\n' "$interpreter" >"s$level"
		chmod +x "s$level"
		interpreter=$PWD/s$level
	done
	run --separate-stderr "$HE" run -- ./s5
	[[ $status == 7 && $stderr == *"its interpreter $PWD/static is statically linked"* ]]
	run "$HE" run -- ./s6
	[[ $status == 126 && $output == 'he: ./s6: Too many levels of symbolic links' ]]
	run python3 -c 'import os; os.execv("./s6", ["s6"])'
	[[ $output == *'Too many levels of symbolic links'* ]]
}

@test "he run (text without #!) run by sh, as execvp does" {
	echo 'exit 6' >text
	: >empty
	chmod +x text empty
	run "$HE" run -- ./text
	[[ $status == 6 && $output == '' ]]
	run "$HE" run -- ./empty
	[[ $status == 0 && $output == '' ]]
}

@test "he run --check (interpreter with escape sequences) one printable line" {
	printf '#!/no\033[2Jwhere\n' >script
	chmod +x script
	expect_verdict ./script 127 'its interpreter /no\?[2Jwhere: No such file or directory'
}

# --- damaged files

@test "he run (ELF cut off anywhere in its headers) 126, never a crash" {
	compile seven
	for ((size = 4; size < 64; size += 3)); do
		head -c "$size" seven >short
		chmod +x short
		run "$HE" run -- ./short
		[[ $status == 126 && $output == 'he: ./short: Exec format error' ]]
	done
	for ((size = 64; size < 900; size += 41)); do
		head -c "$size" seven >short
		run "$HE" run --check -- ./short
		[[ $status == 126 || $status == 0 ]]
		((${#lines[@]} == 1))
	done
}

@test "he run (loader's path without an end) 126, as the kernel has it" {
	local loader=/lib/ld-launcher-test.so.1 at
	compile seven "-Wl,--dynamic-linker=$loader"
	at=$(grep -obUa "$loader" seven | head -n 1)
	printf 'x' | dd of=seven bs=1 seek=$((${at%%:*} + ${#loader})) conv=notrunc status=none
	run "$HE" run -- ./seven
	[[ $status == 126 && $output == 'he: ./seven: Exec format error' ]]
}

@test "he run (loader's path too long) 126, as the kernel has it" {
	compile seven "-Wl,--dynamic-linker=/$(printf '%05000d' 0)"
	run "$HE" run -- ./seven
	[[ $status == 126 && $output == 'he: ./seven: Exec format error' ]]
}

@test "he run --check (damaged headers, 150 kinds) a verdict, never a crash" {
	compile seven
	for ((seed = 1; seed <= 150; seed++)); do
		"$PROGRAMS/launcher_damage" "$seed" seven damaged
		status=0
		output=$(timeout 10 "$HE" run --check -- ./damaged 2>&1) || status=$?
		[[ $status =~ ^(0|125|126|127)$ ]]
		[[ $output == './damaged: '* && $output != *$'\n'* ]]
	done
}
