#!/usr/bin/env bats
# What libhe.so shows to the loader and to the program that it is loaded into: the names it stands
# in for, and nothing else. A name too many would shadow one of the program's own; a name too few,
# or one that the loader does not bind to us, would silently leave connections unhelped.

load ../helpers

# The names of the version script, one a line.
wanted() {
	sed -n '/global:/,/local:/s/^\t\t\([a-z0-9_]*\);$/\1/p' "$ROOT/preload/edge/exports.map" | sort
}

@test "libhe.so exports exactly the names of exports.map" {
	wanted >"$BATS_TEST_TMPDIR/wanted"
	[[ -s $BATS_TEST_TMPDIR/wanted ]]
	nm -D --defined-only "$LIBHE" | awk '{ print $3 }' | sort >"$BATS_TEST_TMPDIR/shown"
	diff "$BATS_TEST_TMPDIR/wanted" "$BATS_TEST_TMPDIR/shown"
}

@test "libhe.so exports no versioned name" {
	# With a version node the loader of glibc 2.36 binds programs to libc's own names.
	run nm -D --defined-only --with-symbol-versions "$LIBHE"
	[[ $status -eq 0 && $output != *@* ]]
}

# A program that refers to every name of exports.map as programs do, that is, to the version that
# libc had when it was linked, and prints which library each was bound to.
binding_program() {
	{
		printf '#include <dlfcn.h>\n#include <stdio.h>\n#include <string.h>\n'
		wanted | grep -v '^libhe_' | sed 's/.*/extern char &[];/'
		printf 'static const struct { const char *name; void *at; } all[] = {\n'
		wanted | grep -v '^libhe_' | sed 's/.*/\t{"&", &},/'
		printf '};\nint main(void)\n{\n\tDl_info info;\n'
		printf '\tfor (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)\n'
		printf '\t\tprintf("%%s %%s\\n", all[i].name, dladdr(all[i].at, &info) ? '
		printf 'strrchr(info.dli_fname, 47) + 1 : "nowhere");\n\treturn 0;\n}\n'
	} >"$1.c"
	# PIE and dynamic, so that an address is the loader's choice, not a stub of the program.
	"${CC:-cc}" -D_GNU_SOURCE -fno-builtin -fPIE -pie -o "$1" "$1.c" -ldl
}

@test "a program (linked against libc's versions) has every hook bound to libhe.so" {
	[[ -z ${HE_RUNTIME:-}${HE_SANITIZER:-} ]] || skip 'a sanitizer intercepts first'
	local bound=$BATS_TEST_TMPDIR/bound hooks
	binding_program "$bound"
	hooks=$(wanted | grep -vc '^libhe_')
	((hooks > 0))

	run "${PRELOADED[@]}" "$bound"
	[[ $status -eq 0 ]]
	[[ $(grep -c ' libhe\.so$' <<<"$output") -eq $hooks ]]

	# The control: the same program finds each of them in libc.
	run "${NATIVE[@]}" "$bound"
	[[ $status -eq 0 ]]
	[[ $(grep -c ' libc\.so\.6$' <<<"$output") -eq $hooks ]]
}

@test "libhe.so tells its version, the one of he.h" {
	[[ ${HE_SANITIZER:-} != tsan ]] || skip 'ThreadSanitizer needs programs built for it'
	local program=$BATS_TEST_TMPDIR/version
	cat >"$program.c" <<-'END'
		#include <dlfcn.h>
		#include <stdio.h>
		int main(void)
		{
			const char *version = dlsym(RTLD_DEFAULT, "libhe_version");

			return puts(version != NULL ? version : "none") < 0;
		}
	END
	"${CC:-cc}" -D_GNU_SOURCE -o "$program" "$program.c" -ldl
	run "${PRELOADED[@]}" "$program"
	[[ $output = "$(sed -n 's/^#define HE_VERSION "\(.*\)"/\1/p' "$ROOT/include/he.h")" ]]
	run "${NATIVE[@]}" "$program"
	[[ $output = none ]]
}

@test "libhe.so binds at load, is read-only after relocation and is not executable data" {
	# Bound lazily, our first call of a libc function in a signal handler would run the loader.
	run readelf -dW "$LIBHE"
	[[ $status -eq 0 ]]
	[[ $output = *BIND_NOW* || $output = *'FLAGS_1'*NOW* ]]
	# Relocations in the text would make its pages private to each process, or be refused.
	[[ $output != *TEXTREL* ]]
	[[ $output != *RPATH* && $output != *RUNPATH* ]]
	[[ $output = *'soname: [libhe.so]'* ]]

	run readelf -lW "$LIBHE"
	[[ $output = *GNU_RELRO* ]]
	# An executable stack in a preloaded library would make the whole program's stack so.
	grep -q 'GNU_STACK .* RW ' <<<"$output"
	if grep -q 'LOAD .* RWE ' <<<"$output"; then return 1; fi
}

@test "libhe.so needs nothing but libc" {
	[[ -z ${HE_RUNTIME:-}${HE_SANITIZER:-} ]] || skip 'the library is instrumented'
	local needed
	needed=$(readelf -dW "$LIBHE" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
	[[ -n $needed ]]
	run grep -vxE 'libc\.so\.6|libdl\.so\.2|libpthread\.so\.0|ld-linux.*\.so\.[0-9]+' <<<"$needed"
	[[ -z $output ]]
}

@test "libhe.so uses no function that ends, allocates or prints" {
	[[ -z ${HE_RUNTIME:-}${HE_SANITIZER:-} ]] || skip 'the library is instrumented'
	# What the sources are grepped for in rooms.bats, asked of the linker, which sees macros
	# and what the compiler puts in.
	run nm -D --undefined-only "$LIBHE"
	[[ $status -eq 0 && -n $output ]]
	run grep -wE 'malloc|calloc|realloc|free|strdup|abort|_?exit|__assert_fail|signal|[a-z_]*printf(_chk)?|f?puts|perror' \
		<<<"${output//@/ }"
	printf '%s\n' "$output"
	[[ -z $output ]]
}

@test "true (preloaded) prints nothing, opens no descriptor, starts no thread" {
	[[ -z ${HE_RUNTIME:-}${HE_SANITIZER:-} ]] || skip 'a sanitizer does all of that'
	# Not PRELOADED: by default there is no log at all.
	run env LD_PRELOAD="$LIBHE" /bin/true
	[[ $status -eq 0 && -z $output ]]

	[[ $(LD_PRELOAD=$LIBHE ls /proc/self/fd) = "$("${NATIVE[@]}" ls /proc/self/fd)" ]]

	requires strace
	local trace=$BATS_TEST_TMPDIR/trace
	# The runs differ in what the loader does to load us, and that ends before main().
	strace -f -o "$trace" env LD_PRELOAD="$LIBHE" /bin/true
	grep -q "libhe.so" "$trace"
	if grep -E '^[0-9]+ +(clone3?|v?fork|socket|rt_sigaction|rt_sigprocmask|prctl|write)\(' "$trace"; then
		return 1
	fi
}
