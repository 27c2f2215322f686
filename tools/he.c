/* he: the launcher of libhe. Finds the library, says what it cannot help, becomes the program. */
#include "he.h"
#include "he_preload.h"
#include "memory/settings.h"
#include "preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As env(1), nice(1) and timeout(1) have them, so that a script can tell he from the program. */
enum status {
	STATUS_GO_ON = -1, /* nothing to exit for yet */
	STATUS_DONE = 0,
	STATUS_FAILED = 125,
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
};

struct request {
	bool check;       /* judge the program, do not run it */
	bool quiet;       /* no warning about a program that cannot be helped */
	bool log_to_file; /* chooses a level where nobody else did */
	char **program; /* its arguments, NULL at the end as main() has them; borrowed from there */
};

/* All NULL where there is nothing to say. */
struct explanation {
	const char *verdict;
	const char *reason; /* goes on after "it" or "its interpreter /path" */
	const char *remedy;
};

static const struct explanation explanations[] = {
    [PREFLIGHT_UNREADABLE] = {"may be helped", "cannot be read, so no more is known",
                              "ask as a user who may read it"},
    [PREFLIGHT_SECURE] =
        {"cannot be helped",
         "has set-user-ID, set-group-ID or file capabilities, "
         "so the loader ignores LD_PRELOAD",
         "put he inside, as in 'sudo he run -- program', or use a copy without them"},
    [PREFLIGHT_STATIC] = {"cannot be helped",
                          "is statically linked, so no library can be loaded into it",
                          "build it dynamically, or use a package that is"},
    [PREFLIGHT_OTHER_CLASS] = {"cannot be helped",
                               "is built for another machine or word size than this he",
                               "install the libhe for it (32-bit for a 32-bit program), "
                               "and use its he"},
    [PREFLIGHT_OTHER_LIBC] = {"cannot be helped", "uses musl, and libhe needs the GNU C library",
                              "use a build of it for glibc"},
    [PREFLIGHT_GO] = {"cannot be helped", "is a Go program, which connects without the C library",
                      "Go's own dialer races already (net.Dialer.FallbackDelay)"},
    /* Not a hindrance: put_library() asks its runtime to let us in. The table ends with it. */
    [PREFLIGHT_ASAN] = {NULL, NULL, NULL},
};

