/* Goal: the counter counts as those in other languages do. Method: runs on the database in memory. */

#include "run.h"

static void every_increment_counts_once_whatever_becomes_of_the_commits(void) {
    stand_in_reset();
    stand_in_fail_commit(FAULT_CONFLICT);
    stand_in_fail_commit(FAULT_REPLY_LOST_AFTER);
    stand_in_fail_commit(FAULT_REPLY_LOST_BEFORE);
    CHECK(answers("{\"times\": 5}", "{\"value\":5,\"tries\":7}"));
    CHECK(answers("{\"key\": \"count\"}", "{\"value\":6,\"tries\":1}"));
    CHECK(answers("{\"key\": \"\\u0000\\u00f6\", \"times\": 0}", "{\"value\":0,\"tries\":0}"));
}

static void a_conflict_is_passed_on(void) {
    stand_in_reset();
    for (int index = 0; index < SOP_TRIES_MAX; index++) stand_in_fail_commit(FAULT_CONFLICT);
    CHECK(fails("{}", SOP_CONFLICT));
}

static void a_bad_request_says_what_is_wrong_with_it(void) {
    stand_in_reset();
    CHECK(fails("", SOP_REQUEST) && fails("[]", SOP_REQUEST) && fails("{", SOP_REQUEST));
    CHECK(fails("{\"key\": 5}", SOP_REQUEST) && fails("{\"times\": -1}", SOP_REQUEST));
    CHECK(says("the request is not understood: `key` has to be a text and `times` a number from 0"));
}

int main(void) {
    TEST(every_increment_counts_once_whatever_becomes_of_the_commits);
    TEST(a_conflict_is_passed_on);
    TEST(a_bad_request_says_what_is_wrong_with_it);
    stand_in_reset();
}
