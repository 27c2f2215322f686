# shellcheck shell=bash
# Real programs, and how to run them in the lab: for the bats files that load real_checks.bash, and for
# tests/lab/measure.bash. Source tests/lab/services.bash first.

# One program a line: name | needs | service | connect | sockets | text that says it worked | command
#
#     needs     the program that has to be installed, and files that have to be there
#     connect   blocks: its connect() blocks. async: its socket does not block. libhe races both.
#               own: it races by itself; libhe adds nothing. own250: so does it, after the very delay of
#               libhe, so that both may make the second attempt. left: it has no name resolution that
#               libhe sees, or asks for one family. hidden: async, but libhe can not see it wait
#     sockets   how many connect at the same time. turns: natively the addresses take turns
#     command   a line of shell. HOST is the name to connect to, OUT a path that it may create, SILENCE
#               an input that says nothing and does not end; any other input is empty. CODE is
#               tests/programs/real, BUILT where programs of the tests are built, JVM java that starts
#               quickly
#
# All are as quiet as they can be about what differs from run to run, and have no timeout of their own
# that is shorter than the kernel's in the lab: wget would try 20 times. HTTP::Tiny makes its socket
# non-blocking to wait for 60 s (perl_timed). openssl ends with its input, busybox and nc with the
# connection, telnet with whichever ends first. busybox, socat, node without a race of its own, Java,
# libevent, libuv and the dual-stack sockets know only the first address of a name. Java, and socat, take
# an IPv4 address unless told otherwise; redis-cli cannot be told.
# shellcheck disable=SC2016  # expanded by real_exec
REAL_PROGRAMS='
wget        | wget                          | http     | blocks | 1       | hello from the lab | wget -nv --tries=1 -O- http://HOST/
ssh         | ssh                           | sshd     | blocks | 1       | Permission denied  | ssh -F none -o BatchMode=yes -o IdentityFile=/dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o VisualHostKey=yes HOST true
git         | git                           | git      | blocks | 1       | hello from the lab | git clone -q git://HOST/small OUT
perl        | perl                          | http     | blocks | 1       | hello from the lab | perl -MHTTP::Tiny -e "\$h = HTTP::Tiny->new; \$h->timeout(undef); \$r = \$h->get(shift); print \$r->{content}; exit !\$r->{success}" http://HOST/
perl_timed  | perl                          | http     | async  | 1       | hello from the lab | perl -MHTTP::Tiny -e "\$r = HTTP::Tiny->new->get(shift); print \$r->{content}; exit !\$r->{success}" http://HOST/
bash        | bash                          | greeting | blocks | 1       | hello from the lab | bash -c "exec 3<>/dev/tcp/HOST/7777 && cat <&3"
openssl     | openssl                       | tls      | blocks | 1       | CN =               | openssl s_client -brief -connect HOST:443
python3     | /usr/bin/python3              | http     | blocks | 1       | hello from the lab | /usr/bin/python3 -Ic "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())" http://HOST/
telnet      | telnet                        | greeting | blocks | 1       | hello from the lab | telnet HOST 7777 <>SILENCE
busybox_nc  | busybox                       | greeting | blocks | 1       | hello from the lab | busybox nc HOST 7777
nc          | nc.openbsd                    | greeting | async  | 1       | hello from the lab | nc.openbsd -d HOST 7777
rsync       | rsync                         | rsync    | async  | 1       | files              | rsync rsync://HOST/
wget_timed  | wget                          | http     | blocks | 1       | hello from the lab | wget -nv --tries=1 -T5 -O- http://HOST/
ssh_timed   | ssh                           | sshd     | async  | 1       | Permission denied  | ssh -F none -o ConnectTimeout=5 -o BatchMode=yes -o IdentityFile=/dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o VisualHostKey=yes HOST true
socat       | socat                         | greeting | blocks | 1       | hello from the lab | socat -6 -u TCP:HOST:7777 -
socat_timed | socat                         | greeting | async  | 1       | hello from the lab | socat -6 -u TCP:HOST:7777,connect-timeout=15 -
perl_ip     | perl                          | greeting | async  | 1       | hello from the lab | perl -MIO::Socket::IP -e "\$s = IO::Socket::IP->new(PeerHost => shift, PeerPort => 7777, Timeout => 15) or die \"\$@\n\"; print <\$s>" HOST
php_sync    | php                           | greeting | async  | 1       | hello from the lab | php -n CODE/connect.php sync HOST
php_async   | php                           | greeting | async  | 1       | hello from the lab | php -n CODE/connect.php async HOST
ruby_http   | ruby                          | http     | async  | 1       | hello from the lab | ruby CODE/connect.rb http HOST
ruby_tcp    | ruby                          | greeting | async  | 1       | hello from the lab | ruby CODE/connect.rb tcp HOST
psql        | psql                          | postgres | async  | 1       | hello from the lab | psql -X -h HOST -U lab -d postgres -Atc "select \$\$hello from the lab\$\$"
dual_block  | BUILT/dualstack               | greeting | blocks | 1       | hello from the lab | BUILT/dualstack blocking HOST 7777
dual_wait   | BUILT/dualstack               | greeting | async  | 1       | hello from the lab | BUILT/dualstack waiting HOST 7777
curl        | curl                          | http     | own    | 1       | hello from the lab | curl -sS http://HOST/
redis_cli   | redis-cli                     | redis    | left   | 1       | hello from the lab | redis-cli -h HOST echo "hello from the lab"
aria2c      | aria2c                        | http     | left   | 1       | hello from the lab | aria2c -q --no-conf -d OUT -o index.html http://HOST/
lftp        | lftp                          | http     | left   | 1       | hello from the lab | lftp -c "open http://HOST/; cat index.html"
py_create   | /usr/bin/python3              | greeting | async  | 1       | hello from the lab | /usr/bin/python3 -I CODE/connect.py create_connection HOST
py_urllib   | /usr/bin/python3              | http     | async  | 1       | hello from the lab | /usr/bin/python3 -I CODE/connect.py urllib HOST
py_ssl      | /usr/bin/python3              | tls      | async  | 1       | HTTP/1.0 200 ok    | /usr/bin/python3 -I CODE/connect.py ssl HOST
aio_epoll   | /usr/bin/python3              | greeting | async  | 1       | hello from the lab | /usr/bin/python3 -I CODE/connect.py asyncio_epoll HOST
aio_poll    | /usr/bin/python3              | greeting | async  | 1       | hello from the lab | /usr/bin/python3 -I CODE/connect.py asyncio_poll HOST
aio_select  | /usr/bin/python3              | greeting | async  | 1       | hello from the lab | /usr/bin/python3 -I CODE/connect.py asyncio_select HOST
aio_200     | /usr/bin/python3              | greeting | async  | 200     | hello from the lab | /usr/bin/python3 -I CODE/connect.py asyncio_many HOST 200
aio_200poll | /usr/bin/python3              | greeting | async  | 200     | hello from the lab | /usr/bin/python3 -I CODE/connect.py asyncio_many_poll HOST 200
aio_ssl     | /usr/bin/python3              | tls      | async  | 1       | HTTP/1.0 200 ok    | /usr/bin/python3 -I CODE/connect.py asyncio_ssl HOST
aio_own     | /usr/bin/python3              | greeting | own    | 1       | hello from the lab | /usr/bin/python3 -I CODE/connect.py asyncio_own_race HOST
aiohttp     | /usr/bin/python3 /usr/lib/python3/dist-packages/aiohttp | http     | async  | 1       | hello from the lab | /usr/bin/python3 -I CODE/connect.py aiohttp HOST
node_one    | node                          | greeting | async  | 1       | hello from the lab | node CODE/connect.js greeting HOST
node_300    | node                          | greeting | async  | 300     | hello from the lab | node CODE/connect.js greeting HOST 300
node_http   | node                          | http     | own250 | 1       | hello from the lab | node CODE/connect.js http HOST
node_fetch  | node                          | http     | own250 | 1       | hello from the lab | node --enable-network-family-autoselection CODE/connect.js fetch HOST
node_uring  | node                          | greeting | hidden | 1       | hello from the lab | env UV_USE_IO_URING=1 node CODE/connect.js greeting HOST
asio_first  | BUILT/real/connect_asio       | greeting | async  | 1       | hello from the lab | BUILT/real/connect_asio first HOST
asio_range  | BUILT/real/connect_asio       | greeting | async  | 1       | hello from the lab | BUILT/real/connect_asio range HOST
libevent    | BUILT/real/connect_event      | greeting | async  | 1       | hello from the lab | BUILT/real/connect_event HOST
libuv       | BUILT/real/connect_uv         | greeting | async  | 1       | hello from the lab | BUILT/real/connect_uv HOST
nginx       | nginx curl                    | http     | async  | 4 turns | hello from the lab | bash CODE/nginx.bash HOST 1
nginx_2     | nginx curl                    | http     | async  | 4 turns | hello from the lab | bash CODE/nginx.bash HOST 2
java_socket | java BUILT/real/Connect.class | greeting | async  | 1       | hello from the lab | JVM Connect socket HOST
java_client | java BUILT/real/Connect.class | http     | async  | 1       | hello from the lab | JVM Connect client HOST
java_url    | java BUILT/real/Connect.class | http     | blocks | 1       | hello from the lab | JVM Connect url HOST
nio_before  | java BUILT/real/Connect.class | greeting | async  | 1       | hello from the lab | JVM Connect nio_before HOST
nio_after   | java BUILT/real/Connect.class | greeting | async  | 1       | hello from the lab | JVM Connect nio_after HOST
nio_200     | java BUILT/real/Connect.class | greeting | async  | 200     | hello from the lab | JVM Connect nio_before HOST 200
netty       | java BUILT/real/ConnectNetty.class | greeting | async  | 1       | hello from the lab | JVM ConnectNetty HOST
'

