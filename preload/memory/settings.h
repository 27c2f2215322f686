/*
 * memory/settings: the environment, read once into one constant struct.
 *
 * Read at the process's first name resolution: getaddrinfo() reads the environment by itself at
 * that moment, so ours adds no hazard against setenv(), and a process that never resolves a name
 * never pays. Ignored under AT_SECURE (secure_getenv(3)). A bad value gives one warning, which
 * names the variable, the value and the range, and the default stands.
 */
#ifndef MEMORY_SETTINGS_H
#define MEMORY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings {
	bool active; /* false: HE_DISABLE, or HE_ONLY or HE_SKIP leave this program out */
	uint32_t attempt_delay_ms;
	uint32_t resolution_delay_ms;
	uint32_t first_family_count;
	uint32_t max_in_flight;
	uint32_t connect_timeout_ms; /* 0: the kernel's own */
};

/* One variable that holds a number; the launcher offers it as an option of that name. */
struct settings_name {
	const char *variable;
	const char *option; /* NULL: not offered */
	long min, max, fallback;
	const char *meaning;
};

extern const struct settings_name settings_numbers[];
extern const size_t settings_numbers_count;

/*
 * The settings of this process; never NULL, never changes.
 * Safe in: threads. Not in signal handlers: the first call reads the environment.
 */
const struct settings *settings_get(void);

/*
 * True once settings_get() has run: what connect(), which is async-signal-safe, may ask first.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
bool settings_are_read(void);

/* Returns 0, or -EINVAL when `text` is not a plain decimal number within the row's range. */
int settings_parse_number(const struct settings_name *row, const char *text, long *ret_value);

/* HE_LOG: off, warn, race or debug, as enum note_level. Returns 0 or -EINVAL. */
int settings_parse_log(const char *text, int *ret_level);

/* True when `program` is an element of the comma-separated `list`; blanks around names are fine. */
bool settings_list_has(const char *list, const char *program);

#endif
