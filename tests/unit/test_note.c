#include "base/note.h"

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * note_configure() is for once in a process, and the tests are about descriptor 2: each scene is
 * played by a child, whose exit status counts its findings: 0 when all is well.
 */
struct stage {
	int stderr_fd; /* a file; descriptor 2 of the child */
	int other_fd;  /* another file, for what the program has there later */
	char stderr_text[2 * NOTE_LINE_MAX], other_text[2 * NOTE_LINE_MAX];
	int status;
};

static char log_path[] = "/tmp/he-test-note.XXXXXX";

static void slurp(int fd, char *ret_text, size_t size)
{
	ssize_t len = pread(fd, ret_text, size - 1, 0);

	test_assert(len >= 0);
	ret_text[len] = '\0';
	(void)close(fd);
}

static void play(struct stage *stage, int (*scene)(struct stage *stage))
{
	pid_t child;

	stage->stderr_fd = memfd_create("stderr", MFD_CLOEXEC);
	stage->other_fd = memfd_create("other", MFD_CLOEXEC);
	test_assert(stage->stderr_fd >= 0 && stage->other_fd >= 0);
	child = fork();
	if (child == 0) {
		(void)dup2(stage->stderr_fd, STDERR_FILENO);
		program_invocation_short_name = (char *)"wget";
		_exit(scene(stage));
	}
	test_assert(child > 0 && waitpid(child, &stage->status, 0) == child);
	slurp(stage->stderr_fd, stage->stderr_text, sizeof(stage->stderr_text));
	slurp(stage->other_fd, stage->other_text, sizeof(stage->other_text));
}

static int say_at_every_level(struct stage *stage)
{
	(void)stage;
	note_say(NOTE_WARN, "a warning");
	(void)note_configure(NOTE_RACE, NULL);
	note_say(NOTE_WARN, "warning");
	note_say(NOTE_RACE, "race");
	note_say(NOTE_DEBUG, "debug");
	return !note_wants(NOTE_WARN) || !note_wants(NOTE_RACE) || note_wants(NOTE_DEBUG);
}

static void test_note_says_what_is_wanted_and_nothing_before(void)
{
	struct stage stage;
	int a = 0, b = 0, end = 0;

	play(&stage, say_at_every_level);
	test_assert(stage.status == 0);
	test_assert(sscanf(stage.stderr_text, "libhe: wget[%d]: warning\nlibhe: wget[%d]: race\n%n",
	                   &a, &b, &end) == 2);
	test_assert(a > 1 && a == b);
	test_assert(stage.stderr_text[end] == '\0');
}

