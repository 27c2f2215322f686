# shellcheck shell=bash
# Real servers in the lab's server, for real clients in its client. Sourced after a lab was started or
# before; needs lab.bash, which it sources.
#
#     services_start DIR; lab_client curl http://healthy.test/; services_stop
#     services_start DIR http greeting
#
# Each listens on every IPv4 and IPv6 address of the server. None survives lab_stop, which ends every
# process in the lab.
#
#     http       80    index.html, the text in SERVICES_TEXT
#     sshd       22    lets nobody in: a client learns the host key and "Permission denied"
#     git        9418  git://healthy.test/small, one commit with one file
#     tls        443   a page about the connection; self-signed certificate for healthy.test
#     rsync      873   rsync://healthy.test/files/greeting.txt
#     greeting   7777  sends SERVICES_TEXT and closes
#     redis      6379  an empty database in memory
#     postgres   5432  a database "postgres" of the user "lab", who needs no password
#
# Those that do not run are in the array SERVICES_MISSING: nobody asked for them, their program is not
# installed, or they did not listen in time (then stderr says why).

# shellcheck source=tests/lab/lab.bash
source "${BASH_SOURCE[0]%/*}/lab.bash"

# shellcheck disable=SC2034  # for those who source this
SERVICES_TEXT='hello from the lab'
SERVICES_MISSING=()
# Arrays are not exported: the tests of a bats file read what setup_file wrote down.
if [[ -r ${LAB_DIR:-}/services.missing ]]; then
	mapfile -t SERVICES_MISSING <"$LAB_DIR/services.missing"
fi

