#include "memory/settings.h"

#include "base/note.h"
#include "he.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct settings_name *row_of(const char *variable)
{
	for (size_t i = 0; i < settings_numbers_count; i++)
		if (strcmp(settings_numbers[i].variable, variable) == 0)
			return &settings_numbers[i];
	test_assert(!"a row of settings_numbers");
	return NULL;
}

static void test_settings_numbers_are_taken_within_their_range_only(void)
{
	static const struct {
		const char *variable, *text;
		long value; /* -1: refused */
	} rows[] = {
	    {HE_ENV_ATTEMPT_DELAY_MS, "10", 10},
	    {HE_ENV_ATTEMPT_DELAY_MS, "2000", 2000},
	    {HE_ENV_ATTEMPT_DELAY_MS, "0250", 250},
	    {HE_ENV_ATTEMPT_DELAY_MS, "9", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "0", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "2001", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, " 250", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "250 ", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "250ms", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "+250", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "-250", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "0x40", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "2.5e2", -1},
	    {HE_ENV_ATTEMPT_DELAY_MS, "99999999999999999999999999999999", -1}, /* no overflow */
	    {HE_ENV_ATTEMPT_DELAY_MS, "18446744073709551866", -1},             /* 2^64 + 250 */
	    {HE_ENV_RESOLUTION_DELAY_MS, "0", 0},
	    {HE_ENV_RESOLUTION_DELAY_MS, "2000", 2000},
	    {HE_ENV_RESOLUTION_DELAY_MS, "2001", -1},
	    {HE_ENV_FIRST_FAMILY_COUNT, "1", 1},
	    {HE_ENV_FIRST_FAMILY_COUNT, "8", 8},
	    {HE_ENV_FIRST_FAMILY_COUNT, "0", -1},
	    {HE_ENV_FIRST_FAMILY_COUNT, "9", -1},
	    {HE_ENV_MAX_IN_FLIGHT, "1", 1},
	    {HE_ENV_MAX_IN_FLIGHT, "32", 32},
	    {HE_ENV_MAX_IN_FLIGHT, "0", -1},
	    {HE_ENV_MAX_IN_FLIGHT, "33", -1},
	    {HE_ENV_CONNECT_TIMEOUT_MS, "0", 0},
	    {HE_ENV_CONNECT_TIMEOUT_MS, "86400000", 86400000}, /* a day */
	    {HE_ENV_CONNECT_TIMEOUT_MS, "86400001", -1},
	    {HE_ENV_DISABLE, "0", 0},
	    {HE_ENV_DISABLE, "1", 1},
	    {HE_ENV_DISABLE, "2", -1},
	    {HE_ENV_DISABLE, "yes", -1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		long value = 4711;
		int r = settings_parse_number(row_of(rows[i].variable), rows[i].text, &value);

		test_at("%s=%s", rows[i].variable, rows[i].text);
		test_assert(r == (rows[i].value < 0 ? -EINVAL : 0));
		test_assert(value == (rows[i].value < 0 ? 4711 : rows[i].value));
	}
}

static void test_settings_defaults_are_within_their_range(void)
{
	for (size_t i = 0; i < settings_numbers_count; i++) {
		test_at("%s", settings_numbers[i].variable);
		test_assert(settings_numbers[i].min <= settings_numbers[i].fallback);
		test_assert(settings_numbers[i].fallback <= settings_numbers[i].max);
		test_assert(*settings_numbers[i].meaning != '\0');
	}
}

static void test_settings_log_levels_are_these_four_words(void)
{
	static const struct {
		const char *text;
		int level; /* -1: refused */
	} rows[] = {
	    {"off", NOTE_OFF}, {"warn", NOTE_WARN}, {"race", NOTE_RACE}, {"debug", NOTE_DEBUG},
	    {"", -1},          {"OFF", -1},         {"races", -1},       {"rac", -1},
	    {"1", -1},         {" race", -1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int level = 4711;
		int r = settings_parse_log(rows[i].text, &level);

		test_at("'%s'", rows[i].text);
		test_assert(r == (rows[i].level < 0 ? -EINVAL : 0));
		test_assert(level == (rows[i].level < 0 ? 4711 : rows[i].level));
	}
}

static void test_settings_list_has_whole_names_only(void)
{
	static const struct {
		const char *list, *program;
		bool has;
	} rows[] = {
	    {"", "wget", false},
	    {",", "wget", false},
	    {" , ", "wget", false},
	    {"", "", false},
	    {",,", "", false},
	    {"wget", "wget", true},
	    {"wget", "wge", false},
	    {"wge", "wget", false},
	    {"wget2", "wget", false},
	    {"Wget", "wget", false},
	    {"curl,wget", "wget", true},
	    {"curl,wget", "curl", true},
	    {"curl,wget,git", "wget", true},
	    {"curl,wget,git", "rlwg", false},
	    {"curl, wget , git", "wget", true},
	    {"\tcurl\t,\twget\t", "wget", true},
	    {",wget", "wget", true},
	    {"wget,", "wget", true},
	    {",,wget,,", "wget", true},
	    {"my program,wget", "my program", true},
	    {"my program,wget", "my", false},
	    {"wget curl", "wget", false}, /* blanks do not separate */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_at("'%s' has '%s'", rows[i].list, rows[i].program);
		test_assert(settings_list_has(rows[i].list, rows[i].program) == rows[i].has);
	}
}

/* What a child that read the settings found, and what it wrote to its standard error. */
struct found {
	struct settings settings;
	bool read_before, read_after, errno_kept, same_again;
	enum note_level level;
	int status;
	char text[3 * NOTE_LINE_MAX];
};

static void read_in_child(const char *const *environment, struct found *found)
{
	for (; *environment != NULL; environment++)
		(void)putenv((char *)*environment);
	program_invocation_short_name = (char *)"wget";

	found->read_before = settings_are_read();
	errno = EXDEV;
	found->settings = *settings_get();
	found->errno_kept = errno == EXDEV;
	found->read_after = settings_are_read();
	/* Never changes, and warns once: whatever the environment is by now. */
	(void)setenv(HE_ENV_DISABLE, "nonsense", 1);
	(void)setenv(HE_ENV_MAX_IN_FLIGHT, "3", 1);
	found->same_again = memcmp(settings_get(), &found->settings, sizeof(found->settings)) == 0;
	for (found->level = NOTE_DEBUG; found->level > NOTE_OFF; found->level--)
		if (note_wants(found->level))
			break;
}

/* Settings are read once per process, so each environment has its own child. */
static struct found read_settings(const char *const *environment)
{
	struct found *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct found found;
	int text_fd = memfd_create("stderr", MFD_CLOEXEC);
	pid_t child;
	ssize_t len;

	test_assert(shared != MAP_FAILED && text_fd >= 0);
	child = fork();
	if (child == 0) {
		if (dup2(text_fd, STDERR_FILENO) < 0)
			_exit(99);
		read_in_child(environment, shared);
		_exit(0);
	}
	test_assert(child > 0 && waitpid(child, &shared->status, 0) == child);
	found = *shared;
	len = pread(text_fd, found.text, sizeof(found.text) - 1, 0);
	test_assert(len >= 0);
	found.text[len] = '\0';
	(void)munmap(shared, sizeof(*shared));
	(void)close(text_fd);
	test_assert(found.status == 0);
	test_assert(!found.read_before && found.read_after);
	test_assert(found.errno_kept);
	test_assert(found.same_again);
	return found;
}

static unsigned lines_of(const char *text)
{
	unsigned lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

static bool are_defaults(const struct settings *settings)
{
	return settings->active && settings->attempt_delay_ms == 250 &&
	       settings->resolution_delay_ms == 50 && settings->first_family_count == 1 &&
	       settings->max_in_flight == 8 && settings->connect_timeout_ms == 0;
}

static void test_settings_without_environment_are_the_defaults(void)
{
	const char *const none[] = {NULL};
	struct found found = read_settings(none);

	test_assert(are_defaults(&found.settings));
	test_assert(found.level == NOTE_OFF);
	test_assert(strcmp(found.text, "") == 0);
}

static void test_settings_of_the_environment_take_effect(void)
{
	static const char *const environment[] = {
	    HE_ENV_ATTEMPT_DELAY_MS "=100",
	    HE_ENV_RESOLUTION_DELAY_MS "=0",
	    HE_ENV_FIRST_FAMILY_COUNT "=2",
	    HE_ENV_MAX_IN_FLIGHT "=32",
	    HE_ENV_CONNECT_TIMEOUT_MS "=30000",
	    HE_ENV_LOG "=race",
	    NULL,
	};
	struct found found = read_settings(environment);

	test_assert(found.settings.active);
	test_assert(found.settings.attempt_delay_ms == 100);
	test_assert(found.settings.resolution_delay_ms == 0);
	test_assert(found.settings.first_family_count == 2);
	test_assert(found.settings.max_in_flight == 32);
	test_assert(found.settings.connect_timeout_ms == 30000);
	test_assert(found.level == NOTE_RACE);
	test_assert(strcmp(found.text, "") == 0);
}

static void test_settings_bad_value_warns_once_and_keeps_the_default(void)
{
	static const struct {
		const char *assignment, *range;
	} rows[] = {
	    {HE_ENV_DISABLE "=yes", "0 to 1"},
	    {HE_ENV_ATTEMPT_DELAY_MS "=9", "10 to 2000"},
	    {HE_ENV_ATTEMPT_DELAY_MS "=250ms", "10 to 2000"},
	    {HE_ENV_RESOLUTION_DELAY_MS "=-1", "0 to 2000"},
	    {HE_ENV_FIRST_FAMILY_COUNT "=0", "1 to 8"},
	    {HE_ENV_MAX_IN_FLIGHT "=99999999999999999999", "1 to 32"},
	    {HE_ENV_CONNECT_TIMEOUT_MS "=1e3", "0 to 86400000"},
	    {HE_ENV_LOG "=verbose", "off, warn, race or debug"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const environment[] = {rows[i].assignment, NULL};
		struct found found;

		test_at("%s", rows[i].assignment);
		found = read_settings(environment);
		test_assert(are_defaults(&found.settings));
		test_assert(found.level == NOTE_OFF);
		test_assert(lines_of(found.text) == 1);
		test_assert(strncmp(found.text, "libhe: wget[", 12) == 0);
		test_assert(strstr(found.text, rows[i].assignment) != NULL);
		test_assert(strstr(found.text, rows[i].range) != NULL);
	}
}

static void test_settings_bad_value_does_not_spoil_the_good_ones(void)
{
	static const char *const environment[] = {
	    HE_ENV_ATTEMPT_DELAY_MS "=9",
	    HE_ENV_MAX_IN_FLIGHT "=4",
	    HE_ENV_LOG "=loud",
	    HE_ENV_FIRST_FAMILY_COUNT "=x",
	    NULL,
	};
	struct found found = read_settings(environment);

	test_assert(found.settings.attempt_delay_ms == 250);
	test_assert(found.settings.max_in_flight == 4);
	test_assert(lines_of(found.text) == 3);
}

static void test_settings_very_long_value_warns_in_one_line(void)
{
	static char assignment[2 * NOTE_LINE_MAX] = HE_ENV_MAX_IN_FLIGHT "=";
	const char *const environment[] = {assignment, NULL};
	struct found found;

	memset(strchr(assignment, '\0'), '7', NOTE_LINE_MAX);
	found = read_settings(environment);
	test_assert(are_defaults(&found.settings));
	test_assert(lines_of(found.text) == 1);
	test_assert(strlen(found.text) <= NOTE_LINE_MAX);
}

static void test_settings_log_off_silences_warnings(void)
{
	static const char *const environment[] = {HE_ENV_ATTEMPT_DELAY_MS "=9",
	                                          HE_ENV_DISABLE "=maybe", HE_ENV_LOG "=off", NULL};
	struct found found = read_settings(environment);

	test_assert(are_defaults(&found.settings));
	test_assert(strcmp(found.text, "") == 0);
}

/* HE_LOG_FILE with a name that no kernel would take. */
static char *too_long_file_name(void)
{
	static char assignment[PATH_MAX + 100];

	strcpy(assignment, HE_ENV_LOG_FILE "=");
	memset(strchr(assignment, '\0'), 'a', PATH_MAX);
	return assignment;
}

static void test_settings_log_off_silences_a_file_name_that_is_too_long(void)
{
	const char *const environment[] = {too_long_file_name(), HE_ENV_LOG "=off", NULL};
	struct found found = read_settings(environment);

	test_assert(strcmp(found.text, "") == 0);
}

static void test_settings_too_long_file_name_warns_and_logs_to_stderr(void)
{
	const char *const environment[] = {too_long_file_name(), HE_ENV_LOG "=race", NULL};
	struct found found = read_settings(environment);

	test_assert(found.level == NOTE_RACE);
	test_assert(lines_of(found.text) == 1);
	test_assert(strstr(found.text, HE_ENV_LOG_FILE) != NULL);
}

/* To read them is nothing that getaddrinfo() would be excused for: it may fail with EAI_SYSTEM. */
static void test_settings_read_without_stderr_leave_errno_alone(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		(void)close(STDERR_FILENO);
		(void)setenv(HE_ENV_MAX_IN_FLIGHT, "0", 1);
		errno = EXDEV;
		(void)settings_get();
		_exit(errno != EXDEV);
	}
	test_assert(child > 0 && waitpid(child, &status, 0) == child);
	test_assert(status == 0);
}

static void test_settings_warnings_go_to_the_log_file(void)
{
	char assignment[] = HE_ENV_LOG_FILE "=/tmp/he-test-settings.XXXXXX";
	const char *path = strchr(assignment, '/');
	int fd = mkstemp(strchr(assignment, '/'));
	const char *const environment[] = {assignment, HE_ENV_MAX_IN_FLIGHT "=0", NULL};
	struct found found;
	char text[1000];
	ssize_t len;

	test_assert(fd >= 0);
	found = read_settings(environment);
	len = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	(void)unlink(path);
	test_assert(len > 0);
	text[len] = '\0';
	test_assert(strstr(text, "HE_MAX_IN_FLIGHT=0") != NULL);
	test_assert(strcmp(found.text, "") == 0);
}

static void test_settings_switches_leave_this_program_in_or_out(void)
{
	static const struct {
		const char *environment[3];
		bool active;
	} rows[] = {
	    {{HE_ENV_DISABLE "=1"}, false},
	    {{HE_ENV_DISABLE "=0"}, true},
	    {{HE_ENV_ONLY "="}, true},
	    {{HE_ENV_ONLY "=wget"}, true},
	    {{HE_ENV_ONLY "=curl,wget"}, true},
	    {{HE_ENV_ONLY "=curl"}, false},
	    {{HE_ENV_SKIP "="}, true},
	    {{HE_ENV_SKIP "=curl"}, true},
	    {{HE_ENV_SKIP "=wget"}, false},
	    {{HE_ENV_SKIP "=curl, wget"}, false},
	    {{HE_ENV_ONLY "=wget", HE_ENV_SKIP "=curl"}, true},
	    {{HE_ENV_ONLY "=wget", HE_ENV_SKIP "=wget"}, false},
	    {{HE_ENV_ONLY "=wget", HE_ENV_DISABLE "=1"}, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct found found;

		test_at("row %zu", i);
		found = read_settings(rows[i].environment);
		test_assert(found.settings.active == rows[i].active);
		test_assert(strcmp(found.text, "") == 0);
	}
}

int main(void)
{
	/* Nobody's own settings decide what a test finds. */
	for (size_t i = 0; i < settings_numbers_count; i++)
		(void)unsetenv(settings_numbers[i].variable);
	(void)unsetenv(HE_ENV_ONLY);
	(void)unsetenv(HE_ENV_SKIP);
	(void)unsetenv(HE_ENV_LOG);
	(void)unsetenv(HE_ENV_LOG_FILE);
	test_run(test_settings_numbers_are_taken_within_their_range_only);
	test_run(test_settings_defaults_are_within_their_range);
	test_run(test_settings_log_levels_are_these_four_words);
	test_run(test_settings_list_has_whole_names_only);
	test_run(test_settings_without_environment_are_the_defaults);
	test_run(test_settings_of_the_environment_take_effect);
	test_run(test_settings_bad_value_warns_once_and_keeps_the_default);
	test_run(test_settings_bad_value_does_not_spoil_the_good_ones);
	test_run(test_settings_very_long_value_warns_in_one_line);
	test_run(test_settings_log_off_silences_warnings);
	test_run(test_settings_log_off_silences_a_file_name_that_is_too_long);
	test_run(test_settings_too_long_file_name_warns_and_logs_to_stderr);
	test_run(test_settings_read_without_stderr_leave_errno_alone);
	test_run(test_settings_warnings_go_to_the_log_file);
	test_run(test_settings_switches_leave_this_program_in_or_out);
	return test_result();
}