static int say_into_a_pipe_of_packets(struct stage *stage)
{
	char text[200];
	int ends[2];

	(void)stage;
	/* A pipe of packets gives out one write() at a time. */
	if (pipe2(ends, O_DIRECT | O_CLOEXEC | O_NONBLOCK) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return 1;
	(void)note_configure(NOTE_WARN, NULL);
	note_say(NOTE_WARN, "one");
	note_say(NOTE_WARN, "two");
	for (int i = 0; i < 2; i++) {
		ssize_t len = read(ends[0], text, sizeof(text));

		if (len < 5 || memcmp(text + len - 4, i == 0 ? "one\n" : "two\n", 4) != 0)
			return 2;
	}
	return read(ends[0], text, sizeof(text)) >= 0;
}

static void test_note_line_is_one_write(void)
{
	struct stage stage;

	play(&stage, say_into_a_pipe_of_packets);
	test_assert(stage.status == 0);
}

/* Says something in every way, and counts where errno did not stay. */
static int errno_lost(enum note_level level, const char *file)
{
	static struct note note;
	int lost = 0, fd;

	errno = EXDEV;
	(void)note_configure(level, file);
	lost += errno != EXDEV;
	errno = EXDEV;
	fd = note_open();
	lost += errno != EXDEV;
	note_begin(&note);
	note_text(&note, "text ");
	note_number(&note, LONG_MIN);
	note_ms(&note, UINT64_MAX);
	note_error(&note, 99999);
	note_write(&note, fd);
	lost += errno != EXDEV;
	note_say(NOTE_WARN, "text");
	lost += errno != EXDEV;
	return lost;
}

static int lose_errno_to_a_full_device(struct stage *stage)
{
	(void)stage;
	return errno_lost(NOTE_DEBUG, "/dev/full");
}

static int lose_errno_to_a_file_that_cannot_be(struct stage *stage)
{
	(void)stage;
	return errno_lost(NOTE_DEBUG, "/nonexistent/directory/file");
}

static int lose_errno_to_a_closed_stderr(struct stage *stage)
{
	(void)stage;
	(void)close(STDERR_FILENO);
	return errno_lost(NOTE_DEBUG, NULL);
}

static int lose_errno_to_a_stderr_closed_later(struct stage *stage)
{
	(void)stage;
	(void)note_configure(NOTE_DEBUG, NULL);
	(void)close(STDERR_FILENO);
	errno = EXDEV;
	note_say(NOTE_WARN, "text");
	return errno != EXDEV;
}

static int lose_errno_without_descriptors(struct stage *stage)
{
	const struct rlimit few = {.rlim_cur = 32, .rlim_max = 32};

	(void)stage;
	(void)note_configure(NOTE_DEBUG, log_path);
	(void)setrlimit(RLIMIT_NOFILE, &few);
	while (dup(STDERR_FILENO) >= 0)
		;
	errno = EXDEV;
	note_say(NOTE_WARN, "text");
	return errno != EXDEV;
}

static void test_note_never_changes_errno(void)
{
	static int (*const scenes[])(struct stage *) = {
	    lose_errno_to_a_full_device, lose_errno_to_a_file_that_cannot_be,
	    lose_errno_to_a_closed_stderr, lose_errno_to_a_stderr_closed_later,
	    lose_errno_without_descriptors};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct stage stage;

		test_at("scene %zu", i);
		play(&stage, scenes[i]);
		test_assert(stage.status == 0);
	}
}

static int say_too_much(struct stage *stage)
{
	static struct note note;
	static char word[NOTE_LINE_MAX];

	(void)stage;
	(void)note_configure(NOTE_WARN, NULL);
	memset(word, 'x', sizeof(word) - 1);
	note_begin(&note);
	note_text(&note, word);
	note_text(&note, word);
	note_number(&note, 12345);
	note_ms(&note, 12345);
	note_error(&note, ECONNREFUSED);
	note_write(&note, NOTE_STDERR);
	return 0;
}

static void test_note_too_long_is_cut_to_one_line(void)
{
	struct stage stage;

	play(&stage, say_too_much);
	test_assert(stage.status == 0);
	test_assert(strlen(stage.stderr_text) == NOTE_LINE_MAX);
	test_assert(strchr(stage.stderr_text, '\n') == &stage.stderr_text[NOTE_LINE_MAX - 1]);
	test_assert(stage.stderr_text[NOTE_LINE_MAX - 2] == 'x');
}

static int say_after_stderr_was_closed(struct stage *stage)
{
	(void)note_configure(NOTE_WARN, NULL);
	(void)close(STDERR_FILENO);
	note_say(NOTE_WARN, "text");
	/* And now the program's next connection gets the number. */
	(void)dup2(stage->other_fd, STDERR_FILENO);
	note_say(NOTE_WARN, "text");
	return 0;
}

static int say_after_stderr_was_replaced(struct stage *stage)
{
	(void)note_configure(NOTE_WARN, NULL);
	(void)dup2(stage->other_fd, STDERR_FILENO);
	note_say(NOTE_WARN, "text");
	return 0;
}

static int say_when_stderr_came_later(struct stage *stage)
{
	(void)close(STDERR_FILENO);
	(void)note_configure(NOTE_WARN, NULL);
	(void)dup2(stage->other_fd, STDERR_FILENO);
	note_say(NOTE_WARN, "text");
	return 0;
}

static void test_note_stderr_that_is_another_file_gets_nothing(void)
{
	static int (*const scenes[])(struct stage *) = {
	    say_after_stderr_was_closed, say_after_stderr_was_replaced, say_when_stderr_came_later};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct stage stage;

		test_at("scene %zu", i);
		play(&stage, scenes[i]);
		test_assert(stage.status == 0);
		test_assert(strcmp(stage.stderr_text, "") == 0);
		test_assert(strcmp(stage.other_text, "") == 0);
	}
}

