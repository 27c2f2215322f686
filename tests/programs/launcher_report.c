/*
 * Prints what a launcher leaves behind: one line for each name among the arguments.
 * NAME: the environment variable's value, or nothing; @secure: AT_SECURE as the kernel set it;
 * @loaded: "loaded" when libhe.so is in this process; @descriptors: the open ones.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

static void print_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
			printf("%s ", entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	putchar('\n');
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = getenv(argv[i]);

		if (strcmp(argv[i], "@secure") == 0)
			printf("%lu\n", getauxval(AT_SECURE));
		else if (strcmp(argv[i], "@loaded") == 0)
			puts(dlsym(RTLD_DEFAULT, "libhe_version") != NULL ? "loaded" : "");
		else if (strcmp(argv[i], "@descriptors") == 0)
			print_descriptors();
		else
			puts(value != NULL ? value : "");
	}
	return 0;
}