# Where programs of ours are that use what others wrote, and what is made of those that are compiled. They
# are not for the Makefile: what they need is installed as the tests are run.
REAL_CODE=$(cd "${BASH_SOURCE[0]%/*}/real" && pwd)
REAL_BUILT=$PROGRAMS/real

REAL_NETTY=/usr/share/java/netty-transport.jar
REAL_CLASSES=$REAL_BUILT
for jar in transport buffer common resolver; do REAL_CLASSES+=:/usr/share/java/netty-$jar.jar; done
unset jar
# Netty looks for an address of a network card to call itself by, and says that there is none.
# shellcheck disable=SC2034  # for a command of the table
REAL_JVM=(-Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.net.preferIPv6Addresses=true
	-Dio.netty.machineId=00:00:00:00:00:00:00:01 -cp "$REAL_CLASSES")

# real_build: makes them, if they are not there or older than their source, and if what they need is
# installed. Several may call it at the same time.
real_build() {
	local warn=(-Wall -Wextra -Werror -O1)
	mkdir -p "$REAL_BUILT" || return
	(
		flock 9 || exit
		real_make connect_event connect_event.c /usr/include/event2/event.h \
			"${CC:-cc}" "${warn[@]}" -o connect_event "$REAL_CODE/connect_event.c" -levent || exit
		real_make connect_uv connect_uv.c /usr/include/uv.h \
			"${CC:-cc}" "${warn[@]}" -o connect_uv "$REAL_CODE/connect_uv.c" -luv || exit
		real_make connect_asio connect_asio.cc /usr/include/boost/asio.hpp \
			"${CXX:-c++}" "${warn[@]}" -o connect_asio "$REAL_CODE/connect_asio.cc" -pthread || exit
		real_make Connect.class Connect.java /usr/bin/javac \
			javac -Xlint:all -Werror -d . "$REAL_CODE/Connect.java" || exit
		real_make ConnectNetty.class ConnectNetty.java "$REAL_NETTY" \
			javac -d . -cp "$REAL_CLASSES" "$REAL_CODE/ConnectNetty.java"
	) 9>"$REAL_BUILT/lock"
}

