/* The guest kit of sop: write plugins in C.
 *
 * A plugin is a program that a host runs in a sandbox, on stores that many plugins share. It has
 * transactions and nothing else: no files, no network, no clock, no C library but what `libc/` declares.
 *
 * 1. Define `sop_run`, which takes a request and answers into a buffer.
 * 2. Inside, `sop_transact` calls a function in a serializable transaction, again on a conflict;
 *    `sop_snapshot` only reads.
 * 3. The function opens stores and calls them. Keys are written with `sop_key_…`, one call for each
 *    element of a tuple, and sort like their values; values are written with `sop_value_…`.
 *
 * Every call that can fail answers a status; `SOP_TRY` passes it on. What went wrong, in words, is in
 * `sop_message` and becomes the answer of the run.
 *
 * Who owns what: a `sop_buffer` belongs to whoever made it. Everything a transaction gives (values,
 * items, stores, scratch buffers) is lent and gone when the function that it was given to returns.
 *
 * Not here: savepoints, dropping and listing stores, reading at a past version, integers of 128 bits in
 * values. The generated `plugin.h` has all of the interface.
 */
#ifndef SOP_H
#define SOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of this kit. Those of the engine are in the documentation of `sop:engine/transactions`. */
enum {
    /* How often `sop_transact` calls its function before it gives up with a conflict. There is no clock to
     * wait by in a plugin; the host, which has one, runs a plugin that ended so again after a pause. */
    SOP_TRIES_MAX = 16,
    /* How often a commit of unknown outcome is asked for before the caller is told that it is unknown. */
    SOP_OUTCOME_TRIES_MAX = 8,
    /* Items that an iteration asks for first; each later batch is twice as large. */
    SOP_BATCH_ITEMS_FIRST = 16,
    /* Items that an iteration asks for at most at a time. */
    SOP_BATCH_ITEMS_LAST = 1024,
    /* Arrays and objects inside each other in JSON. */
    SOP_JSON_DEPTH_MAX = 64,
};

/* Why a call failed. Unless it says otherwise, the transaction goes on. */
typedef enum sop_status {
    SOP_OK,
    /* Something this transaction observed was changed by another: run it again. `sop_transact` does. */
    SOP_CONFLICT,
    /* The storage did not answer. Nothing was written. */
    SOP_UNAVAILABLE,
    /* The commit may or may not have happened. */
    SOP_UNKNOWN_OUTCOME,
    /* Stored bytes are damaged. */
    SOP_CORRUPT,
    /* The grants of this plugin do not cover this. */
    SOP_DENIED,
    /* A declared limit was exceeded; ask for less. */
    SOP_LIMIT,
    /* The version read at is older than the history kept. */
    SOP_SNAPSHOT_EXPIRED,
    /* Another host took over the database. The transaction is ended. */
    SOP_FENCED,
    /* The transaction is over. */
    SOP_ENDED,
    /* There is no such store or key. */
    SOP_NOT_FOUND,
    /* There already is such a store or key. */
    SOP_EXISTS,
    /* A snapshot transaction cannot write. */
    SOP_READ_ONLY,
    /* The call makes no sense. */
    SOP_INVALID,
    /* Stored bytes are not a key of the expected form. */
    SOP_KEY,
    /* Stored bytes are not a value of the expected form. */
    SOP_VALUE,
    /* The request is not what it should be. */
    SOP_REQUEST,
    /* A failure of the plugin's own, in words. */
    SOP_FAILED,
} sop_status;

/* Passes a failure on to the caller. */
#define SOP_TRY(call)                                                                                        \
    do {                                                                                                     \
        sop_status sop_tried = (call);                                                                       \
        if (sop_tried != SOP_OK) return sop_tried;                                                           \
    } while (0)

/* --- Bytes ------------------------------------------------------------------------------------------- */

/* Bytes that lie elsewhere. A text is such bytes in UTF-8. */
typedef struct sop_bytes {
    const uint8_t *data;
    size_t length;
} sop_bytes;

/* Bytes that grow. Begins as `{0}`. */
typedef struct sop_buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
    /* Why it cannot be used as a key or a value; NULL = it can. */
    const char *invalid;
} sop_buffer;

sop_bytes sop_text(const char *text);
sop_bytes sop_view(const sop_buffer *buffer);
bool sop_same(sop_bytes a, sop_bytes b);
bool sop_is_utf8(sop_bytes bytes);

