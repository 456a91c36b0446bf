/* Stores, as one transaction sees them. */

#include "transaction.h"

#include <stdlib.h>

/* Passes on that a key or a value cannot be used. */
static sop_status usable(const sop_buffer *buffer) {
    return buffer->invalid ? sop_fail(SOP_INVALID, buffer->invalid) : SOP_OK;
}

sop_status sop_open(sop_transaction *transaction, const char *name, sop_store *store) {
    store->transaction = transaction;
    sop_status status = engine_open(transaction->handle, sop_text(name), false, &store->handle);
    if (status == SOP_NOT_FOUND) {
        status = engine_open(transaction->handle, sop_text(name), true, &store->handle);
        if (status == SOP_READ_ONLY) {
            sop_fail(SOP_NOT_FOUND, "the store ");
            sop_add_text(sop_message(), name);
            return SOP_NOT_FOUND;
        }
    }
    SOP_TRY(status);
    transaction_keep(transaction, KEPT_STORE)->of.store = store->handle;
    return SOP_OK;
}

sop_status sop_get(const sop_store *store, const sop_buffer *key, bool *present, sop_reader *value) {
    SOP_TRY(usable(key));
    uint8_t *data;
    size_t length;
    SOP_TRY(engine_get(store->handle, sop_view(key), present, &data, &length));
    if (!*present) return SOP_OK;
    transaction_keep(store->transaction, KEPT_MEMORY)->of.memory = data;
    *value = sop_read_value((sop_bytes){data, length});
    return SOP_OK;
}

sop_status sop_contains(const sop_store *store, const sop_buffer *key, bool *present) {
    SOP_TRY(usable(key));
    return engine_contains(store->handle, sop_view(key), present);
}

static sop_status write_item(
    const sop_store *store, engine_write how, const sop_buffer *key, const sop_buffer *value
) {
    SOP_TRY(usable(key));
    SOP_TRY(usable(value));
    return engine_write_item(store->handle, how, sop_view(key), sop_view(value));
}

sop_status sop_insert(const sop_store *store, const sop_buffer *key, const sop_buffer *value) {
    return write_item(store, ENGINE_INSERT, key, value);
}

sop_status sop_put(const sop_store *store, const sop_buffer *key, const sop_buffer *value) {
    return write_item(store, ENGINE_PUT, key, value);
}

sop_status sop_update(const sop_store *store, const sop_buffer *key, const sop_buffer *value) {
    return write_item(store, ENGINE_UPDATE, key, value);
}

sop_status sop_remove(const sop_store *store, const sop_buffer *key, bool *present) {
    SOP_TRY(usable(key));
    bool unasked;
    return engine_remove(store->handle, sop_view(key), present ? present : &unasked);
}

sop_status sop_count(const sop_store *store, uint64_t *count) { return engine_count(store->handle, count); }

/* --- Ranges --- */

sop_range sop_all(void) { return (sop_range){0}; }

sop_range sop_under(const sop_buffer *beginning) {
    return (sop_range){.lower = beginning, .is_beginning = true};
}

sop_range sop_between(const sop_buffer *lower, const sop_buffer *upper) {
    return (sop_range){.lower = lower, .upper = upper};
}

/* The smallest bytes that are greater than all that begin with these; false if there are none such. */
static bool successor(const sop_buffer *beginning, sop_buffer *greater) {
    size_t kept = beginning->length;
    while (kept > 0 && beginning->data[kept - 1] == 0xff) kept--;
    if (kept == 0) return false;
    sop_add(greater, (sop_bytes){beginning->data, kept});
    greater->data[kept - 1]++;
    return true;
}

