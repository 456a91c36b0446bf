/* Bytes that grow, and texts. */

#include "sop.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the first allocation of a buffer. */
enum { CAPACITY_FIRST = 32 };

sop_bytes sop_text(const char *text) { return (sop_bytes){(const uint8_t *)text, strlen(text)}; }

sop_bytes sop_view(const sop_buffer *buffer) { return (sop_bytes){buffer->data, buffer->length}; }

bool sop_same(sop_bytes a, sop_bytes b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* Makes room for more bytes. A plugin without memory is stopped: it could not even say so. */
static void reserve(sop_buffer *buffer, size_t more) {
    if (more <= buffer->capacity - buffer->length) return;
    size_t capacity = buffer->capacity ? buffer->capacity : CAPACITY_FIRST;
    while (capacity - buffer->length < more) {
        if (capacity > SIZE_MAX / 2) abort();
        capacity *= 2;
    }
    buffer->data = realloc(buffer->data, capacity);
    if (buffer->data == NULL) abort();
    buffer->capacity = capacity;
}

void sop_add(sop_buffer *buffer, sop_bytes bytes) {
    if (bytes.length == 0) return;
    reserve(buffer, bytes.length);
    memcpy(buffer->data + buffer->length, bytes.data, bytes.length);
    buffer->length += bytes.length;
}

void sop_add_byte(sop_buffer *buffer, uint8_t byte) {
    reserve(buffer, 1);
    buffer->data[buffer->length++] = byte;
}

void sop_add_text(sop_buffer *buffer, const char *text) { sop_add(buffer, sop_text(text)); }

void sop_add_u64(sop_buffer *buffer, uint64_t number) {
    uint8_t digits[20];
    size_t count = 0;
    do digits[sizeof digits - ++count] = (uint8_t)('0' + number % 10);
    while (number /= 10);
    sop_add(buffer, (sop_bytes){digits + sizeof digits - count, count});
}

void sop_add_i64(sop_buffer *buffer, int64_t number) {
    if (number < 0) sop_add_byte(buffer, '-');
    sop_add_u64(buffer, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void sop_add_hex(sop_buffer *buffer, uint64_t number) {
    for (int shift = 60; shift >= 0; shift -= 4) {
        sop_add_byte(buffer, (uint8_t)"0123456789abcdef"[number >> shift & 15]);
    }
}

void sop_clear(sop_buffer *buffer) {
    buffer->length = 0;
    buffer->invalid = NULL;
}

void sop_free(sop_buffer *buffer) {
    free(buffer->data);
    *buffer = (sop_buffer){0};
}

/* The bytes of the character that begins here; 0 = none does. */
static size_t character_length(const uint8_t *at, size_t left) {
    uint8_t first = at[0];
    if (first < 0x80) return 1;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < length) return 0;
    for (size_t index = 1; index < length; index++) {
        if ((at[index] & 0xc0) != 0x80) return 0;
    }
    /* Shorter forms of the same character, surrogates, and what is beyond the last character. */
    if (first == 0xe0 && at[1] < 0xa0) return 0;
    if (first == 0xed && at[1] > 0x9f) return 0;
    if (first == 0xf0 && at[1] < 0x90) return 0;
    if (first == 0xf4 && at[1] > 0x8f) return 0;
    return length;
}

bool sop_is_utf8(sop_bytes bytes) {
    for (size_t at = 0; at < bytes.length;) {
        size_t length = character_length(bytes.data + at, bytes.length - at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}
