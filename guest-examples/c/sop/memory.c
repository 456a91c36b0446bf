/* Memory in a component: what `libc/` declares.
 *
 * The memory above the program's own data is cut into blocks of 2^n bytes, from 16 bytes up. A block that
 * is freed goes to the list of its size and is given out from there again; blocks are never joined or
 * split.
 *
 *     | header, 8 bytes: n | what `malloc` answers, 2^n - 8 bytes, aligned to 8 |
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_BYTES = 65536,
    HEADER_BYTES = 8,
    CLASS_MIN = 4,
    /* A block of 2^31 bytes and another do not fit into one memory. */
    CLASS_MAX = 30,
};

typedef struct block {
    uint32_t class;
    uint32_t padding;
    struct block *next;
} block;

/* Where the linker lets free memory begin. */
extern uint8_t __heap_base;

static block *freed[CLASS_MAX + 1];
/* Where the part begins that was never given out, and where the memory ends; 0 = not looked at yet. */
static uint64_t top, end;

static uint32_t class_of(size_t size) {
    uint32_t class = CLASS_MIN;
    while ((UINT64_C(1) << class) < (uint64_t)size + HEADER_BYTES) class++;
    return class;
}

static block *cut(uint32_t class) {
    if (top == 0) {
        top = ((uintptr_t)&__heap_base + HEADER_BYTES - 1) / HEADER_BYTES * HEADER_BYTES;
        end = (uint64_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;
    }
    uint64_t above = top + (UINT64_C(1) << class);
    if (above > end) {
        uint64_t pages = (above - end + PAGE_BYTES - 1) / PAGE_BYTES;
        if (__builtin_wasm_memory_grow(0, (size_t)pages) == SIZE_MAX) return NULL;
        end += pages * PAGE_BYTES;
    }
    block *cut = (block *)(uintptr_t)top;
    cut->class = class;
    top = above;
    return cut;
}

void *malloc(size_t size) {
    uint32_t class = class_of(size);
    if (class > CLASS_MAX) return NULL;
    block *given = freed[class];
    if (given != NULL) freed[class] = given->next;
    else given = cut(class);
    return given ? (uint8_t *)given + HEADER_BYTES : NULL;
}

void free(void *memory) {
    if (memory == NULL) return;
    block *given = (block *)((uint8_t *)memory - HEADER_BYTES);
    given->next = freed[given->class];
    freed[given->class] = given;
}

void *realloc(void *memory, size_t size) {
    if (memory == NULL) return malloc(size);
    const block *given = (const block *)((uint8_t *)memory - HEADER_BYTES);
    size_t room = ((size_t)1 << given->class) - HEADER_BYTES;
    if (size <= room) return memory;
    void *larger = malloc(size);
    if (larger == NULL) return NULL;
    memcpy(larger, memory, room);
    free(memory);
    return larger;
}

void abort(void) { __builtin_trap(); }

/* These become the instructions for whole blocks of memory. */
void *memcpy(void *restrict into, const void *restrict from, size_t count) {
    return __builtin_memcpy(into, from, count);
}

void *memmove(void *into, const void *from, size_t count) { return __builtin_memmove(into, from, count); }

void *memset(void *into, int byte, size_t count) { return __builtin_memset(into, byte, count); }

int memcmp(const void *left, const void *right, size_t count) {
    const uint8_t *a = left, *b = right;
    for (size_t at = 0; at < count; at++) {
        if (a[at] != b[at]) return a[at] < b[at] ? -1 : 1;
    }
    return 0;
}

void *memchr(const void *memory, int byte, size_t count) {
    const uint8_t *at = memory, *end = at + count;
    for (; at < end; at++) {
        if (*at == (uint8_t)byte) return (void *)at;
    }
    return NULL;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}

char *strchr(const char *text, int byte) {
    for (; *text != (char)byte; text++) {
        if (*text == 0) return NULL;
    }
    return (char *)text;
}
