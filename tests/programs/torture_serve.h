/*
 * For `torture_X --serve TOKENS`, by which tests/torture makes hundreds of rounds: to start a
 * program and to load libhe and a sanitizer's runtime costs several times what most cases do. Here
 * that is done once, and each case runs in a fork of the process that has done nothing else yet.
 *
 * Reads lines "HOW PROGRAM CASE CONDITION EXPECTED"; what a case prints goes to the file
 * $TORTURE_DIR/HOW.PROGRAM.CASE.CONDITION. Prints each line again when its case is over, with the
 * exit status behind it, and writes a byte to the descriptor TOKENS.
 */
#ifndef TORTURE_SERVE_H
#define TORTURE_SERVE_H

#include "promise.h"

#include <limits.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* More than tests/torture lets run at a time. */
#define SERVED_MAX 1024
#define SERVED_LINE_MAX 256

struct served {
	pid_t pid;
	char line[SERVED_LINE_MAX];
};

static struct served served[SERVED_MAX];
static struct pollfd served_watch[SERVED_MAX + 1]; /* the last one in use is standard input */
static unsigned served_count;

static inline void serve_open(int number, const char *path, int flags)
{
	int fd = open(path, flags, 0666);

	CHECK(fd >= 0 && dup2(fd, number) == number);
}

/* The child: its descriptors are as if it had been started for this case. */
static inline void serve_become(const char *line, char name[SERVED_LINE_MAX],
                                char condition[SERVED_LINE_MAX])
{
	char how[SERVED_LINE_MAX], program[SERVED_LINE_MAX], path[PATH_MAX];
	const char *directory = getenv("TORTURE_DIR");

	CHECK(directory != NULL &&
	      sscanf(line, "%255s %255s %255s %255s", how, program, name, condition) == 4);
	snprintf(path, sizeof(path), "%s/%s.%s.%s.%s", directory, how, program, name, condition);
	serve_open(STDIN_FILENO, "/dev/null", O_RDONLY);
	serve_open(STDOUT_FILENO, path, O_WRONLY | O_CREAT | O_TRUNC);
	CHECK(dup2(STDOUT_FILENO, STDERR_FILENO) == STDERR_FILENO);
	CHECK(syscall(SYS_close_range, 3, ~0U, 0) == 0);
	CHECK(prctl(PR_SET_NAME, program_invocation_short_name) == 0);
}

/* Returns whether this is the child. */
static inline bool serve_begin(const char *line, char name[SERVED_LINE_MAX],
                               char condition[SERVED_LINE_MAX])
{
	struct served *one = &served[served_count];

	CHECK(served_count < SERVED_MAX);
	one->pid = fork();
	CHECK(one->pid >= 0);
	if (one->pid == 0) {
		serve_become(line, name, condition);
		return true;
	}
	snprintf(one->line, sizeof(one->line), "%s", line);
	served_watch[served_count] =
	    (struct pollfd){.fd = (int)syscall(SYS_pidfd_open, one->pid, 0), .events = POLLIN};
	CHECK(served_watch[served_count].fd >= 0);
	served_count++;
	return false;
}

static inline void serve_reap(unsigned i, int tokens)
{
	char line[SERVED_LINE_MAX + 16];
	int status, len;

	CHECK(waitpid(served[i].pid, &status, 0) == served[i].pid);
	close(served_watch[i].fd);
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	len = snprintf(line, sizeof(line), "%s %d\n", served[i].line, status);
	/* In one piece: others write there, too. */
	CHECK(write(STDOUT_FILENO, line, (size_t)len) == len && write(tokens, " ", 1) == 1);
	served_count--;
	served[i] = served[served_count];
	served_watch[i] = served_watch[served_count];
}

/* The next line of standard input; false at its end. A read for each byte: there are few. */
static inline bool serve_read(char line[SERVED_LINE_MAX])
{
	size_t len = 0;

	while (read(STDIN_FILENO, line + len, 1) == 1 && line[len] != '\n')
		CHECK(++len < SERVED_LINE_MAX - 1);
	line[len] = '\0';
	return len > 0;
}

/* Returns in the child of each case, with that; the process itself ends with its input. */
static inline void serve(int tokens, char name[SERVED_LINE_MAX], char condition[SERVED_LINE_MAX])
{
	char line[SERVED_LINE_MAX];
	bool open = true;

	/* Those of a case that hangs are found by their name, and are young otherwise. */
	CHECK(prctl(PR_SET_NAME, "serve") == 0);
	while (open || served_count > 0) {
		served_watch[served_count] =
		    (struct pollfd){.fd = open ? STDIN_FILENO : -1, .events = POLLIN};
		CHECK(poll(served_watch, served_count + 1, -1) > 0);
		if (served_watch[served_count].revents != 0) {
			open = serve_read(line);
			if (open && serve_begin(line, name, condition))
				return;
			continue;
		}
		for (unsigned i = served_count; i-- > 0;)
			if (served_watch[i].revents != 0)
				serve_reap(i, tokens);
	}
	exit(0);
}

#endif
