/* Transactions that are run again when they conflict. */

#include "transaction.h"

#include <stdlib.h>

sop_kept *transaction_keep(sop_transaction *transaction, sop_kept_kind kind) {
    sop_kept *kept = malloc(sizeof *kept);
    if (kept == NULL) abort();
    *kept = (sop_kept){.next = transaction->kept, .kind = kind};
    transaction->kept = kept;
    return kept;
}

void transaction_free_batch(engine_batch *batch) {
    free(batch->ends);
    free(batch->bytes);
    *batch = (engine_batch){0};
}

void transaction_release(sop_transaction *transaction) {
    while (transaction->kept != NULL) {
        sop_kept *kept = transaction->kept;
        transaction->kept = kept->next;
        switch (kept->kind) {
        case KEPT_MEMORY: free(kept->of.memory); break;
        case KEPT_BUFFER: sop_free(&kept->of.buffer); break;
        case KEPT_STORE: engine_close(kept->of.store); break;
        case KEPT_ITEMS:
            transaction_free_batch(&kept->of.items.batch);
            if (kept->of.items.has_cursor) engine_close_cursor(kept->of.items.cursor);
            break;
        }
        free(kept);
    }
}

sop_buffer *sop_scratch(sop_transaction *transaction) {
    sop_kept *kept = transaction_keep(transaction, KEPT_BUFFER);
    kept->of.buffer = (sop_buffer){0};
    return &kept->of.buffer;
}

/* What became of a commit whose answer was lost. One that did not happen is like a conflict: run it
 * again. */
static sop_status settle(engine_id id, sop_committed *committed) {
    for (int tries = 0; tries < SOP_OUTCOME_TRIES_MAX; tries++) {
        engine_outcome outcome;
        sop_status status = engine_ask(id, &outcome, &committed->version);
        if (status == SOP_UNAVAILABLE) continue;
        if (status != SOP_OK || outcome == ENGINE_UNKNOWN) break;
        if (outcome == ENGINE_COMMITTED) return SOP_OK;
        if (outcome == ENGINE_ABORTED) return sop_fail(SOP_CONFLICT, "");
    }
    sop_fail(SOP_UNKNOWN_OUTCOME, "");
    sop_add_hex(sop_message(), id.high);
    sop_add_hex(sop_message(), id.low);
    return SOP_UNKNOWN_OUTCOME;
}

static sop_status finish(sop_transaction *transaction, sop_committed *committed) {
    engine_id id;
    committed->revalidations = 0;
    sop_status status = engine_commit(transaction->handle, &committed->version, &committed->revalidations, &id);
    return status == SOP_UNKNOWN_OUTCOME ? settle(id, committed) : status;
}

/* Runs the body once; commits if there is something that wants to know of it. */
static sop_status attempt(bool is_snapshot, sop_body body, void *argument, sop_committed *committed) {
    sop_transaction transaction = {0};
    SOP_TRY(engine_begin(is_snapshot, &transaction.handle));
    sop_status status = body(&transaction, argument);
    if (status == SOP_OK && committed != NULL) status = finish(&transaction, committed);
    transaction_release(&transaction);
    engine_end(transaction.handle);
    return status;
}

sop_status sop_transact_up_to(uint32_t tries_max, sop_body body, void *argument, sop_committed *committed) {
    for (committed->tries = 1;; committed->tries++) {
        sop_status status = attempt(false, body, argument, committed);
        /* An expired read point is that of a registry that lost its state: begin again as well. */
        bool again = status == SOP_CONFLICT || status == SOP_SNAPSHOT_EXPIRED;
        if (!again || committed->tries >= tries_max) return status;
    }
}

sop_status sop_transact(sop_body body, void *argument) {
    sop_committed committed;
    return sop_transact_up_to(SOP_TRIES_MAX, body, argument, &committed);
}

sop_status sop_snapshot(sop_body body, void *argument) { return attempt(true, body, argument, NULL); }
