/* The only file that knows the generated bindings: data and errors of the interface become those of the
 * kit, and `sop_run` the export of the plugin. */

#include "engine.h"

#include "plugin.h"

#include <stdlib.h>

typedef sop_engine_transactions_error_t error_t;
typedef sop_engine_transactions_borrow_transaction_t transaction_t;
typedef sop_engine_transactions_borrow_store_t store_t;

/* --- Data --- */

/* What the bindings take they do not change, but they do not say so. */
static plugin_list_u8_t list(sop_bytes bytes) {
    return (plugin_list_u8_t){(uint8_t *)bytes.data, bytes.length};
}

static sop_engine_types_bound_t bound(bool there, bool included, sop_bytes key) {
    sop_engine_types_bound_t bound = {.tag = SOP_ENGINE_TYPES_BOUND_UNBOUNDED};
    if (there) {
        bound.tag = included ? SOP_ENGINE_TYPES_BOUND_INCLUDED : SOP_ENGINE_TYPES_BOUND_EXCLUDED;
        bound.val.included = list(key);
    }
    return bound;
}

static sop_engine_transactions_range_t bounds(const engine_range *range) {
    return (sop_engine_transactions_range_t){
        bound(range->has_lower, true, range->lower),
        bound(range->has_upper, range->upper_included, range->upper),
    };
}

static uint8_t order(sop_direction direction) {
    return direction == SOP_DESCENDING ? SOP_ENGINE_TYPES_DIRECTION_DESCENDING
                                       : SOP_ENGINE_TYPES_DIRECTION_ASCENDING;
}

/* A list without elements has no memory of its own. WebAssembly is little-endian, as the words are. */
static engine_batch batch(sop_engine_transactions_packed_t packed) {
    return (engine_batch){
        .ends = packed.ends.len ? packed.ends.ptr : NULL,
        .ends_count = packed.ends.len,
        .bytes = packed.words.len ? (uint8_t *)packed.words.ptr : NULL,
        .bytes_count = packed.words.len * sizeof(uint64_t),
    };
}

/* --- Errors --- */

static const sop_status STATUSES[] = {
    [SOP_ENGINE_TYPES_ERROR_CONFLICT] = SOP_CONFLICT,
    [SOP_ENGINE_TYPES_ERROR_UNAVAILABLE] = SOP_UNAVAILABLE,
    [SOP_ENGINE_TYPES_ERROR_UNKNOWN_OUTCOME] = SOP_UNKNOWN_OUTCOME,
    [SOP_ENGINE_TYPES_ERROR_CORRUPT] = SOP_CORRUPT,
    [SOP_ENGINE_TYPES_ERROR_DENIED] = SOP_DENIED,
    [SOP_ENGINE_TYPES_ERROR_LIMIT] = SOP_LIMIT,
    [SOP_ENGINE_TYPES_ERROR_SNAPSHOT_EXPIRED] = SOP_SNAPSHOT_EXPIRED,
    [SOP_ENGINE_TYPES_ERROR_FENCED] = SOP_FENCED,
    [SOP_ENGINE_TYPES_ERROR_ENDED] = SOP_ENDED,
    [SOP_ENGINE_TYPES_ERROR_NOT_FOUND] = SOP_NOT_FOUND,
    [SOP_ENGINE_TYPES_ERROR_EXISTS] = SOP_EXISTS,
    [SOP_ENGINE_TYPES_ERROR_READ_ONLY] = SOP_READ_ONLY,
    [SOP_ENGINE_TYPES_ERROR_INVALID] = SOP_INVALID,
};

/* Makes an error of the interface a failure of the kit. */
static sop_status failed(error_t *error) {
    sop_status status = sop_fail(STATUSES[error->tag], "");
    sop_buffer *message = sop_message();
    switch (error->tag) {
    case SOP_ENGINE_TYPES_ERROR_LIMIT:
        sop_add_u64(message, error->val.limit.maximum);
        sop_add_byte(message, ' ');
        sop_add(message, (sop_bytes){error->val.limit.name.ptr, error->val.limit.name.len});
        break;
    case SOP_ENGINE_TYPES_ERROR_SNAPSHOT_EXPIRED: sop_add_u64(message, error->val.snapshot_expired); break;
    case SOP_ENGINE_TYPES_ERROR_UNAVAILABLE:
    case SOP_ENGINE_TYPES_ERROR_CORRUPT:
    case SOP_ENGINE_TYPES_ERROR_DENIED:
    case SOP_ENGINE_TYPES_ERROR_NOT_FOUND:
    case SOP_ENGINE_TYPES_ERROR_EXISTS:
    case SOP_ENGINE_TYPES_ERROR_INVALID:
        sop_add(message, (sop_bytes){error->val.invalid.ptr, error->val.invalid.len});
        break;
    }
    sop_engine_transactions_error_free(error);
    return status;
}

