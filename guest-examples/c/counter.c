/* Counts: the smallest plugin. The same requests, responses and store as the counter in Rust
 * (`../counter`).
 *
 * Request `{"key": "visits", "times": 10}` -> response `{"value": 10, "tries": 10}`: the value after the
 * last increment, and how many calls of the transaction's body it took. `key` is `count` and `times` is 1
 * if they are not given.
 *
 * Store `counters`: name (text) -> count (u64).
 */

#include "sop.h"

struct increment {
    sop_bytes key;
    uint64_t value;
};

static sop_status increment(sop_transaction *transaction, void *argument) {
    struct increment *increment = argument;
    sop_store counters;
    SOP_TRY(sop_open(transaction, "counters", &counters));

    sop_buffer *key = sop_scratch(transaction);
    sop_key_text(key, increment->key);
    bool present;
    sop_reader stored;
    SOP_TRY(sop_get(&counters, key, &present, &stored));
    uint64_t count = 0;
    if (present) {
        count = sop_read_value_u64(&stored);
        SOP_TRY(sop_read_end(&stored));
    }
    increment->value = count + 1;
    sop_buffer *value = sop_scratch(transaction);
    sop_value_u64(value, increment->value);
    return sop_put(&counters, key, value);
}

static sop_status increments(sop_bytes key, uint64_t times, sop_buffer *response) {
    struct increment done = {key, 0};
    uint64_t tries = 0;
    for (uint64_t time = 0; time < times; time++) {
        sop_committed committed;
        SOP_TRY(sop_transact_up_to(SOP_TRIES_MAX, increment, &done, &committed));
        tries += committed.tries;
    }
    sop_add_text(response, "{\"value\":");
    sop_add_u64(response, done.value);
    sop_add_text(response, ",\"tries\":");
    sop_add_u64(response, tries);
    sop_add_byte(response, '}');
    return SOP_OK;
}

sop_status sop_run(sop_bytes request, sop_buffer *response) {
    SOP_TRY(sop_json_request(request));
    sop_buffer key = {0};
    uint64_t times = 1;
    sop_bytes member;
    bool understood = true;
    if (sop_json_member(request, "key", &member)) understood = sop_json_text(member, &key);
    else sop_add_text(&key, "count");
    if (sop_json_member(request, "times", &member)) understood = understood && sop_json_u64(member, &times);

    sop_status status = understood
        ? increments(sop_view(&key), times, response)
        : sop_fail(SOP_REQUEST, "`key` has to be a text and `times` a number from 0");
    sop_free(&key);
    return status;
}
