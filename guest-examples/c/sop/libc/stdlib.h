/* Of the C library's <stdlib.h> what a plugin has. */
#ifndef SOP_LIBC_STDLIB_H
#define SOP_LIBC_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void *realloc(void *memory, size_t size);
void free(void *memory);
_Noreturn void abort(void);

#endif
