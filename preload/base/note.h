/*
 * base/note: diagnostics. Off unless HE_LOG asks for them; one line is one write(2), built on the
 * stack, so that lines of several threads and processes never mix. errno is never changed.
 *
 * A line goes to HE_LOG_FILE (opened, appended to and closed for each race, so that no descriptor
 * of ours is there for long) or else to descriptor 2, as long as that is still the file that it
 * was when the settings were read: a program that closed its standard error may have a connection
 * there now.
 *
 * Safe in: threads, signal handlers, fork, cancellation; note_configure() excepted, see there.
 */
#ifndef BASE_NOTE_H
#define BASE_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum note_level { NOTE_OFF, NOTE_WARN, NOTE_RACE, NOTE_DEBUG };

/* Enough for a race of 32 candidates with long scoped addresses; a longer line is cut. */
#define NOTE_LINE_MAX 4096

struct note {
	size_t len;
	char text[NOTE_LINE_MAX];
};

/*
 * Where a line goes, opened ahead by the thread whose call it is. 0 is never one of ours, and is
 * what memory that nobody has used yet says.
 */
#define NOTE_STDERR 0

/*
 * Sets level and file, once, by settings. `file` is copied; empty or NULL means standard error.
 * Returns 0, or -ENAMETOOLONG when the name does not fit (standard error is used then).
 * Not safe against itself: memory/settings calls it under its own once.
 */
int note_configure(enum note_level level, const char *file);

bool note_wants(enum note_level level);

/*
 * Opens the log file for lines to be written later, on a high number. Returns the descriptor, to
 * be closed by the caller with libc_close(); NOTE_STDERR when there is no file or no way to open
 * it.
 */
int note_open(void);

/* Begins a line: "libhe: program[pid]: ". */
void note_begin(struct note *note);
void note_text(struct note *note, const char *text);
void note_number(struct note *note, long number);

/* Milliseconds with one decimal. */
void note_ms(struct note *note, uint64_t ns);

/* The usual short text of an error: strerrordesc_np(), which is not translated. */
void note_error(struct note *note, int error);

/* Ends the line and writes it to `log_fd`, which note_open() gave. */
void note_write(struct note *note, int log_fd);

/* The same for a line whose place nobody opened ahead: opens, writes, closes. */
void note_send(struct note *note);

/* One whole line at `level`, if it is wanted: opens, writes, closes. */
void note_say(enum note_level level, const char *text);

#endif
