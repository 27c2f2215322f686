/*
 * launcher_damage SEED SOURCE TARGET: writes SOURCE to TARGET, executable, with some bytes of its
 * first KiB (the ELF and program headers) and of its last (the section headers) replaced.
 * The same seed does the same damage everywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define REGION 1024

static unsigned state;

static unsigned next(void)
{
	state = state * 1103515245u + 12345u;
	return state >> 16;
}

int main(int argc, char **argv)
{
	static unsigned char bytes[4 << 20];
	static const unsigned char nasty[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	size_t len, n;
	FILE *file;

	if (argc != 4 || (file = fopen(argv[2], "rb")) == NULL)
		return 1;
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	if (len < 2 * REGION || (file = fopen(argv[3], "wb")) == NULL)
		return 1;
	state = (unsigned)atoi(argv[1]);
	for (unsigned i = 1 + next() % 16; i > 0; i--) {
		size_t at = next() % REGION;

		/* The first bytes decide whether anything is looked at: leave them alone. */
		if (at < 20)
			continue;
		if (next() % 4 == 0)
			at += len - REGION;
		bytes[at] = nasty[next() % sizeof(nasty)];
	}
	/* A third of them are cut off somewhere, too. */
	if (next() % 3 == 0)
		len = 20 + next() % (2 * REGION - 20);
	n = fwrite(bytes, 1, len, file);
	return fclose(file) != 0 || n != len || chmod(argv[3], 0755) != 0;
}
