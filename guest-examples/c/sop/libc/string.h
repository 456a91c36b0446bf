/* Of the C library's <string.h> what a plugin has. */
#ifndef SOP_LIBC_STRING_H
#define SOP_LIBC_STRING_H

#include <stddef.h>

void *memcpy(void *restrict into, const void *restrict from, size_t count);
void *memmove(void *into, const void *from, size_t count);
void *memset(void *into, int byte, size_t count);
int memcmp(const void *left, const void *right, size_t count);
void *memchr(const void *memory, int byte, size_t count);
size_t strlen(const char *text);
char *strchr(const char *text, int byte);

#endif
