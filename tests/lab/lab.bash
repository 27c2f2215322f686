# shellcheck shell=bash
# The network lab: a client and a server, each in namespaces of its own, and a link between them on
# which every server address is healthy, blackholed, refusing, unreachable or without a route.
#
# Sourced by bats files (and by shells: see the end of this comment). Nothing is configured on the
# machine: the namespaces have no names and live as long as the processes in them, and those end with
# lab_stop or with the shell that called lab_start, whichever comes first. Needs root, or a user who
# may create user namespaces and open /dev/net/tun.
#
#     lab_start DIR; lab_client ping -c1 healthy.test; lab_stop
#
# What makes an address what it is:
#     healthy       the relay holds packets for half the round trip each way (tests/lab/relay.c)
#     blackholed    the relay drops them. So does the server for every address of the two networks
#                   that it does not have: a test that needs more dead addresses just makes them up
#     refusing      nftables in the server rejects TCP with a reset
#     unreachable   nftables in the server rejects TCP with ICMP "administratively prohibited"
#     no route      a rule in the client, see lab_client_network
#     filtered      nftables in the client rejects what it sends, as a machine's own firewall does
#
# More networks: words for the relay ("fd94::1:0/112=15") in the array LAB_POLICIES before lab_start,
# and what routes and rules they need after it.
#
# A test that needs more names appends lines to "$LAB_DIR/hosts" (appends: a bind mount shows the file
# that it was made from, not one that replaced it).

if declare -F lab_start >/dev/null; then return 0; fi # sourced already

# -g because bats sources its helpers from inside a function.
declare -grx LAB_CLIENT6=fd92::1 LAB_CLIENT4=10.92.0.1
declare -grx LAB_GOOD6=fd92::2 LAB_GOOD4=10.92.0.2
declare -grx LAB_DEAD6=fd92::bad1 LAB_DEAD6B=fd92::bad2 LAB_DEAD4=10.92.0.66 LAB_DEAD4B=10.92.0.67
declare -grx LAB_RST6=fd92::5e LAB_RST4=10.92.0.68
declare -grx LAB_ICMP6=fd92::1c LAB_ICMP4=10.92.0.69
declare -grx LAB_NOROUTE6=fd93::6 LAB_FILTERED4=10.92.0.70
declare -grx LAB_R6_MS=20 LAB_R4_MS=30

