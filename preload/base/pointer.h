/*
 * base/pointer: memory of the program that we look at before the kernel does.
 * Safe in: threads, signal handlers, fork, cancellation.
 */
#ifndef BASE_POINTER_H
#define BASE_POINTER_H

#include <stdbool.h>

/*
 * The kernel answers EFAULT to a bad pointer; we would die of it. What programs really pass, NULL,
 * small numbers and -1, lies in the first page or the kernel's half, which are never mapped: false.
 * Any other bad pointer could only be told by a system call, and that is too much for every call.
 */
bool pointer_may_be_read(const void *pointer);

#endif