void sop_add(sop_buffer *buffer, sop_bytes bytes);
void sop_add_byte(sop_buffer *buffer, uint8_t byte);
void sop_add_text(sop_buffer *buffer, const char *text);
/* As decimal digits. */
void sop_add_u64(sop_buffer *buffer, uint64_t number);
void sop_add_i64(sop_buffer *buffer, int64_t number);
/* As 16 hexadecimal digits. */
void sop_add_hex(sop_buffer *buffer, uint64_t number);
/* Empties a buffer and keeps its memory. */
void sop_clear(sop_buffer *buffer);
/* Empties a buffer and gives its memory back. */
void sop_free(sop_buffer *buffer);

/* --- Failures ---------------------------------------------------------------------------------------- */

/* Answers this status and says why in words; what the status means is put before them. */
sop_status sop_fail(sop_status status, const char *why);
/* The words of the latest failure. To compose them, clear it and add to it. */
sop_buffer *sop_message(void);

/* --- Keys: bytes that sort like the values they stand for (drawn in sdk/src/key/mod.rs) ---------------- */

void sop_key_u8(sop_buffer *key, uint8_t number);
void sop_key_u16(sop_buffer *key, uint16_t number);
void sop_key_u32(sop_buffer *key, uint32_t number);
void sop_key_u64(sop_buffer *key, uint64_t number);
void sop_key_u128(sop_buffer *key, uint64_t high, uint64_t low);
void sop_key_i8(sop_buffer *key, int8_t number);
void sop_key_i16(sop_buffer *key, int16_t number);
void sop_key_i32(sop_buffer *key, int32_t number);
void sop_key_i64(sop_buffer *key, int64_t number);
void sop_key_i128(sop_buffer *key, int64_t high, uint64_t low);
void sop_key_bool(sop_buffer *key, bool truth);
void sop_key_char(sop_buffer *key, uint32_t character);
void sop_key_f64(sop_buffer *key, double number);
void sop_key_text(sop_buffer *key, sop_bytes text);
void sop_key_bytes(sop_buffer *key, sop_bytes bytes);
/* What the keys begin with whose text, or byte string, begins like this one. */
void sop_key_beginning(sop_buffer *key, sop_bytes bytes);
/* An option: nothing, which sorts first, or (followed by the value) something. */
void sop_key_none(sop_buffer *key);
void sop_key_some(sop_buffer *key);

/* --- Values: postcard, the form that the kits of all languages share ----------------------------------- */

void sop_value_u8(sop_buffer *value, uint8_t number);
void sop_value_u16(sop_buffer *value, uint16_t number);
void sop_value_u32(sop_buffer *value, uint32_t number);
void sop_value_u64(sop_buffer *value, uint64_t number);
void sop_value_i8(sop_buffer *value, int8_t number);
void sop_value_i16(sop_buffer *value, int16_t number);
void sop_value_i32(sop_buffer *value, int32_t number);
void sop_value_i64(sop_buffer *value, int64_t number);
void sop_value_bool(sop_buffer *value, bool truth);
void sop_value_f64(sop_buffer *value, double number);
void sop_value_text(sop_buffer *value, sop_bytes text);
void sop_value_bytes(sop_buffer *value, sop_bytes bytes);
void sop_value_none(sop_buffer *value);
void sop_value_some(sop_buffer *value);
/* A list of so many elements, which follow. */
void sop_value_list(sop_buffer *value, uint64_t length);

/* --- Reading keys and values --------------------------------------------------------------------------- */

/* What is left of a stored key or value. Read its elements in order, then ask `sop_read_end` whether that
 * was all right: after the first mismatch every element reads as zero or empty. */
typedef struct sop_reader {
    const uint8_t *data;
    size_t length;
    bool is_key;
    /* Why the bytes are not what was expected; NULL = so far they are. */
    const char *mismatch;
} sop_reader;

sop_reader sop_read_key(sop_bytes bytes);
sop_reader sop_read_value(sop_bytes bytes);
/* Whether the bytes were what was read, and all of them. */
sop_status sop_read_end(const sop_reader *reader);
/* The bytes as they are, to the end. */
sop_bytes sop_read_rest(sop_reader *reader);