/* --- Transactions --- */

sop_status engine_begin(bool is_snapshot, engine_handle *transaction) {
    uint8_t isolation =
        is_snapshot ? SOP_ENGINE_TYPES_ISOLATION_SNAPSHOT : SOP_ENGINE_TYPES_ISOLATION_SERIALIZABLE;
    sop_engine_transactions_own_transaction_t begun;
    error_t error;
    if (!sop_engine_transactions_static_transaction_begin(isolation, &begun, &error)) return failed(&error);
    *transaction = begun.__handle;
    return SOP_OK;
}

void engine_end(engine_handle transaction) {
    sop_engine_transactions_transaction_drop_own((sop_engine_transactions_own_transaction_t){transaction});
}

sop_status engine_commit(engine_handle transaction, uint64_t *version, uint32_t *revalidations, engine_id *id) {
    sop_engine_transactions_commit_info_t info;
    error_t error;
    if (!sop_engine_transactions_method_transaction_commit((transaction_t){transaction}, &info, &error)) {
        if (error.tag == SOP_ENGINE_TYPES_ERROR_UNKNOWN_OUTCOME) {
            *id = (engine_id){error.val.unknown_outcome.high, error.val.unknown_outcome.low};
        }
        return failed(&error);
    }
    *version = info.version;
    *revalidations = info.revalidations;
    return SOP_OK;
}

sop_status engine_ask(engine_id id, engine_outcome *outcome, uint64_t *version) {
    static const engine_outcome OUTCOMES[] = {
        [SOP_ENGINE_TYPES_TRANSACTION_OUTCOME_COMMITTED] = ENGINE_COMMITTED,
        [SOP_ENGINE_TYPES_TRANSACTION_OUTCOME_ABORTED] = ENGINE_ABORTED,
        [SOP_ENGINE_TYPES_TRANSACTION_OUTCOME_UNDECIDED] = ENGINE_UNDECIDED,
        [SOP_ENGINE_TYPES_TRANSACTION_OUTCOME_UNKNOWN] = ENGINE_UNKNOWN,
    };
    sop_engine_transactions_transaction_id_t asked = {id.high, id.low};
    sop_engine_transactions_transaction_outcome_t found;
    error_t error;
    if (!sop_engine_transactions_outcome(&asked, &found, &error)) return failed(&error);
    *outcome = OUTCOMES[found.tag];
    if (*outcome == ENGINE_COMMITTED) *version = found.val.committed;
    return SOP_OK;
}

/* --- Stores --- */

sop_status engine_open(engine_handle transaction, sop_bytes name, bool create, engine_handle *store) {
    plugin_string_t text = {(uint8_t *)name.data, name.length};
    transaction_t within = {transaction};
    sop_engine_transactions_own_store_t opened;
    error_t error;
    bool done = create
        ? sop_engine_transactions_method_transaction_open_or_create_store(within, &text, &opened, &error)
        : sop_engine_transactions_method_transaction_open_store(within, &text, &opened, &error);
    if (!done) return failed(&error);
    *store = opened.__handle;
    return SOP_OK;
}

void engine_close(engine_handle store) {
    sop_engine_transactions_store_drop_own((sop_engine_transactions_own_store_t){store});
}

sop_status engine_get(engine_handle store, sop_bytes key, bool *present, uint8_t **value, size_t *length) {
    plugin_list_u8_t wanted = list(key);
    plugin_option_list_u8_t found;
    error_t error;
    if (!sop_engine_transactions_method_store_get((store_t){store}, &wanted, &found, &error)) {
        return failed(&error);
    }
    *present = found.is_some;
    *length = found.is_some ? found.val.len : 0;
    *value = *length ? found.val.ptr : NULL;
    return SOP_OK;
}

