#include <he.h>

const char *he_version(void)
{
	return HE_VERSION;
}
