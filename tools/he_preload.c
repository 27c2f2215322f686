#include "he_preload.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libhe.so"

/* What the loader takes as the end of an entry. */
#define SEPARATORS ": "

/* Where the Makefile installs the library, if that is not beside the launcher's own directory. */
#ifndef HE_LIBDIR
#define HE_LIBDIR "/usr/local/lib"
#endif

/* Debian's directory under lib. The Makefile may name one that is not known here. */
#ifndef HE_MULTIARCH
#if defined(__x86_64__) && defined(__LP64__)
#define HE_MULTIARCH "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define HE_MULTIARCH "aarch64-linux-gnu"
#elif defined(__i386__)
#define HE_MULTIARCH "i386-linux-gnu"
#else
#define HE_MULTIARCH "."
#endif
#endif
#define HE_LIB_MULTIARCH ("../lib/" HE_MULTIARCH)

/* The directory loses its links and dots, the library's own name does not: it is known by it. */
static int find_in(const char *directory, char *ret_path)
{
	char resolved[PATH_MAX], candidate[PATH_MAX + sizeof("/" LIBRARY)];

	if (realpath(directory, resolved) == NULL)
		return -ENOENT;
	snprintf(candidate, sizeof(candidate), "%s/" LIBRARY, resolved);
	if (strlen(candidate) >= PATH_MAX || access(candidate, R_OK) < 0)
		return -ENOENT;
	strcpy(ret_path, candidate);
	return 0;
}

int preload_find(char *ret_path)
{
	static const char *const beside[] = {".", "../lib", HE_LIB_MULTIARCH};
	char own[PATH_MAX], directory[PATH_MAX + 64];
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	/* Without /proc there is no beside, but still the place that the Makefile knows. */
	own[len > 0 ? len : 0] = '\0';
	slash = strrchr(own, '/');
	for (size_t i = 0; slash != NULL && i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(directory, sizeof(directory), "%.*s/%s", (int)(slash - own), own,
		         beside[i]);
		if (find_in(directory, ret_path) == 0)
			return 0;
	}
	return find_in(HE_LIBDIR, ret_path);
}

/* The entry's file name, which is what an entry is known by wherever it lies. */
static const char *entry_name(const char *entry, size_t *inout_len)
{
	const char *slash = memrchr(entry, '/', *inout_len);

	if (slash == NULL)
		return entry;
	*inout_len -= (size_t)(slash + 1 - entry);
	return slash + 1;
}

static bool entry_is_ours(const char *entry, size_t len)
{
	const char *name = entry_name(entry, &len);

	return len == strlen(LIBRARY) && memcmp(name, LIBRARY, len) == 0;
}

static bool entry_is_sanitizer(const char *entry, size_t len)
{
	static const char *const runtimes[] = {
	    "libasan.so", "libtsan.so", "liblsan.so", "libhwasan.so", "libclang_rt.",
	};
	const char *name = entry_name(entry, &len);

	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
		if (len >= strlen(runtimes[i]) &&
		    memcmp(name, runtimes[i], strlen(runtimes[i])) == 0)
			return true;
	}
	return false;
}

static void append(char *value, const char *entry, size_t len)
{
	size_t used = strlen(value);

	if (used > 0)
		value[used++] = ':';
	memcpy(value + used, entry, len);
	value[used + len] = '\0';
}

/* Appends those entries of `existing` that are sanitizers, or those that are not; never our own. */
static void append_entries(char *value, const char *existing, bool sanitizers)
{
	for (const char *entry = existing; *entry != '\0';) {
		size_t len = strcspn(entry, SEPARATORS);

		if (len > 0 && !entry_is_ours(entry, len) &&
		    entry_is_sanitizer(entry, len) == sanitizers)
			append(value, entry, len);
		entry += len;
		entry += strspn(entry, SEPARATORS);
	}
}

int preload_compose(const char *library, const char *existing, char **ret_value)
{
	char *value;

	if (strpbrk(library, SEPARATORS) != NULL)
		return -EINVAL;
	if (existing == NULL)
		existing = "";
	value = calloc(1, strlen(library) + strlen(existing) + sizeof(":"));
	if (value == NULL)
		return -ENOMEM;
	append_entries(value, existing, true);
	append(value, library, strlen(library));
	append_entries(value, existing, false);
	*ret_value = value;
	return 0;
}
