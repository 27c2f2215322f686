#!/usr/bin/env bats
# he_connect() does what aiohappyeyeballs does: its tests, by their numbers, as tests/conformance/README.md
# lists them. The cases are in tests/conformance/*.c; holds runs one with he_connect() and in an event loop.

load helpers
load loop
load conformance/scene

@test "he_connect (case 7: first of four answers, sequential) takes it, and touches no other" { holds conformance 7; }
@test "he_connect (case 8: four connect before the loop looks) takes the first, closes the others" { holds conformance 8; }
@test "he_connect (case 11: first of two answers, sequential) never starts the second" { holds conformance 11; }
@test "he_connect (case 12: first fails at once, sequential) takes the second" { holds conformance 12; }
@test "he_connect (case 13: first is silent) takes the second after the delay" { holds conformance 13; }
@test "he_connect (case 14: all fail, any delay) tells both errors and waits for no delay" { holds conformance 14; }
@test "he_connect (case 15: long delay, first fails before it) starts the second at once" { holds conformance 15; }
@test "he_connect (case 17: second is faster than the first, third fails) takes the second" { holds conformance 17; }
@test "he_connect (case 18: failure, slow, quick, sequential) waits for the slow one" { holds conformance 18; }
@test "he_connect (case 19: empty list) fails with EINVAL" { holds conformance 19; }
@test "he_connect (case 20: single address, no socket) fails with that errno" { holds conformance 20; }
@test "he_connect (case 21: single address) connects" { holds conformance 21; }
@test "he_connect (case 23: single address, socket callback) returns the callback's socket" { holds conformance 23; }
@test "he_connect (case 24: first answers, second would fail, sequential) takes the first" { holds conformance 24; }
@test "he_connect (case 25: four connect before the call looks) takes the first, closes the others" { holds conformance 25; }
@test "he_connect (case 26: first answers, second would fail) takes the first" { holds conformance 26; }
@test "he_connect (case 27: first answers, socket callback) returns the first socket and asks for no other" { holds conformance 27; }
@test "he_connect (case 28: no socket for any) fails with that errno and tells both attempts" { holds conformance 28; }
@test "he_connect (case 29: no IPv6 sockets) takes IPv4" { holds conformance 29; }
@test "he_connect (case 30: IPv4 would fail) takes IPv6" { holds conformance 30; }
@test "he_connect (case 31: first IPv6 fails) takes IPv4 next" { holds conformance 31; }
@test "he_connect (case 32: first IPv6 fails, family count 2) takes the second IPv6" { holds conformance 32; }
@test "he_connect (case 33: first IPv6 fails, no IPv4) takes the second IPv6" { holds conformance 33; }
@test "he_connect (case 34: local IPv6, first IPv6 fails, family count 2) takes the second IPv6, bound" { holds conformance 34; }
@test "he_connect (case 35: local addresses of both, first IPv6 fails) takes IPv4, bound" { holds conformance 35; }
@test "he_connect (case 36: local IPv4 fails, first IPv6 fails) takes the second IPv6" { holds conformance 36; }
@test "he_connect (case 37: local IPv4 fails, first IPv6 fails, family count 2) never reaches IPv4" { holds conformance 37; }
@test "he_connect (case 38: callback aborts) ends at once, without a connect()" { holds conformance 38; }
@test "he_connect (case 39: non-blocking mode fails) ends when the callback says so, else goes on" { holds conformance 39; }
@test "he_connect (case 40: local IPv4 only) connects over IPv4 only" { holds conformance 40; }
@test "he_connect (case 41: every bind fails) fails with EADDRNOTAVAIL, without a connect()" { holds conformance 41; }
@test "he_connect (case 42: all fail alike) fails with that errno" { holds conformance 42; }
@test "he_connect (case 43: all fail differently) fails with the first one's errno" { holds conformance 43; }
@test "he_connect (case 47: callback aborts while an attempt runs) closes it and goes no further" { holds conformance 47; }
@test "he_connect (case 48: cancelled right after the start) ends with the first address only" { holds conformance 48; }
@test "he_connect (case 49: close() fails) tells the error of connect(), stays cancelled" { holds conformance 49; }
@test "he_connect (case 50: lists of both families) takes turns, beginning with the first one's" { holds conformance 50; }
@test "he_connect (case 51: family count 2 and others) leads with so many of the first family" { holds conformance 51; }
@test "he_connect (case a: an older attempt fails) starts nothing before its time" { holds conformance a; }
@test "he_connect (case b: newest fails early) starts the next with a whole delay" { holds conformance b; }
@test "he_connect (case c: all others have failed) waits for the one that answers late" { holds conformance c; }
@test "he_connect (case d: three are silent) starts a delay apart" { holds conformance d; }
@test "he_connect (case e: two are silent) returns with their sockets closed" { holds conformance e; }
@test "he_connect (case f: three attempts run) closes all when it is ended" { holds conformance f; }
@test "he_connect (case g: first fails last) tells errors in the order of the starts" { holds conformance g; }
@test "he_connect (case h: first local address fails, refused) tells both, and the errno of connect()" { holds conformance h; }
@test "he_connect (case i: no local address to bind to) fails every attempt" { holds conformance i; }
@test "he_connect (case j: single address, delay) makes no timer" { holds conformance j; }
@test "he_connect (case k: sequential, family count) reorders" { holds conformance k; }
@test "he_connect (case l: family count 0) keeps the order of the list" { holds conformance l; }
@test "he_connect (case m: the same address three times) tries it three times" { holds conformance m; }
@test "he_connect (case n: lists and options) leaves them as they were" { holds conformance n; }
@test "he_connect (case o: HE_NONBLOCK or not) returns a socket of that mode, close-on-exec" { holds conformance o; }
@test "he_connect (case p: both families refuse) keeps the errno" { holds conformance p; }
@test "he_connect (case q: the first or the second answers, late) takes the one that does" { holds conformance q; }

