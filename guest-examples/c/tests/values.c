/* Goal: values are postcard, byte for byte. Method: bytes from its specification, and ways back. */

#include "check.h"

#include <math.h>
#include <string.h>

static sop_buffer value;

/* Whether the value written last is these bytes; empties it for the next. */
static bool is(const char *digits) {
    sop_buffer wanted = {0};
    add_hex_bytes(&wanted, sop_text(digits));
    bool same = sop_same(sop_view(&value), sop_view(&wanted));
    sop_free(&wanted);
    return same;
}

/* A reader of what was written last. */
static sop_reader reader;
static void read_again(void) { reader = sop_read_value(sop_view(&value)); }

#define BOTH(type, number, digits)                                                                           \
    do {                                                                                                     \
        sop_clear(&value);                                                                                   \
        sop_value_##type(&value, number);                                                                    \
        CHECK(is(digits));                                                                                   \
        read_again();                                                                                        \
        CHECK(sop_read_value_##type(&reader) == (number));                                                   \
        CHECK_OK(sop_read_end(&reader));                                                                     \
    } while (0)

static void numbers_have_the_length_that_they_need(void) {
    BOTH(u64, 0, "00");
    BOTH(u64, 127, "7f");
    BOTH(u64, 128, "8001");
    BOTH(u64, 300, "ac02");
    BOTH(u64, UINT64_MAX, "ffffffffffffffffff01");
    BOTH(u32, UINT32_MAX, "ffffffff0f");
    BOTH(u16, 65535, "ffff03");
    BOTH(u8, 200, "c8");
    BOTH(i64, 0, "00");
    BOTH(i64, -1, "01");
    BOTH(i64, 1, "02");
    BOTH(i64, -128, "ff01");
    BOTH(i64, INT64_MIN, "ffffffffffffffffff01");
    BOTH(i64, INT64_MAX, "feffffffffffffffff01");
    BOTH(i32, INT32_MIN, "ffffffff0f");
    BOTH(i16, INT16_MAX, "feff03");
    BOTH(i8, -2, "fe");
    BOTH(bool, true, "01");
    BOTH(f64, 1.0, "000000000000f03f");
    BOTH(f64, -INFINITY, "000000000000f0ff");
}

static void texts_lists_and_options_say_how_much_follows(void) {
    sop_clear(&value);
    sop_value_text(&value, sop_text("a\xc3\xa9"));
    sop_value_bytes(&value, (sop_bytes){(const uint8_t *)"\0\1", 2});
    sop_value_none(&value);
    sop_value_some(&value);
    sop_value_u64(&value, 5);
    sop_value_list(&value, 2);
    sop_value_u64(&value, 1);
    sop_value_u64(&value, 300);
    CHECK(is("0361c3a9" "020001" "00" "0105" "0201ac02"));
    read_again();
    CHECK(sop_same(sop_read_value_text(&reader), sop_text("a\xc3\xa9")));
    CHECK(sop_read_value_bytes(&reader).length == 2);
    CHECK(!sop_read_value_option(&reader));
    CHECK(sop_read_value_option(&reader) && sop_read_value_u64(&reader) == 5);
    CHECK(sop_read_value_list(&reader) == 2 && sop_read_value_u64(&reader) == 1);
    CHECK(sop_read_rest(&reader).length == 2);
    CHECK_OK(sop_read_end(&reader));
    sop_value_text(&value, sop_text("\xff"));
    CHECK(value.invalid != NULL);
}

/* Whether these bytes are refused by a reader. */
#define REFUSED(type, digits)                                                                                \
    do {                                                                                                     \
        sop_clear(&value);                                                                                   \
        add_hex_bytes(&value, sop_text(digits));                                                             \
        read_again();                                                                                        \
        (void)sop_read_value_##type(&reader);                                                                \
        CHECK(sop_read_end(&reader) == SOP_VALUE);                                                           \
    } while (0)

static void other_bytes_are_an_error_not_a_wrong_value(void) {
    REFUSED(u64, "");
    REFUSED(u64, "80");
    REFUSED(u64, "0000");
    REFUSED(u64, "ffffffffffffffffff02");
    REFUSED(u64, "ffffffffffffffffffff01");
    REFUSED(u16, "ffff04");
    REFUSED(i32, "ffffffff10");
    REFUSED(text, "0261");
    REFUSED(text, "01ff");
    REFUSED(bool, "02");
    REFUSED(option, "02");
    REFUSED(list, "ffffffff0f");
    REFUSED(f64, "00000000000000");
    CHECK(strstr((const char *)sop_message()->data, "it ends too early") != NULL);
}

int main(void) {
    TEST(numbers_have_the_length_that_they_need);
    TEST(texts_lists_and_options_say_how_much_follows);
    TEST(other_bytes_are_an_error_not_a_wrong_value);
    sop_free(&value);
    sop_free(sop_message());
}
