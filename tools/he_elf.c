#include "he_elf.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel refuses a larger program header table (ELF_MIN_ALIGN, at most 64 KiB). */
#define PROGRAM_HEADERS_SIZE_MAX 65536

/* Real programs have under a hundred sections and a handful of notes: do not read on for ever. */
#define SECTIONS_MAX 4096
#define NOTES_MAX 64
#define STRINGS_SIZE_MAX (16 << 20)

/* Our own ELF header, as the linker laid it out: what "same class and machine" is measured by. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct image {
	int fd;
	ElfW(Ehdr) header;
};

/*
 * All of `len` bytes or -ENOEXEC. An offset that a damaged header invents ends here: pread() finds
 * nothing behind the end of the file, and refuses what is negative to it.
 */
static int image_read(const struct image *image, uint64_t offset, void *ret_bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
		    pread(image->fd, (char *)ret_bytes + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -ENOEXEC;
		done += (size_t)n;
	}
	return 0;
}

static bool image_is_ours(const ElfW(Ehdr) * header)
{
	return header->e_ident[EI_CLASS] == __ehdr_start.e_ident[EI_CLASS] &&
	       header->e_ident[EI_DATA] == __ehdr_start.e_ident[EI_DATA] &&
	       header->e_machine == __ehdr_start.e_machine;
}

static int image_program_header(const struct image *image, unsigned i, ElfW(Phdr) * ret_header)
{
	return image_read(image, image->header.e_phoff + (uint64_t)i * sizeof(*ret_header),
	                  ret_header, sizeof(*ret_header));
}

static int image_section(const struct image *image, unsigned i, ElfW(Shdr) * ret_section)
{
	return image_read(image, image->header.e_shoff + (uint64_t)i * sizeof(*ret_section),
	                  ret_section, sizeof(*ret_section));
}

/*
 * Finds a section by name. Returns 0 or -ENOENT; a program may have no sections, so a damaged
 * table says no more than a missing one.
 */
static int image_find_section(const struct image *image, const char *name, ElfW(Shdr) * ret_section)
{
	const ElfW(Ehdr) *header = &image->header;
	size_t name_size = strlen(name) + 1;
	ElfW(Shdr) names;
	char found[32];

	if (header->e_shentsize != sizeof(ElfW(Shdr)) || header->e_shnum > SECTIONS_MAX ||
	    name_size > sizeof(found) || image_section(image, header->e_shstrndx, &names) < 0)
		return -ENOENT;
	for (unsigned i = 0; i < header->e_shnum; i++) {
		ElfW(Shdr) section;

		if (image_section(image, i, &section) < 0)
			return -ENOENT;
		if (image_read(image, names.sh_offset + section.sh_name, found, name_size) == 0 &&
		    memcmp(found, name, name_size) == 0) {
			*ret_section = section;
			return 0;
		}
	}
	return -ENOENT;
}

/* The Go linker signs every program with its build identifier, in a note named "Go". */
static bool image_has_go_note(const struct image *image, const ElfW(Phdr) * notes)
{
	uint64_t align = notes->p_align == 8 ? 8 : 4;
	uint64_t at = 0;

	for (unsigned i = 0; i < NOTES_MAX && at < notes->p_filesz; i++) {
		ElfW(Nhdr) note;
		char name[3];

		if (image_read(image, notes->p_offset + at, &note, sizeof(note)) < 0)
			return false;
		if (note.n_namesz >= sizeof(name) &&
		    image_read(image, notes->p_offset + at + sizeof(note), name, sizeof(name)) ==
		        0 &&
		    memcmp(name, "Go", sizeof(name)) == 0)
			return true;
		at += sizeof(note) + (((uint64_t)note.n_namesz + 3) & ~(uint64_t)3);
		at = (at + note.n_descsz + align - 1) & ~(align - 1);
	}
	return false;
}

/*
 * A program that is linked to libasan exits when another library is loaded before it. The name in
 * .dynstr stands there because the program is linked to it; one given to dlopen() is elsewhere.
 */
