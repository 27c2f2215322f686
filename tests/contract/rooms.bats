#!/usr/bin/env bats
# The rooms of preload/ and the arrows between them (design section 6), and what is done in one
# place only. Arrows that go one way keep the race a pure thing that can be tested in microseconds,
# and keep the answer to "where does it do that?" a single file.

load ../helpers

# room_arrows TREE: prints every include that has no arrow; what a room may include of others is
# written down here once. A room may include itself.
room_arrows() {
	local tree=$1
	(cd "$tree" && grep -nH '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' preload/*/*.[ch]) |
		awk -F: '
			BEGIN {
				may["edge"] = " memory wire base race/order.h he.h "
				may["memory"] = " base he.h "
				may["wire"] = " race base "
				may["race"] = " base "
				may["base"] = " "
				may["api"] = " wire race base he.h "
			}
			{
				split($1, path, "/")
				split($3, quoted, "\"")
				split(quoted[2], to, "/")
				room = path[2]
				if (!(room in may)) {
					print $1 ": no such room as " room
				} else if (to[1] != room && !index(may[room], " " to[1] " ") &&
				           !index(may[room], " " quoted[2] " ")) {
					print $1 ":" $2 ": " room " may not include " quoted[2]
				}
			}'
}

# code FILE...: the files without comments, strings and system headers, as FILE:LINE:TEXT.
code() {
	awk '
		FNR == 1 { inside = 0 }
		{
			line = $0
			text = ""
			gsub(/\\"/, "", line)
			gsub(/"[^"]*"/, "\"\"", line)
			while (line != "") {
				if (inside) {
					at = index(line, "*/")
					if (!at) break
					line = substr(line, at + 2)
					inside = 0
				} else {
					at = index(line, "/*")
					if (!at) { text = text line; break }
					text = text substr(line, 1, at - 1) " "
					line = substr(line, at + 2)
					inside = 1
				}
			}
			sub(/\/\/.*/, "", text)
			if (text !~ /^[[:space:]]*#[[:space:]]*include/) print FILENAME ":" FNR ":" text
		}' "$@"
}

