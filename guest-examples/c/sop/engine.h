/* What the kit needs of `sop:engine/transactions`: `engine.c` has it from the host, `stand-in/engine.c`
 * from the memory of a test. Memory that is given is from `malloc` and the receiver's. */
#ifndef SOP_ENGINE_H
#define SOP_ENGINE_H

#include "sop.h"

typedef intptr_t engine_handle;

typedef struct engine_id {
    uint64_t high;
    uint64_t low;
} engine_id;

typedef enum engine_outcome {
    ENGINE_COMMITTED,
    ENGINE_ABORTED,
    ENGINE_UNDECIDED,
    ENGINE_UNKNOWN,
} engine_outcome;

typedef enum engine_write {
    ENGINE_INSERT,
    ENGINE_PUT,
    ENGINE_UPDATE,
} engine_write;

/* A range of keys; an end that is not there is open. */
typedef struct engine_range {
    sop_bytes lower;
    sop_bytes upper;
    bool has_lower;
    bool has_upper;
    bool upper_included;
} engine_range;

/* Items, packed: key, value, key, value, … back to back, and where each ends. */
typedef struct engine_batch {
    uint64_t *ends;
    size_t ends_count;
    uint8_t *bytes;
    size_t bytes_count;
} engine_batch;

sop_status engine_begin(bool is_snapshot, engine_handle *transaction);
/* Releases a transaction; one that is not over is rolled back. Its stores and cursors are released before. */
void engine_end(engine_handle transaction);
/* `id` is set if the answer is `SOP_UNKNOWN_OUTCOME`. */
sop_status engine_commit(engine_handle transaction, uint64_t *version, uint32_t *revalidations, engine_id *id);
sop_status engine_ask(engine_id id, engine_outcome *outcome, uint64_t *version);

sop_status engine_open(engine_handle transaction, sop_bytes name, bool create, engine_handle *store);
void engine_close(engine_handle store);
sop_status engine_get(engine_handle store, sop_bytes key, bool *present, uint8_t **value, size_t *length);
sop_status engine_contains(engine_handle store, sop_bytes key, bool *present);
sop_status engine_write_item(engine_handle store, engine_write how, sop_bytes key, sop_bytes value);
sop_status engine_remove(engine_handle store, sop_bytes key, bool *present);
sop_status engine_remove_range(engine_handle store, const engine_range *range, uint64_t *count);
sop_status engine_count(engine_handle store, uint64_t *count);
sop_status engine_scan(
    engine_handle store, const engine_range *range, sop_direction direction, uint32_t limit, engine_batch *batch
);

sop_status engine_open_cursor(
    engine_handle store, const engine_range *range, sop_direction direction, engine_handle *cursor
);
void engine_close_cursor(engine_handle cursor);
sop_status engine_next(engine_handle cursor, uint32_t items_max, engine_batch *batch);

#endif
