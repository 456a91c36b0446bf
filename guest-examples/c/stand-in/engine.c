#include "engine.h"

#include "stand_in.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of a key. */
enum { KEY_BYTES_MAX = 1024 };

typedef struct write {
    row row;
    bool is_removal;
    struct write *next;
} write;

typedef struct noted {
    question question;
    struct noted *next;
} noted;

typedef struct transaction {
    size_t at;
    bool is_snapshot;
    bool is_over;
    table now;
    noted *reads;
    write *writes;
    write **writes_end;
} transaction;

typedef struct store {
    transaction *transaction;
    sop_buffer name;
} store;

typedef struct cursor {
    store *store;
    question rest;
} cursor;

/* Version n is `versions[n]`; the first is empty. */
static table *versions;
static size_t versions_count;
static size_t open_handles;

static stand_in_fault faults[STAND_IN_QUEUE_MAX];
static size_t faults_first, faults_end;
static struct {
    sop_status status;
    engine_outcome outcome;
} answers[STAND_IN_QUEUE_MAX];
static size_t answers_first, answers_end;
/* What became of the commit whose answer was lost last. */
static engine_outcome lost;

static void *allocate(size_t size) {
    void *given = calloc(1, size);
    if (given == NULL) abort();
    return given;
}

static void add_version(table version) {
    versions = realloc(versions, (versions_count + 1) * sizeof *versions);
    if (versions == NULL) abort();
    versions[versions_count++] = version;
}

void stand_in_reset(void) {
    while (versions_count > 0) table_free(&versions[--versions_count]);
    free(versions);
    versions = NULL;
    add_version((table){0});
    faults_first = faults_end = answers_first = answers_end = 0;
    sop_free(sop_message());
}

void stand_in_fail_commit(stand_in_fault fault) {
    if (faults_end == STAND_IN_QUEUE_MAX) abort();
    faults[faults_end++] = fault;
}

void stand_in_answer_outcome(sop_status status, engine_outcome outcome) {
    if (answers_end == STAND_IN_QUEUE_MAX) abort();
    answers[answers_end].status = status;
    answers[answers_end++].outcome = outcome;
}

size_t stand_in_open_handles(void) { return open_handles; }

/* --- Reading and writing a copy --- */

static sop_status live(const transaction *transaction) {
    return transaction->is_over ? sop_fail(SOP_ENDED, "") : SOP_OK;
}

/* Asks the copy, and notes what was asked. */
static const row **ask(transaction *transaction, question asked, size_t *count) {
    noted *note = allocate(sizeof *note);
    *note = (noted){asked, transaction->reads};
    transaction->reads = note;
    return table_ask(&transaction->now, &asked, count);
}

static engine_range only(sop_bytes key) {
    return (engine_range){.lower = key, .upper = key, .has_lower = true, .has_upper = true, .upper_included = true};
}

/* The item of one key; NULL if it is absent. */
static const row *ask_one(transaction *transaction, sop_bytes name, sop_bytes key) {
    size_t count;
    engine_range range = only(key);
    const row **found = ask(transaction, question_of(name, &range, SOP_ASCENDING, 1), &count);
    const row *one = count ? found[0] : NULL;
    free(found);
    return one;
}

static void apply(table *into, const write *done) {
    sop_bytes name = sop_view(&done->row.store), key = sop_view(&done->row.key);
    if (done->is_removal) table_remove(into, name, key);
    else table_put(into, name, key, sop_view(&done->row.value));
}

static sop_status change(
    transaction *transaction, sop_bytes name, sop_bytes key, sop_bytes value, bool is_removal
) {
    SOP_TRY(live(transaction));
    if (transaction->is_snapshot) return sop_fail(SOP_READ_ONLY, "");
    write *done = allocate(sizeof *done);
    sop_add(&done->row.store, name);
    sop_add(&done->row.key, key);
    sop_add(&done->row.value, value);
    done->is_removal = is_removal;
    *transaction->writes_end = done;
    transaction->writes_end = &done->next;
    apply(&transaction->now, done);
    return SOP_OK;
}

/* --- Transactions --- */

sop_status engine_begin(bool is_snapshot, engine_handle *handle) {
    transaction *begun = allocate(sizeof *begun);
    begun->at = versions_count - 1;
    begun->is_snapshot = is_snapshot;
    begun->now = table_copy(&versions[begun->at]);
    begun->writes_end = &begun->writes;
    open_handles++;
    *handle = (engine_handle)begun;
    return SOP_OK;
}

void engine_end(engine_handle handle) {
    transaction *ended = (transaction *)handle;
    while (ended->reads != NULL) {
        noted *note = ended->reads;
        ended->reads = note->next;
        question_free(&note->question);
        free(note);
    }
    while (ended->writes != NULL) {
        write *done = ended->writes;
        ended->writes = done->next;
        sop_free(&done->row.store);
        sop_free(&done->row.key);
        sop_free(&done->row.value);
        free(done);
    }
    table_free(&ended->now);
    free(ended);
    open_handles--;
}