LAB_ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
: "${LAB_RELAY:=build/tests/relay}"
[[ $LAB_RELAY == /* ]] || LAB_RELAY=$LAB_ROOT/$LAB_RELAY
export LAB_RELAY

# How long anything may take that should be done at once. Only a broken or very busy machine gets there.
LAB_PATIENCE_MS=10000

LAB_POLICIES=()

# --- waiting --------------------------------------------------------------------------------------

# lab_until CMD...: runs CMD until it succeeds; fails when the patience is over.
lab_until() {
	local deadline=$(($(lab_now_ms) + LAB_PATIENCE_MS))
	until "$@"; do
		(($(lab_now_ms) < deadline)) || return 1
		sleep 0.02
	done
}

lab_now_ms() {
	local now=${EPOCHREALTIME//[!0-9]/} # microseconds; the decimal sign depends on the locale
	echo "${now%???}"
}

# --- can it run here? -----------------------------------------------------------------------------

# The options of unshare(1) and nsenter(1) that this user needs: none for root; a user namespace, in
# which one is root, for anybody else (and for the root of a container without rights).
lab_user_namespace() {
	if timeout 5 unshare -nm true 2>/dev/null; then
		echo
	elif timeout 5 unshare -Urnm true 2>/dev/null; then
		echo -U
	else
		return 1
	fi
}

# lab_possible: returns 0, or prints why the lab can not run on this machine and returns 1.
lab_possible() {
	local tool user
	for tool in ip nft ss unshare nsenter mount; do
		if ! command -v "$tool" >/dev/null; then
			echo "the network lab needs the program $tool"
			return 1
		fi
	done
	if [[ ! -e /etc/hosts ]]; then
		echo "the network lab needs an /etc/hosts to put its own in place of"
		return 1
	fi
	if ! user=$(lab_user_namespace); then
		echo "the network lab needs a root who may make namespaces, or unprivileged user namespaces"
		return 1
	fi
	if ! (: <>/dev/net/tun) 2>/dev/null; then
		echo "the network lab can not open /dev/net/tun"
		return 1
	fi
	if ! timeout 5 unshare ${user:+-Ur} -nm ip link set lo up 2>/dev/null; then
		echo "the network lab may not configure its own namespace"
		return 1
	fi
	if ! lab_rejections | timeout 5 unshare ${user:+-Ur} -nm nft -f - 2>/dev/null; then
		echo "the network lab needs nftables with reject in the kernel"
		return 1
	fi
}

# --- running commands in it -----------------------------------------------------------------------

# lab_client_exec CMD..., lab_server_exec CMD...: become CMD in that side. For a subshell, or for the
# background, where $! is then the process id of CMD itself: "lab_server_exec nc -l 9 & pid=$!".
# env restores the working directory, which joining a mount namespace resets to the root.
lab_client_exec() { lab_enter_exec "$LAB_CLIENT_PID" "$@"; }
lab_server_exec() { lab_enter_exec "$LAB_SERVER_PID" "$@"; }

lab_enter_exec() {
	local pid=$1
	shift
	# shellcheck disable=SC2086  # none or several options
	exec nsenter -t "$pid" ${LAB_USER:+-U --preserve-credentials} -n -m -- env -C "$PWD" -- "$@"
}

# lab_client CMD..., lab_server CMD...: run CMD in that side. Its streams and exit status are those of
# CMD. An environment variable meant for CMD only is set behind: lab_client env LD_PRELOAD=... CMD.
lab_client() (lab_client_exec "$@")
lab_server() (lab_server_exec "$@")

# --- start ----------------------------------------------------------------------------------------

# lab_start DIR: makes the lab; DIR is an existing scratch directory (not below /run) for its files.
# The variables it exports let the tests of a bats file use the lab that setup_file started.
lab_start() {
	if [[ -n ${LAB_DIR:-} ]]; then
		echo "lab_start: the lab in $LAB_DIR is still running" >&2
		return 1
	fi
	if [[ ! -x $LAB_RELAY ]]; then
		echo "lab_start: no relay at $LAB_RELAY; build it first" >&2
		return 1
	fi
	LAB_USER=$(lab_user_namespace) || return 1
	LAB_DIR=$(cd "$1" && pwd) || return 1
	LAB_CLIENT_PID='' LAB_SERVER_PID='' LAB_KEEPER_PID='' LAB_NETNS=''
	export LAB_DIR LAB_USER LAB_CLIENT_PID LAB_SERVER_PID LAB_KEEPER_PID LAB_NETNS

	if ! { lab_namespaces && lab_files && lab_link && lab_server_network && lab_client_network; }; then
		echo "lab_start: failed; what there is to know:" >&2
		cat "$LAB_DIR"/*.err >&2
		lab_stop
		return 1
	fi
	lab_client cat /proc/sys/net/ipv4/tcp_syn_retries >"$LAB_DIR/tcp_syn_retries"
	lab_client cat /proc/sys/net/ipv4/tcp_syn_linear_timeouts >"$LAB_DIR/tcp_syn_linear_timeouts" 2>/dev/null || :
	lab_mark
}

# lab_detached CMD...: becomes CMD with no descriptor of ours but the standard ones. bats waits for
# everybody who holds its descriptor 3; and a test's own pipes should end when the test ends.
lab_detached() {
	local fd
	for fd in /proc/"$BASHPID"/fd/*; do
		fd=${fd##*/}
		((fd <= 2)) || eval "exec $fd>&-"
	done
	"$@"
}

