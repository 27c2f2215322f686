#include "base/note.h"

#include "base/fd.h"
#include "base/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_int wanted = NOTE_OFF;
static char file_name[PATH_MAX];

/* What descriptor 2 was when the settings were read. */
static struct stat first_stderr;
static bool stderr_known;

int note_configure(enum note_level level, const char *file)
{
	int saved_errno = errno;
	int r = 0;

	if (file != NULL && strlen(file) < sizeof(file_name))
		memcpy(file_name, file, strlen(file) + 1);
	else if (file != NULL)
		r = -ENAMETOOLONG;
	stderr_known = fstat(STDERR_FILENO, &first_stderr) == 0;
	atomic_store_explicit(&wanted, level, memory_order_release);
	errno = saved_errno;
	return r;
}

bool note_wants(enum note_level level)
{
	return (int)level <= atomic_load_explicit(&wanted, memory_order_acquire);
}

int note_open(void)
{
	int saved_errno = errno;
	int fd = NOTE_STDERR;

	if (file_name[0] != '\0') {
		/* Not blocking: the file may be a FIFO that nobody reads. */
		fd = open(file_name,
		          O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
		if (fd >= 0)
			fd = fd_raise(fd);
		if (fd < 0)
			fd = NOTE_STDERR;
	}
	errno = saved_errno;
	return fd;
}

void note_begin(struct note *note)
{
	note->len = 0;
	note_text(note, "libhe: ");
	note_text(note, program_invocation_short_name);
	note_text(note, "[");
	note_number(note, getpid());
	note_text(note, "]: ");
}

void note_text(struct note *note, const char *text)
{
	/* One byte stays free for the newline. */
	for (; *text != '\0' && note->len < sizeof(note->text) - 1; text++)
		/* A name may hold anything; a line shall stay one. */
		note->text[note->len++] = *text >= 0 && *text < ' ' ? '?' : *text;
}

void note_number(struct note *note, long number)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;
	unsigned long left = number < 0 ? 0ul - (unsigned long)number : (unsigned long)number;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left != 0);
	if (number < 0)
		digits[--at] = '-';
	note_text(note, &digits[at]);
}

void note_ms(struct note *note, uint64_t ns)
{
	uint64_t tenths = ns / 100000;

	note_number(note, (long)(tenths / 10));
	note_text(note, ".");
	note_number(note, (long)(tenths % 10));
	note_text(note, " ms");
}

void note_error(struct note *note, int error)
{
	const char *text = strerrordesc_np(error);

	note_text(note, text != NULL ? text : "unknown error");
}

static bool stderr_is_the_first(void)
{
	struct stat now;

	return stderr_known && fstat(STDERR_FILENO, &now) == 0 &&
	       now.st_dev == first_stderr.st_dev && now.st_ino == first_stderr.st_ino;
}

/* How long a line waits for a reader who is busy, before it is lost. */
#define PATIENCE_NS 100000000L

static bool is_writable(int fd)
{
	static const struct timespec patience = {.tv_nsec = PATIENCE_NS};
	struct pollfd watch = {.fd = fd, .events = POLLOUT};

	/* A pipe is writable when it has room for more than a line. */
	return libc_ppoll(&watch, 1, &patience, NULL) != 0;
}

/*
 * A log that cannot be written must not disturb the program, and one that nobody reads must neither
 * hold nor kill it: a SIGPIPE of our own is taken back before it is delivered.
 */
static void write_quietly(int fd, const char *text, size_t len)
{
	static const struct timespec at_once;
	sigset_t pipe_signal, mask, pending;

	if (!is_writable(fd))
		return;
	(void)sigemptyset(&pipe_signal);
	(void)sigaddset(&pipe_signal, SIGPIPE);
	(void)libc_pthread_sigmask(SIG_BLOCK, &pipe_signal, &mask);
	(void)sigpending(&pending);
	if (write(fd, text, len) < 0 && errno == EPIPE && sigismember(&pending, SIGPIPE) == 0)
		(void)sigtimedwait(&pipe_signal, NULL, &at_once);
	(void)libc_pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void note_write(struct note *note, int log_fd)
{
	int saved_errno = errno;

	note->text[note->len++] = '\n';
	if (log_fd != NOTE_STDERR)
		write_quietly(log_fd, note->text, note->len);
	else if (stderr_is_the_first())
		write_quietly(STDERR_FILENO, note->text, note->len);
	errno = saved_errno;
}

void note_send(struct note *note)
{
	int saved_errno = errno;
	int fd = note_open();

	note_write(note, fd);
	if (fd != NOTE_STDERR)
		(void)libc_close(fd);
	errno = saved_errno;
}

void note_say(enum note_level level, const char *text)
{
	struct note note;

	if (!note_wants(level))
		return;
	note_begin(&note);
	note_text(&note, text);
	note_send(&note);
}