static int say_after_stderr_came_back(struct stage *stage)
{
	(void)note_configure(NOTE_WARN, NULL);
	(void)dup2(stage->other_fd, STDERR_FILENO);
	(void)dup2(stage->stderr_fd, STDERR_FILENO);
	note_say(NOTE_WARN, "text");
	return 0;
}

static void test_note_stderr_that_came_back_is_written_to(void)
{
	struct stage stage;

	play(&stage, say_after_stderr_came_back);
	test_assert(strstr(stage.stderr_text, "text\n") != NULL);
}

static int say_into_a_pipe_nobody_reads(struct stage *stage)
{
	int ends[2];

	(void)stage;
	(void)signal(SIGPIPE, SIG_DFL);
	if (pipe(ends) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return 1;
	(void)close(ends[0]);
	(void)note_configure(NOTE_WARN, NULL);
	note_say(NOTE_WARN, "text");
	return 0;
}

/* The library never ends its program: without it, this one would not have written, and lived. */
static void test_note_stderr_that_nobody_reads_kills_nobody(void)
{
	struct stage stage;

	play(&stage, say_into_a_pipe_nobody_reads);
	test_at("wait status %#x", (unsigned)stage.status);
	test_assert(stage.status == 0);
}

static int say_into_a_full_pipe(struct stage *stage)
{
	char fill[NOTE_LINE_MAX];
	int ends[2];

	(void)stage;
	if (pipe2(ends, O_NONBLOCK) < 0)
		return 1;
	memset(fill, 'x', sizeof(fill));
	while (write(ends[1], fill, sizeof(fill)) > 0)
		continue;
	if (fcntl(ends[1], F_SETFL, 0) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return 1;
	(void)note_configure(NOTE_WARN, NULL);
	(void)alarm(20);
	note_say(NOTE_WARN, "text");
	return 0;
}

/* Whose reader sleeps: the program itself, perhaps, which waits for us then. */
static void test_note_stderr_that_is_full_holds_nobody(void)
{
	struct stage stage;

	play(&stage, say_into_a_full_pipe);
	test_at("wait status %#x", (unsigned)stage.status);
	test_assert(stage.status == 0);
}

static int say_into_the_log_file(struct stage *stage)
{
	int fd, again;

	(void)stage;
	if (note_configure(NOTE_WARN, log_path) != 0)
		return 1;
	/* Close-on-exec, and out of the way of close(0); open(). */
	fd = note_open();
	if (fd < 48 || fcntl(fd, F_GETFD) != FD_CLOEXEC)
		return 2;
	(void)close(fd);
	note_say(NOTE_WARN, "one");
	note_say(NOTE_WARN, "two");
	/* Nothing was left open, neither up there nor down here. */
	again = note_open();
	if (again != fd)
		return 3;
	(void)close(again);
	return dup(STDERR_FILENO) != stage->other_fd + 1 ? 4 : 0;
}

static void test_note_log_file_is_appended_to(void)
{
	struct stage stage;
	char text[1000];
	int fd = open(log_path, O_RDWR | O_TRUNC);

	test_assert(fd >= 0 && write(fd, "earlier\n", 8) == 8);
	play(&stage, say_into_the_log_file);
	slurp(fd, text, sizeof(text));
	test_at("wait status %#x", (unsigned)stage.status);
	test_assert(stage.status == 0);
	test_assert(strncmp(text, "earlier\nlibhe: wget[", 20) == 0);
	test_assert(strstr(text, "]: one\n") != NULL && strstr(text, "]: two\n") != NULL);
	test_assert(strcmp(stage.stderr_text, "") == 0);
}

static int say_into_a_new_log_file(struct stage *stage)
{
	(void)stage;
	(void)umask(022);
	(void)note_configure(NOTE_WARN, log_path);
	note_say(NOTE_WARN, "text");
	return 0;
}

static void test_note_log_file_is_made_when_there_is_none(void)
{
	struct stage stage;
	struct stat status;

	(void)unlink(log_path);
	play(&stage, say_into_a_new_log_file);
	test_assert(stat(log_path, &status) == 0);
	test_assert(status.st_size > 0 && (status.st_mode & 07777) == 0644);
}

static int say_into_a_file_that_cannot_be(struct stage *stage)
{
	(void)stage;
	(void)note_configure(NOTE_WARN, "/nonexistent/directory/file");
	note_say(NOTE_WARN, "text");
	return 0;
}

static void test_note_log_file_that_cannot_be_opened_means_stderr(void)
{
	struct stage stage;

	play(&stage, say_into_a_file_that_cannot_be);
	test_assert(strstr(stage.stderr_text, "text\n") != NULL);
}

static int configure_long_names(struct stage *stage)
{
	static char name[PATH_MAX + 1];

	(void)stage;
	memset(name, 'a', PATH_MAX);
	if (note_configure(NOTE_WARN, name) != -ENAMETOOLONG || note_open() != NOTE_STDERR)
		return 1;
	note_say(NOTE_WARN, "text");
	name[PATH_MAX - 1] = '\0';
	return note_configure(NOTE_WARN, name) != 0;
}

static void test_note_log_file_with_too_long_a_name_means_stderr(void)
{
	struct stage stage;

	play(&stage, configure_long_names);
	test_assert(stage.status == 0);
	test_assert(strstr(stage.stderr_text, "text\n") != NULL);
}

static const char *text_of(struct note *note)
{
	note->text[note->len] = '\0';
	return note->text;
}

static void test_note_numbers_are_written_in_decimal(void)
{
	static const struct {
		long number;
		const char *text;
	} rows[] = {
	    {0, "0"},
	    {7, "7"},
	    {-7, "-7"},
	    {1000000, "1000000"},
	    {LONG_MAX, "9223372036854775807"},
	    {LONG_MIN, "-9223372036854775808"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct note note = {.len = 0};

		note_number(&note, rows[i].number);
		test_at("%s", rows[i].text);
		test_assert(strcmp(text_of(&note), rows[i].text) == 0);
	}
}

static void test_note_ms_has_one_decimal(void)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
	    {0, "0.0 ms"},      {99999, "0.0 ms"},       {100000, "0.1 ms"},
	    {999999, "0.9 ms"}, {250000000, "250.0 ms"}, {134912345678, "134912.3 ms"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct note note = {.len = 0};

		note_ms(&note, rows[i].ns);
		test_at("%s", rows[i].text);
		test_assert(strcmp(text_of(&note), rows[i].text) == 0);
	}
}

static void test_note_error_is_the_usual_text(void)
{
	struct note note = {.len = 0};

	note_error(&note, ECONNREFUSED);
	test_assert(strcmp(text_of(&note), "Connection refused") == 0);
	note.len = 0;
	note_error(&note, 99999);
	test_assert(strcmp(text_of(&note), "unknown error") == 0);
}

int main(void)
{
	int fd = mkstemp(log_path);

	if (fd < 0)
		return 2;
	(void)close(fd);
	test_run(test_note_says_what_is_wanted_and_nothing_before);
	test_run(test_note_line_is_one_write);
	test_run(test_note_never_changes_errno);
	test_run(test_note_too_long_is_cut_to_one_line);
	test_run(test_note_stderr_that_is_another_file_gets_nothing);
	test_run(test_note_stderr_that_came_back_is_written_to);
	test_run(test_note_stderr_that_nobody_reads_kills_nobody);
	test_run(test_note_stderr_that_is_full_holds_nobody);
	test_run(test_note_log_file_is_appended_to);
	test_run(test_note_log_file_is_made_when_there_is_none);
	test_run(test_note_log_file_that_cannot_be_opened_means_stderr);
	test_run(test_note_log_file_with_too_long_a_name_means_stderr);
	test_run(test_note_numbers_are_written_in_decimal);
	test_run(test_note_ms_has_one_decimal);
	test_run(test_note_error_is_the_usual_text);
	(void)unlink(log_path);
	return test_result();
}
