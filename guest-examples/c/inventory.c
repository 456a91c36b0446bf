/* Keeps stock: tuple keys, scans of ranges in both directions, two stores in one transaction.
 *
 * The same requests, responses and stores as the inventories in Rust (`../inventory`), Python and
 * JavaScript.
 *
 *     `op`      other members                                         response
 *     move      "place": "Kiel", "article": "bolt", "change": 5       {"amount":5,"number":0}
 *     stock     "place": "Kiel", "beginning": "b"                     {"articles":[["bolt",5]]}
 *     history   "place": "Kiel", "limit": 10                          {"movements":[[0,"bolt",5]]}
 *
 * A movement answers what is there now, and its number. The stock is by name, of the articles that begin
 * like this. The history has the newest movement first.
 *
 * Stores `stock`: (place, article) -> amount (u64), and `movements`: (place, number as u64) -> (article,
 * change as i64).
 */

#include "sop.h"

/* The greatest integer that JSON carries safely between all languages. */
static const uint64_t AMOUNT_MAX = (UINT64_C(1) << 53) - 1;
/* Most movements of one response. */
enum { HISTORY_MAX = 1000 };

/* What is asked, and where the answer goes. A body that is called again answers again. */
struct request {
    sop_buffer op;
    sop_buffer place;
    sop_buffer article;
    sop_buffer beginning;
    int64_t change;
    uint64_t limit;
    sop_buffer *response;
};

/* The amount after a change; fails if it were below nothing or above what JSON carries. */
static sop_status changed(const struct request *request, uint64_t before, uint64_t *amount) {
    int64_t change = request->change;
    uint64_t size = change < 0 ? 0 - (uint64_t)change : (uint64_t)change;
    if (change < 0 ? size <= before : size <= AMOUNT_MAX && before <= AMOUNT_MAX - size) {
        *amount = change < 0 ? before - size : before + size;
        return SOP_OK;
    }
    sop_fail(SOP_FAILED, "there are only ");
    sop_add_u64(sop_message(), before);
    sop_add_text(sop_message(), " of ");
    sop_add(sop_message(), sop_view(&request->article));
    sop_add_text(sop_message(), " at ");
    sop_add(sop_message(), sop_view(&request->place));
    return SOP_FAILED;
}

/* Reads an amount, changes it and writes it; what is not there has no item. */
static sop_status change_stock(sop_transaction *transaction, const struct request *request, uint64_t *amount) {
    sop_store amounts;
    SOP_TRY(sop_open(transaction, "stock", &amounts));
    sop_buffer *key = sop_scratch(transaction);
    sop_key_text(key, sop_view(&request->place));
    sop_key_text(key, sop_view(&request->article));
    bool present;
    sop_reader stored;
    SOP_TRY(sop_get(&amounts, key, &present, &stored));
    uint64_t before = 0;
    if (present) {
        before = sop_read_value_u64(&stored);
        SOP_TRY(sop_read_end(&stored));
    }
    SOP_TRY(changed(request, before, amount));
    if (*amount == 0) return sop_remove(&amounts, key, NULL);
    sop_buffer *value = sop_scratch(transaction);
    sop_value_u64(value, *amount);
    return sop_put(&amounts, key, value);
}

/* Numbers a movement and writes it down. */
static sop_status add_movement(sop_transaction *transaction, const struct request *request, uint64_t *number) {
    sop_store movements;
    SOP_TRY(sop_open(transaction, "movements", &movements));
    sop_buffer *key = sop_scratch(transaction), *read = sop_scratch(transaction);
    sop_key_text(key, sop_view(&request->place));
    sop_items newest;
    sop_item item;
    *number = 0;
    SOP_TRY(sop_scan(&movements, sop_under(key), SOP_DESCENDING, 1, &newest));
    if (sop_next(&newest, &item)) {
        sop_read_key_text(&item.key, read);
        *number = sop_read_key_u64(&item.key) + 1;
        SOP_TRY(sop_read_end(&item.key));
    }
    SOP_TRY(sop_finish(&newest));
    sop_key_u64(key, *number);
    sop_buffer *value = sop_scratch(transaction);
    sop_value_text(value, sop_view(&request->article));
    sop_value_i64(value, request->change);
    return sop_insert(&movements, key, value);
}

/* Changes an amount and writes down that it did. */
static sop_status move(sop_transaction *transaction, void *argument) {
    struct request *request = argument;
    uint64_t amount, number;
    SOP_TRY(change_stock(transaction, request, &amount));
    SOP_TRY(add_movement(transaction, request, &number));
    sop_clear(request->response);
    sop_add_text(request->response, "{\"amount\":");
    sop_add_u64(request->response, amount);
    sop_add_text(request->response, ",\"number\":");
    sop_add_u64(request->response, number);
    sop_add_byte(request->response, '}');
    return SOP_OK;
}