__attribute__((format(printf, 1, 2))) static enum status fail(const char *format, ...)
{
	va_list args;

	fputs("he: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return STATUS_FAILED;
}

/* What was printed for the user has reached him only when it is written. */
static enum status finish_output(enum status status)
{
	return fflush(stdout) == 0 ? status : fail("standard output: %s", strerror(errno));
}

static enum status print_help(void)
{
	puts("Usage: he run [option...] [--] program [argument...]\n"
	     "       he --help | --version\n"
	     "\n"
	     "Runs a program with libhe: a connection to a host with several addresses tries the\n"
	     "next one after a moment, instead of waiting minutes for one that does not answer.\n"
	     "\n"
	     "  --check                    only say whether the program can be helped\n"
	     "  -q, --quiet                do not warn of a program that cannot be helped\n"
	     "  -v, --verbose              one line for each race, as --log race\n"
	     "  --log LEVEL                off, warn, race or debug: what HE_LOG says\n"
	     "  --log-file FILE            append the log to FILE, not to standard error;\n"
	     "                             without a level, log races");
	for (size_t i = 0; i < settings_numbers_count; i++) {
		const struct settings_name *row = &settings_numbers[i];

		if (row->option != NULL)
			printf("  --%s N: %ld to %ld, default %ld\n%29s%s\n", row->option, row->min,
			       row->max, row->fallback, "", row->meaning);
	}
	puts("\n"
	     "Exit status: the program's own; 125 when he fails, 126 when the program cannot be\n"
	     "executed, 127 when it is not found. With --check, 0 when the program can be helped\n"
	     "and 125 when it cannot.");
	return finish_output(STATUS_DONE);
}

static enum status put(const char *variable, const char *value)
{
	return setenv(variable, value, 1) == 0 ? STATUS_GO_ON : fail("%s", strerror(errno));
}

/*
 * The path is made absolute because the program may change its directory before the library opens
 * it, and is opened here because the library, which keeps silent, could not say what is wrong.
 */
static enum status put_log_file(const char *file)
{
	char directory[PATH_MAX] = "", path[2 * PATH_MAX];
	int fd;

	if (*file == '\0')
		return fail("--log-file: the name is empty");
	if (*file != '/' && getcwd(directory, sizeof(directory) - 1) == NULL)
		return fail("--log-file: the current directory: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s%s%s", directory, *directory != '\0' ? "/" : "", file);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
	else if (errno != ENXIO) /* a pipe that nobody reads yet */
		return fail("--log-file: '%s': %s", path, strerror(errno));
	return put(HE_ENV_LOG_FILE, path);
}

static enum status put_log(const char *level)
{
	int parsed;

	if (settings_parse_log(level, &parsed) < 0)
		return fail("--log: '%s' is not off, warn, race or debug", level);
	return put(HE_ENV_LOG, level);
}

static enum status put_number(const struct settings_name *row, const char *text)
{
	long parsed;

	if (settings_parse_number(row, text, &parsed) < 0)
		return fail("--%s: '%s' is not a whole number from %ld to %ld", row->option, text,
		            row->min, row->max);
	return put(row->variable, text);
}

static const struct settings_name *find_number(const char *name, size_t len)
{
	for (size_t i = 0; i < settings_numbers_count; i++) {
		const char *option = settings_numbers[i].option;

		if (option != NULL && strlen(option) == len && memcmp(option, name, len) == 0)
			return &settings_numbers[i];
	}
	return NULL;
}

/* An option that has a value: after '=', or the next argument, which `*argument` moves on to. */
static enum status take_valued(char ***argument, struct request *request)
{
	const char *option = **argument;
	const char *name = option + strspn(option, "-");
	size_t len = strcspn(name, "=");
	const struct settings_name *row = find_number(name, len);
	bool is_log = len == strlen("log") && memcmp(name, "log", len) == 0;
	bool is_log_file = len == strlen("log-file") && memcmp(name, "log-file", len) == 0;
	const char *value = name + len + 1;

	if (name - option != 2 || (row == NULL && !is_log && !is_log_file))
		return fail("unknown option '%.*s'; try 'he --help'", (int)(name + len - option),
		            option);
	if (name[len] == '\0') {
		value = *++*argument;
		if (value == NULL)
			return fail("option '%s' needs a value; try 'he --help'", option);
	}
	request->log_to_file = request->log_to_file || is_log_file;
	return is_log ? put_log(value) : is_log_file ? put_log_file(value) : put_number(row, value);
}

/* Fills `request`, which comes zeroed. The settings go into the environment at once. */
static enum status parse(char **argument, struct request *request)
{
	enum status status = STATUS_GO_ON;

	for (; status == STATUS_GO_ON && *argument != NULL && **argument == '-' &&
	       (*argument)[1] != '\0';
	     argument++) {
		const char *option = *argument;

		if (strcmp(option, "--") == 0) {
			argument++;
			break;
		} else if (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0) {
			status = print_help();
		} else if (strcmp(option, "--check") == 0) {
			request->check = true;
		} else if (strcmp(option, "-q") == 0 || strcmp(option, "--quiet") == 0) {
			request->quiet = true;
		} else if (strcmp(option, "-v") == 0 || strcmp(option, "--verbose") == 0) {
			status = put_log("race");
		} else {
			status = take_valued(&argument, request);
		}
	}
	if (status != STATUS_GO_ON)
		return status;
	if (*argument == NULL)
		return fail("no program to run; try 'he --help'");
	request->program = argument;
	return STATUS_GO_ON;
}

/* A path that comes out of a file may hold anything: it is to stay one line, and only text. */
static void make_printable(const char *path, char *ret_text)
{
	size_t i = 0;

	for (; path[i] != '\0'; i++)
		ret_text[i] = (unsigned char)path[i] < ' ' || path[i] == 0x7f ? '?' : path[i];
	ret_text[i] = '\0';
}

/* One line: the program, what is the matter, and what to do. */
static void describe(FILE *stream, const char *program, const struct preflight_verdict *verdict)
{
	const struct explanation *explanation = &explanations[verdict->outcome];
	char interpreter[PATH_MAX];

	make_printable(verdict->by_interpreter ? verdict->path : "", interpreter);
	if (verdict->error != 0)
		fprintf(stream, "%s: %s%s%s%s\n", program, *interpreter ? "its interpreter " : "",
		        interpreter, *interpreter ? ": " : "", strerror(verdict->error));
	else if (explanation->verdict == NULL)
		fprintf(stream, "%s: can be helped\n", program);
	else
		fprintf(stream, "%s: %s: it%s%s %s; %s\n", program, explanation->verdict,
		        *interpreter ? "s interpreter " : "", interpreter, explanation->reason,
		        explanation->remedy);
}

/* Puts the library into the environment, or says why it cannot be. */
static enum status put_library(enum preflight_outcome outcome)
{
	const char *asan = getenv("ASAN_OPTIONS");
	char library[PATH_MAX];
	enum status status;
	char *value;
	int r;

	if (preload_find(library) < 0)
		return fail(
		    "libhe.so: not found beside he nor where it is installed; run 'make install'");
	r = preload_compose(library, getenv("LD_PRELOAD"), &value);
	if (r == -EINVAL)
		return fail("'%s': LD_PRELOAD cannot hold a path with a colon or a space; "
		            "install libhe elsewhere",
		            library);
	if (r < 0)
		return fail("LD_PRELOAD: %s", strerror(-r));
	status = put("LD_PRELOAD", value);
	free(value);
	if (status != STATUS_GO_ON || outcome != PREFLIGHT_ASAN)
		return status;

	/* A program's own runtime would exit at the sight of us; the library does not disturb it.
	 */
	if (asprintf(&value, "%s%sverify_asan_link_order=0", asan != NULL ? asan : "",
	             asan != NULL && *asan != '\0' ? ":" : "") < 0)
		return fail("%s", strerror(ENOMEM));
	status = put("ASAN_OPTIONS", value);
	free(value);
	return status;
}

/*
 * A program that cannot be helped is run all the same: a launcher that refuses breaks the user's
 * job. The loader of another libc or word size would complain of the library, so it does not get
 * it; the others do, for the sake of the programs that they start.
 */
static enum status run(const struct request *request, const struct preflight_verdict *verdict)
{
	enum preflight_outcome outcome = verdict->outcome;
	enum status status = STATUS_GO_ON;
	const char *program = request->program[0];

	if (outcome != PREFLIGHT_OTHER_CLASS && outcome != PREFLIGHT_OTHER_LIBC)
		status = put_library(outcome);
	if (status == STATUS_GO_ON && request->log_to_file && getenv(HE_ENV_LOG) == NULL)
		status = put_log("race");
	if (status != STATUS_GO_ON)
		return status;
	if (explanations[outcome].verdict != NULL && outcome != PREFLIGHT_UNREADABLE &&
	    !request->quiet) {
		fputs("he: ", stderr);
		describe(stderr, program, verdict);
	}
	execvp(program, request->program);
	status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
	fail("%s: %s", program, strerror(errno));
	return status;
}

static enum status judged(const struct preflight_verdict *verdict)
{
	if (verdict->outcome == PREFLIGHT_NOT_FOUND)
		return STATUS_NOT_FOUND;
	if (verdict->outcome == PREFLIGHT_NOT_EXECUTABLE)
		return STATUS_NOT_EXECUTABLE;
	return explanations[verdict->outcome].verdict == NULL ? STATUS_DONE : STATUS_FAILED;
}

static enum status command_run(char **arguments)
{
	struct preflight_verdict verdict;
	struct request request = {0};
	enum status status = parse(arguments, &request);

	if (status != STATUS_GO_ON)
		return status;
	preflight_judge(request.program[0], &verdict);
	if (request.check) {
		describe(stdout, request.program[0], &verdict);
		return finish_output(judged(&verdict));
	}
	if (verdict.error == 0)
		return run(&request, &verdict);
	fputs("he: ", stderr);
	describe(stderr, request.program[0], &verdict);
	return judged(&verdict);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return fail("no command; try 'he --help'");
	if (strcmp(argv[1], "run") == 0)
		return command_run(argv + 2);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help();
	if (strcmp(argv[1], "--version") == 0) {
		puts("he " HE_VERSION);
		return finish_output(STATUS_DONE);
	}
	return fail("unknown %s '%s'; try 'he --help'", argv[1][0] == '-' ? "option" : "command",
	            argv[1]);
}