/* Whether two versions answer the same. */
static bool is_unchanged(const question *asked, const table *before, const table *after) {
    size_t count, count_after;
    const row **found = table_ask(before, asked, &count), **found_after = table_ask(after, asked, &count_after);
    bool same = count == count_after;
    for (size_t index = 0; same && index < count; index++) {
        same = sop_same(sop_view(&found[index]->key), sop_view(&found_after[index]->key)) &&
            sop_same(sop_view(&found[index]->value), sop_view(&found_after[index]->value));
    }
    free(found);
    free(found_after);
    return same;
}

/* Reads everything again, then repeats the writes on the newest version. */
static sop_status publish(transaction *transaction) {
    if (transaction->writes == NULL) return SOP_OK;
    const table *newest = &versions[versions_count - 1];
    for (const noted *note = transaction->reads; note != NULL; note = note->next) {
        bool same = is_unchanged(&note->question, &versions[transaction->at], newest);
        if (!same) return sop_fail(SOP_CONFLICT, "");
    }
    table published = table_copy(newest);
    for (const write *done = transaction->writes; done != NULL; done = done->next) apply(&published, done);
    add_version(published);
    transaction->at = versions_count - 1;
    return SOP_OK;
}

sop_status engine_commit(engine_handle handle, uint64_t *version, uint32_t *revalidations, engine_id *id) {
    transaction *ending = (transaction *)handle;
    SOP_TRY(live(ending));
    bool goes_wrong = faults_first < faults_end;
    stand_in_fault fault = goes_wrong ? faults[faults_first++] : FAULT_CONFLICT;
    if (goes_wrong && fault == FAULT_UNAVAILABLE) return sop_fail(SOP_UNAVAILABLE, "nobody is there");
    ending->is_over = true;
    *id = (engine_id){1, UINT64_C(0xfedcba9876543210)};
    lost = fault == FAULT_REPLY_LOST_AFTER ? ENGINE_COMMITTED : ENGINE_ABORTED;
    if (goes_wrong && fault == FAULT_CONFLICT) return sop_fail(SOP_CONFLICT, "");
    if (goes_wrong && fault == FAULT_EXPIRED) return sop_fail(SOP_SNAPSHOT_EXPIRED, "7");
    if (goes_wrong && fault == FAULT_REPLY_LOST_BEFORE) return sop_fail(SOP_UNKNOWN_OUTCOME, "");
    SOP_TRY(publish(ending));
    if (goes_wrong) return sop_fail(SOP_UNKNOWN_OUTCOME, "");
    *version = ending->at;
    *revalidations = 0;
    return SOP_OK;
}

sop_status engine_ask(engine_id id, engine_outcome *outcome, uint64_t *version) {
    *version = versions_count - 1;
    *outcome = id.high == 1 ? lost : ENGINE_UNKNOWN;
    if (answers_first == answers_end) return SOP_OK;
    *outcome = answers[answers_first].outcome;
    sop_status status = answers[answers_first++].status;
    return status == SOP_OK ? SOP_OK : sop_fail(status, "");
}

/* --- Stores --- */

sop_status engine_open(engine_handle handle, sop_bytes name, bool create, engine_handle *opened) {
    transaction *within = (transaction *)handle;
    SOP_TRY(live(within));
    sop_bytes nothing = {0};
    if (ask_one(within, name, nothing) == NULL) {
        if (!create) return sop_fail(SOP_NOT_FOUND, "the store");
        SOP_TRY(change(within, name, nothing, nothing, false));
    }
    store *given = allocate(sizeof *given);
    given->transaction = within;
    sop_add(&given->name, name);
    open_handles++;
    *opened = (engine_handle)given;
    return SOP_OK;
}

void engine_close(engine_handle handle) {
    store *closed = (store *)handle;
    sop_free(&closed->name);
    free(closed);
    open_handles--;
}

sop_status engine_get(engine_handle handle, sop_bytes key, bool *present, uint8_t **value, size_t *length) {
    store *from = (store *)handle;
    SOP_TRY(live(from->transaction));
    const row *found = ask_one(from->transaction, sop_view(&from->name), key);
    *present = found != NULL;
    *length = found ? found->value.length : 0;
    *value = NULL;
    if (*length > 0) {
        *value = allocate(*length);
        memcpy(*value, found->value.data, *length);
    }
    return SOP_OK;
}

sop_status engine_contains(engine_handle handle, sop_bytes key, bool *present) {
    store *from = (store *)handle;
    SOP_TRY(live(from->transaction));
    *present = ask_one(from->transaction, sop_view(&from->name), key) != NULL;
    return SOP_OK;
}

