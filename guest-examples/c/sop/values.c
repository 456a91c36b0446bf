/* Values as bytes: postcard, which the kit for Rust uses.
 *
 * Integers of more than one byte have a variable length: 7 bits in a byte, the lowest first, the top bit
 * set on all but the last. Signed ones are folded (0, -1, 1, -2, …) before. Texts, byte strings and lists
 * begin with their length. Nothing carries a type or a name.
 */

#include "reader.h"

#include <string.h>

static void add_number(sop_buffer *value, uint64_t number) {
    for (; number > 0x7f; number >>= 7) sop_add_byte(value, (uint8_t)(number | 0x80));
    sop_add_byte(value, (uint8_t)number);
}

static uint64_t take_number(sop_reader *value, int bits) {
    uint64_t number = 0;
    for (int shift = 0; shift < bits; shift += 7) {
        uint8_t byte = reader_byte(value);
        uint64_t part = byte & 0x7f;
        if (bits - shift < 7 && part >> (bits - shift)) break;
        number |= part << shift;
        if (byte < 0x80) return number;
    }
    reader_fail(value, "it has a number that is too large");
    return 0;
}

static void add_folded(sop_buffer *value, int64_t number) {
    uint64_t doubled = (uint64_t)number << 1;
    add_number(value, number < 0 ? ~doubled : doubled);
}

static int64_t take_folded(sop_reader *value, int bits) {
    uint64_t folded = take_number(value, bits);
    return (int64_t)(folded & 1 ? ~(folded >> 1) : folded >> 1);
}

void sop_value_u8(sop_buffer *value, uint8_t number) { sop_add_byte(value, number); }
void sop_value_u16(sop_buffer *value, uint16_t number) { add_number(value, number); }
void sop_value_u32(sop_buffer *value, uint32_t number) { add_number(value, number); }
void sop_value_u64(sop_buffer *value, uint64_t number) { add_number(value, number); }
void sop_value_i8(sop_buffer *value, int8_t number) { sop_add_byte(value, (uint8_t)number); }
void sop_value_i16(sop_buffer *value, int16_t number) { add_folded(value, number); }
void sop_value_i32(sop_buffer *value, int32_t number) { add_folded(value, number); }
void sop_value_i64(sop_buffer *value, int64_t number) { add_folded(value, number); }

uint8_t sop_read_value_u8(sop_reader *value) { return reader_byte(value); }
uint16_t sop_read_value_u16(sop_reader *value) { return (uint16_t)take_number(value, 16); }
uint32_t sop_read_value_u32(sop_reader *value) { return (uint32_t)take_number(value, 32); }
uint64_t sop_read_value_u64(sop_reader *value) { return take_number(value, 64); }
int8_t sop_read_value_i8(sop_reader *value) { return (int8_t)reader_byte(value); }
int16_t sop_read_value_i16(sop_reader *value) { return (int16_t)take_folded(value, 16); }
int32_t sop_read_value_i32(sop_reader *value) { return (int32_t)take_folded(value, 32); }
int64_t sop_read_value_i64(sop_reader *value) { return take_folded(value, 64); }

void sop_value_bool(sop_buffer *value, bool truth) { sop_add_byte(value, truth); }
bool sop_read_value_bool(sop_reader *value) { return reader_mark(value, "a truth value is neither 0 nor 1"); }

void sop_value_f64(sop_buffer *value, double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    for (int shift = 0; shift < 64; shift += 8) sop_add_byte(value, (uint8_t)(bits >> shift));
}

double sop_read_value_f64(sop_reader *value) {
    sop_bytes taken = reader_take(value, 8);
    uint64_t bits = 0;
    for (size_t index = 0; index < taken.length; index++) bits |= (uint64_t)taken.data[index] << 8 * index;
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

void sop_value_list(sop_buffer *value, uint64_t length) { add_number(value, length); }

size_t sop_read_value_list(sop_reader *value) {
    uint64_t length = take_number(value, 64);
    if (length <= value->length) return (size_t)length;
    reader_fail(value, "it ends too early");
    return 0;
}

void sop_value_bytes(sop_buffer *value, sop_bytes bytes) {
    add_number(value, bytes.length);
    sop_add(value, bytes);
}

sop_bytes sop_read_value_bytes(sop_reader *value) {
    size_t length = sop_read_value_list(value);
    return reader_take(value, length);
}

void sop_value_text(sop_buffer *value, sop_bytes text) {
    if (!sop_is_utf8(text)) value->invalid = "it has a text that is not UTF-8";
    sop_value_bytes(value, text);
}

sop_bytes sop_read_value_text(sop_reader *value) {
    sop_bytes text = sop_read_value_bytes(value);
    if (sop_is_utf8(text)) return text;
    reader_fail(value, "it has a text that is not UTF-8");
    return (sop_bytes){NULL, 0};
}

void sop_value_none(sop_buffer *value) { sop_add_byte(value, 0); }
void sop_value_some(sop_buffer *value) { sop_add_byte(value, 1); }
bool sop_read_value_option(sop_reader *value) {
    return reader_mark(value, "an option begins with neither 0 nor 1");
}
