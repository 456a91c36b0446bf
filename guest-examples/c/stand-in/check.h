/* Tests: functions that `CHECK`, and a program that calls them one after another. */
#ifndef SOP_CHECK_H
#define SOP_CHECK_H

#include "sop.h"

#include <stdio.h>
#include <stdlib.h>

/* Ends the program unless it holds. */
#define CHECK(holds)                                                                                         \
    do {                                                                                                     \
        if (!(holds)) {                                                                                      \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds);                                      \
            fprintf(stderr, "last failure: %.*s\n", (int)sop_message()->length, sop_message()->data);        \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

#define CHECK_OK(call) CHECK((call) == SOP_OK)

/* Calls a test and says so. */
#define TEST(test)                                                                                           \
    do {                                                                                                     \
        test();                                                                                              \
        printf("ok      %s\n", #test);                                                                       \
    } while (0)

/* Whether a buffer holds this text. */
static inline bool holds(const sop_buffer *buffer, const char *text) {
    return sop_same(sop_view(buffer), sop_text(text));
}

/* Whether the latest failure says this. */
static inline bool says(const char *text) { return holds(sop_message(), text); }

static inline int digit_of(char letter) { return letter <= '9' ? letter - '0' : letter - 'a' + 10; }

/* The bytes of hexadecimal digits. */
static inline void add_hex_bytes(sop_buffer *buffer, sop_bytes digits) {
    for (size_t at = 0; at + 1 < digits.length; at += 2) {
        int high = digit_of((char)digits.data[at]), low = digit_of((char)digits.data[at + 1]);
        sop_add_byte(buffer, (uint8_t)(high << 4 | low));
    }
}

#endif
