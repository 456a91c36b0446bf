/* All items of a database at one version, in order. */
#ifndef SOP_STAND_IN_TABLE_H
#define SOP_STAND_IN_TABLE_H

#include "engine.h"

/* An item. A store is there if it has an item of an empty key, which no call can give or ask for. */
typedef struct row {
    sop_buffer store;
    sop_buffer key;
    sop_buffer value;
} row;

typedef struct table {
    row *rows;
    size_t count;
    size_t capacity;
} table;

/* What was asked of a table: the items of a range, in a direction, up to a number. The ends of the range are
 * copied; `range` itself only says which of them are there. */
typedef struct question {
    sop_buffer store;
    sop_buffer lower;
    sop_buffer upper;
    engine_range range;
    sop_direction direction;
    uint64_t limit;
} question;

table table_copy(const table *from);
void table_free(table *freed);
void table_put(table *into, sop_bytes store, sop_bytes key, sop_bytes value);
void table_remove(table *from, sop_bytes store, sop_bytes key);

question question_of(sop_bytes store, const engine_range *range, sop_direction direction, uint64_t limit);
void question_free(question *freed);
/* The rows that answer it, which lie in the table; `count` says how many. */
const row **table_ask(const table *asked, const question *question, size_t *count);

#endif
