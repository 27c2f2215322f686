/*
 * Allocations, counted and made to fail. The linker puts these in place of malloc() and its like
 * (--wrap), in our objects and in those of libheconnect.a. Not in a program that is linked against
 * the shared library, whose calls the linker cannot turn.
 */
#include "conform.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_long live, until_failure;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *memory);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *memory);

long heap_live(void)
{
	return atomic_load(&live);
}

void heap_fail(long nth)
{
	atomic_store(&until_failure, nth);
}

static bool fails(void)
{
	if (atomic_load(&until_failure) == 0 || atomic_fetch_sub(&until_failure, 1) != 1)
		return false;
	errno = ENOMEM;
	return true;
}

static void *counted(void *memory)
{
	if (memory != NULL)
		atomic_fetch_add(&live, 1);
	return memory;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(count, size));
}

void __wrap_free(void *memory)
{
	if (memory != NULL)
		atomic_fetch_sub(&live, 1);
	__real_free(memory);
}
