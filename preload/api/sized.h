/*
 * api/sized: structs that grow. The caller's may be older than ours, and shorter: the rest keeps
 * its default. Or newer: then what we do not know must be zero, that is, not asked for.
 * Safe in: anywhere.
 */
#ifndef API_SIZED_H
#define API_SIZED_H

#include <stddef.h>

/*
 * Copies `given`, whose first member is its size_t size, over `ret_known`, which holds the defaults
 * and is `known_size` long. Returns 0, or -E2BIG and writes nothing.
 */
int sized_copy(void *ret_known, size_t known_size, const void *given);

#endif
