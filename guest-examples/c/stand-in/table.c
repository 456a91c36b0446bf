#include "table.h"

#include <stdlib.h>
#include <string.h>

static int compare(sop_bytes a, sop_bytes b) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

/* Where a key is, or would be. */
static size_t place_of(const table *in, sop_bytes store, sop_bytes key, bool *found) {
    size_t low = 0, high = in->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(sop_view(&in->rows[middle].store), store);
        if (order == 0) order = compare(sop_view(&in->rows[middle].key), key);
        if (order == 0) *found = true;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static sop_buffer copy(sop_bytes bytes) {
    sop_buffer copied = {0};
    sop_add(&copied, bytes);
    return copied;
}

static void row_free(row *freed) {
    sop_free(&freed->store);
    sop_free(&freed->key);
    sop_free(&freed->value);
}

/* Makes room for one more row. */
static void reserve(table *into) {
    if (into->count < into->capacity) return;
    into->capacity = into->capacity ? 2 * into->capacity : 16;
    into->rows = realloc(into->rows, into->capacity * sizeof(row));
    if (into->rows == NULL) abort();
}

table table_copy(const table *from) {
    table copied = {0};
    for (size_t index = 0; index < from->count; index++) {
        const row *each = &from->rows[index];
        reserve(&copied);
        copied.rows[copied.count++] =
            (row){copy(sop_view(&each->store)), copy(sop_view(&each->key)), copy(sop_view(&each->value))};
    }
    return copied;
}

void table_free(table *freed) {
    for (size_t index = 0; index < freed->count; index++) row_free(&freed->rows[index]);
    free(freed->rows);
    *freed = (table){0};
}

void table_put(table *into, sop_bytes store, sop_bytes key, sop_bytes value) {
    bool found;
    size_t place = place_of(into, store, key, &found);
    if (!found) {
        reserve(into);
        memmove(&into->rows[place + 1], &into->rows[place], (into->count - place) * sizeof(row));
        into->rows[place] = (row){copy(store), copy(key), {0}};
        into->count++;
    }
    sop_clear(&into->rows[place].value);
    sop_add(&into->rows[place].value, value);
}

void table_remove(table *from, sop_bytes store, sop_bytes key) {
    bool found;
    size_t place = place_of(from, store, key, &found);
    if (!found) return;
    row_free(&from->rows[place]);
    from->count--;
    memmove(&from->rows[place], &from->rows[place + 1], (from->count - place) * sizeof(row));
}

question question_of(sop_bytes store, const engine_range *range, sop_direction direction, uint64_t limit) {
    return (question){
        .store = copy(store),
        .lower = copy(range->lower),
        .upper = copy(range->upper),
        .range = *range,
        .direction = direction,
        .limit = limit,
    };
}

void question_free(question *freed) {
    sop_free(&freed->store);
    sop_free(&freed->lower);
    sop_free(&freed->upper);
}

/* Whether a row is not beyond the end of a range. */
static bool is_within(const question *asked, const row *row) {
    if (!sop_same(sop_view(&row->store), sop_view(&asked->store))) return false;
    int beyond = asked->range.has_upper ? compare(sop_view(&row->key), sop_view(&asked->upper)) : -1;
    return beyond < 0 || (beyond == 0 && asked->range.upper_included);
}

const row **table_ask(const table *asked, const question *question, size_t *count) {
    bool is_there;
    sop_bytes lower = sop_view(question->range.has_lower ? &question->lower : &(sop_buffer){0});
    size_t first = place_of(asked, sop_view(&question->store), lower, &is_there);
    /* The item that says that the store is there. */
    if (!question->range.has_lower && is_there) first++;
    size_t end = first;
    while (end < asked->count && is_within(question, &asked->rows[end])) end++;
    *count = end - first < question->limit ? end - first : (size_t)question->limit;
    const row **found = malloc((*count + 1) * sizeof *found);
    if (found == NULL) abort();
    for (size_t index = 0; index < *count; index++) {
        bool is_up = question->direction == SOP_ASCENDING;
        found[index] = &asked->rows[is_up ? first + index : end - 1 - index];
    }
    return found;
}
