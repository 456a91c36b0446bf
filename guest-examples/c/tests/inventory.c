/* Goal: the inventory answers as those in other languages do. Method: runs on the database in memory. */

#include "run.h"

/* Whether a movement answers this. */
static bool moves(const char *place, const char *article, int change, const char *wanted) {
    char request[200];
    snprintf(
        request, sizeof request, "{\"op\":\"move\",\"place\":\"%s\",\"article\":\"%s\",\"change\":%d}", place,
        article, change
    );
    return answers(request, wanted);
}

static void an_inventory_keeps_stock_and_its_history(void) {
    stand_in_reset();
    CHECK(moves("Kiel", "bolt", 5, "{\"amount\":5,\"number\":0}"));
    CHECK(moves("Kiel", "nut", 300, "{\"amount\":300,\"number\":1}"));
    CHECK(moves("Kiel", "bolt", -2, "{\"amount\":3,\"number\":2}"));
    CHECK(moves("Bonn", "bolt", 1, "{\"amount\":1,\"number\":0}"));
    CHECK(answers("{\"op\":\"stock\",\"place\":\"Kiel\"}", "{\"articles\":[[\"bolt\",3],[\"nut\",300]]}"));
    CHECK(answers(
        "{\"op\":\"stock\",\"place\":\"Kiel\",\"beginning\":\"n\"}", "{\"articles\":[[\"nut\",300]]}"
    ));
    CHECK(answers(
        "{\"op\":\"history\",\"place\":\"Kiel\",\"limit\":2}",
        "{\"movements\":[[2,\"bolt\",-2],[1,\"nut\",300]]}"
    ));
    CHECK(fails("{\"op\":\"move\",\"place\":\"Kiel\",\"article\":\"bolt\",\"change\":-4}", SOP_FAILED));
    CHECK(says("there are only 3 of bolt at Kiel"));
    CHECK(fails("{\"op\":\"move\",\"place\":\"Kiel\",\"article\":\"bolt\",\"change\":9007199254740989}", SOP_FAILED));
    CHECK(moves("Bonn", "bolt", -1, "{\"amount\":0,\"number\":1}"));
    CHECK(answers("{\"op\":\"stock\",\"place\":\"Bonn\"}", "{\"articles\":[]}"));
}

static void a_movement_that_is_run_again_answers_once(void) {
    stand_in_reset();
    stand_in_fail_commit(FAULT_CONFLICT);
    stand_in_fail_commit(FAULT_REPLY_LOST_BEFORE);
    CHECK(moves("Kiel", "bolt", 5, "{\"amount\":5,\"number\":0}"));
    CHECK(answers("{\"op\":\"history\",\"place\":\"Kiel\"}", "{\"movements\":[[0,\"bolt\",5]]}"));
}

static void a_bad_request_says_what_is_wrong_with_it(void) {
    const char *bad[] = {
        "", "[]", "{\"op\":\"fly\",\"place\":\"Kiel\"}", "{\"op\":\"stock\"}",
        "{\"op\":\"move\",\"place\":\"Kiel\",\"article\":\"bolt\"}",
        "{\"op\":\"move\",\"place\":\"Kiel\",\"change\":1}",
        "{\"op\":\"stock\",\"place\":\"Kiel\",\"beginning\":1}",
        "{\"op\":\"history\",\"place\":\"Kiel\",\"limit\":1001}",
        "{\"op\":\"history\",\"place\":\"Kiel\",\"limit\":-1}",
    };
    stand_in_reset();
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) CHECK(fails(bad[index], SOP_REQUEST));
}

static sop_status damage(sop_transaction *transaction, void *argument) {
    (void)argument;
    sop_store store;
    SOP_TRY(sop_open(transaction, "stock", &store));
    sop_buffer *key = sop_scratch(transaction), *value = sop_scratch(transaction);
    sop_key_text(key, sop_text("Kiel"));
    sop_key_u8(key, 255);
    return sop_put(&store, key, value);
}

static void a_store_of_another_form_is_an_error_not_a_wrong_answer(void) {
    stand_in_reset();
    CHECK_OK(sop_transact(damage, NULL));
    CHECK(fails("{\"op\":\"stock\",\"place\":\"Kiel\"}", SOP_KEY));
}

int main(void) {
    TEST(an_inventory_keeps_stock_and_its_history);
    TEST(a_movement_that_is_run_again_answers_once);
    TEST(a_bad_request_says_what_is_wrong_with_it);
    TEST(a_store_of_another_form_is_an_error_not_a_wrong_answer);
    stand_in_reset();
}
