# shellcheck shell=bash
# What the soak (tests/soak/run) adds to the lab: names s0, s1, ... of 2 to 6 addresses, no address in
# two names, because libhe tries only what all answers with the requested address have in common. An
# address tells what it is, so that the program knows what has to happen (tests/soak/names.c):
#
#     fd94::KIND:N and 10.94.KIND.N     KIND is hexadecimal in the first, decimal in the second
#
# Sourced after tests/lab/lab.bash and before lab_start.

# KIND:round trip. 1 to 4 answer, 17 and 18 refuse, 33 and 34 are prohibited (ICMP), 49 is a black hole,
# 65 has no route; 81 answers and 82 refuses on the client's own loopback device, where all of a
# handshake happens inside connect(). A prohibition that comes while connect() has the socket in its hands
# is not taken for an answer by the kernel (it asks again a second later): those have a round trip.
SOAK_ROUND_TRIPS=(1:0 2:3 3:15 4:40 17:0 18:15 33:4 34:15)
SOAK_PORT=7100
SOAK_PORTS=300
SOAK_NAMES=200

soak_net6() { printf 'fd94::%x:0/112' "$1"; }
soak_net4() { printf '10.94.%d.0/24' "$1"; }

# soak_policies: adds the networks to the relay's words.
soak_policies() {
	local pair
	for pair in "${SOAK_ROUND_TRIPS[@]}" 49:drop; do
		LAB_POLICIES+=("$(soak_net6 "${pair%:*}")=${pair#*:}" "$(soak_net4 "${pair%:*}")=${pair#*:}")
	done
}

# soak_names: prints the lines of the hosts file. The first 64 names begin with each pair of a good, a
# dead, a refused and a prohibited address, in each pair of families; what follows is drawn, from a
# generator that is the same everywhere.
soak_names() {
	awk -v names="$SOAK_NAMES" '
		function draw(n) {
			state = (state * 1103515245 + 12345) % 2147483648
			return int(state / 65536) % n
		}
		function good() { return 1 + draw(4) }
		function refused() { return 17 + draw(2) }
		function prohibited() { return 33 + draw(2) }
		function of(class) {
			if (class == 0) return good()
			if (class == 1) return 49
			return class == 2 ? refused() : prohibited()
		}
		function any(    d) {
			d = draw(100)
			if (d < 40) return good()
			if (d < 60) return 49
			if (d < 78) return refused()
			if (d < 86) return prohibited()
			if (d < 90) return 65
			return d < 96 ? 81 : 82
		}
		function tell(name, family, kind,    n) {
			n = ++used[family, kind]
			if (family == 6) printf "fd94::%x:%x s%d\n", kind, n, name
			else printf "10.94.%d.%d s%d\n", kind, n, name
		}
		BEGIN {
			state = 3
			for (name = 0; name < names; name++) {
				for (i = 0; i < 2 + name % 5; i++) {
					if (name < 64 && i < 2) {
						kind = of(i == 0 ? name % 4 : int(name / 4) % 4)
						family = (i == 0 ? int(name / 16) % 2 : int(name / 32) % 2) ? 4 : 6
					} else {
						kind = any()
						# nftables resets no IPv4 connection on loopback.
						family = kind == 82 || draw(2) ? 6 : 4
					}
					tell(name, family, kind)
				}
			}
		}'
}

# soak_network: the addresses, in a lab that was started with soak_policies. Every address of a network
# that is routed as local is the kernel's own: none has to be added.
soak_network() {
	# shellcheck disable=SC2016  # expanded over there
	lab_server bash -euc '
		for kind in 1 2 3 4 17 18 33 34; do
			ip route add local 10.94.$kind.0/24 dev lo
			ip -6 route add local "$(printf fd94::%x:0/112 $kind)" dev lo
		done' || return 1
	soak_rejections | lab_server nft -f - || return 1
	# Room for thousands of packets at once: what is lost is sent again a second later.
	lab_client ip link set lab0 txqueuelen 50000 && lab_server ip link set lab0 txqueuelen 50000 || return 1
	# shellcheck disable=SC2016
	lab_client bash -euc '
		ip route add 10.94.0.0/16 dev lab0
		ip -6 route add fd94::/64 dev lab0
		ip -6 rule add to fd94::41:0/112 ipproto tcp unreachable
		ip rule add to 10.94.65.0/24 ipproto tcp unreachable
		for kind in 81 82; do
			ip route add local 10.94.$kind.0/24 dev lo
			ip -6 route add local "$(printf fd94::%x:0/112 $kind)" dev lo
		done
		echo 10240 65535 >/proc/sys/net/ipv4/ip_local_port_range
		echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse' || return 1
	soak_refusals | lab_client nft -f - || return 1
	soak_names >>"$LAB_DIR/hosts"
}

soak_rejections() {
	cat <<-RULES
		table inet soak {
			chain input {
				type filter hook input priority 0
				ip6 daddr { $(soak_net6 17), $(soak_net6 18) } meta l4proto tcp reject with tcp reset
				ip daddr { $(soak_net4 17), $(soak_net4 18) } meta l4proto tcp reject with tcp reset
				ip6 daddr { $(soak_net6 33), $(soak_net6 34) } meta l4proto tcp reject with icmpv6 type admin-prohibited
				ip daddr { $(soak_net4 33), $(soak_net4 34) } meta l4proto tcp reject with icmp type admin-prohibited
			}
		}
	RULES
}

# On the client's loopback device.
soak_refusals() {
	cat <<-RULES
		table inet soak {
			chain input {
				type filter hook input priority 0
				ip6 daddr $(soak_net6 82) meta l4proto tcp reject with tcp reset
			}
		}
	RULES
}

# soak_servers: the server on both sides, until lab_stop ends what is in the lab.
soak_servers() {
	lab_detached lab_server_exec "$B/tests/soak_server" "$SOAK_PORT" "$SOAK_PORTS" \
		</dev/null >"$LAB_DIR/soak_server.out" 2>&1 &
	disown $!
	lab_detached lab_client_exec "$B/tests/soak_server" "$SOAK_PORT" "$SOAK_PORTS" \
		</dev/null >"$LAB_DIR/soak_server.near" 2>&1 &
	disown $!
	lab_until grep -qs READY "$LAB_DIR/soak_server.out" &&
		lab_until grep -qs READY "$LAB_DIR/soak_server.near"
}

# soak_start DIR: all of it. The log of the SYNs would fill the disk in a long run: it goes nowhere. The
# kernel gives up after 7 s (three SYNs): a machine that is busy with other things takes 3 s for less, and
# what was forgotten must be told from what was slow (KERNEL_MS in race.c).
soak_start() {
	soak_policies
	ln -s /dev/null "$1/syns"
	lab_start "$1" || return 1
	lab_timeouts 2 0
	soak_network && soak_servers
}
