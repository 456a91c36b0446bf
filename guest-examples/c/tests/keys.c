/* Goal: keys are those of all kits, byte for byte, and nothing else is taken for one.
 * Method: the shared vectors; each type is encoded, compared, decoded and encoded again. */

#include "check.h"

#include <string.h>

/* --- A type as `key-vectors.json` names it, by two functions. --- */

typedef struct type {
    const char *name;
    /* Encodes what JSON says. */
    void (*encode)(sop_bytes json, sop_buffer *key);
    /* Decodes and encodes again. */
    void (*again)(sop_reader *from, sop_buffer *key);
} type;

static void text_of(sop_bytes json, sop_buffer *text) {
    sop_clear(text);
    CHECK(sop_json_text(json, text));
}

/* Numbers are decimal digits in a text, of up to 128 bits. */
static unsigned __int128 number_of(sop_bytes json) {
    sop_buffer text = {0};
    text_of(json, &text);
    unsigned __int128 size = 0;
    bool is_negative = text.data[0] == '-';
    for (size_t at = is_negative; at < text.length; at++) size = size * 10 + (text.data[at] - '0');
    sop_free(&text);
    return is_negative ? 0 - size : size;
}

#define NUMBER(name, of)                                                                                     \
    static void encode_##name(sop_bytes json, sop_buffer *key) {                                             \
        sop_key_##name(key, (of)number_of(json));                                                            \
    }                                                                                                        \
    static void again_##name(sop_reader *from, sop_buffer *key) {                                            \
        sop_key_##name(key, sop_read_key_##name(from));                                                      \
    }
NUMBER(u8, uint8_t)
NUMBER(u16, uint16_t)
NUMBER(u32, uint32_t)
NUMBER(u64, uint64_t)
NUMBER(i8, int8_t)
NUMBER(i16, int16_t)
NUMBER(i32, int32_t)
NUMBER(i64, int64_t)

static void encode_u128(sop_bytes json, sop_buffer *key) {
    unsigned __int128 number = number_of(json);
    sop_key_u128(key, (uint64_t)(number >> 64), (uint64_t)number);
}

static void again_u128(sop_reader *from, sop_buffer *key) {
    uint64_t high, low;
    sop_read_key_u128(from, &high, &low);
    sop_key_u128(key, high, low);
}

static void encode_i128(sop_bytes json, sop_buffer *key) {
    unsigned __int128 number = number_of(json);
    sop_key_i128(key, (int64_t)(number >> 64), (uint64_t)number);
}

static void again_i128(sop_reader *from, sop_buffer *key) {
    int64_t high;
    uint64_t low;
    sop_read_key_i128(from, &high, &low);
    sop_key_i128(key, high, low);
}

static void encode_bool(sop_bytes json, sop_buffer *key) {
    bool truth;
    CHECK(sop_json_bool(json, &truth));
    sop_key_bool(key, truth);
}

static void again_bool(sop_reader *from, sop_buffer *key) { sop_key_bool(key, sop_read_key_bool(from)); }

/* The character of a text of one. */
static void encode_char(sop_bytes json, sop_buffer *key) {
    sop_buffer text = {0};
    text_of(json, &text);
    uint32_t code = text.data[0];
    if (text.length > 1) code &= 0xffu >> (text.length + 1);
    for (size_t at = 1; at < text.length; at++) code = code << 6 | (text.data[at] & 0x3f);
    sop_key_char(key, code);
    sop_free(&text);
}

static void again_char(sop_reader *from, sop_buffer *key) { sop_key_char(key, sop_read_key_char(from)); }

/* A double is its bits in hexadecimal digits. */
static void encode_f64(sop_bytes json, sop_buffer *key) {
    sop_buffer text = {0}, bytes = {0};
    text_of(json, &text);
    add_hex_bytes(&bytes, sop_view(&text));
    uint64_t bits = 0;
    for (size_t at = 0; at < bytes.length; at++) bits = bits << 8 | bytes.data[at];
    double number;
    memcpy(&number, &bits, sizeof number);
    sop_key_f64(key, number);
    sop_free(&text);
    sop_free(&bytes);
}

static void again_f64(sop_reader *from, sop_buffer *key) { sop_key_f64(key, sop_read_key_f64(from)); }

