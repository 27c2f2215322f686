#!/usr/bin/env bats
# What `make install` gives to others: programs that are built outside of the tree, with nothing but
# pkg-config, against a copy that is installed below a directory; README.md's and the manual's examples; and
# manual pages that man(1) finds.

load helpers
load loop

WARNINGS=(-Wall -Wextra -Wshadow -Werror)

# make_tree TARGET TREE: a build of its own, since another PREFIX builds everything anew, and other tests
# run what is in $B. Nor is anything of a make that runs the tests passed on.
make_tree() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$ROOT" -j2 "CC=${CC:-cc}" \
		"B=$BATS_FILE_TMPDIR/build" PREFIX=/usr "DESTDIR=$2" "$1"
}

setup_file() {
	[[ -z ${HE_SANITIZER:-} ]] || return 0
	LOOP_WHY_NOT=$(loop_possible) && loop_start "$BATS_FILE_TMPDIR"
	export LOOP_WHY_NOT
	make_tree install "$BATS_FILE_TMPDIR/tree" >"$BATS_FILE_TMPDIR/install" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/install" >&2
		return 1
	}
}

setup() {
	descriptors_mark
	[[ -z ${HE_SANITIZER:-} ]] || skip 'the plain build is what is installed'
	requires pkg-config
	TREE=$BATS_FILE_TMPDIR/tree
	# What is on this machine besides is not to be found.
	export PKG_CONFIG_LIBDIR=$TREE/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$TREE
	unset PKG_CONFIG_PATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH CPATH LIBRARY_PATH LD_LIBRARY_PATH
	cd "$BATS_TEST_TMPDIR" || return
	cp "$ROOT/tests/installed/program.c" .
}

# of PACKAGE-OPTION...: what pkg-config says, as words in the array flags.
of() { read -ra flags <<<"$(pkg-config "$@" libheconnect)"; }

# inside COMMAND...: in the network with its names, with the installed libraries.
inside() {
	[[ -z $LOOP_WHY_NOT ]] || skip "$LOOP_WHY_NOT"
	run loop env "LD_LIBRARY_PATH=$TREE/usr/lib" timeout 60 "$@"
	echo "status $status: $output"
}

# program_runs: with every part of the API.
program_runs() {
	inside ./program black fd93::d1 10.93.0.10 "$LOOP_PORT" "$(pkg-config --modversion libheconnect)"
	[[ $status -eq 0 && ${lines[-1]} == ok ]]
	[[ ${lines[0]} == *'fd93::d1'*'10.93.0.10'*connected* ]]
}

needed() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'; }

# example PAGE N: the N-th piece of code of a page's EXAMPLES, as it is read there.
example() {
	sed -n '/^\.SH EXAMPLES/,/^\.SH SEE/p' "$TREE/usr/share/man/man3/$1" |
		awk -v n="$2" '/^\.EE/ { inside = 0 } inside && count == n; /^\.EX/ { inside = 1; count++ }' |
		sed 's/\\-/-/g; s/\\e/\\/g; s/\\(aq/'\''/g'
}

# example_connects PAGE: its first example, a program, finds the good address of a name. Its own name is
# not to be asked for here.
example_connects() {
	example "$1" 1 >first.c
	grep -q '"www\.example\.org"' first.c
	sed -E "s/www\.example\.org/black/; s/\b80\b/$LOOP_PORT/" first.c >black.c
	builds black
	inside ./black
	[[ $status -eq 0 ]]
	sed -E "s/www\.example\.org/allrefused/; s/\b80\b/$LOOP_PORT/" first.c >refused.c
	builds refused
	inside ./refused
	[[ $status -eq 1 && $output == *'Connection refused'*'10.93.0.68'* ]]
}

# builds NAME: NAME.c, as a user of the library would.
builds() {
	of --cflags --libs
	"${CC:-cc}" "${WARNINGS[@]}" -o "$1" "$1.c" "${flags[@]}"
}

@test "program (C11, shared library) builds with pkg-config and races" {
	of --cflags --libs
	"${CC:-cc}" -std=c11 -Wpedantic "${WARNINGS[@]}" -o program program.c "${flags[@]}"
	needed program | grep -qx 'libheconnect\.so\.0'
	program_runs
}

@test "program (C++17, shared library) builds with pkg-config and races" {
	requires g++
	of --cflags --libs
	g++ -std=c++17 -Wpedantic "${WARNINGS[@]}" -x c++ -o program program.c -x none "${flags[@]}"
	needed program | grep -qx 'libheconnect\.so\.0'
	program_runs
}

@test "program (libheconnect.a, the rest shared) builds with pkg-config and races" {
	of --static --cflags --libs
	"${CC:-cc}" -std=c11 "${WARNINGS[@]}" -o program program.c \
		-Wl,-Bstatic "${flags[@]}" -Wl,-Bdynamic
	[[ $(needed program) != *libheconnect* && $(needed program) == *libc.so* ]]
	program_runs
}

