/* Goal: JSON is read as others wrote it, and what is not JSON is refused. Method: examples of each rule. */

#include "check.h"

static sop_status request(const char *text) { return sop_json_request(sop_text(text)); }

static void what_is_not_an_object_is_no_request(void) {
    const char *good[] = {
        "{}", " { } ", "{\"a\":1}", "{\"a\" : [ ] , \"b\":{\"c\":[1,2,{}]}}", "{\"\":-0.5e+3}",
        "{\"a\":[true,false,null,\"\\u00e9\\n\",0,-1,1E5,0.0]}", "{\"a\":\"\\ud83d\\udc1c\"}",
    };
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) CHECK_OK(request(good[index]));
    const char *bad[] = {
        "", " ", "[]", "1", "null", "{", "}", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}",
        "{\"a\":01}", "{\"a\":+1}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}", "{\"a\":--1}", "{\"a\":tru}",
        "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud83d\"}", "{\"a\":\"\\ud83dx\"}", "{\"a\":\"\\udc1c\"}", "{\"a\":\"\\ud83d\\ue000\"}", "{\"a\":\"", "{\"a\":\"\\",
        "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}",
    };
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) CHECK(request(bad[index]) == SOP_REQUEST);
    CHECK(says("the request is not understood: it is not UTF-8"));
    request("[]");
    CHECK(says("the request is not understood: it is no JSON object"));
}

static void depth_is_bounded(void) {
    for (int more = 0; more < 2; more++) {
        sop_buffer deep = {0};
        sop_add_text(&deep, "{\"a\":");
        for (int level = 1; level < SOP_JSON_DEPTH_MAX + more; level++) sop_add_byte(&deep, '[');
        for (int level = 1; level < SOP_JSON_DEPTH_MAX + more; level++) sop_add_byte(&deep, ']');
        sop_add_byte(&deep, '}');
        CHECK((sop_json_request(sop_view(&deep)) == SOP_OK) == (more == 0));
        sop_free(&deep);
    }
}

static void members_are_found_by_their_names(void) {
    sop_bytes object = sop_text("{\"a\": {\"b\": 1}, \"b\" : [2, 3], \"\\u0061b\":true, \"a\":null}");
    sop_bytes found, name;
    CHECK(sop_json_member(object, "a", &found) && sop_same(found, sop_text("null")));
    CHECK(sop_json_member(object, "ab", &found) && sop_same(found, sop_text("true")));
    CHECK(!sop_json_member(object, "c", &found));
    CHECK(sop_json_member(object, "b", &found));
    CHECK(!sop_json_member(found, "b", &name));
    sop_json_items items = sop_json_each(found);
    uint64_t number;
    CHECK(sop_json_next(&items, &name, &found) && sop_json_u64(found, &number) && number == 2);
    CHECK(sop_json_next(&items, &name, &found) && sop_json_u64(found, &number) && number == 3);
    CHECK(!sop_json_next(&items, &name, &found) && !sop_json_next(&items, &name, &found));
    for (const char *const *none = (const char *const[]){"", "5", "{", "[,", "{\"a", "{\"a\":", NULL}; *none; none++) {
        items = sop_json_each(sop_text(*none));
        CHECK(!sop_json_next(&items, &name, &found));
    }
}

static void numbers_are_exact_or_refused(void) {
    uint64_t large;
    int64_t number;
    CHECK(sop_json_u64(sop_text(" 18446744073709551615 "), &large) && large == UINT64_MAX);
    CHECK(sop_json_i64(sop_text("-9223372036854775808"), &number) && number == INT64_MIN);
    CHECK(sop_json_i64(sop_text("9223372036854775807"), &number) && number == INT64_MAX);
    CHECK(sop_json_i64(sop_text("-0"), &number) && number == 0);
    const char *bad[] = {"", "18446744073709551616", "-1", "1.0", "1e3", "01", "\"1\"", "1 2", "0x1", "true"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) CHECK(!sop_json_u64(sop_text(bad[index]), &large));
    CHECK(!sop_json_i64(sop_text("9223372036854775808"), &number));
    CHECK(!sop_json_i64(sop_text("-9223372036854775809"), &number));
    bool truth;
    CHECK(sop_json_bool(sop_text("false"), &truth) && !truth);
    CHECK(sop_json_bool(sop_text("true"), &truth) && truth && !sop_json_bool(sop_text("1"), &truth));
}

static void a_text_comes_back_as_it_was_written(void) {
    sop_buffer text = {0}, json = {0}, again = {0};
    for (int byte = 0; byte < 128; byte++) sop_add_byte(&text, (uint8_t)byte);
    sop_add_text(&text, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9c");
    sop_json_add_text(&json, sop_view(&text));
    CHECK(sop_json_text(sop_view(&json), &again) && sop_same(sop_view(&again), sop_view(&text)));
    sop_clear(&again);
    CHECK(sop_json_text(sop_text("\"\\u00e9\\u20AC\\uD83D\\udc1c\\/\""), &again));
    CHECK(holds(&again, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9c/"));
    CHECK(!sop_json_text(sop_text("5"), &again) && !sop_json_text(sop_text("\"a\"b"), &again));
    sop_clear(&json);
    sop_json_add_text(&json, (sop_bytes){(const uint8_t *)"\"\\\n\t\0\x1f\x7f", 7});
    CHECK(holds(&json, "\"\\\"\\\\\\n\\t\\u0000\\u001f\x7f\""));
    sop_free(&text);
    sop_free(&json);
    sop_free(&again);
}

int main(void) {
    TEST(what_is_not_an_object_is_no_request);
    TEST(depth_is_bounded);
    TEST(members_are_found_by_their_names);
    TEST(numbers_are_exact_or_refused);
    TEST(a_text_comes_back_as_it_was_written);
    sop_free(sop_message());
}