uint8_t sop_read_key_u8(sop_reader *key);
uint16_t sop_read_key_u16(sop_reader *key);
uint32_t sop_read_key_u32(sop_reader *key);
uint64_t sop_read_key_u64(sop_reader *key);
void sop_read_key_u128(sop_reader *key, uint64_t *high, uint64_t *low);
int8_t sop_read_key_i8(sop_reader *key);
int16_t sop_read_key_i16(sop_reader *key);
int32_t sop_read_key_i32(sop_reader *key);
int64_t sop_read_key_i64(sop_reader *key);
void sop_read_key_i128(sop_reader *key, int64_t *high, uint64_t *low);
bool sop_read_key_bool(sop_reader *key);
uint32_t sop_read_key_char(sop_reader *key);
double sop_read_key_f64(sop_reader *key);
/* Texts and byte strings are appended to a buffer, because a key holds them escaped. */
void sop_read_key_text(sop_reader *key, sop_buffer *text);
void sop_read_key_bytes(sop_reader *key, sop_buffer *bytes);
/* Whether an option is something; then the value follows. */
bool sop_read_key_option(sop_reader *key);

uint8_t sop_read_value_u8(sop_reader *value);
uint16_t sop_read_value_u16(sop_reader *value);
uint32_t sop_read_value_u32(sop_reader *value);
uint64_t sop_read_value_u64(sop_reader *value);
int8_t sop_read_value_i8(sop_reader *value);
int16_t sop_read_value_i16(sop_reader *value);
int32_t sop_read_value_i32(sop_reader *value);
int64_t sop_read_value_i64(sop_reader *value);
bool sop_read_value_bool(sop_reader *value);
double sop_read_value_f64(sop_reader *value);
sop_bytes sop_read_value_text(sop_reader *value);
sop_bytes sop_read_value_bytes(sop_reader *value);
bool sop_read_value_option(sop_reader *value);
/* How many elements follow: never more than there are bytes left. */
size_t sop_read_value_list(sop_reader *value);

/* --- Transactions -------------------------------------------------------------------------------------- */

typedef struct sop_transaction sop_transaction;

/* What is done in a transaction. `argument` is what the caller of `sop_transact` gave. */
typedef sop_status (*sop_body)(sop_transaction *transaction, void *argument);

/* How a transaction committed. */
typedef struct sop_committed {
    /* The version under which its changes are visible. */
    uint64_t version;
    /* How often the commit validated its reads again because of a conflict on a page. */
    uint32_t revalidations;
    /* How often the body was called: 1 = without a conflict. */
    uint32_t tries;
} sop_committed;

/* Runs a serializable transaction: what the body wrote becomes visible all at once, or not at all if it
 * fails.
 *
 * When another transaction changed something that this one had read, the body is **called again**, at most
 * `SOP_TRIES_MAX` times; after that the answer is `SOP_CONFLICT`, and a plugin that passes it on is run
 * again by the host after a pause. So the body must have no effect outside its transaction but on
 * `argument`, and has to set there what it sets in every call. */
sop_status sop_transact(sop_body body, void *argument);
/* `sop_transact` with a chosen number of tries, and with an answer that says how it went. */
sop_status sop_transact_up_to(uint32_t tries_max, sop_body body, void *argument, sop_committed *committed);
/* Reads one consistent version. Never conflicts; writing answers `SOP_READ_ONLY`. */
sop_status sop_snapshot(sop_body body, void *argument);

/* An empty buffer that the transaction frees when it is over. */
sop_buffer *sop_scratch(sop_transaction *transaction);

/* --- Stores -------------------------------------------------------------------------------------------- */

/* A store, as one transaction sees it: a map from keys to values in the order of the keys' bytes. */
typedef struct sop_store {
    sop_transaction *transaction;
    intptr_t handle;
} sop_store;

/* Opens a store, creating it if there is none of that name; in a snapshot, `SOP_NOT_FOUND` then. */
sop_status sop_open(sop_transaction *transaction, const char *name, sop_store *store);

