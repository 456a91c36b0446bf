/* JSON, read where it lies: a value is the bytes it consists of, and is understood when it is asked for.
 *
 * Any bytes are safe to ask. `sop_json_request` checks the whole once, so that what is not JSON is
 * refused and not just without members.
 */

#include "sop.h"

#include <string.h>

/* --- The grammar: each function takes what it names from the front, or answers false. --- */

typedef struct text {
    const uint8_t *at;
    const uint8_t *end;
} text;

static bool value(text *json, int depth);

static void space(text *json) {
    while (json->at < json->end && memchr(" \t\n\r", *json->at, 4) != NULL) json->at++;
}

static bool byte(text *json, uint8_t wanted) {
    if (json->at == json->end || *json->at != wanted) return false;
    json->at++;
    return true;
}

static bool word(text *json, const char *wanted) {
    size_t length = strlen(wanted);
    if ((size_t)(json->end - json->at) < length || memcmp(json->at, wanted, length) != 0) return false;
    json->at += length;
    return true;
}

static bool digits(text *json) {
    const uint8_t *start = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9') json->at++;
    return json->at > start;
}

static bool number(text *json) {
    byte(json, '-');
    if (!byte(json, '0') && !digits(json)) return false;
    if (byte(json, '.') && !digits(json)) return false;
    if (byte(json, 'e') || byte(json, 'E')) {
        if (!byte(json, '+')) byte(json, '-');
        return digits(json);
    }
    return true;
}

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    uint8_t lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The number of `\uXXXX`. */
static bool unit(text *json, uint32_t *found) {
    if (!word(json, "\\u") || json->end - json->at < 4) return false;
    *found = 0;
    for (int index = 0; index < 4; index++) {
        int digit = hex_digit(*json->at++);
        if (digit < 0) return false;
        *found = *found << 4 | (uint32_t)digit;
    }
    return true;
}

static void add_character(sop_buffer *into, uint32_t code) {
    if (code < 0x80) {
        sop_add_byte(into, (uint8_t)code);
        return;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0};
    sop_add_byte(into, (uint8_t)(marks[more] | code >> 6 * more));
    while (more-- > 0) sop_add_byte(into, (uint8_t)(0x80 | (code >> 6 * more & 0x3f)));
}