static bool image_needs_asan(const struct image *image)
{
	static const char gcc[] = "libasan.so", clang[] = "libclang_rt.asan";
	ElfW(Shdr) strings;
	char *bytes;
	bool needs;

	if (image_find_section(image, ".dynstr", &strings) < 0 ||
	    strings.sh_size > STRINGS_SIZE_MAX)
		return false;
	bytes = malloc(strings.sh_size + 1);
	needs = bytes != NULL &&
	        image_read(image, strings.sh_offset, bytes, strings.sh_size) == 0 &&
	        (memmem(bytes, strings.sh_size, gcc, strlen(gcc)) != NULL ||
	         memmem(bytes, strings.sh_size, clang, strlen(clang)) != NULL);
	free(bytes);
	return needs;
}

/* Reads the loader's path as the kernel does: terminated, and at most PATH_MAX with the end. */
static int image_loader(const struct image *image, const ElfW(Phdr) * interp, char *ret_path)
{
	if (interp->p_filesz < 2 || interp->p_filesz > PATH_MAX ||
	    image_read(image, interp->p_offset, ret_path, interp->p_filesz) < 0 ||
	    ret_path[interp->p_filesz - 1] != '\0')
		return -ENOEXEC;
	return 0;
}

static enum preflight_outcome judge_loader(const char *loader, struct preflight_verdict *verdict)
{
	const char *slash = strrchr(loader, '/');
	const char *name = slash != NULL ? slash + 1 : loader;

	if (access(loader, F_OK) < 0) {
		verdict->error = errno;
		verdict->by_interpreter = true;
		snprintf(verdict->path, sizeof(verdict->path), "%s", loader);
		return verdict->error == ENOENT ? PREFLIGHT_NOT_FOUND : PREFLIGHT_NOT_EXECUTABLE;
	}
	return strncmp(name, "ld-musl-", strlen("ld-musl-")) == 0 ? PREFLIGHT_OTHER_LIBC
	                                                          : PREFLIGHT_OK;
}

/* -ENOEXEC for what the kernel surely refuses; anything milder is left for execve() to say. */
static int image_load_header(struct image *image)
{
	const ElfW(Ehdr) *header = &image->header;

	if (image_read(image, 0, &image->header, sizeof(image->header)) < 0 ||
	    (header->e_type != ET_EXEC && header->e_type != ET_DYN) || header->e_phnum == 0 ||
	    header->e_phentsize != sizeof(ElfW(Phdr)) ||
	    header->e_phnum > PROGRAM_HEADERS_SIZE_MAX / sizeof(ElfW(Phdr)))
		return -ENOEXEC;
	return 0;
}

/* Walks the segments. `ret_loader` has PATH_MAX bytes and stays empty when there is no PT_INTERP.
 */
static int image_survey(const struct image *image, char *ret_loader, bool *ret_is_go)
{
	ElfW(Shdr) section;

	ret_loader[0] = '\0';
	*ret_is_go = image_find_section(image, ".go.buildinfo", &section) == 0;
	for (unsigned i = 0; i < image->header.e_phnum; i++) {
		ElfW(Phdr) segment;
		int r = image_program_header(image, i, &segment);

		if (r == 0 && segment.p_type == PT_INTERP && ret_loader[0] == '\0')
			r = image_loader(image, &segment, ret_loader);
		if (r < 0)
			return r;
		if (segment.p_type == PT_NOTE && image_has_go_note(image, &segment))
			*ret_is_go = true;
	}
	return 0;
}

bool elf_is(const void *bytes, size_t len)
{
	return len >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0;
}

enum preflight_outcome elf_judge(int fd, struct preflight_verdict *verdict)
{
	enum preflight_outcome outcome = PREFLIGHT_STATIC;
	struct image image = {.fd = fd};
	char loader[PATH_MAX];
	bool is_go;

	/* The start of the header is the same in every class, and the rest is not ours to read. */
	if (image_read(&image, 0, &image.header, offsetof(ElfW(Ehdr), e_version)) == 0 &&
	    !image_is_ours(&image.header))
		return PREFLIGHT_OTHER_CLASS;
	if (image_load_header(&image) < 0 || image_survey(&image, loader, &is_go) < 0) {
		verdict->error = ENOEXEC;
		return PREFLIGHT_NOT_EXECUTABLE;
	}
	if (loader[0] != '\0')
		outcome = judge_loader(loader, verdict);
	/* Before static: of a static Go program, being Go is what the user can act on. */
	if (is_go && (outcome == PREFLIGHT_OK || outcome == PREFLIGHT_STATIC))
		return PREFLIGHT_GO;
	if (outcome == PREFLIGHT_OK && image_needs_asan(&image))
		return PREFLIGHT_ASAN;
	return outcome;
}
