/* Goal: `sop_transact` calls its body again exactly when that is right. Method: the database in memory,
 * with commits that fail by script. */

#include "check.h"
#include "stand_in.h"

/* What a body does beside its work. */
typedef struct script {
    int calls;
    uint64_t value;
    /* Whether another transaction does the same in the middle of the first call. */
    bool is_disturbed;
    /* What it ends with when its work is done. */
    sop_status answer;
} script;

/* Adds one to the count. */
static sop_status increment(sop_transaction *transaction, void *argument) {
    script *script = argument;
    script->calls++;
    sop_store counters;
    bool present;
    sop_reader stored;
    SOP_TRY(sop_open(transaction, "counters", &counters));
    sop_buffer *key = sop_scratch(transaction), *value = sop_scratch(transaction);
    sop_key_text(key, sop_text("n"));
    SOP_TRY(sop_get(&counters, key, &present, &stored));
    script->value = (present ? sop_read_value_u64(&stored) : 0) + 1;
    if (script->is_disturbed && script->calls == 1) {
        struct script other = {0};
        CHECK_OK(sop_transact(increment, &other));
    }
    sop_value_u64(value, script->value);
    SOP_TRY(sop_put(&counters, key, value));
    return script->answer == SOP_OK ? SOP_OK : sop_fail(script->answer, "enough");
}

static sop_status look(sop_transaction *transaction, void *argument) {
    script *script = argument;
    sop_store counters;
    bool present;
    sop_reader stored;
    SOP_TRY(sop_open(transaction, "counters", &counters));
    sop_buffer *key = sop_scratch(transaction);
    sop_key_text(key, sop_text("n"));
    SOP_TRY(sop_get(&counters, key, &present, &stored));
    if (script->is_disturbed) {
        struct script other = {0};
        CHECK_OK(sop_transact(increment, &other));
    }
    script->value = present ? sop_read_value_u64(&stored) : 0;
    return sop_read_end(&stored);
}

/* The count; 0 if there is none. */
static uint64_t count(void) {
    script script = {0};
    sop_status status = sop_snapshot(look, &script);
    CHECK(status == SOP_OK || status == SOP_NOT_FOUND);
    CHECK(stand_in_open_handles() == 0);
    return script.value;
}

/* Runs an increment; answers how it went. */
static sop_status run(script *script, sop_committed *committed) {
    return sop_transact_up_to(SOP_TRIES_MAX, increment, script, committed);
}

static void a_conflict_calls_the_body_again_until_it_commits(void) {
    stand_in_reset();
    stand_in_fail_commit(FAULT_CONFLICT);
    stand_in_fail_commit(FAULT_EXPIRED);
    stand_in_fail_commit(FAULT_CONFLICT);
    script script = {0};
    sop_committed committed;
    CHECK_OK(run(&script, &committed));
    CHECK(script.value == 1 && script.calls == 4 && committed.tries == 4 && committed.version == 1);
    CHECK(count() == 1);
}

static void the_tries_are_bounded_and_the_last_conflict_is_the_answer(void) {
    stand_in_reset();
    for (int index = 0; index < SOP_TRIES_MAX; index++) stand_in_fail_commit(FAULT_CONFLICT);
    script script = {0};
    CHECK(sop_transact(increment, &script) == SOP_CONFLICT);
    CHECK(script.calls == SOP_TRIES_MAX && count() == 0);
}

static void a_lost_reply_counts_once_whether_or_not_the_commit_happened(void) {
    stand_in_reset();
    sop_committed committed;
    stand_in_fail_commit(FAULT_REPLY_LOST_AFTER);
    CHECK_OK(run(&(script){0}, &committed));
    CHECK(committed.tries == 1);
    stand_in_fail_commit(FAULT_REPLY_LOST_BEFORE);
    CHECK_OK(run(&(script){0}, &committed));
    CHECK(committed.tries == 2 && count() == 2);
}

static void an_outcome_is_asked_for_a_bounded_number_of_times(void) {
    stand_in_reset();
    sop_committed committed;
    stand_in_fail_commit(FAULT_REPLY_LOST_AFTER);
    for (int index = 0; index < SOP_OUTCOME_TRIES_MAX - 1; index++) {
        stand_in_answer_outcome(index % 2 ? SOP_UNAVAILABLE : SOP_OK, ENGINE_UNDECIDED);
    }
    CHECK_OK(run(&(script){0}, &committed));
    CHECK(committed.tries == 1);
    stand_in_fail_commit(FAULT_REPLY_LOST_AFTER);
    for (int index = 0; index < SOP_OUTCOME_TRIES_MAX; index++) {
        stand_in_answer_outcome(SOP_OK, ENGINE_UNDECIDED);
    }
    CHECK(run(&(script){0}, &committed) == SOP_UNKNOWN_OUTCOME);
    CHECK(says("the outcome of a commit is unknown; ask for it before running it again: "
               "0000000000000001fedcba9876543210"));
    stand_in_fail_commit(FAULT_REPLY_LOST_AFTER);
    stand_in_answer_outcome(SOP_OK, ENGINE_UNKNOWN);
    CHECK(run(&(script){0}, &committed) == SOP_UNKNOWN_OUTCOME);
    stand_in_fail_commit(FAULT_REPLY_LOST_AFTER);
    stand_in_answer_outcome(SOP_FENCED, ENGINE_UNKNOWN);
    CHECK(run(&(script){0}, &committed) == SOP_UNKNOWN_OUTCOME);
}

static void a_failure_of_the_body_writes_nothing_and_is_not_tried_again(void) {
    stand_in_reset();
    script script = {.answer = SOP_FAILED};
    CHECK(sop_transact(increment, &script) == SOP_FAILED && says("enough"));
    CHECK(script.calls == 1 && count() == 0);
}

static void a_failure_of_the_storage_is_not_tried_again(void) {
    stand_in_reset();
    stand_in_fail_commit(FAULT_UNAVAILABLE);
    script script = {0};
    CHECK(sop_transact(increment, &script) == SOP_UNAVAILABLE && script.calls == 1);
    CHECK(says("the storage did not answer; retry later: nobody is there"));
}

static void one_that_read_what_another_changed_runs_again_and_a_reader_does_not(void) {
    stand_in_reset();
    script script = {.is_disturbed = true};
    CHECK_OK(sop_transact(increment, &script));
    CHECK(script.calls == 2 && script.value == 2);
    CHECK_OK(sop_snapshot(look, &script));
    CHECK(script.value == 2 && count() == 3);
}

static void a_snapshot_cannot_write(void) {
    stand_in_reset();
    CHECK(sop_snapshot(increment, &(script){0}) == SOP_NOT_FOUND && says("not found: the store counters"));
    CHECK_OK(sop_transact(increment, &(script){0}));
    CHECK(sop_snapshot(increment, &(script){0}) == SOP_READ_ONLY && count() == 1);
}

int main(void) {
    TEST(a_conflict_calls_the_body_again_until_it_commits);
    TEST(the_tries_are_bounded_and_the_last_conflict_is_the_answer);
    TEST(a_lost_reply_counts_once_whether_or_not_the_commit_happened);
    TEST(an_outcome_is_asked_for_a_bounded_number_of_times);
    TEST(a_failure_of_the_body_writes_nothing_and_is_not_tried_again);
    TEST(a_failure_of_the_storage_is_not_tried_again);
    TEST(one_that_read_what_another_changed_runs_again_and_a_reader_does_not);
    TEST(a_snapshot_cannot_write);
    stand_in_reset();
}