# services_start DIR [NAME...]: starts those that are named, or all; DIR is an existing scratch directory
# for their files.
services_start() {
	SERVICES_DIR=$(cd "$1" && pwd) || return 1
	export SERVICES_DIR
	SERVICES_ASKED=("${@:2}")
	SERVICES_MISSING=()
	: >"$LAB_DIR/services.pids"

	service_start http 80 python3
	service_start sshd 22 /usr/sbin/sshd ssh-keygen
	service_start git 9418 git "$(git --exec-path 2>/dev/null)/git-daemon"
	service_start tls 443 openssl
	service_start rsync 873 rsync
	service_start greeting 7777 python3
	service_start redis 6379 redis-server
	service_start postgres 5432 "$(services_postgres_bin)/postgres"

	printf '%s\n' "${SERVICES_MISSING[@]}" >"$LAB_DIR/services.missing"
	((${#SERVICES_MISSING[@]})) || : >"$LAB_DIR/services.missing"
}

# services_stop: ends those that services_start started, and what they started.
services_stop() {
	local pid
	[[ -r ${LAB_DIR:-}/services.pids ]] || return 0
	while read -r pid; do
		kill "$pid" 2>/dev/null || :
		lab_until lab_gone "$pid" || return 1
	done <"$LAB_DIR/services.pids"
	rm "$LAB_DIR/services.pids"
}

# services_have NAME: succeeds if the service is there.
services_have() { [[ " ${SERVICES_MISSING[*]} " != *" $1 "* ]]; }

# service_start NAME PORT PROGRAM...: runs service_NAME in the background, in a directory of its own, if
# the programs are installed, and waits until it listens for both families.
service_start() {
	local name=$1 port=$2 program dir=$SERVICES_DIR/$1 pid
	if ((${#SERVICES_ASKED[@]})) && [[ " ${SERVICES_ASKED[*]} " != *" $name "* ]]; then
		SERVICES_MISSING+=("$name")
		return 0
	fi
	for program in "${@:3}"; do
		if ! command -v "$program" >/dev/null; then
			SERVICES_MISSING+=("$name")
			return 0
		fi
	done
	mkdir -p "$dir"
	lab_detached "service_$name" "$dir" "$port" </dev/null >"$dir/log" 2>&1 &
	pid=$!
	disown "$pid"
	echo "$pid" >>"$LAB_DIR/services.pids"
	if ! service_listens "$pid" "$port"; then
		echo "services: $name does not listen on port $port:" >&2
		tail -n 5 "$dir/log" >&2
		SERVICES_MISSING+=("$name")
	fi
}

# Not a moment longer than the server lives: the reason of its end is in its log.
service_listens() {
	lab_until service_listens_or_ended "$1" "$2" && ! lab_gone "$1"
}

service_listens_or_ended() {
	lab_gone "$1" || { lab_listens "$LAB_GOOD6" "$2" && lab_listens "$LAB_GOOD4" "$2"; }
}

# For servers that drop the rights of root. In a user namespace that has only one user they can not, and
# give up; so there they start without: a further namespace that maps nobody makes them "nobody".
service_exec_unprivileged() {
	lab_server_exec ${LAB_USER:+unshare -U} "$@"
}

# --- the servers: service_NAME DIR PORT becomes the server ----------------------------------------

# Python's own server: one socket for both families, a thread a connection.
service_http() {
	mkdir "$1/www"
	echo "$SERVICES_TEXT" >"$1/www/index.html"
	lab_server_exec python3 -m http.server --bind :: --directory "$1/www" "$2"
}

# sshd wants an empty directory /run/sshd of root, which exists only where sshd has been run: it gets
# one that only the server sees.
service_sshd() {
	ssh-keygen -q -t ed25519 -N '' -f "$1/host_key" || return 1
	cat >"$1/config" <<-CONFIG
		Port $2
		HostKey $1/host_key
		PidFile none
		UsePAM no
		UseDNS no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		AuthorizedKeysFile none
		MaxStartups 100
	CONFIG
	lab_server sh -euc 'mount -t tmpfs tmpfs /run; mkdir -m 755 /run/sshd' || return 1
	service_exec_unprivileged /usr/sbin/sshd -D -e -f "$1/config"
}

# git's own protocol. The daemon itself is run, not "git daemon", which would stand between it and us.
# Nobody's configuration and nobody's directory rules are wanted here.
service_git() {
	export HOME=$1 GIT_CONFIG_NOSYSTEM=1
	git config --global safe.directory '*'
	git config --global user.name lab
	git config --global user.email lab@localhost
	git init -q "$1/small"
	echo "$SERVICES_TEXT" >"$1/small/greeting.txt"
	git -C "$1/small" add greeting.txt
	git -C "$1/small" commit -q -m 'Say hello' || return 1
	lab_server_exec "$(git --exec-path)/git-daemon" --export-all --reuseaddr --port="$2" --base-path="$1"
}

# One socket for both families is what s_server makes of a port without an address.
service_tls() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=healthy.test \
		-addext subjectAltName=DNS:healthy.test -keyout "$1/key.pem" -out "$1/certificate.pem" || return 1
	lab_server_exec openssl s_server -accept "$2" -www -quiet -key "$1/key.pem" -cert "$1/certificate.pem"
}

# Root's daemon would become "nobody", who may not read a scratch directory.
service_rsync() {
	mkdir "$1/files"
	echo "$SERVICES_TEXT" >"$1/files/greeting.txt"
	cat >"$1/config" <<-CONFIG
		use chroot = no
		[files]
		path = $1/files
	CONFIG
	[[ -n $LAB_USER ]] || printf 'uid = 0\ngid = 0\n' >>"$1/config"
	service_exec_unprivileged rsync --daemon --no-detach --config="$1/config" --port="$2"
}

service_greeting() {
	cat >"$1/greeting.py" <<-'PYTHON'
		import socket, sys
		listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6,
		                                dualstack_ipv6=True, backlog=1000)
		while True:
		    connection, _ = listener.accept()
		    try:
		        connection.sendall(sys.argv[2].encode() + b"\n")
		        connection.shutdown(socket.SHUT_WR)
		    except OSError:
		        pass    # it went away: nothing to greet
		    connection.close()
	PYTHON
	lab_server_exec python3 -I "$1/greeting.py" "$2" "$SERVICES_TEXT"
}

service_redis() {
	lab_server_exec redis-server --port "$2" --bind '*' '-::*' --protected-mode no --dir "$1" \
		--save '' --appendonly no
}

# services_postgres_bin: prints where Debian has the newest of PostgreSQL's servers.
services_postgres_bin() {
	local bins=(/usr/lib/postgresql/*/bin)
	echo "${bins[-1]}"
}

# PostgreSQL refuses to be root, and wants its files to be its own. In a further user namespace, which maps
# nobody, root's processes and root's files are both those of "nobody".
service_postgres() {
	local bin
	bin=$(services_postgres_bin)
	lab_server unshare -U "$bin/initdb" -D "$1/data" -U lab -A trust -E UTF8 --locale=C --no-sync || return 1
	echo 'host all all all trust' >>"$1/data/pg_hba.conf"
	lab_server_exec unshare -U "$bin/postgres" -D "$1/data" -p "$2" -h '*' -c unix_socket_directories= \
		-c fsync=off -c shared_buffers=16MB
}