# real_make PRODUCT SOURCE REQUIRED COMMAND...: runs COMMAND where PRODUCT is to be, if need be.
real_make() {
	[[ -e $3 ]] && command -v "$4" >/dev/null || return 0
	[[ ! $REAL_BUILT/$1 -nt $REAL_CODE/$2 ]] || return 0
	(cd "$REAL_BUILT" && "${@:4}")
}

# real_names: prints the names of the programs.
real_names() { awk -F '|' 'NF { gsub(/ /, "", $1); print $1 }' <<<"$REAL_PROGRAMS"; }

# real_find NAME: sets the variables needs (an array), service, connect, sockets, turns (or nothing), says
# and command from NAME's line.
# shellcheck disable=SC2034  # they are for the caller
real_find() {
	local name required
	while IFS='|' read -r name required service connect sockets says command; do
		[[ ${name%% *} != "$1" ]] || break
	done <<<"$REAL_PROGRAMS"
	[[ -n ${command:-} ]] || { echo "no program $1 in the table" >&2; return 1; }
	service=${service// /} connect=${connect// /}
	read -r sockets turns <<<"$sockets"
	read -r says <<<"$says"
	read -ra needs <<<"${required//BUILT/$PROGRAMS}"
	command=${command# }
}

# real_lacks: prints why the program that real_find found can not be run here; fails if it can.
real_lacks() {
	local file
	for file in "${needs[@]}"; do
		if ! { [[ $file == /* && -e $file ]] || command -v "$file" >/dev/null; }; then
			echo "$file is not installed"
			return 0
		fi
	done
	if ! services_have "$service"; then
		echo "there is no $service server in the lab"
	else
		return 1
	fi
}

# real_exec HOST DIR WORD...: becomes "WORD... command" of the program that real_find found; the first
# word is what becomes something else: exec or lab_client_exec. DIR is for its files. The environment is
# not ours: proxies, keys and configurations would change what the programs do.
real_exec() {
	local line=${command//HOST/$1} variable
	local clean=(env -i "PATH=$PATH" "HOME=$2" LC_ALL=C GIT_CONFIG_NOSYSTEM=1)
	for variable in ASAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS; do
		[[ ! -v $variable ]] || clean+=("$variable=${!variable}")
	done
	if [[ $line == *SILENCE* ]]; then
		mkfifo "$2/silence" || return
	fi
	line=${line//OUT/\"\$2/out\"}
	line=${line//SILENCE/\"\$2/silence\"}
	line=${line//CODE/\"\$REAL_CODE\"}
	line=${line//BUILT/\"\$PROGRAMS\"}
	# shellcheck disable=SC2124  # the words are for eval
	line=${line/#JVM/java \"\${REAL_JVM[@]\}\"}
	# clean follows the first word, as that may be no program.
	eval "\"\$3\" \"\${clean[@]}\" \"\${@:4}\" $line"
}

# real_run HOST DIR [WORD...]: runs the program that real_find found in the client, behind the words.
# Leaves in DIR, which is made anew: stdout, stderr, status, and us, the microseconds that it took.
real_run() {
	local before after status=0
	rm -rf "$2" && mkdir -p "$2" || return
	before=${EPOCHREALTIME//[!0-9]/}
	(real_exec "$1" "$2" lab_client_exec "${@:3}") </dev/null >"$2/stdout" 2>"$2/stderr" || status=$?
	after=${EPOCHREALTIME//[!0-9]/}
	echo $((after - before)) >"$2/us"
	echo "$status" >"$2/status"
}

# real_outcome DIR: prints what real_run left there, but for the time, as one text to compare. What
# legitimately differs between two runs is the name of the host, wget's date, openssl's thread, and the
# address that telnet prints before it knows more.
real_outcome() {
	local file
	echo "status $(<"$1/status")"
	for file in "$1/stdout" "$1/stderr" "$1"/out/*; do
		[[ -r $file ]] || continue
		echo "--- ${file##*/}"
		sed -E 's/[a-z0-9_]+\.test/HOST/g; s/^[0-9]{4}-[0-9-]+ [0-9:]+ URL/DATE URL/
			s/^[0-9A-F]{16}:error:/THREAD:error:/
			s/^Trying [0-9a-f:.]+\.\.\./Trying ADDRESS.../' "$file"
	done
}
