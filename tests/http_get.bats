# The example program of the connector, against a real server in the network lab.

bats_require_minimum_version 1.5.0

load helpers
load lab/services

setup_file() {
	if ! LAB_WHY_NOT=$(lab_possible); then
		export LAB_WHY_NOT
		return
	fi
	lab_start "$BATS_FILE_TMPDIR"
	services_start "$BATS_FILE_TMPDIR" http
}

teardown_file() { lab_stop; }

setup() {
	descriptors_mark
	[[ -z ${LAB_WHY_NOT:-} ]] || skip "$LAB_WHY_NOT"
	services_have http || skip "no http server here"
	lab_mark
}

# get URL: http_get in the client; its two streams apart.
get() {
	run --separate-stderr lab_client timeout 20 "${NATIVE[@]}" "$B/http_get" "$1"
	# shellcheck disable=SC2154
	printf '%s\n' "$status: $output" "$stderr" >&2
}

# tried: the addresses that SYNs were sent to, in the order of the first ones.
tried() { lab_syns | awk '!seen[$2]++ { printf "%s%s", sep, $2; sep = " " } END { print "" }'; }

@test "http_get (dead IPv6 address) prints the page, over IPv4 and after the dead one" {
	get http://black6.test/
	[[ $status -eq 0 && $output == "$SERVICES_TEXT" && -z $stderr ]]
	[[ $(tried) == "$LAB_DEAD6 $LAB_GOOD4" ]]
}

@test "http_get (healthy) prints the page and asks no second address" {
	get http://healthy.test:80/index.html
	[[ $status -eq 0 && $output == "$SERVICES_TEXT" && $(tried) == "$LAB_GOOD6" ]]
}

@test "http_get (numeric hosts) prints the page" {
	get "http://[$LAB_GOOD6]/"
	[[ $status -eq 0 && $output == "$SERVICES_TEXT" && $(tried) == "$LAB_GOOD6" ]]
	get "http://$LAB_GOOD4:80"
	[[ $status -eq 0 && $output == "$SERVICES_TEXT" ]]
}

@test "http_get (all addresses refuse) tells of each" {
	get http://allrefused.test/
	[[ $status -eq 1 && -z $output && $(tried) == "$LAB_RST6 $LAB_RST4" ]]
	[[ $stderr == *"allrefused.test: no address could be connected to: Connection refused;"* ]]
	[[ $stderr == *"[$LAB_RST6]:80 "*"Connection refused"*"; $LAB_RST4:80 "*"Connection refused"* ]]
}

@test "http_get (no such name, no such page, no URL) tells why" {
	get http://nowhere.test/
	[[ $status -eq 1 && -z $output && $stderr == *"nowhere.test: the name could not be resolved"* ]]
	get http://healthy.test/nothing
	[[ $status -eq 1 && -z $output && $stderr == *"healthy.test: HTTP/1.0 404 "* ]]
	local url
	for url in healthy.test 'http://[fd92::2' http://healthy.test:0/ 'http://healthy.test/a b' http:///; do
		get "$url"
		[[ $status -eq 2 && -z $output && $stderr == usage:* ]]
	done
}