# A process that sleeps holds each side's namespaces. It is there when it has become sleep(1).
lab_namespaces() {
	lab_detached exec unshare ${LAB_USER:+-Ur} -nm sleep infinity \
		</dev/null >/dev/null 2>"$LAB_DIR/client.err" &
	LAB_CLIENT_PID=$!
	disown "$LAB_CLIENT_PID"
	lab_until lab_sleeps "$LAB_CLIENT_PID" || return 1
	# shellcheck disable=SC2086  # none or several options
	lab_detached exec nsenter -t "$LAB_CLIENT_PID" ${LAB_USER:+-U --preserve-credentials} -n -m \
		unshare -nm sleep infinity </dev/null >/dev/null 2>"$LAB_DIR/server.err" &
	LAB_SERVER_PID=$!
	disown "$LAB_SERVER_PID"
	lab_until lab_sleeps "$LAB_SERVER_PID" || return 1
	LAB_NETNS=$(stat -Lc %i "/proc/$LAB_CLIENT_PID/ns/net" "/proc/$LAB_SERVER_PID/ns/net") || return 1
	LAB_NETNS=${LAB_NETNS//$'\n'/ }
}

lab_sleeps() {
	local name=''
	read -r name 2>/dev/null <"/proc/$1/comm"
	[[ $name == sleep ]]
}

# What names resolve to in both sides. Dead addresses stand before good ones, IPv6 before IPv4; and
# getaddrinfo() keeps it so, because: gai.conf says that IPv6 comes first (as it does by default);
# every address is usable (see noroute6 in lab_client_network); two IPv6 addresses of one name have
# equally many bits in common with the client's; and IPv4 addresses are not compared in that way, as
# the client's own has no network (/32). So black4.test is good6 dead4 whatever the lines say.
lab_files() {
	{
		printf '%s localhost\n' 127.0.0.1 ::1
		printf '127.0.1.1 %s\n' "$(uname -n)"
		lab_name healthy.test "$LAB_GOOD6" "$LAB_GOOD4"
		lab_name black6.test "$LAB_DEAD6" "$LAB_GOOD4"
		lab_name refused6.test "$LAB_RST6" "$LAB_GOOD4"
		lab_name icmp6.test "$LAB_ICMP6" "$LAB_GOOD4"
		lab_name noroute6.test "$LAB_NOROUTE6" "$LAB_GOOD4"
		lab_name mix.test "$LAB_DEAD6" "$LAB_DEAD6B" "$LAB_DEAD4" "$LAB_GOOD4"
		lab_name alldead.test "$LAB_DEAD6" "$LAB_DEAD6B" "$LAB_DEAD4" "$LAB_DEAD4B"
		lab_name allrefused.test "$LAB_RST6" "$LAB_RST4"
		lab_name twoerrors.test "$LAB_RST6" "$LAB_ICMP4"
		lab_name ownrefused.test "$LAB_CLIENT6" "$LAB_RST4"
		lab_name black4.test "$LAB_DEAD4" "$LAB_GOOD6"
		lab_name only4.test "$LAB_GOOD4"
		lab_name only6.test "$LAB_GOOD6"
		lab_name two4.test "$LAB_DEAD4" "$LAB_GOOD4"
		lab_name filtered4.test "$LAB_FILTERED4" "$LAB_GOOD4"
	} >"$LAB_DIR/hosts"
	printf 'hosts: files\npasswd: files\ngroup: files\nservices: files\n' >"$LAB_DIR/nsswitch.conf"
	printf 'precedence ::/0 40\nprecedence ::ffff:0:0/96 10\n' >"$LAB_DIR/gai.conf"
	echo 'multi on' >"$LAB_DIR/host.conf"
	: >"$LAB_DIR/resolv.conf"

	lab_client bash -euc "$(declare -f lab_mount_files); lab_mount_files \"\$1\"" - "$LAB_DIR" \
		2>>"$LAB_DIR/client.err" &&
		lab_server bash -euc "$(declare -f lab_mount_files); lab_mount_files \"\$1\"" - "$LAB_DIR" \
			2>>"$LAB_DIR/server.err"
}

# lab_name NAME ADDRESS...: the lines of a name in the hosts file.
lab_name() { printf "%s $1\n" "${@:2}"; }

# Runs in each side. A file that the machine does not have can not be covered; its absence is as good.
# A name service cache would answer from outside the namespace through its socket: hide it.
lab_mount_files() {
	local file
	for file in hosts nsswitch.conf gai.conf host.conf resolv.conf; do
		if [[ -e /etc/$file ]]; then
			mount --bind "$1/$file" "/etc/$file"
		fi
	done
	if [[ -d /run/nscd ]]; then
		mount -t tmpfs tmpfs /run/nscd
	fi
	# A sanitizer reads the C library's debug information, if it is installed, for each report that is
	# suppressed: 0.1 s of a processor in each of a thousand runs.
	if [[ -d /usr/lib/debug ]]; then
		mount -t tmpfs tmpfs /usr/lib/debug
	fi
}

# The relay runs in the client's namespace and ends with its stdin, which is a tail(1) that ends with
# the shell that called us. When the relay is gone, the background shell that started it, the keeper,
# ends the rest of the lab. So an interrupted test run takes its lab with it, and a relay that crashes
# is noticed.
lab_link() {
	local policies=("$LAB_GOOD6=$LAB_R6_MS" "$LAB_RST6=$LAB_R6_MS" "$LAB_ICMP6=$LAB_R6_MS"
		"$LAB_GOOD4=$LAB_R4_MS" "$LAB_RST4=$LAB_R4_MS" "$LAB_ICMP4=$LAB_R4_MS"
		"$LAB_DEAD6=drop" "$LAB_DEAD6B=drop" "$LAB_DEAD4=drop" "$LAB_DEAD4B=drop"
		"${LAB_POLICIES[@]}")
	: >"$LAB_DIR/syns"
	lab_detached lab_keep "${policies[@]}" </dev/null >"$LAB_DIR/relay.out" 2>"$LAB_DIR/relay.err" &
	LAB_KEEPER_PID=$!
	disown "$LAB_KEEPER_PID"
	lab_until lab_link_decided && ! lab_gone "$LAB_KEEPER_PID"
}

lab_link_decided() { lab_gone "$LAB_KEEPER_PID" || grep -qs READY "$LAB_DIR/relay.out"; }

lab_keep() {
	lab_hold
	lab_client "$LAB_RELAY" "/proc/$LAB_SERVER_PID/ns/net" "$LAB_DIR/syns" "$@" \
		< <(lab_client_exec tail --pid="$$" -f /dev/null)
	lab_end_processes
}

# The ICMP rate limits of the kernel (for each peer and for all together) would make the second of two quick
# attempts, and the 51st of many, a blackhole. Low ports are for everybody because not every server can be
# root in a user namespace.
lab_server_network() {
	# shellcheck disable=SC2016  # expanded over there
	lab_server bash -euc '
		echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
		echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
		echo 0 >/proc/sys/net/ipv4/icmp_ratemask
		echo >/proc/sys/net/ipv6/icmp/ratemask
		echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
		ip link set lo up
		ip link set lab0 addrgenmode none
		ip link set lab0 up
		for address in "$@"; do
			[[ $address == *:* ]] && options="/64 nodad" || options=/24
			ip address add $address$options dev lab0
		done' - "$LAB_GOOD6" "$LAB_RST6" "$LAB_ICMP6" "$LAB_GOOD4" "$LAB_RST4" "$LAB_ICMP4" \
		2>>"$LAB_DIR/server.err" &&
		lab_rejections | lab_server nft -f - 2>>"$LAB_DIR/server.err"
}

lab_rejections() {
	cat <<-RULES
		table inet lab {
			chain input {
				type filter hook input priority 0
				ip6 daddr $LAB_RST6 meta l4proto tcp reject with tcp reset
				ip daddr $LAB_RST4 meta l4proto tcp reject with tcp reset
				ip6 daddr $LAB_ICMP6 meta l4proto tcp reject with icmpv6 type admin-prohibited
				ip daddr $LAB_ICMP4 meta l4proto tcp reject with icmp type admin-prohibited
			}
		}
	RULES
}

# The client has no default route. An address without any route would do for ENETUNREACH, but
# getaddrinfo() sorts it last: it tries a UDP connect() to learn the source address, and what has none
# comes last (RFC 3484 rule 1). Such an address is met when a route disappears after resolution, or
# when a filter lets one protocol through; so here there is a route for everything but TCP: the first
# rule answers TCP with ENETUNREACH, and the route behind it serves getaddrinfo()'s question.
lab_client_network() {
	# shellcheck disable=SC2016  # expanded over there
	lab_client bash -euc '
		ip link set lo up
		ip link set lab0 addrgenmode none
		ip link set lab0 up
		ip address add "$1/64" nodad dev lab0
		ip address add "$2/32" dev lab0
		ip route add 10.92.0.0/24 dev lab0
		ip -6 route add "$3" dev lab0
		ip -6 rule add to "$3" ipproto tcp unreachable' - \
		"$LAB_CLIENT6" "$LAB_CLIENT4" "$LAB_NOROUTE6" 2>>"$LAB_DIR/client.err" &&
		lab_firewall | lab_client nft -f - 2>>"$LAB_DIR/client.err"
}

# What "iptables -j REJECT" does: the kernel has its ICMP message while connect() still sends.
lab_firewall() {
	cat <<-RULES
		table inet lab {
			chain output {
				type filter hook output priority 0
				ip daddr $LAB_FILTERED4 meta l4proto tcp reject
			}
		}
	RULES
}

# --- stop -----------------------------------------------------------------------------------------

# lab_stop: ends every process of the lab, wherever it was started and whatever became of its parent.
# The namespaces, devices, rules and mounts go with them. Files in DIR stay.
lab_stop() {
	[[ -n ${LAB_DIR:-} ]] || return 0
	local status=0
	# Where its processes are gone, the keeper has ended them.
	(! lab_hold || lab_end_processes) || status=1
	lab_until lab_gone "$LAB_KEEPER_PID" || status=1
	unset LAB_DIR LAB_USER LAB_CLIENT_PID LAB_SERVER_PID LAB_KEEPER_PID LAB_NETNS
	return "$status"
}

# lab_hold: while this shell has the lab's namespaces open, no other lab, started meanwhile, is given their
# numbers, by which lab_processes knows its own. Fails when they are gone.
lab_hold() {
	local client server
	[[ -n $LAB_NETNS ]] || return 0
	{ exec {client}<"/proc/$LAB_CLIENT_PID/ns/net" {server}<"/proc/$LAB_SERVER_PID/ns/net"; } 2>/dev/null &&
		[[ "$(stat -Lc %i "/proc/$BASHPID/fd/$client")" == "${LAB_NETNS% *}" &&
			"$(stat -Lc %i "/proc/$BASHPID/fd/$server")" == "${LAB_NETNS#* }" ]]
}

# A process is of the lab when its network namespace is. First politely, then not.
lab_end_processes() {
	local signal pids
	for signal in TERM TERM KILL; do
		pids=$(lab_processes)
		[[ -n $pids ]] || return 0
		# shellcheck disable=SC2086  # a list
		kill -s "$signal" $pids 2>/dev/null || :
		LAB_PATIENCE_MS=1000 lab_until lab_deserted && return 0
	done
	return 1
}

lab_gone() { [[ -z $1 || ! -d /proc/$1 ]]; }
lab_deserted() { [[ -z $(lab_processes) ]]; }

# lab_processes: prints the ids of all processes in the lab. What else runs on the machine is not ours
# to read or may end meanwhile, hence the silence.
lab_processes() {
	local net process
	if [[ -z $LAB_NETNS ]]; then # lab_start did not get far
		lab_gone "$LAB_CLIENT_PID" || echo "$LAB_CLIENT_PID"
		lab_gone "$LAB_SERVER_PID" || echo "$LAB_SERVER_PID"
		return
	fi
	while IFS=' /' read -r net _ process _; do
		[[ " $LAB_NETNS " != *" $net "* ]] || echo "$process"
	done < <(stat -Lc '%i %n' /proc/[0-9]*/ns/net 2>/dev/null)
}

# --- what the client sent -------------------------------------------------------------------------

# lab_mark: what was sent so far does not count any more.
lab_mark() { wc -l <"$LAB_DIR/syns" >"$LAB_DIR/syns.mark"; }

# lab_syns: prints the SYNs since the mark, one a line: <milliseconds> <address> <port>[ again].
lab_syns() { tail -n "+$(($(<"$LAB_DIR/syns.mark") + 1))" "$LAB_DIR/syns"; }

# lab_syns_to ADDRESS: prints how many attempts to ADDRESS were made since the mark.
lab_syns_to() { lab_syns | awk -v to="$1" '$2 == to && $4 == "" { n++ } END { print n + 0 }'; }

# lab_syn_gap A B: prints the milliseconds, rounded, from the first SYN to A to the first SYN to B
# since the mark. Fails if one is missing.
lab_syn_gap() {
	lab_syns | awk -v a="$1" -v b="$2" '
		$2 == a && !seen_a { seen_a = 1; at_a = $1 }
		$2 == b && !seen_b { seen_b = 1; at_b = $1 }
		END { if (!seen_a || !seen_b) exit 1; printf "%.0f\n", at_b - at_a }'
}

# --- settings -------------------------------------------------------------------------------------

# lab_short_timeouts: from now on a connect() that nobody answers fails after 3 s (the client sends two
# SYNs), not after 134 s. lab_kernel_timeouts: as the kernel had it.
lab_short_timeouts() { lab_timeouts 1 0; }
lab_kernel_timeouts() {
	lab_timeouts "$(<"$LAB_DIR/tcp_syn_retries")" "$(<"$LAB_DIR/tcp_syn_linear_timeouts")"
}

# lab_timeouts RETRIES LINEAR: the second setting is missing before Linux 6.5.
lab_timeouts() {
	# shellcheck disable=SC2016  # expanded over there
	lab_client sh -euc '
		cd /proc/sys/net/ipv4
		echo "$1" >tcp_syn_retries
		if [ -e tcp_syn_linear_timeouts ]; then echo "$2" >tcp_syn_linear_timeouts; fi' - "$1" "$2"
}

# lab_wait_tcp ADDRESS PORT: waits until a server listens there; fails when the patience is over. Asks
# the kernel: a connection would be seen by the server and in the SYN log.
lab_wait_tcp() { lab_until lab_listens "$1" "$2"; }

lab_listens() {
	local listener any='0.0.0.0'
	[[ $1 != *:* ]] || any='[::]'
	while read -r _ _ _ listener _; do
		case ${listener%:*} in
		'*' | "$any" | "$1" | "[$1]") return 0 ;;
		esac
	done < <(lab_server ss -Hltn "sport = :$2")
	return 1
}
