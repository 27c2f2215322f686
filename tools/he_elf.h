/*
 * tools/he_elf: what the headers of an ELF file say about preloading a library into it.
 *
 * Reads by offset and within bounds of its own; nothing in the file is trusted. Knows nothing of
 * scripts, file modes or PATH. Called by preflight alone.
 */
#ifndef TOOLS_HE_ELF_H
#define TOOLS_HE_ELF_H

#include "preflight.h"

#include <stdbool.h>
#include <stddef.h>

/* True when a file that begins with these bytes claims to be ELF; it may be damaged all the same.
 */
bool elf_is(const void *bytes, size_t len);

/*
 * Judges the ELF file that `fd` reads, whose position does not move.
 *
 * When the loader or an error decides, `verdict` gets its path or the errno; else it is left alone.
 * Returns the outcome: any but PREFLIGHT_UNREADABLE and PREFLIGHT_SECURE.
 */
enum preflight_outcome elf_judge(int fd, struct preflight_verdict *verdict);

#endif