sop_status engine_contains(engine_handle store, sop_bytes key, bool *present) {
    plugin_list_u8_t wanted = list(key);
    error_t error;
    bool done = sop_engine_transactions_method_store_contains((store_t){store}, &wanted, present, &error);
    return done ? SOP_OK : failed(&error);
}

sop_status engine_write_item(engine_handle store, engine_write how, sop_bytes key, sop_bytes value) {
    plugin_list_u8_t written_key = list(key), written_value = list(value);
    store_t into = {store};
    error_t error;
    bool done = false;
    switch (how) {
    case ENGINE_INSERT:
        done = sop_engine_transactions_method_store_insert(into, &written_key, &written_value, &error);
        break;
    case ENGINE_PUT:
        done = sop_engine_transactions_method_store_put(into, &written_key, &written_value, &error);
        break;
    case ENGINE_UPDATE:
        done = sop_engine_transactions_method_store_update(into, &written_key, &written_value, &error);
        break;
    }
    return done ? SOP_OK : failed(&error);
}

sop_status engine_remove(engine_handle store, sop_bytes key, bool *present) {
    plugin_list_u8_t wanted = list(key);
    error_t error;
    bool done = sop_engine_transactions_method_store_remove((store_t){store}, &wanted, present, &error);
    return done ? SOP_OK : failed(&error);
}

sop_status engine_remove_range(engine_handle store, const engine_range *range, uint64_t *count) {
    sop_engine_transactions_range_t within = bounds(range);
    error_t error;
    bool done = sop_engine_transactions_method_store_remove_range((store_t){store}, &within, count, &error);
    return done ? SOP_OK : failed(&error);
}

sop_status engine_count(engine_handle store, uint64_t *count) {
    error_t error;
    bool done = sop_engine_transactions_method_store_count((store_t){store}, count, &error);
    return done ? SOP_OK : failed(&error);
}

sop_status engine_scan(
    engine_handle store, const engine_range *range, sop_direction direction, uint32_t limit, engine_batch *found
) {
    sop_engine_transactions_range_t within = bounds(range);
    sop_engine_transactions_packed_t packed;
    error_t error;
    bool done = sop_engine_transactions_method_store_scan_packed(
        (store_t){store}, &within, order(direction), limit, &packed, &error
    );
    if (!done) return failed(&error);
    *found = batch(packed);
    return SOP_OK;
}

sop_status engine_open_cursor(
    engine_handle store, const engine_range *range, sop_direction direction, engine_handle *cursor
) {
    sop_engine_transactions_range_t within = bounds(range);
    sop_engine_transactions_own_cursor_t opened;
    error_t error;
    bool done = sop_engine_transactions_method_store_open_cursor(
        (store_t){store}, &within, order(direction), &opened, &error
    );
    if (!done) return failed(&error);
    *cursor = opened.__handle;
    return SOP_OK;
}

void engine_close_cursor(engine_handle cursor) {
    sop_engine_transactions_cursor_drop_own((sop_engine_transactions_own_cursor_t){cursor});
}

sop_status engine_next(engine_handle cursor, uint32_t items_max, engine_batch *found) {
    sop_engine_transactions_borrow_cursor_t from = {cursor};
    sop_engine_transactions_packed_t packed;
    error_t error;
    if (!sop_engine_transactions_method_cursor_next_packed(from, items_max, &packed, &error)) {
        return failed(&error);
    }
    *found = batch(packed);
    return SOP_OK;
}

/* --- The export --- */

bool exports_plugin_run(plugin_list_u8_t *request, plugin_list_u8_t *response, plugin_run_error_t *error) {
    sop_buffer answer = {0};
    sop_status status = sop_run((sop_bytes){request->ptr, request->len}, &answer);
    plugin_list_u8_free(request);
    if (status == SOP_OK) {
        *response = (plugin_list_u8_t){answer.data, answer.length};
        return true;
    }
    sop_free(&answer);
    if (status == SOP_CONFLICT) {
        error->tag = PLUGIN_RUN_ERROR_CONFLICT;
        return false;
    }
    error->tag = PLUGIN_RUN_ERROR_FAILED;
    /* The bindings free what they answer: the message is theirs now. */
    sop_buffer *message = sop_message();
    error->val.failed = (plugin_string_t){message->data, message->length};
    *message = (sop_buffer){0};
    return false;
}