static void encode_text(sop_bytes json, sop_buffer *key) {
    sop_buffer text = {0};
    text_of(json, &text);
    sop_key_text(key, sop_view(&text));
    sop_free(&text);
}

static void again_text(sop_reader *from, sop_buffer *key) {
    sop_buffer text = {0};
    sop_read_key_text(from, &text);
    sop_key_text(key, sop_view(&text));
    sop_free(&text);
}

static void encode_bytes(sop_bytes json, sop_buffer *key) {
    sop_buffer text = {0}, bytes = {0};
    text_of(json, &text);
    add_hex_bytes(&bytes, sop_view(&text));
    sop_key_bytes(key, sop_view(&bytes));
    sop_free(&text);
    sop_free(&bytes);
}

static void again_bytes(sop_reader *from, sop_buffer *key) {
    sop_buffer bytes = {0};
    sop_read_key_bytes(from, &bytes);
    sop_key_bytes(key, sop_view(&bytes));
    sop_free(&bytes);
}

/* An option is a list of none or one. */
static void encode_option(sop_bytes json, sop_buffer *key, void (*encode)(sop_bytes, sop_buffer *)) {
    sop_json_items items = sop_json_each(json);
    sop_bytes name, value;
    if (sop_json_next(&items, &name, &value)) {
        sop_key_some(key);
        encode(value, key);
    } else {
        sop_key_none(key);
    }
}

static void again_option(sop_reader *from, sop_buffer *key, void (*again)(sop_reader *, sop_buffer *)) {
    if (sop_read_key_option(from)) {
        sop_key_some(key);
        again(from, key);
    } else {
        sop_key_none(key);
    }
}

static void encode_option_u8(sop_bytes json, sop_buffer *key) { encode_option(json, key, encode_u8); }
static void again_option_u8(sop_reader *from, sop_buffer *key) { again_option(from, key, again_u8); }
static void encode_option_text(sop_bytes json, sop_buffer *key) { encode_option(json, key, encode_text); }
static void again_option_text(sop_reader *from, sop_buffer *key) { again_option(from, key, again_text); }

/* The elements of a tuple. */
static void encode_all(sop_bytes json, sop_buffer *key, void (*const *encode)(sop_bytes, sop_buffer *)) {
    sop_json_items items = sop_json_each(json);
    sop_bytes name, value;
    while (sop_json_next(&items, &name, &value)) (*encode++)(value, key);
}

#define TUPLE(name, ...)                                                                                     \
    static void encode_##name(sop_bytes json, sop_buffer *key) {                                             \
        encode_all(json, key, (void (*const[])(sop_bytes, sop_buffer *)){__VA_ARGS__});                      \
    }
TUPLE(u16_u16, encode_u16, encode_u16)
TUPLE(text_u64, encode_text, encode_u64)
TUPLE(bytes_u8, encode_bytes, encode_u8)
TUPLE(u16_text_i32, encode_u16, encode_text, encode_i32)

static void again_u16_u16(sop_reader *from, sop_buffer *key) {
    again_u16(from, key);
    again_u16(from, key);
}

static void again_text_u64(sop_reader *from, sop_buffer *key) {
    again_text(from, key);
    again_u64(from, key);
}

static void again_bytes_u8(sop_reader *from, sop_buffer *key) {
    again_bytes(from, key);
    again_u8(from, key);
}

static void again_u16_text_i32(sop_reader *from, sop_buffer *key) {
    again_u16(from, key);
    again_text(from, key);
    again_i32(from, key);
}

static const type TYPES[] = {
    {"u8", encode_u8, again_u8},
    {"u16", encode_u16, again_u16},
    {"u32", encode_u32, again_u32},
    {"u64", encode_u64, again_u64},
    {"u128", encode_u128, again_u128},
    {"i8", encode_i8, again_i8},
    {"i16", encode_i16, again_i16},
    {"i32", encode_i32, again_i32},
    {"i64", encode_i64, again_i64},
    {"i128", encode_i128, again_i128},
    {"bool", encode_bool, again_bool},
    {"char", encode_char, again_char},
    {"f64", encode_f64, again_f64},
    {"string", encode_text, again_text},
    {"bytes", encode_bytes, again_bytes},
    {"option<u8>", encode_option_u8, again_option_u8},
    {"option<string>", encode_option_text, again_option_text},
    {"[u16; 2]", encode_u16_u16, again_u16_u16},
    {"(string, u64)", encode_text_u64, again_text_u64},
    {"(bytes, u8)", encode_bytes_u8, again_bytes_u8},
    {"(u16, string, i32)", encode_u16_text_i32, again_u16_text_i32},
};

