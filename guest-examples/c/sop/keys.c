/* Keys as bytes that sort like the values they stand for.
 *
 * The form is that of all kits; `sdk/src/key/mod.rs` draws it and says why it is so, `key-vectors.json`
 * has examples. In short: numbers are big-endian with the top bit of signed ones flipped; strings have 00
 * written as 00 ff and end with 00 01; an option begins with 00 or 01; a tuple is its elements one after
 * another.
 */

#include "reader.h"

#include <string.h>

static const uint8_t ZERO_ESCAPED[] = {0x00, 0xff};
static const uint8_t END[] = {0x00, 0x01};
static const uint64_t TOP_BIT = UINT64_C(1) << 63;

/* The lowest `byte_count` bytes of a number, big-endian. */
static void add_number(sop_buffer *key, uint64_t number, int byte_count) {
    for (int index = byte_count - 1; index >= 0; index--) {
        sop_add_byte(key, (uint8_t)(number >> 8 * index));
    }
}

static uint64_t take_number(sop_reader *key, size_t byte_count) {
    sop_bytes taken = reader_take(key, byte_count);
    uint64_t number = 0;
    for (size_t index = 0; index < taken.length; index++) number = number << 8 | taken.data[index];
    return number;
}

void sop_key_u8(sop_buffer *key, uint8_t number) { add_number(key, number, 1); }
void sop_key_u16(sop_buffer *key, uint16_t number) { add_number(key, number, 2); }
void sop_key_u32(sop_buffer *key, uint32_t number) { add_number(key, number, 4); }
void sop_key_u64(sop_buffer *key, uint64_t number) { add_number(key, number, 8); }
void sop_key_u128(sop_buffer *key, uint64_t high, uint64_t low) {
    add_number(key, high, 8);
    add_number(key, low, 8);
}

/* Flipping the top bit moves the negative numbers, which have it, below the others. */
void sop_key_i8(sop_buffer *key, int8_t number) { add_number(key, (uint8_t)number ^ 0x80u, 1); }
void sop_key_i16(sop_buffer *key, int16_t number) { add_number(key, (uint16_t)number ^ 0x8000u, 2); }
void sop_key_i32(sop_buffer *key, int32_t number) { add_number(key, (uint32_t)number ^ 0x80000000u, 4); }
void sop_key_i64(sop_buffer *key, int64_t number) { add_number(key, (uint64_t)number ^ TOP_BIT, 8); }
void sop_key_i128(sop_buffer *key, int64_t high, uint64_t low) {
    sop_key_u128(key, (uint64_t)high ^ TOP_BIT, low);
}

uint8_t sop_read_key_u8(sop_reader *key) { return (uint8_t)take_number(key, 1); }
uint16_t sop_read_key_u16(sop_reader *key) { return (uint16_t)take_number(key, 2); }
uint32_t sop_read_key_u32(sop_reader *key) { return (uint32_t)take_number(key, 4); }
uint64_t sop_read_key_u64(sop_reader *key) { return take_number(key, 8); }
void sop_read_key_u128(sop_reader *key, uint64_t *high, uint64_t *low) {
    *high = take_number(key, 8);
    *low = take_number(key, 8);
}

int8_t sop_read_key_i8(sop_reader *key) { return (int8_t)(take_number(key, 1) ^ 0x80u); }
int16_t sop_read_key_i16(sop_reader *key) { return (int16_t)(take_number(key, 2) ^ 0x8000u); }
int32_t sop_read_key_i32(sop_reader *key) { return (int32_t)(take_number(key, 4) ^ 0x80000000u); }
int64_t sop_read_key_i64(sop_reader *key) { return (int64_t)(take_number(key, 8) ^ TOP_BIT); }
void sop_read_key_i128(sop_reader *key, int64_t *high, uint64_t *low) {
    *high = sop_read_key_i64(key);
    *low = take_number(key, 8);
}

void sop_key_bool(sop_buffer *key, bool truth) { sop_add_byte(key, truth); }
bool sop_read_key_bool(sop_reader *key) { return reader_mark(key, "a truth value is neither 0 nor 1"); }

static bool is_character(uint32_t code) { return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff); }

void sop_key_char(sop_buffer *key, uint32_t character) {
    if (!is_character(character)) key->invalid = "it has a character that is none";
    sop_key_u32(key, character);
}

uint32_t sop_read_key_char(sop_reader *key) {
    uint32_t code = sop_read_key_u32(key);
    if (!is_character(code)) reader_fail(key, "it has a character that is none");
    return is_character(code) ? code : 0;
}

/* Of a negative number all bits are flipped, so that a greater magnitude sorts lower. */
void sop_key_f64(sop_buffer *key, double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    sop_key_u64(key, bits & TOP_BIT ? ~bits : bits ^ TOP_BIT);
}

double sop_read_key_f64(sop_reader *key) {
    uint64_t ordered = sop_read_key_u64(key);
    uint64_t bits = ordered & TOP_BIT ? ordered ^ TOP_BIT : ~ordered;
    if (key->mismatch != NULL) bits = 0;
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

void sop_key_beginning(sop_buffer *key, sop_bytes bytes) {
    for (size_t start = 0; start < bytes.length;) {
        const uint8_t *zero = memchr(bytes.data + start, 0, bytes.length - start);
        size_t end = zero ? (size_t)(zero - bytes.data) : bytes.length;
        sop_add(key, (sop_bytes){bytes.data + start, end - start});
        if (zero) sop_add(key, (sop_bytes){ZERO_ESCAPED, sizeof ZERO_ESCAPED});
        start = end + 1;
    }
}

void sop_key_bytes(sop_buffer *key, sop_bytes bytes) {
    sop_key_beginning(key, bytes);
    sop_add(key, (sop_bytes){END, sizeof END});
}

void sop_key_text(sop_buffer *key, sop_bytes text) {
    if (!sop_is_utf8(text)) key->invalid = "it has a text that is not UTF-8";
    sop_key_bytes(key, text);
}

void sop_read_key_bytes(sop_reader *key, sop_buffer *bytes) {
    while (key->mismatch == NULL) {
        const uint8_t *zero = key->length ? memchr(key->data, 0, key->length) : NULL;
        if (zero == NULL) {
            reader_fail(key, "it ends inside a string");
            return;
        }
        sop_add(bytes, reader_take(key, (size_t)(zero - key->data)));
        reader_byte(key);
        uint8_t mark = reader_byte(key);
        if (key->mismatch != NULL || mark == END[1]) return;
        if (mark != ZERO_ESCAPED[1]) reader_fail(key, "a string has a zero that is not escaped");
        else sop_add_byte(bytes, 0);
    }
}

void sop_read_key_text(sop_reader *key, sop_buffer *text) {
    size_t start = text->length;
    sop_read_key_bytes(key, text);
    size_t length = text->length - start;
    if (length > 0 && !sop_is_utf8((sop_bytes){text->data + start, length})) {
        reader_fail(key, "it has a string that is not UTF-8");
    }
}

void sop_key_none(sop_buffer *key) { sop_add_byte(key, 0); }
void sop_key_some(sop_buffer *key) { sop_add_byte(key, 1); }
bool sop_read_key_option(sop_reader *key) { return reader_mark(key, "an option begins with neither 0 nor 1"); }
