/*
 * tools/preflight: can a preloaded library reach this program at all, and if not, why?
 *
 * Looks at the file that execvp() would start: its mode, its owner, its capabilities and its ELF
 * headers. Knows nothing of libhe, of the environment beyond PATH, or of what to tell the user.
 * Called by `he` alone, before it becomes the program.
 */
#ifndef TOOLS_PREFLIGHT_H
#define TOOLS_PREFLIGHT_H

#include <limits.h>
#include <stdbool.h>

enum preflight_outcome {
	PREFLIGHT_OK,
	PREFLIGHT_NOT_FOUND, /* it, the interpreter of its script, or its loader does not exist */
	PREFLIGHT_NOT_EXECUTABLE, /* the kernel would refuse it, and running it through sh is no
	                             help */
	PREFLIGHT_UNREADABLE,     /* may be run but not read: nothing can be said about it */
	PREFLIGHT_SECURE,      /* starts with AT_SECURE: set-user-ID, set-group-ID, capabilities */
	PREFLIGHT_STATIC,      /* no loader that could load a library; static-pie too */
	PREFLIGHT_OTHER_CLASS, /* another word size, byte order or machine than this launcher's */
	PREFLIGHT_OTHER_LIBC,  /* its loader is musl's */
	PREFLIGHT_GO,          /* connects by system calls of its own, dynamically linked or not */
	PREFLIGHT_ASAN,        /* insists that the AddressSanitizer runtime is loaded first */
};

struct preflight_verdict {
	enum preflight_outcome outcome;
	int error;           /* NOT_FOUND, NOT_EXECUTABLE: the errno of execve(); otherwise 0 */
	bool by_interpreter; /* the file that decided is the program's interpreter or loader */
	char path[PATH_MAX]; /* the file that decided */
};

/*
 * Judges the program that execvp(program, ...) would start. A script is judged by its interpreter,
 * as far down as the kernel follows; a file that the kernel does not know is judged by /bin/sh,
 * which is what execvp() hands it to.
 *
 * `program` is borrowed; `*ret_verdict` is written whole and belongs to the caller. Opens files for
 * reading and leaves none open; damaged and hostile files are judged, not trusted.
 */
void preflight_judge(const char *program, struct preflight_verdict *ret_verdict);

#endif