/* The value of a key, if it is present. */
sop_status sop_get(const sop_store *store, const sop_buffer *key, bool *present, sop_reader *value);
sop_status sop_contains(const sop_store *store, const sop_buffer *key, bool *present);
/* Adds an item: `SOP_EXISTS` if the key is present. */
sop_status sop_insert(const sop_store *store, const sop_buffer *key, const sop_buffer *value);
/* Adds or replaces an item. Two transactions that put the same key do not conflict. */
sop_status sop_put(const sop_store *store, const sop_buffer *key, const sop_buffer *value);
/* Replaces the value of a key: `SOP_NOT_FOUND` if the key is absent. */
sop_status sop_update(const sop_store *store, const sop_buffer *key, const sop_buffer *value);
/* Removes a key; `present`, unless it is NULL, says whether it was there. */
sop_status sop_remove(const sop_store *store, const sop_buffer *key, bool *present);
/* The number of items. A read of all inserts and removals of the store. */
sop_status sop_count(const sop_store *store, uint64_t *count);

/* A range of keys. Empty and inverted ranges are valid and have no items. */
typedef struct sop_range {
    /* Where it starts, this key included; NULL = with the first key. */
    const sop_buffer *lower;
    /* Where it ends; NULL = with the last key. */
    const sop_buffer *upper;
    /* Whether the key `upper` belongs to it. */
    bool upper_included;
    /* Whether it holds all keys that begin with `lower`, and `upper` says nothing. */
    bool is_beginning;
} sop_range;

/* All keys. */
sop_range sop_all(void);
/* The keys that begin with these bytes: the tuples under their first elements, the texts that begin like
 * this one (`sop_key_beginning`). */
sop_range sop_under(const sop_buffer *beginning);
/* The keys from one to another, which is outside; NULL = open on that side. */
sop_range sop_between(const sop_buffer *lower, const sop_buffer *upper);

/* Removes all items of a range; `count`, unless it is NULL, says how many there were. */
sop_status sop_remove_range(const sop_store *store, sop_range range, uint64_t *count);

/* The order in which items come. */
typedef enum sop_direction {
    SOP_ASCENDING,
    SOP_DESCENDING,
} sop_direction;

/* An item: its key and value, to be read. */
typedef struct sop_item {
    sop_reader key;
    sop_reader value;
} sop_item;

/* Items on their way: `sop_next` until it answers false, then `sop_finish`. */
typedef struct sop_items {
    struct sop_kept *source;
    size_t position;
    uint32_t batch_items;
    sop_status status;
} sop_items;

/* Up to `limit` items of a range, in one call. A transaction conflicts over what it saw, not over the
 * rest. */
sop_status sop_scan(
    const sop_store *store, sop_range range, sop_direction direction, uint32_t limit, sop_items *items
);
/* The items of a range, however many there are. They are fetched in growing batches, and show the
 * transaction's writes as they are at that moment. */
sop_status sop_each(const sop_store *store, sop_range range, sop_direction direction, sop_items *items);
/* Gives the next item, which is lent until the next call. False = there is none, or it could not be
 * fetched. */
bool sop_next(sop_items *items, sop_item *item);
/* Ends an iteration, also one that is to stop early, and answers whether it went well. */
sop_status sop_finish(sop_items *items);

/* --- JSON ---------------------------------------------------------------------------------------------- */

/* Whether the bytes are JSON and an object, as `SOP_REQUEST` has it. */
sop_status sop_json_request(sop_bytes request);

/* The elements of an array, or the members of an object, whose names are JSON texts themselves. */
typedef struct sop_json_items {
    const uint8_t *at;
    const uint8_t *end;
    uint8_t closing;
} sop_json_items;

sop_json_items sop_json_each(sop_bytes json);
bool sop_json_next(sop_json_items *items, sop_bytes *name, sop_bytes *value);
/* The member of an object; false if there is none. */
bool sop_json_member(sop_bytes object, const char *name, sop_bytes *value);

/* What a JSON value says; false if it is none of this kind. */
bool sop_json_u64(sop_bytes json, uint64_t *number);
bool sop_json_i64(sop_bytes json, int64_t *number);
bool sop_json_bool(sop_bytes json, bool *truth);
/* Appends the text. */
bool sop_json_text(sop_bytes json, sop_buffer *text);

/* Writes a text as JSON. For numbers there are `sop_add_u64` and `sop_add_i64`. */
void sop_json_add_text(sop_buffer *json, sop_bytes text);

/* --- The plugin ---------------------------------------------------------------------------------------- */

/* Does one piece of work: what the plugin defines. Request and response are bytes of its own making.
 *
 * `SOP_CONFLICT` lets the host run the plugin again from its start, as long as none of its transactions has
 * committed; any other failure ends the run, and its message is the caller's answer. */
sop_status sop_run(sop_bytes request, sop_buffer *response);

#endif