# only_in TREE PATTERN FILE...: prints where PATTERN is used in the code of preload/, but for FILEs.
only_in() {
	local tree=$1 pattern=$2 file
	local -a except=(-e '^$')
	shift 2
	for file; do except+=(-e "^$file:"); done
	(cd "$tree" && code preload/*/*.[ch]) | grep -E "$pattern" | grep -v "${except[@]}" || true
}

WORD='(^|[^A-Za-z0-9_])'
# The room that is in libheconnect only, and that no signal handler may call.
API='preload/api/[a-z_]*\.c'

# one_place TREE: every use of something outside its one place.
one_place() {
	local tree=$1
	# The next definition is found once, before signal handlers can call us.
	only_in "$tree" "${WORD}dl(v?sym|open|addr) *\(" preload/base/libc.c
	# Settings do not change while a program runs, and setenv() is a hazard to readers.
	only_in "$tree" "${WORD}((secure_)?getenv *\(|environ)" preload/memory/settings.c
	# One clock, asked once per wake-up: an effect never comes before its cause.
	only_in "$tree" "${WORD}(clock_gettime|gettimeofday|time) *\(" preload/base/clock.c
	# connect() may run in a signal handler: each lock needs its proof, so there are two.
	only_in "$tree" "${WORD}pthread_(mutex|rwlock|spin|cond)_" \
		preload/memory/answers.c preload/wire/contests.c "$API"
	# Neither may a handler allocate, nor may a library end or talk for its program.
	only_in "$tree" "${WORD}(malloc|calloc|realloc|reallocarray|free|strn?dup|alloca) *\(" "$API"
	only_in "$tree" "${WORD}v?[df]?printf *\("
	only_in "$tree" "${WORD}v?sn?printf *\(" "$API"
	only_in "$tree" "${WORD}(puts|fputs|perror|syslog|assert) *\("
	only_in "$tree" "${WORD}(_?exit|_Exit|quick_exit|abort|raise|kill) *\("
	# Nor may it take its signals; to ask for a handler is fine.
	only_in "$tree" "${WORD}(signal|sigaction|signalfd|alarm|setitimer) *\(([^,]*, *[^N ]|[^,]*\))"
}

@test "rooms include along the arrows only" {
	run room_arrows "$ROOT"
	[[ $status -eq 0 && -z $output ]]
}

@test "every file of preload/ is in a room" {
	run find "$ROOT/preload" -maxdepth 1 -type f
	[[ -z $output ]]
}

@test "race/ knows no sockets and no system calls" {
	run grep -nE '#include <(sys/|netinet/|arpa/|netdb|unistd|poll|time|pthread|stdio|stdlib)' \
		"$ROOT"/preload/race/*.[ch]
	[[ -z $output ]]
}

@test "what is done in one place only is done nowhere else" {
	run one_place "$ROOT"
	printf '%s\n' "$output"
	[[ $status -eq 0 && -z $output ]]
}

@test "next definitions (of hooked functions) are called through base/libc only" {
	# Our own plain name is our own hook: it would ask whether the call is the program's.
	local names
	names=$(sed -n '/global:/,/local:/s/^\t\t\([a-z0-9_]*\);$/\1/p' \
		"$ROOT/preload/edge/exports.map" | paste -sd'|')
	[[ -n $names ]]
	run only_in "$ROOT" "(^|[^A-Za-z0-9_.>])($names) *\\(" preload/edge/hooks.c preload/edge/waits.c \
		preload/base/libc.c preload/api/libc.c
	printf '%s\n' "$output"
	[[ -z $output ]]
}

# plant FILE TEXT: a line more in a copy of the tree. A real copy, whatever is a link there: what is
# planted must not come up in the sources.
plant() {
	if [[ ! -d $BATS_TEST_TMPDIR/preload ]]; then
		mkdir "$BATS_TEST_TMPDIR/preload"
		cp -RL "$ROOT/preload/." "$BATS_TEST_TMPDIR/preload"
	fi
	[[ ! -L $BATS_TEST_TMPDIR/$1 && ! $BATS_TEST_TMPDIR/$1 -ef $ROOT/$1 ]] || return
	printf '%s\n' "$2" >>"$BATS_TEST_TMPDIR/$1"
}

@test "an include against the arrows (planted) is found" {
	plant preload/race/race.c '#include "wire/own.h"'
	plant preload/memory/marks.c '#include "edge/known.h"'
	plant preload/wire/own.c '#  include  "memory/settings.h"'
	plant preload/base/fd.c '#include "race/order.h"'
	plant preload/edge/known.c '#include "race/race.h"'
	plant preload/wire/graft.c '#include "he.h"'
	plant preload/base/clock.h '#include "base/addr.h"'
	run room_arrows "$BATS_TEST_TMPDIR"
	printf '%s\n' "$output"
	[[ ${#lines[@]} -eq 6 ]] # the last one has its arrow
	[[ $output = *'race may not include wire/own.h'* ]]
	[[ $output = *'memory may not include edge/known.h'* ]]
	[[ $output = *'wire may not include memory/settings.h'* ]]
	[[ $output = *'base may not include race/order.h'* ]]
	[[ $output = *'edge may not include race/race.h'* ]]
	[[ $output = *'wire may not include he.h'* ]]
}

@test "a use in another place (planted) is found, one in a comment or a string is not" {
	plant preload/race/order.c 'void a(void) { clock_gettime(1, 0); }'
	plant preload/wire/own.c 'void b(void) { x = getenv(y); }'
	plant preload/edge/known.c 'void c(void) { pthread_mutex_lock(&m); }'
	plant preload/base/fd.c 'void d(void) { p = malloc(3); }'
	plant preload/memory/marks.c 'void e(void) { snprintf(t, 3, "%d", 4); }'
	plant preload/base/addr.c 'void f(void) { if (x) abort(); }'
	plant preload/edge/resolve.c 'void g(void) { dlsym(x, y); }'
	plant preload/wire/reactor.c 'void h(void) { sigaction(SIGPIPE, &ignore, NULL); }'
	plant preload/wire/dial.c '/* dlsym() and'
	plant preload/wire/dial.c ' * malloc() */ static const char *t = "abort()";'
	run one_place "$BATS_TEST_TMPDIR"
	printf '%s\n' "$output"
	[[ ${#lines[@]} -eq 8 ]]
}
