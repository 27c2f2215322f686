/*
 * tools/he_preload: where libhe.so is, and an LD_PRELOAD that holds it.
 *
 * Knows the build tree, the installed places and the form of LD_PRELOAD. Knows nothing of options
 * or programs. Called by `he` alone.
 */
#ifndef TOOLS_HE_PRELOAD_H
#define TOOLS_HE_PRELOAD_H

/*
 * Finds the library that belongs to this launcher: beside it (the build tree), in the lib directory
 * beside its own (installed), or where `make install` was told to put it.
 *
 * `ret_path` has PATH_MAX bytes and gets an absolute path without symbolic links.
 * Returns 0, or -ENOENT. On failure nothing is written.
 */
int preload_find(char *ret_path);

/*
 * Makes the LD_PRELOAD that loads `library` first, but for the runtime of a sanitizer, which
 * insists to be first itself. Entries that are there already keep their order; a libhe.so among
 * them, from a launcher around this one, is replaced; no element is empty.
 *
 * `library` is an absolute path. `existing` is the present value, whose entries are separated by
 * colons or spaces; NULL is none. Both are borrowed. `*ret_value` is the caller's to free.
 * Returns 0, or -EINVAL when `library` has a colon or a space in it, or -ENOMEM. On failure
 * nothing is written.
 */
int preload_compose(const char *library, const char *existing, char **ret_value);

#endif
