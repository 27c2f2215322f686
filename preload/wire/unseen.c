#include "wire/unseen.h"

#include "base/clock.h"
#include "base/libc.h"
#include "base/quiet.h"
#include "wire/contests.h"
#include "wire/interests.h"
#include "wire/report.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* "/proc/self/fdinfo/" and a number. */
#define PATH_SIZE 40

/* A line of a set's fdinfo has less than 100 characters. */
#define BUFFER_SIZE 2048

static int open_fdinfo(int set)
{
	static const char directory[] = "/proc/self/fdinfo/";
	char path[PATH_SIZE], digits[12];
	size_t len = sizeof(directory) - 1, count = 0;

	memcpy(path, directory, len);
	do {
		digits[count++] = (char)('0' + set % 10);
		set /= 10;
	} while (set > 0);
	while (count > 0)
		path[len++] = digits[--count];
	path[len] = '\0';
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The value after `name` in the line, or false. */
static bool value_of(const char *line, const char *name, unsigned base, uint64_t *ret_value)
{
	const char *at = strstr(line, name);
	uint64_t value = 0;

	if (at == NULL)
		return false;
	for (at += strlen(name); *at == ' ' || *at == '\t'; at++)
		;
	for (;; at++) {
		unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
		                 : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a') + 10
		                                            : base;

		if (digit >= base)
			break;
		value = value * base + digit;
	}
	*ret_value = value;
	return true;
}

/* One that a race needs to know of: the contest knows where its number is waited for. */
static void note(int set, int fd, const struct epoll_event *event)
{
	struct quiet quiet;
	struct contest *contest;

	contests_lock(&quiet);
	contest = contests_find(fd);
	/* What was hidden from the set is not what the program asked it for. */
	if (contest == NULL || !contest->unattended || contest->hidden ||
	    contest->known == WAITERS_RECORD) {
		contests_unlock(&quiet);
		return;
	}
	/* Again each time: what was not seen may have been changed unseen as well. */
	interests_note(set, EPOLL_CTL_ADD, fd, contest->attempts[contest->seat].cookie, event);
	contest_know(contest, WAITERS_FDINFO, clock_now_ns());
	report_and_unlock(contest, &quiet);
}

/* "tfd: NUMBER events: HEX data: HEX ..." */
static void read_line(int set, const char *line)
{
	uint64_t fd, events, data;

	if (!value_of(line, "tfd:", 10, &fd) || !value_of(line, "events:", 16, &events) ||
	    !value_of(line, "data:", 16, &data) || !contests_may_have((int)fd))
		return;
	note(set, (int)fd, &(struct epoll_event){.events = (uint32_t)events, .data.u64 = data});
}

static void read_lines(int set, int file)
{
	char buffer[BUFFER_SIZE];
	size_t len = 0;
	ssize_t got;

	while ((got = read(file, buffer + len, sizeof(buffer) - 1 - len)) > 0) {
		char *line = buffer, *end;

		len += (size_t)got;
		buffer[len] = '\0';
		while ((end = strchr(line, '\n')) != NULL) {
			*end = '\0';
			read_line(set, line);
			line = end + 1;
		}
		len -= (size_t)(line - buffer);
		memmove(buffer, line, len);
	}
}

void unseen_find(int set)
{
	struct quiet quiet;
	int file;

	if (set < 0 || !contests_are_ours())
		return;
	/* A thread that is cancelled in the middle would leave the file open. */
	quiet_begin(&quiet);
	file = open_fdinfo(set);
	if (file >= 0) {
		read_lines(set, file);
		(void)libc_close(file);
	}
	quiet_end(&quiet);
}
