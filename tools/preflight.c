#include "preflight.h"

#include "he_elf.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <paths.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel follows five scripts and refuses the sixth with ELOOP (fs/exec.c, exec_binprm). */
#define SCRIPTS_MAX 5

/* The kernel looks for the #! line in this many bytes (BINPRM_BUF_SIZE). */
#define SCRIPT_LINE_MAX 256

/*
 * Capabilities that the file grants set AT_SECURE, except for root, who has them anyway. What it
 * only lets through (inheritable), or an empty set, does not.
 */
static bool grants_capabilities(const char *path)
{
	struct vfs_ns_cap_data caps = {0};
	uint32_t granted;

	if (getuid() == 0 ||
	    getxattr(path, "security.capability", &caps, sizeof(caps)) < (ssize_t)XATTR_CAPS_SZ_1)
		return false;
	granted = caps.data[0].permitted | caps.data[1].permitted;
	return granted != 0 || (le32toh(caps.magic_etc) & VFS_CAP_FLAGS_EFFECTIVE) != 0;
}

/*
 * The kernel sets AT_SECURE when the program starts with an effective identity that is not the
 * real one of its parent. A set-group-ID bit without group execute means locking, not identity.
 */
static bool starts_secure(const char *path, const struct stat *status)
{
	uid_t user = geteuid();
	gid_t group = getegid();
	struct statvfs mount;

	if (statvfs(path, &mount) < 0 || (mount.f_flag & ST_NOSUID) == 0) {
		bool may_change = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;

		if (may_change && (status->st_mode & S_ISUID) != 0)
			user = status->st_uid;
		if (may_change && (status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
			group = status->st_gid;
		if (grants_capabilities(path))
			return true;
	}
	return user != getuid() || group != getgid();
}

/*
 * The interpreter that the kernel takes from a #! line, which ends at a newline or, if the path
 * itself is whole, at the end of what the kernel reads. Returns 0, or -ENOEXEC for no script.
 */
static int script_interpreter(const char *line, size_t len, char *ret_path)
{
	const char *end = line + len;
	const char *start = line + 2;
	const char *stop;

	if (len < 2 || memcmp(line, "#!", 2) != 0)
		return -ENOEXEC;
	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	stop = start;
	while (stop < end && strchr(" \t\n", *stop) == NULL)
		stop++;
	if (stop == start || (stop == end && len == SCRIPT_LINE_MAX))
		return -ENOEXEC;
	memcpy(ret_path, start, (size_t)(stop - start));
	ret_path[stop - start] = '\0';
	return 0;
}

/* 0, or -errno as execve() would give it; a directory is EACCES to it. */
static int probe(const char *path, struct stat *ret_status)
{
	if (stat(path, ret_status) < 0)
		return -errno;
	return S_ISREG(ret_status->st_mode) && eaccess(path, X_OK) == 0 ? 0 : -EACCES;
}

/*
 * Judges what stands at verdict->path. Returns true when it is a script: verdict->path is then its
 * interpreter and has to be judged in turn.
 */
static bool judge_file(struct preflight_verdict *verdict)
{
	char line[SCRIPT_LINE_MAX] = "";
	struct stat status;
	ssize_t len;
	bool is_script = false;
	int fd;

	verdict->error = -probe(verdict->path, &status);
	if (verdict->error != 0) {
		verdict->outcome =
		    verdict->error == ENOENT ? PREFLIGHT_NOT_FOUND : PREFLIGHT_NOT_EXECUTABLE;
		return false;
	}
	fd = open(verdict->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		verdict->outcome =
		    starts_secure(verdict->path, &status) ? PREFLIGHT_SECURE : PREFLIGHT_UNREADABLE;
		return false;
	}
	len = pread(fd, line, sizeof(line), 0);
	if (len < 0)
		verdict->outcome = PREFLIGHT_UNREADABLE;
	else if (!elf_is(line, (size_t)len))
		is_script = true;
	else if (starts_secure(verdict->path, &status))
		verdict->outcome = PREFLIGHT_SECURE;
	else
		verdict->outcome = elf_judge(fd, verdict);
	close(fd);

	if (is_script && script_interpreter(line, (size_t)len, verdict->path) < 0)
		strcpy(verdict->path, _PATH_BSHELL);
	return is_script;
}

/* execvp()'s own order: what is missing is passed over, what is forbidden is remembered. */
static int locate_in_path(const char *program, char *ret_path)
{
	const char *entry = getenv("PATH");
	char fallback[PATH_MAX] = "";
	char candidate[PATH_MAX];
	struct stat status;
	int result = -ENOENT;

	if (entry == NULL) {
		confstr(_CS_PATH, fallback, sizeof(fallback));
		entry = fallback;
	}
	for (;;) {
		int len = (int)strcspn(entry, ":");
		int n = snprintf(candidate, sizeof(candidate), "%.*s%s%s", len, entry,
		                 len > 0 ? "/" : "", program);
		int r = n < (int)sizeof(candidate) ? probe(candidate, &status) : -ENAMETOOLONG;

		if (r == 0) {
			strcpy(ret_path, candidate);
			return 0;
		}
		if (r == -EACCES)
			result = r;
		if (entry[len] == '\0')
			return result;
		entry += len + 1;
	}
}

static int locate(const char *program, char *ret_path)
{
	if (*program == '\0')
		return -ENOENT;
	if (strchr(program, '/') == NULL)
		return locate_in_path(program, ret_path);
	if (strlen(program) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(ret_path, program);
	return 0;
}

void preflight_judge(const char *program, struct preflight_verdict *ret_verdict)
{
	struct preflight_verdict verdict = {.outcome = PREFLIGHT_NOT_FOUND};
	int n_scripts = 0;
	int r;

	snprintf(verdict.path, sizeof(verdict.path), "%s", program);
	r = locate(program, verdict.path);
	if (r < 0) {
		verdict.error = -r;
		verdict.outcome = r == -ENOENT ? PREFLIGHT_NOT_FOUND : PREFLIGHT_NOT_EXECUTABLE;
	}
	while (r == 0 && judge_file(&verdict)) {
		verdict.by_interpreter = ++n_scripts <= SCRIPTS_MAX;
		if (!verdict.by_interpreter) {
			verdict.outcome = PREFLIGHT_NOT_EXECUTABLE;
			verdict.error = ELOOP;
			break;
		}
	}
	*ret_verdict = verdict;
}
