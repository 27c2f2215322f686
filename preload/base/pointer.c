#include "base/pointer.h"

#include <stdint.h>

bool pointer_may_be_read(const void *pointer)
{
	uintptr_t at = (uintptr_t)pointer;

	return at >= 4096 && at < (sizeof(pointer) == 4 ? UINTPTR_MAX - 4096 : UINTPTR_MAX / 2);
}