@test "program (all of it static) builds with pkg-config and races" {
	of --static --cflags --libs
	# The linker warns that getaddrinfo() of a static program needs libc's libraries at run time.
	"${CC:-cc}" -std=c11 "${WARNINGS[@]}" -static -o program program.c "${flags[@]}"
	[[ -z $(needed program) ]]
	program_runs
}

@test "libheconnect.pc tells the version of he.h, and directories below its prefix" {
	[[ $(pkg-config --modversion libheconnect) == \
		"$(sed -n 's/^#define HE_VERSION "\(.*\)"/\1/p' "$TREE/usr/include/he.h")" ]]
	pkg-config --validate libheconnect
	export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
	unset PKG_CONFIG_SYSROOT_DIR
	of --cflags --libs
	[[ ${flags[*]} == '-I/usr/include -L/usr/lib -lheconnect' ]]
	of --static --libs
	[[ ${flags[*]} == '-L/usr/lib -lheconnect -pthread' ]]
	of --define-variable=prefix=/opt/he --cflags --libs
	[[ ${flags[*]} == '-I/opt/he/include -L/opt/he/lib -lheconnect' ]]
}

@test "make install (LIBDIR and MANDIR elsewhere) follows them, and libheconnect.pc tells" {
	local away=$BATS_TEST_TMPDIR/away
	make -s -C "$ROOT" -n "B=$BATS_FILE_TMPDIR/build" PREFIX=/opt/he LIBDIR=/lib64 MANDIR=/man \
		"DESTDIR=$away" install >commands
	grep -q "$away/lib64/libheconnect\.so\.0" commands
	grep -q "$away/lib64/pkgconfig/libheconnect\.pc" commands
	grep -q "$away/man/man3/he_connect\.3" commands
	grep -q "$away/opt/he/include/he\.h" commands
	grep -q '@LIBDIR@|/lib64|' commands
}

@test "make uninstall leaves nothing" {
	cp -a "$TREE" copy
	[[ $(find copy -not -type d | wc -l) -gt 30 ]]
	make_tree uninstall "$PWD/copy"
	[[ -z $(find copy -not -type d) ]]
}

@test "make install leaves no file that others cannot read" {
	[[ -z $(find "$TREE" -type f -not -perm -444) ]]
	[[ -z $(find "$TREE" -type f -perm /111 -not -path '*/bin/*') ]]
	[[ $(readlink "$TREE/usr/lib/libheconnect.so") == libheconnect.so.0 ]]
}

@test "README.md's example builds as shown and prints the race" {
	sed -n '/^## In C/,/^## /s/^    //p' "$ROOT/README.md" >section
	sed -n '/^#include/,/^}/p' section >hello.c
	[[ $(wc -l <hello.c) -ge 10 ]]
	# shellcheck disable=SC2016
	grep -qx 'cc -o hello hello\.c \$(pkg-config --cflags --libs libheconnect)' section
	grep -qx '\./hello example\.org http' section
	builds hello
	inside ./hello black "$LOOP_PORT"
	[[ $status -eq 0 ]]
	[[ $output == *'connected; [fd93::d1]:'*' closed after '*'; 10.93.0.10:'*' connected after '* ]]
	inside ./hello allrefused "$LOOP_PORT"
	[[ $status -eq 1 && $output == *'Connection refused'*'10.93.0.68'* ]]
}

@test "he_connect(3)'s first example builds and connects" {
	example_connects he_connect.3
}

@test "he_connect(3)'s examples for event loops build" {
	local n
	{
		printf '#include <he.h>\n#include <poll.h>\n#include <sys/epoll.h>\n'
		# What the text around them says that there is.
		printf 'extern struct addrinfo *list;\nextern struct he_race *race;\n'
		printf 'extern struct he_report *report;\nextern int loop, fd;\n'
		for n in 2 3 4; do
			printf 'int piece_%s(void);\nint piece_%s(void)\n{\n' "$n" "$n"
			example he_connect.3 "$n"
			printf 'return 0;\n}\n'
		done
	} >pieces.c
	[[ $(grep -c he_advance pieces.c) -eq 3 && -z $(example he_connect.3 5) ]]
	"${CC:-cc}" -Wall -Wextra -Werror -I"$TREE/usr/include" -c pieces.c
}

@test "he_connector(3)'s example builds and connects" {
	example_connects he_connector.3
	[[ -z $(example he_connector.3 2) ]]
}

@test "man (every exported name) finds the page that tells about it" {
	requires man
	local name page
	while read -r name; do
		page=$(man -M "$TREE/usr/share/man" -w 3 "$name")
		[[ -n $page ]]
		MANWIDTH=80 man -M "$TREE/usr/share/man" -P cat 3 "$name" >shown 2>errors
		[[ ! -s errors ]]
		grep -q 'HE_CONNECT' shown
		# The first line of the link's page is that of the page itself.
		grep -qw "$name" shown
	done < <(nm -D --defined-only "$TREE/usr/lib/libheconnect.so" | sed -n 's/.* T \(he_[a-z_]*\).*/\1/p')
}