/* What is at a place. */
static sop_status stock(sop_transaction *transaction, void *argument) {
    struct request *request = argument;
    sop_store amounts;
    SOP_TRY(sop_open(transaction, "stock", &amounts));
    sop_buffer *beginning = sop_scratch(transaction), *read = sop_scratch(transaction);
    sop_key_text(beginning, sop_view(&request->place));
    sop_key_beginning(beginning, sop_view(&request->beginning));
    sop_items items;
    sop_item item;
    SOP_TRY(sop_each(&amounts, sop_under(beginning), SOP_ASCENDING, &items));
    sop_add_text(request->response, "{\"articles\":[");
    for (const char *before = "["; sop_next(&items, &item); before = ",[") {
        sop_clear(read);
        sop_read_key_text(&item.key, read); /* the place */
        sop_clear(read);
        sop_read_key_text(&item.key, read); /* the article */
        uint64_t amount = sop_read_value_u64(&item.value);
        SOP_TRY(sop_read_end(&item.key));
        SOP_TRY(sop_read_end(&item.value));
        sop_add_text(request->response, before);
        sop_json_add_text(request->response, sop_view(read));
        sop_add_byte(request->response, ',');
        sop_add_u64(request->response, amount);
        sop_add_byte(request->response, ']');
    }
    sop_add_text(request->response, "]}");
    return sop_finish(&items);
}

/* What happened last at a place. */
static sop_status history(sop_transaction *transaction, void *argument) {
    struct request *request = argument;
    sop_store movements;
    SOP_TRY(sop_open(transaction, "movements", &movements));
    sop_buffer *place = sop_scratch(transaction), *read = sop_scratch(transaction);
    sop_key_text(place, sop_view(&request->place));
    sop_items items;
    sop_item item;
    SOP_TRY(sop_scan(&movements, sop_under(place), SOP_DESCENDING, (uint32_t)request->limit, &items));
    sop_add_text(request->response, "{\"movements\":[");
    for (const char *before = "["; sop_next(&items, &item); before = ",[") {
        sop_clear(read);
        sop_read_key_text(&item.key, read);
        uint64_t number = sop_read_key_u64(&item.key);
        sop_bytes article = sop_read_value_text(&item.value);
        int64_t change = sop_read_value_i64(&item.value);
        SOP_TRY(sop_read_end(&item.key));
        SOP_TRY(sop_read_end(&item.value));
        sop_add_text(request->response, before);
        sop_add_u64(request->response, number);
        sop_add_byte(request->response, ',');
        sop_json_add_text(request->response, article);
        sop_add_byte(request->response, ',');
        sop_add_i64(request->response, change);
        sop_add_byte(request->response, ']');
    }
    sop_add_text(request->response, "]}");
    return sop_finish(&items);
}

static bool text_member(sop_bytes json, const char *name, sop_buffer *text) {
    sop_bytes member;
    return sop_json_member(json, name, &member) && sop_json_text(member, text);
}

static sop_status perform(sop_bytes json, struct request *request) {
    SOP_TRY(sop_json_request(json));
    sop_bytes member;
    bool is_understood = text_member(json, "op", &request->op) && text_member(json, "place", &request->place);
    sop_bytes op = sop_view(&request->op);
    if (is_understood && sop_same(op, sop_text("move"))) {
        bool has_change = sop_json_member(json, "change", &member) && sop_json_i64(member, &request->change);
        if (has_change && text_member(json, "article", &request->article)) return sop_transact(move, request);
    }
    if (is_understood && sop_same(op, sop_text("stock"))) {
        bool is_whole = !sop_json_member(json, "beginning", &member);
        if (is_whole || sop_json_text(member, &request->beginning)) return sop_snapshot(stock, request);
    }
    if (is_understood && sop_same(op, sop_text("history"))) {
        bool has_limit = !sop_json_member(json, "limit", &member) || sop_json_u64(member, &request->limit);
        if (has_limit && request->limit <= HISTORY_MAX) return sop_snapshot(history, request);
    }
    return sop_fail(SOP_REQUEST, "it is no `move`, `stock` or `history` with the members that these need");
}

sop_status sop_run(sop_bytes json, sop_buffer *response) {
    struct request request = {.limit = 10, .response = response};
    sop_status status = perform(json, &request);
    sop_free(&request.op);
    sop_free(&request.place);
    sop_free(&request.article);
    sop_free(&request.beginning);
    return status;
}