@test "libheconnect.so (all cases) does as the archive" {
	local case
	while read -r case _; do
		printf '%s\n%s loop\n' "$case" "$case"
	done < <("$PROGRAMS/conformance_shared" list) >"$BATS_TEST_TMPDIR/cases"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/cases") -eq 110 ]]
	export -f scene scene_enter
	export SCENE
	# They wait for most of their time.
	# shellcheck disable=SC2016
	xargs -P 8 -L 1 -a "$BATS_TEST_TMPDIR/cases" bash -c 'scene "$@"' _ "$PROGRAMS/conformance_shared" \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- || { cat "$BATS_TEST_TMPDIR/out" >&2; return 1; }
	[[ $(grep -c '^ok ' "$BATS_TEST_TMPDIR/out") -eq 110 ]]
}

# The numbers that are in the page of what is portable, and not one of them lost on the way.
PORTABLE=(7 8 11 12 13 14 15 17 18 19 20 21 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43
	47 48 49 50 51 a b c d e f g h i j k l m n o p q)

@test "README.md, the cases and the tests name the same numbers, each once" {
	printf '%s\n' "${PORTABLE[@]}" | sort >"$BATS_TEST_TMPDIR/portable"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/portable") -eq 55 ]]

	local number function
	# As NUMBER FUNCTION, of the table and of the program.
	sed -n 's/^| *\([0-9a-q]*\) *|.*| *\(case_[0-9a-z_]*\) *|.*/\1 \2/p' \
		"$ROOT/tests/conformance/README.md" | sort >"$BATS_TEST_TMPDIR/table"
	"$PROGRAMS/conformance" list | sort | diff - "$BATS_TEST_TMPDIR/table"
	cut -d' ' -f1 "$BATS_TEST_TMPDIR/table" | diff - "$BATS_TEST_TMPDIR/portable"
	while read -r number function; do
		[[ $function = "case_${number}_"* ]]
	done <"$BATS_TEST_TMPDIR/table"

	# A test is named by the number of the case that it runs.
	sed -n 's/^@test "he_connect (case \([0-9a-q]*\): .*) .*" { holds conformance \1; }$/\1/p' \
		"$BATS_TEST_FILENAME" | sort | diff - "$BATS_TEST_TMPDIR/portable"
	[[ $(grep -c '^@test .*holds' "$BATS_TEST_FILENAME") -eq 55 ]]
}

# Every number of 1 to 55 that has no case has a reason.
@test "README.md tells of each test of the original that has no case why" {
	local from to
	{
		grep -v '^[a-q]' <(printf '%s\n' "${PORTABLE[@]}")
		sed -n 's/^| \([0-9]*\)-*\([0-9]*\) |[^|]*| [^|]\{10,\} |$/\1 \2/p' \
			"$ROOT/tests/conformance/README.md" | while read -r from to; do
			seq "$from" "${to:-$from}"
		done
	} | sort -n | diff - <(seq 55)
}
