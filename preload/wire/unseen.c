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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* "/proc/self/fdinfo/" and a number. */
#define PATH_SIZE 40

/* A line of a set's fdinfo has less than 100 characters. */
#define BUFFER_SIZE 2048

/* Where hundreds of races want to know, one answers for all that began before it. */
#define RECENT_NS (50 * CLOCK_NS_PER_MS)

/* A set that has more than other sets and a few pipes is none that holds sets. */
#define OTHERS_MAX 32

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

/*
 * The kernel keeps what was registered for a number as long as anybody has the socket of then; and
 * the number may be another socket's by now.
 */
static bool is_still(int fd, uint64_t inode)
{
	struct stat status;

	return fstat(fd, &status) == 0 && status.st_ino == inode;
}

/* What is looked for. */
struct search {
	int only;      /* the number, or ANY_NUMBER that races */
	bool waits;    /* the program is about to wait for the set */
	bool has_lock; /* who looks has the contests' lock */
};

#define ANY_NUMBER (-1)

/* With the lock. Returns the contest that needs to know of it, or NULL. */
static struct contest *note_held(int set, int fd, uint64_t inode, const struct epoll_event *event)
{
	struct contest *contest = contests_find(fd);

	/* Where something was hidden, the set does not have what the program asked it for. */
	if (contest == NULL || !is_still(fd, inode) || !contest->unattended ||
	    (contest->hidden && interests_of(set, fd) != NULL) ||
	    (contest->known & WAITERS_RECORD) != 0)
		return NULL;
	/* Again each time: what was not seen may have been changed unseen as well. */
	interests_found(set, fd, contest->attempts[0].cookie,
	                contest->attempts[contest->seat].cookie, event);
	return contest;
}

/* A registration was found. */
static void note(const struct search *search, int set, int fd, uint64_t inode,
                 const struct epoll_event *event)
{
	struct quiet quiet;
	struct contest *contest;

	if (search->has_lock) {
		(void)note_held(set, fd, inode, event);
		return;
	}
	contests_lock(&quiet);
	contest = note_held(set, fd, inode, event);
	if (contest == NULL) {
		contests_unlock(&quiet);
		return;
	}
	/* It may be that there was no room to note it. */
	if (search->waits && interests_of(set, fd) != NULL)
		contest_know(contest, WAITERS_FDINFO, clock_now_ns());
	report_and_unlock(contest, &quiet);
}

/* What the set has beside the numbers that race: sets within it, perhaps. */
struct others {
	unsigned count;
	int fds[OTHERS_MAX];
};

/* "tfd: NUMBER events: HEX data: HEX pos: NUMBER ino: HEX sdev: HEX" */
static void read_line(const struct search *search, int set, const char *line, struct others *others)
{
	uint64_t fd, events, data, inode;

	if (!value_of(line, "tfd:", 10, &fd) || !value_of(line, "events:", 16, &events) ||
	    !value_of(line, "data:", 16, &data) || !value_of(line, "ino:", 16, &inode))
		return;
	if (search->only != ANY_NUMBER && search->only != (int)fd)
		return;
	if (!contests_may_have((int)fd)) {
		if (others != NULL && others->count < OTHERS_MAX)
			others->fds[others->count++] = (int)fd;
		return;
	}
	note(search, set, (int)fd, inode,
	     &(struct epoll_event){.events = (uint32_t)events, .data.u64 = data});
}

static void read_lines(const struct search *search, int set, int file, struct others *others)
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
			read_line(search, set, line, others);
			line = end + 1;
		}
		len -= (size_t)(line - buffer);
		memmove(buffer, line, len);
	}
}

static void look_into(const struct search *search, int set, struct others *others)
{
	int file = open_fdinfo(set);

	if (file < 0)
		return;
	read_lines(search, set, file, others);
	(void)libc_close(file);
}

/* What a number of the process is, as far as that matters here. */
enum kind { KIND_OTHER, KIND_SET, KIND_RING };

/*
 * Only the text of the link tells a set, and it costs five times as much as to see that a number is
 * a socket, which most are where there are many.
 */
static bool is_no_set(int number)
{
	struct stat status;

	return fstat(number, &status) < 0 || S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode) ||
	       S_ISCHR(status.st_mode);
}

static enum kind kind_of(int directory, const char *name, int number)
{
	static const char set[] = "anon_inode:[eventpoll]", ring[] = "anon_inode:[io_uring]";
	char target[sizeof(set)];
	ssize_t len;

	if (is_no_set(number))
		return KIND_OTHER;
	len = readlinkat(directory, name, target, sizeof(target));
	if (len == sizeof(set) - 1 && memcmp(target, set, sizeof(set) - 1) == 0)
		return KIND_SET;
	return len == sizeof(ring) - 1 && memcmp(target, ring, sizeof(ring) - 1) == 0 ? KIND_RING
	                                                                              : KIND_OTHER;
}

/* getdents64(2), which the C library keeps for itself; the layout is the kernel's. */
struct entry {
	uint64_t inode;
	int64_t next;
	unsigned short size;
	unsigned char type;
	char name[];
};

/* One piece of the directory. Returns false when there is an io_uring in it. */
static bool look_at_entries(const struct search *search, int directory, const char *entries,
                            long size)
{
	for (long at = 0; at < size;) {
		const struct entry *entry = (const struct entry *)(const void *)(entries + at);
		enum kind kind = KIND_OTHER;
		uint64_t number;

		if (value_of(entry->name, "", 10, &number))
			kind = kind_of(directory, entry->name, (int)number);
		if (kind == KIND_RING)
			return false;
		if (kind == KIND_SET)
			look_into(search, (int)number, NULL);
		at += entry->size;
	}
	return true;
}

static bool look_everywhere(const struct search *search)
{
	_Alignas(struct entry) char entries[BUFFER_SIZE];
	int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool known = directory >= 0;
	long size = 0;

	while (known && (size = syscall(SYS_getdents64, directory, entries, sizeof(entries))) > 0)
		known = look_at_entries(search, directory, entries, size);
	if (directory >= 0)
		(void)libc_close(directory);
	return known && size == 0;
}

bool unseen_find_everywhere(int fd)
{
	struct quiet quiet;
	bool known;

	quiet_begin(&quiet);
	known = look_everywhere(&(struct search){.only = fd});
	quiet_end(&quiet);
	return known;
}

void unseen_find_all(uint64_t since_ns, uint64_t now_ns)
{
	static uint64_t found_ns;

	if (found_ns > since_ns && now_ns - found_ns < RECENT_NS)
		return;
	found_ns = now_ns;
	(void)look_everywhere(&(struct search){.only = ANY_NUMBER, .has_lock = true});
}

void unseen_find(int set)
{
	static const struct search search = {.only = ANY_NUMBER, .waits = true};
	struct others others = {.count = 0};
	struct quiet quiet;

	if (set < 0 || !contests_are_ours())
		return;
	/* A thread that is cancelled in the middle would leave the file open. */
	quiet_begin(&quiet);
	look_into(&search, set, &others);
	/* One level of sets within sets is what programs have. */
	for (unsigned i = 0; i < others.count && contests_are_blind(); i++)
		look_into(&search, others.fds[i], NULL);
	quiet_end(&quiet);
}