/* A range as the engine has it; what it points to is lent. */
static sop_status bounds(const sop_store *store, sop_range range, engine_range *bounds) {
    if (range.lower) SOP_TRY(usable(range.lower));
    if (range.upper) SOP_TRY(usable(range.upper));
    *bounds = (engine_range){.upper_included = range.upper_included};
    if (range.lower && !(range.is_beginning && range.lower->length == 0)) {
        bounds->has_lower = true;
        bounds->lower = sop_view(range.lower);
    }
    const sop_buffer *upper = range.upper;
    if (range.is_beginning) {
        sop_buffer *greater = sop_scratch(store->transaction);
        upper = successor(range.lower, greater) ? greater : NULL;
        bounds->upper_included = false;
    }
    if (upper) {
        bounds->has_upper = true;
        bounds->upper = sop_view(upper);
    }
    return SOP_OK;
}

sop_status sop_remove_range(const sop_store *store, sop_range range, uint64_t *count) {
    engine_range within;
    uint64_t unasked;
    SOP_TRY(bounds(store, range, &within));
    return engine_remove_range(store->handle, &within, count ? count : &unasked);
}

/* --- Items --- */

sop_status sop_scan(
    const sop_store *store, sop_range range, sop_direction direction, uint32_t limit, sop_items *items
) {
    engine_range within;
    engine_batch batch;
    SOP_TRY(bounds(store, range, &within));
    SOP_TRY(engine_scan(store->handle, &within, direction, limit, &batch));
    *items = (sop_items){.source = transaction_keep(store->transaction, KEPT_ITEMS)};
    items->source->of.items.batch = batch;
    return SOP_OK;
}

sop_status sop_each(const sop_store *store, sop_range range, sop_direction direction, sop_items *items) {
    engine_range within;
    engine_handle cursor;
    SOP_TRY(bounds(store, range, &within));
    SOP_TRY(engine_open_cursor(store->handle, &within, direction, &cursor));
    *items = (sop_items){
        .source = transaction_keep(store->transaction, KEPT_ITEMS),
        .batch_items = SOP_BATCH_ITEMS_FIRST,
    };
    items->source->of.items.cursor = cursor;
    items->source->of.items.has_cursor = true;
    return SOP_OK;
}

/* Replaces a batch that is used up by the next one, which is twice as large. */
static sop_status fetch(sop_items *items) {
    engine_batch *batch = &items->source->of.items.batch;
    transaction_free_batch(batch);
    items->position = 0;
    SOP_TRY(engine_next(items->source->of.items.cursor, items->batch_items, batch));
    items->batch_items *= 2;
    if (items->batch_items > SOP_BATCH_ITEMS_LAST) items->batch_items = SOP_BATCH_ITEMS_LAST;
    return SOP_OK;
}

/* The bytes of one string of a batch. */
static bool part(const engine_batch *batch, size_t index, sop_bytes *found) {
    uint64_t start = index ? batch->ends[index - 1] : 0, end = batch->ends[index];
    if (start > end || end > batch->bytes_count) return false;
    *found = (sop_bytes){batch->bytes + start, (size_t)(end - start)};
    return true;
}

bool sop_next(sop_items *items, sop_item *item) {
    if (items->source == NULL || items->status != SOP_OK) return false;
    const engine_batch *batch = &items->source->of.items.batch;
    if (items->position == batch->ends_count && items->source->of.items.has_cursor) {
        items->status = fetch(items);
        if (items->status != SOP_OK) return false;
    }
    if (batch->ends_count - items->position < 2) return false;
    sop_bytes key, value;
    if (!part(batch, items->position, &key) || !part(batch, items->position + 1, &value)) {
        items->status = sop_fail(SOP_CORRUPT, "packed items without end");
        return false;
    }
    items->position += 2;
    *item = (sop_item){sop_read_key(key), sop_read_value(value)};
    return true;
}

sop_status sop_finish(sop_items *items) {
    sop_kept *source = items->source;
    items->source = NULL;
    if (source != NULL) {
        transaction_free_batch(&source->of.items.batch);
        if (source->of.items.has_cursor) engine_close_cursor(source->of.items.cursor);
        source->of.items.has_cursor = false;
    }
    return items->status;
}
