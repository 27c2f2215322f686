#include "api/sized.h"

#include <errno.h>
#include <string.h>

int sized_copy(void *ret_known, size_t known_size, const void *given)
{
	const char *bytes = given;
	size_t size;

	memcpy(&size, given, sizeof(size));
	if (size < sizeof(size))
		return -E2BIG;
	for (size_t i = known_size; i < size; i++)
		if (bytes[i] != 0)
			return -E2BIG;
	memcpy(ret_known, given, size < known_size ? size : known_size);
	return 0;
}
