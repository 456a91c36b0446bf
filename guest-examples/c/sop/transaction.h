/* A transaction and what it has lent. */
#ifndef SOP_TRANSACTION_H
#define SOP_TRANSACTION_H

#include "engine.h"

typedef enum sop_kept_kind {
    KEPT_MEMORY,
    KEPT_BUFFER,
    KEPT_STORE,
    KEPT_ITEMS,
} sop_kept_kind;

/* One thing that was lent. The latest is first, so that cursors are released before their stores. */
typedef struct sop_kept {
    struct sop_kept *next;
    sop_kept_kind kind;
    union {
        void *memory;
        sop_buffer buffer;
        engine_handle store;
        struct {
            engine_batch batch;
            /* What fetches the next batch, if `has_cursor`. */
            engine_handle cursor;
            bool has_cursor;
        } items;
    } of;
} sop_kept;

struct sop_transaction {
    engine_handle handle;
    sop_kept *kept;
};

/* Keeps one more thing until the transaction is over. */
sop_kept *transaction_keep(sop_transaction *transaction, sop_kept_kind kind);
/* Releases everything that was lent. */
void transaction_release(sop_transaction *transaction);
/* Takes back a batch. */
void transaction_free_batch(engine_batch *batch);

#endif
