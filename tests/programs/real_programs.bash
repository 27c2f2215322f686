# shellcheck shell=bash
# Real programs, and how to run them in the lab: for tests/real.bats and tests/lab/measure.bash. Source
# tests/lab/services.bash first.

# One program a line: name | what it needs | service | connect | text that says it worked | command
#
#     needs     the program that has to be installed
#     connect   blocks: its connect() blocks and libhe races it. passes: its socket is non-blocking,
#               which libhe passes on for now. either: depends on the version; libhe's log tells which
#     command   a line of shell. HOST is the name to connect to, OUT a path that it may create, SILENCE
#               an input that says nothing and does not end; any other input is empty
#
# All are as quiet as they can be about what differs from run to run, and have no timeout of their own:
# wget would try 20 times, and HTTP::Tiny makes its socket non-blocking to wait for 60 s (perl_timed).
# openssl ends with its input, busybox and nc with the connection, telnet with whichever ends first.
# netcat-openbsd never blocks; the nc of busybox does, and knows only the first address of a name.
# shellcheck disable=SC2016  # expanded by real_exec
REAL_PROGRAMS='
wget       | wget             | http     | blocks | hello from the lab | wget -nv --tries=1 -O- http://HOST/
ssh        | ssh              | sshd     | blocks | Permission denied  | ssh -F none -o BatchMode=yes -o IdentityFile=/dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o VisualHostKey=yes HOST true
git        | git              | git      | blocks | hello from the lab | git clone -q git://HOST/small OUT
perl       | perl             | http     | blocks | hello from the lab | perl -MHTTP::Tiny -e "\$h = HTTP::Tiny->new; \$h->timeout(undef); \$r = \$h->get(shift); print \$r->{content}; exit !\$r->{success}" http://HOST/
perl_timed | perl             | http     | passes | hello from the lab | perl -MHTTP::Tiny -e "\$r = HTTP::Tiny->new->get(shift); print \$r->{content}; exit !\$r->{success}" http://HOST/
bash       | bash             | greeting | blocks | hello from the lab | bash -c "exec 3<>/dev/tcp/HOST/7777 && cat <&3"
openssl    | openssl          | tls      | blocks | CN =               | openssl s_client -brief -connect HOST:443
python3    | /usr/bin/python3 | http     | blocks | hello from the lab | /usr/bin/python3 -Ic "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())" http://HOST/
telnet     | telnet           | greeting | blocks | hello from the lab | telnet HOST 7777 <>SILENCE
busybox_nc | busybox          | greeting | blocks | hello from the lab | busybox nc HOST 7777
nc         | nc.openbsd       | greeting | passes | hello from the lab | nc.openbsd -d HOST 7777
rsync      | rsync            | rsync    | either | files              | rsync rsync://HOST/
'

# real_names: prints the names of the programs.
real_names() { awk -F '|' 'NF { gsub(/ /, "", $1); print $1 }' <<<"$REAL_PROGRAMS"; }

# real_find NAME: sets the variables needs, service, connect, says and command from NAME's line.
# shellcheck disable=SC2034  # they are for the caller
real_find() {
	local name
	while IFS='|' read -r name needs service connect says command; do
		[[ ${name%% *} != "$1" ]] || break
	done <<<"$REAL_PROGRAMS"
	[[ -n ${command:-} ]] || { echo "no program $1 in the table" >&2; return 1; }
	needs=${needs// /} service=${service// /} connect=${connect// /}
	read -r says <<<"$says"
	command=${command# }
}

# real_lacks: prints why the program that real_find found can not be run here; fails if it can.
real_lacks() {
	if ! command -v "$needs" >/dev/null; then
		echo "$needs is not installed"
	elif ! services_have "$service"; then
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