static const type *type_of(sop_bytes vector) {
    sop_bytes member;
    sop_buffer name = {0};
    CHECK(sop_json_member(vector, "type", &member));
    text_of(member, &name);
    for (size_t index = 0; index < sizeof TYPES / sizeof *TYPES; index++) {
        if (holds(&name, TYPES[index].name)) {
            sop_free(&name);
            return &TYPES[index];
        }
    }
    fprintf(stderr, "no such type: %.*s\n", (int)name.length, name.data);
    exit(1);
}

/* The bytes that a vector has under `hex`. */
static sop_buffer bytes_of(sop_bytes vector) {
    sop_bytes member;
    sop_buffer digits = {0}, bytes = {0};
    CHECK(sop_json_member(vector, "hex", &member));
    text_of(member, &digits);
    add_hex_bytes(&bytes, sop_view(&digits));
    sop_free(&digits);
    return bytes;
}

/* --- The tests --- */

static sop_buffer vectors;

static void every_vector_encodes_to_its_bytes_and_back(void) {
    sop_bytes groups, group, vector, name, member;
    CHECK(sop_json_member(sop_view(&vectors), "groups", &groups));
    size_t groups_count = 0, vectors_count = 0;
    for (sop_json_items all = sop_json_each(groups); sop_json_next(&all, &name, &group); groups_count++) {
        const type *type = type_of(group);
        CHECK(sop_json_member(group, "ascending", &member));
        sop_json_items items = sop_json_each(member);
        for (; sop_json_next(&items, &name, &vector); vectors_count++) {
            sop_buffer wanted = bytes_of(vector), key = {0}, again = {0};
            CHECK(sop_json_member(vector, "value", &member));
            type->encode(member, &key);
            CHECK(sop_same(sop_view(&key), sop_view(&wanted)) && key.invalid == NULL);
            sop_reader reader = sop_read_key(sop_view(&key));
            type->again(&reader, &again);
            CHECK_OK(sop_read_end(&reader));
            CHECK(sop_same(sop_view(&again), sop_view(&wanted)));
            sop_free(&wanted);
            sop_free(&key);
            sop_free(&again);
        }
    }
    CHECK(groups_count == sizeof TYPES / sizeof *TYPES && vectors_count >= 200);
}

static void no_invalid_vector_decodes(void) {
    sop_bytes invalid, vector, name;
    CHECK(sop_json_member(sop_view(&vectors), "invalid", &invalid));
    size_t count = 0;
    for (sop_json_items all = sop_json_each(invalid); sop_json_next(&all, &name, &vector); count++) {
        sop_buffer bytes = bytes_of(vector), unused = {0};
        sop_reader reader = sop_read_key(sop_view(&bytes));
        type_of(vector)->again(&reader, &unused);
        CHECK(sop_read_end(&reader) == SOP_KEY);
        sop_free(&bytes);
        sop_free(&unused);
    }
    CHECK(count >= 20);
}

static void what_is_no_text_or_character_is_no_key(void) {
    sop_buffer key = {0};
    sop_key_text(&key, sop_text("a\xff"));
    CHECK(key.invalid != NULL);
    sop_clear(&key);
    CHECK(key.invalid == NULL);
    sop_key_char(&key, 0xd800);
    CHECK(key.invalid != NULL);
    sop_free(&key);
}

static void read_vectors(const char *path) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    for (int byte; (byte = getc(file)) != EOF;) sop_add_byte(&vectors, (uint8_t)byte);
    fclose(file);
    CHECK_OK(sop_json_request(sop_view(&vectors)));
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    read_vectors(arguments[1]);
    TEST(every_vector_encodes_to_its_bytes_and_back);
    TEST(no_invalid_vector_decodes);
    TEST(what_is_no_text_or_character_is_no_key);
    sop_free(&vectors);
    sop_free(sop_message());
}