/* What stands behind a backslash. Half a surrogate pair is no character. */
static bool escape(text *json, sop_buffer *into) {
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (json->end - json->at < 2) return false;
    const char *letter = json->at[1] ? strchr(letters, json->at[1]) : NULL;
    if (letter != NULL) {
        json->at += 2;
        if (into) sop_add_byte(into, (uint8_t)meanings[letter - letters]);
        return true;
    }
    uint32_t code, low;
    if (!unit(json, &code)) return false;
    if (code >= 0xd800 && code < 0xe000) {
        if (code >= 0xdc00 || !unit(json, &low) || low < 0xdc00 || low >= 0xe000) return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (into) add_character(into, code);
    return true;
}

/* A text, which is appended to a buffer if there is one. */
static bool string(text *json, sop_buffer *into) {
    if (!byte(json, '"')) return false;
    while (json->at < json->end) {
        if (byte(json, '"')) return true;
        if (*json->at == '\\') {
            if (!escape(json, into)) return false;
        } else if (*json->at < 0x20) {
            return false;
        } else {
            if (into) sop_add_byte(into, *json->at);
            json->at++;
        }
    }
    return false;
}

static bool member(text *json, int depth) {
    space(json);
    if (!string(json, NULL)) return false;
    space(json);
    return byte(json, ':') && value(json, depth);
}

static bool container(text *json, uint8_t closing, int depth) {
    if (depth == 0) return false;
    json->at++;
    space(json);
    if (byte(json, closing)) return true;
    do {
        if (!(closing == '}' ? member(json, depth - 1) : value(json, depth - 1))) return false;
    } while (byte(json, ','));
    return byte(json, closing);
}

/* A value, and the space around it. */
static bool value(text *json, int depth) {
    space(json);
    if (json->at == json->end) return false;
    bool found;
    switch (*json->at) {
    case '{': found = container(json, '}', depth); break;
    case '[': found = container(json, ']', depth); break;
    case '"': found = string(json, NULL); break;
    case 't': found = word(json, "true"); break;
    case 'f': found = word(json, "false"); break;
    case 'n': found = word(json, "null"); break;
    default: found = number(json);
    }
    space(json);
    return found;
}

/* --- What is asked. --- */

static text begin(sop_bytes json) {
    text whole = {json.data, json.data + json.length};
    if (json.length == 0) whole.at = whole.end = (const uint8_t *)"";
    space(&whole);
    return whole;
}

sop_status sop_json_request(sop_bytes request) {
    if (!sop_is_utf8(request)) return sop_fail(SOP_REQUEST, "it is not UTF-8");
    text json = begin(request);
    bool is_object = json.at < json.end && *json.at == '{';
    if (!value(&json, SOP_JSON_DEPTH_MAX) || json.at < json.end) return sop_fail(SOP_REQUEST, "it is not JSON");
    return is_object ? SOP_OK : sop_fail(SOP_REQUEST, "it is no JSON object");
}

sop_json_items sop_json_each(sop_bytes json) {
    text whole = begin(json);
    sop_json_items items = {whole.at, whole.end, 0};
    if (byte(&whole, '{')) items.closing = '}';
    else if (byte(&whole, '[')) items.closing = ']';
    else items.end = items.at;
    items.at = whole.at;
    return items;
}

bool sop_json_next(sop_json_items *items, sop_bytes *name, sop_bytes *found) {
    text rest = {items->at, items->end};
    items->at = items->end;
    byte(&rest, ',');
    space(&rest);
    if (rest.at == rest.end || *rest.at == items->closing) return false;
    *name = (sop_bytes){rest.at, 0};
    if (items->closing == '}') {
        if (!string(&rest, NULL)) return false;
        name->length = (size_t)(rest.at - name->data);
        space(&rest);
        if (!byte(&rest, ':')) return false;
        space(&rest);
    }
    const uint8_t *start = rest.at;
    if (!value(&rest, SOP_JSON_DEPTH_MAX)) return false;
    *found = (sop_bytes){start, (size_t)(rest.at - start)};
    items->at = rest.at;
    return true;
}

bool sop_json_member(sop_bytes object, const char *name, sop_bytes *found) {
    sop_json_items items = sop_json_each(object);
    sop_bytes json_name, json_value;
    sop_buffer text = {0};
    bool is_there = false;
    while (items.closing == '}' && sop_json_next(&items, &json_name, &json_value)) {
        sop_clear(&text);
        if (sop_json_text(json_name, &text) && sop_same(sop_view(&text), sop_text(name))) {
            *found = json_value;
            is_there = true;
        }
    }
    sop_free(&text);
    return is_there;
}

/* The digits of an integer, and nothing behind them. */
static bool magnitude(text *json, uint64_t *found) {
    const uint8_t *first = json->at;
    if (!digits(json) || (*first == '0' && json->at - first > 1)) return false;
    *found = 0;
    for (const uint8_t *at = first; at < json->at; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*found > (UINT64_MAX - digit) / 10) return false;
        *found = *found * 10 + digit;
    }
    space(json);
    return json->at == json->end;
}

bool sop_json_u64(sop_bytes json, uint64_t *found) {
    text whole = begin(json);
    return magnitude(&whole, found);
}

bool sop_json_i64(sop_bytes json, int64_t *found) {
    text whole = begin(json);
    bool is_negative = byte(&whole, '-');
    uint64_t size;
    if (!magnitude(&whole, &size) || size > (uint64_t)INT64_MAX + is_negative) return false;
    *found = (int64_t)(is_negative ? 0 - size : size);
    return true;
}

bool sop_json_bool(sop_bytes json, bool *found) {
    text whole = begin(json);
    *found = word(&whole, "true");
    if (!*found && !word(&whole, "false")) return false;
    space(&whole);
    return whole.at == whole.end;
}

bool sop_json_text(sop_bytes json, sop_buffer *found) {
    text whole = begin(json);
    if (!string(&whole, found)) return false;
    space(&whole);
    return whole.at == whole.end;
}

void sop_json_add_text(sop_buffer *json, sop_bytes text) {
    static const char meanings[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    sop_add_byte(json, '"');
    for (size_t at = 0; at < text.length; at++) {
        uint8_t byte = text.data[at];
        const char *meaning = byte ? strchr(meanings, byte) : NULL;
        if (meaning != NULL) {
            sop_add_byte(json, '\\');
            sop_add_byte(json, (uint8_t)letters[meaning - meanings]);
        } else if (byte < 0x20) {
            sop_add_text(json, "\\u00");
            sop_add_byte(json, (uint8_t)('0' + (byte >> 4)));
            sop_add_byte(json, (uint8_t)"0123456789abcdef"[byte & 15]);
        } else {
            sop_add_byte(json, byte);
        }
    }
    sop_add_byte(json, '"');
}
