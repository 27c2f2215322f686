# Every system call that libhe makes in a race fails once, each in a run of its own; the program
# must connect to the right peer or be told what the kernel natively tells it, and nothing may leak.
# shellcheck disable=SC2154

load helpers
load loop

setup() {
	loop_setup
	[[ -z ${HE_SANITIZER:-} ]] || skip "a sanitizer's runtime makes calls of its own in between"
}

# one_run FUNCTION NTH ERRNO HOST: prints nothing when all is well, or what is wrong; the file
# "unfired" appears when FUNCTION has fewer calls than that.
one_run() {
	local function=$1 nth=$2 error=$3 host=$4 out status
	local fired=$BATS_TEST_TMPDIR/fired.$function.$nth.$error.$host
	# shellcheck disable=SC2086  # none or two words
	out=$(timeout 20 env LD_PRELOAD="$LIBHE $PROGRAMS/fault.so" FAULT="$function:$nth:$error" \
		FAULT_FILE="$fired" "$PROGRAMS/dial" -orp $WAITS "$host" 7001 2>&1)
	status=$?
	[[ -e $fired ]] || touch "$BATS_TEST_TMPDIR/unfired.$function.$error.$host"
	# A connect() that fails is the word of the kernel, and may be passed on.
	[[ $function == connect && $out == *" -> $error "*"descriptors $PLAIN_DESCRIPTORS" ]] ||
		[[ $status -eq 0 && $out == *" 10.93.0.10"*"descriptors $PLAIN_DESCRIPTORS" ]] ||
		printf '%s call %s of %s to %s: status %s, %s\n' \
			"$error" "$nth" "$function" "$host" "$status" "$out"
}
export -f one_run

# fail_each FUNCTION FIRST ERRNO...: every call of it in turn, from the one with number FIRST on (the
# ones before are the program's own, through our hook), until there are no more.
fail_each() {
	local function=$1 first=$2 error host from out
	shift 2
	PLAIN_DESCRIPTORS=$(loop "$PROGRAMS/dial" -p healthy 7001 | sed -n 's/^descriptors //p')
	export PLAIN_DESCRIPTORS LIBHE PROGRAMS BATS_TEST_TMPDIR WAITS=${WAITS:-}
	for error; do
		for host in black half; do
			for ((from = first; ; from += 32)); do
				out=$(seq "$from" $((from + 31)) | loop xargs -P 32 -I{} \
					bash -c "one_run $function {} $error $host")
				[[ -z $out ]] || { echo "$out" >&2; return 1; }
				[[ ! -e $BATS_TEST_TMPDIR/unfired.$function.$error.$host ]] || break
			done
		done
		[[ -e $BATS_TEST_TMPDIR/fired.$function.$first.$error.black ]] ||
			{ echo "$function was never called" >&2; return 1; }
	done
}

@test "connect (a socket() of libhe fails) ends at the right peer" {
	fail_each socket 1 EMFILE EPERM
}

@test "connect (a connect() of libhe fails) ends at the right peer" {
	fail_each connect 1 EPERM
}

@test "connect (a getsockopt() of libhe fails) ends at the right peer" {
	fail_each getsockopt 1 EPERM
}

@test "connect (a setsockopt() of libhe fails) ends at the right peer" {
	fail_each setsockopt 3 EPERM
}

@test "connect (getsockname() of libhe fails) ends at the right peer" {
	fail_each getsockname 1 ENOBUFS
}

@test "connect (an fcntl() of libhe fails) ends at the right peer" {
	fail_each fcntl 1 EMFILE
}

@test "connect (dup3() of libhe fails) ends at the right peer" {
	fail_each dup3 1 EBUSY
}

@test "connect (shutdown() of libhe fails) ends at the right peer" {
	# EBUSY: kernels of 2023 that do not shut down what a thread waits on.
	fail_each shutdown 1 ENOTCONN EBUSY
}

@test "connect (a ppoll() of libhe fails) ends at the right peer" {
	fail_each ppoll 1 ENOMEM
}

@test "connect (pthread_create() of libhe fails) ends at the right peer" {
	fail_each pthread_create 1 EAGAIN
}

@test "epoll_wait (a socket() of libhe fails) ends at the right peer" {
	WAITS='-w epoll' fail_each socket 1 EMFILE
}

@test "poll (a connect() of libhe fails) ends at the right peer" {
	WAITS='-w poll' fail_each connect 1 EPERM
}

@test "epoll_wait (a getsockopt() of libhe fails) ends at the right peer" {
	WAITS='-w epoll' fail_each getsockopt 1 EPERM
}

@test "poll (a setsockopt() of libhe fails) ends at the right peer" {
	WAITS='-w poll' fail_each setsockopt 3 EPERM
}

@test "epoll_wait (getsockname() of libhe fails) ends at the right peer" {
	WAITS='-w epoll' fail_each getsockname 1 ENOBUFS
}

@test "poll (an fcntl() of libhe fails) ends at the right peer" {
	WAITS='-w poll' fail_each fcntl 1 EMFILE
}

@test "epoll_wait (dup3() of libhe fails) ends at the right peer" {
	WAITS='-w epoll' fail_each dup3 1 EBUSY
}

@test "epoll_wait (an epoll_ctl() of libhe fails) ends at the right peer" {
	# The first is the program's own.
	WAITS='-w epoll' fail_each epoll_ctl 2 ENOMEM
}

@test "poll (a ppoll() of libhe fails) ends at the right peer" {
	WAITS='-w poll' fail_each ppoll 1 ENOMEM
}

@test "epoll_wait (pthread_create() of libhe fails) ends at the right peer" {
	WAITS='-w epoll' fail_each pthread_create 1 EAGAIN
}