sop_status engine_write_item(engine_handle handle, engine_write how, sop_bytes key, sop_bytes value) {
    store *into = (store *)handle;
    bool present = false;
    if (how != ENGINE_PUT) SOP_TRY(engine_contains(handle, key, &present));
    if (how == ENGINE_INSERT && present) return sop_fail(SOP_EXISTS, "the key");
    if (how == ENGINE_UPDATE && !present) return sop_fail(SOP_NOT_FOUND, "the key");
    if (key.length < 1 || key.length > KEY_BYTES_MAX) {
        return sop_fail(SOP_INVALID, "a key of no bytes, or too many");
    }
    return change(into->transaction, sop_view(&into->name), key, value, false);
}

sop_status engine_remove(engine_handle handle, sop_bytes key, bool *present) {
    store *from = (store *)handle;
    SOP_TRY(engine_contains(handle, key, present));
    if (!*present) return SOP_OK;
    return change(from->transaction, sop_view(&from->name), key, (sop_bytes){0}, true);
}

sop_status engine_count(engine_handle handle, uint64_t *count) {
    store *from = (store *)handle;
    SOP_TRY(live(from->transaction));
    size_t found;
    question all = question_of(sop_view(&from->name), &(engine_range){0}, SOP_ASCENDING, UINT64_MAX);
    free(ask(from->transaction, all, &found));
    *count = found;
    return SOP_OK;
}

static engine_batch packed(const row **rows, size_t count) {
    sop_buffer bytes = {0};
    uint64_t *ends = allocate((2 * count + 1) * sizeof *ends);
    for (size_t index = 0; index < count; index++) {
        sop_add(&bytes, sop_view(&rows[index]->key));
        ends[2 * index] = bytes.length;
        sop_add(&bytes, sop_view(&rows[index]->value));
        ends[2 * index + 1] = bytes.length;
    }
    return (engine_batch){ends, 2 * count, bytes.data, bytes.length};
}

sop_status engine_scan(
    engine_handle handle, const engine_range *range, sop_direction direction, uint32_t limit, engine_batch *batch
) {
    store *from = (store *)handle;
    SOP_TRY(live(from->transaction));
    size_t count;
    question asked = question_of(sop_view(&from->name), range, direction, limit);
    const row **found = ask(from->transaction, asked, &count);
    *batch = packed(found, count);
    free(found);
    return SOP_OK;
}

sop_status engine_remove_range(engine_handle handle, const engine_range *range, uint64_t *count) {
    store *from = (store *)handle;
    SOP_TRY(live(from->transaction));
    if (from->transaction->is_snapshot) return sop_fail(SOP_READ_ONLY, "");
    *count = 0;
    for (bool more = true; more; *count += more) {
        size_t found_count;
        question asked = question_of(sop_view(&from->name), range, SOP_ASCENDING, 1);
        const row **found = ask(from->transaction, asked, &found_count);
        more = found_count > 0;
        sop_buffer key = {0};
        if (more) sop_add(&key, sop_view(&found[0]->key));
        free(found);
        if (more) change(from->transaction, sop_view(&from->name), sop_view(&key), (sop_bytes){0}, true);
        sop_free(&key);
    }
    return SOP_OK;
}

/* --- Cursors --- */

sop_status engine_open_cursor(
    engine_handle handle, const engine_range *range, sop_direction direction, engine_handle *opened
) {
    store *from = (store *)handle;
    SOP_TRY(live(from->transaction));
    cursor *given = allocate(sizeof *given);
    given->store = from;
    given->rest = question_of(sop_view(&from->name), range, direction, 0);
    open_handles++;
    *opened = (engine_handle)given;
    return SOP_OK;
}

void engine_close_cursor(engine_handle handle) {
    cursor *closed = (cursor *)handle;
    question_free(&closed->rest);
    free(closed);
    open_handles--;
}

/* Leaves what lies behind this key. */
static void pass(cursor *cursor, sop_bytes key) {
    engine_range *range = &cursor->rest.range;
    bool is_up = cursor->rest.direction == SOP_ASCENDING;
    sop_buffer *side = is_up ? &cursor->rest.lower : &cursor->rest.upper;
    sop_clear(side);
    sop_add(side, key);
    /* The smallest greater key. */
    if (is_up) sop_add_byte(side, 0);
    else range->upper_included = false;
    *(is_up ? &range->has_lower : &range->has_upper) = true;
    range->lower = sop_view(&cursor->rest.lower);
    range->upper = sop_view(&cursor->rest.upper);
}

sop_status engine_next(engine_handle handle, uint32_t items_max, engine_batch *batch) {
    cursor *from = (cursor *)handle;
    transaction *within = from->store->transaction;
    SOP_TRY(live(within));
    from->rest.range.lower = sop_view(&from->rest.lower);
    from->rest.range.upper = sop_view(&from->rest.upper);
    size_t count;
    question asked =
        question_of(sop_view(&from->store->name), &from->rest.range, from->rest.direction, items_max);
    const row **found = ask(within, asked, &count);
    *batch = packed(found, count);
    if (count > 0) pass(from, sop_view(&found[count - 1]->key));
    free(found);
    return SOP_OK;
}
