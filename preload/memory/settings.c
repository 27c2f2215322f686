#include "memory/settings.h"

#include "base/note.h"
#include "he.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/*
 * RFC 8305 section 8 gives the delays: 250 ms between attempts, at least 100 ms recommended and
 * 10 ms required, at most 2 s; 50 ms for resolution. We allow the whole required range.
 */
enum {
	DISABLE,
	ATTEMPT_DELAY,
	RESOLUTION_DELAY,
	FIRST_FAMILY_COUNT,
	MAX_IN_FLIGHT,
	TIMEOUT,
	NUMBERS
};

const struct settings_name settings_numbers[] = {
    [DISABLE] = {HE_ENV_DISABLE, NULL, 0, 1, 0, "1: do nothing"},
    [ATTEMPT_DELAY] = {HE_ENV_ATTEMPT_DELAY_MS, "attempt-delay-ms", 10, 2000, 250,
                       "wait this long for an address before the next one is tried beside it"},
    [RESOLUTION_DELAY] = {HE_ENV_RESOLUTION_DELAY_MS, "resolution-delay-ms", 0, 2000, 50,
                          "wait this long for IPv6 answers when the IPv4 ones are there"},
    [FIRST_FAMILY_COUNT] = {HE_ENV_FIRST_FAMILY_COUNT, "first-family-count", 1, 8, 1,
                            "addresses of the first family before the other family's turn"},
    [MAX_IN_FLIGHT] = {HE_ENV_MAX_IN_FLIGHT, "max-in-flight", 1, 32, 8,
                       "attempts that may run at the same time"},
    [TIMEOUT] = {HE_ENV_CONNECT_TIMEOUT_MS, "connect-timeout-ms", 0, 86400000, 0,
                 "give up the whole race after this long; 0: when the kernel does"},
};
const size_t settings_numbers_count = NUMBERS;

static struct settings settings;
static atomic_bool are_read;
static pthread_once_t once = PTHREAD_ONCE_INIT;

int settings_parse_number(const struct settings_name *row, const char *text, long *ret_value)
{
	long value = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (*text - '0');
		if (value > row->max)
			return -EINVAL;
	}
	if (value < row->min)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int settings_parse_log(const char *text, int *ret_level)
{
	static const char *const levels[] = {
	    [NOTE_OFF] = "off", [NOTE_WARN] = "warn", [NOTE_RACE] = "race", [NOTE_DEBUG] = "debug"};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(text, levels[i]) == 0) {
			*ret_level = (int)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool settings_list_has(const char *list, const char *program)
{
	while (*list != '\0') {
		size_t len;

		list += strspn(list, ", \t");
		len = strcspn(list, ",");
		const char *rest = list + len;

		while (len > 0 && (list[len - 1] == ' ' || list[len - 1] == '\t'))
			len--;
		if (len > 0 && strlen(program) == len && memcmp(list, program, len) == 0)
			return true;
		list = rest;
	}
	return false;
}

static void warn(const char *variable, const char *value, const char *wanted)
{
	struct note note;

	note_begin(&note);
	note_text(&note, variable);
	note_text(&note, "=");
	note_text(&note, value);
	note_text(&note, " is not ");
	note_text(&note, wanted);
	note_text(&note, "; the default is used");
	note_send(&note);
}

static void warn_number(const struct settings_name *row, const char *value)
{
	struct note wanted;

	wanted.len = 0;
	note_text(&wanted, "a number from ");
	note_number(&wanted, row->min);
	note_text(&wanted, " to ");
	note_number(&wanted, row->max);
	wanted.text[wanted.len] = '\0';
	warn(row->variable, value, wanted.text);
}

static void read_log(bool *ret_silent)
{
	const char *level_text = secure_getenv(HE_ENV_LOG);
	const char *file = secure_getenv(HE_ENV_LOG_FILE);
	int level = NOTE_OFF;
	bool level_bad = level_text != NULL && settings_parse_log(level_text, &level) < 0;

	*ret_silent = level_text != NULL && !level_bad && level == NOTE_OFF;
	if (note_configure((enum note_level)level, file) < 0 && !*ret_silent)
		warn(HE_ENV_LOG_FILE, "(too long)", "a file name that fits PATH_MAX");
	if (level_bad)
		warn(HE_ENV_LOG, level_text, "off, warn, race or debug");
}

static void read_environment(void)
{
	int saved_errno = errno;
	long numbers[NUMBERS];
	const char *only, *skip;
	bool silent;

	read_log(&silent);
	for (size_t i = 0; i < NUMBERS; i++) {
		const char *text = secure_getenv(settings_numbers[i].variable);

		numbers[i] = settings_numbers[i].fallback;
		if (text != NULL &&
		    settings_parse_number(&settings_numbers[i], text, &numbers[i]) < 0 && !silent)
			warn_number(&settings_numbers[i], text);
	}
	only = secure_getenv(HE_ENV_ONLY);
	skip = secure_getenv(HE_ENV_SKIP);

	settings = (struct settings){
	    .active = numbers[DISABLE] == 0 &&
	              (only == NULL || *only == '\0' ||
	               settings_list_has(only, program_invocation_short_name)) &&
	              (skip == NULL || !settings_list_has(skip, program_invocation_short_name)),
	    .attempt_delay_ms = (uint32_t)numbers[ATTEMPT_DELAY],
	    .resolution_delay_ms = (uint32_t)numbers[RESOLUTION_DELAY],
	    .first_family_count = (uint32_t)numbers[FIRST_FAMILY_COUNT],
	    .max_in_flight = (uint32_t)numbers[MAX_IN_FLIGHT],
	    .connect_timeout_ms = (uint32_t)numbers[TIMEOUT],
	};
	atomic_store_explicit(&are_read, true, memory_order_release);
	errno = saved_errno;
}

const struct settings *settings_get(void)
{
	/* Cannot fail: the control is static and the function always the same. */
	(void)pthread_once(&once, read_environment);
	return &settings;
}

bool settings_are_read(void)
{
	return atomic_load_explicit(&are_read, memory_order_acquire);
}
