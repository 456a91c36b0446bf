/* Goal: a store gives back what it was given, in order, in both directions. Method: the database in
 * memory. */

#include "check.h"
#include "stand_in.h"

#include <string.h>

/* Runs a body that checks for itself, and sees that everything it was lent is released. */
static void within(sop_body body) {
    stand_in_reset();
    CHECK_OK(sop_transact(body, NULL));
    CHECK(stand_in_open_handles() == 0);
}

static sop_buffer *number_key(sop_transaction *transaction, int32_t number) {
    sop_buffer *key = sop_scratch(transaction);
    sop_key_i32(key, number);
    return key;
}

/* A store of the numbers from -3000 to 2999. */
static void open_numbers(sop_transaction *transaction, sop_store *store) {
    CHECK_OK(sop_open(transaction, "numbers", store));
    sop_buffer key = {0}, value = {0};
    for (int32_t number = -3000; number < 3000; number++) {
        sop_clear(&key);
        sop_clear(&value);
        sop_key_i32(&key, number);
        sop_value_i32(&value, number);
        CHECK_OK(sop_insert(store, &key, &value));
    }
    sop_free(&key);
    sop_free(&value);
}

/* Whether an iteration gives these numbers, and no more. */
static bool gives(sop_items *items, int32_t first, int32_t last) {
    sop_item item;
    int32_t step = first <= last ? 1 : -1;
    for (int32_t wanted = first; wanted != last + step; wanted += step) {
        if (!sop_next(items, &item) || sop_read_key_i32(&item.key) != wanted) return false;
        if (sop_read_value_i32(&item.value) != wanted) return false;
        CHECK_OK(sop_read_end(&item.key));
        CHECK_OK(sop_read_end(&item.value));
    }
    return !sop_next(items, &item) && sop_finish(items) == SOP_OK;
}

static sop_status iterate(sop_transaction *transaction, void *argument) {
    (void)argument;
    sop_store store;
    sop_items items;
    open_numbers(transaction, &store);
    sop_buffer *low = number_key(transaction, -7), *high = number_key(transaction, 2000);
    SOP_TRY(sop_each(&store, sop_all(), SOP_ASCENDING, &items));
    CHECK(gives(&items, -3000, 2999));
    SOP_TRY(sop_each(&store, sop_all(), SOP_DESCENDING, &items));
    CHECK(gives(&items, 2999, -3000));
    SOP_TRY(sop_each(&store, sop_between(low, high), SOP_DESCENDING, &items));
    CHECK(gives(&items, 1999, -7));
    sop_range included = sop_between(low, high);
    included.upper_included = true;
    SOP_TRY(sop_each(&store, included, SOP_ASCENDING, &items));
    CHECK(gives(&items, -7, 2000));
    SOP_TRY(sop_scan(&store, sop_between(high, NULL), SOP_ASCENDING, 2, &items));
    CHECK(gives(&items, 2000, 2001));
    SOP_TRY(sop_scan(&store, sop_between(NULL, low), SOP_DESCENDING, 2, &items));
    CHECK(gives(&items, -8, -9));
    uint64_t count;
    SOP_TRY(sop_count(&store, &count));
    CHECK(count == 6000);
    SOP_TRY(sop_remove_range(&store, sop_between(low, NULL), &count));
    CHECK(count == 3007);
    SOP_TRY(sop_each(&store, sop_all(), SOP_ASCENDING, &items));
    CHECK(gives(&items, -3000, -8));
    return SOP_OK;
}

static void iterations_give_every_item_in_order_in_both_directions(void) { within(iterate); }

static sop_status stop_early(sop_transaction *transaction, void *argument) {
    (void)argument;
    sop_store store;
    sop_items items, empty;
    sop_item item;
    open_numbers(transaction, &store);
    size_t before = stand_in_open_handles();
    SOP_TRY(sop_each(&store, sop_all(), SOP_ASCENDING, &items));
    CHECK(sop_next(&items, &item) && stand_in_open_handles() == before + 1);
    SOP_TRY(sop_finish(&items));
    CHECK(stand_in_open_handles() == before && !sop_next(&items, &item));
    SOP_TRY(sop_finish(&items));
    /* One that nobody finishes ends with its transaction. */
    SOP_TRY(sop_each(&store, sop_all(), SOP_ASCENDING, &items));
    CHECK(sop_next(&items, &item));
    sop_buffer *high = number_key(transaction, 5), *low = number_key(transaction, 4);
    SOP_TRY(sop_each(&store, sop_between(high, low), SOP_ASCENDING, &empty));
    CHECK(!sop_next(&empty, &item));
    return SOP_OK;
}

static void an_iteration_that_stops_early_releases_its_cursor(void) { within(stop_early); }

static sop_status write_and_look(sop_transaction *transaction, void *argument) {
    (void)argument;
    sop_store store;
    SOP_TRY(sop_open(transaction, "s", &store));
    sop_buffer *a = sop_scratch(transaction), *b = sop_scratch(transaction), *bad = sop_scratch(transaction);
    sop_add_text(a, "a");
    sop_add_text(b, "b");
    SOP_TRY(sop_insert(&store, a, b));
    CHECK(sop_insert(&store, a, b) == SOP_EXISTS && says("exists already: the key"));
    SOP_TRY(sop_update(&store, a, a));
    CHECK(sop_update(&store, b, a) == SOP_NOT_FOUND);
    bool present;
    sop_reader value;
    SOP_TRY(sop_get(&store, a, &present, &value));
    CHECK(present && sop_same(sop_read_rest(&value), sop_text("a")));
    SOP_TRY(sop_put(&store, b, sop_scratch(transaction)));
    SOP_TRY(sop_get(&store, b, &present, &value));
    CHECK(present && sop_read_rest(&value).length == 0);
    SOP_TRY(sop_contains(&store, b, &present));
    CHECK(present);
    SOP_TRY(sop_remove(&store, b, &present));
    CHECK(present);
    SOP_TRY(sop_remove(&store, b, &present));
    CHECK(!present);
    SOP_TRY(sop_get(&store, b, &present, &value));
    CHECK(!present);
    CHECK(sop_put(&store, bad, a) == SOP_INVALID);
    sop_key_text(bad, sop_text("\xff"));
    CHECK(sop_put(&store, bad, a) == SOP_INVALID && says("it has a text that is not UTF-8"));
    CHECK(sop_put(&store, a, bad) == SOP_INVALID && sop_get(&store, bad, &present, &value) == SOP_INVALID);
    sop_items items;
    CHECK(sop_each(&store, sop_under(bad), SOP_ASCENDING, &items) == SOP_INVALID);
    return SOP_OK;
}

static void insert_update_and_remove_say_what_was_there(void) { within(write_and_look); }

/* How many keys a beginning has under it. */
static size_t count_under(const sop_store *store, const sop_buffer *beginning) {
    sop_items items;
    sop_item item;
    size_t count = 0;
    CHECK_OK(sop_each(store, sop_under(beginning), SOP_ASCENDING, &items));
    while (sop_next(&items, &item)) count++;
    CHECK_OK(sop_finish(&items));
    return count;
}

static sop_status look_under(sop_transaction *transaction, void *argument) {
    (void)argument;
    sop_store store;
    SOP_TRY(sop_open(transaction, "index", &store));
    struct {
        const char *term;
        size_t length;
        uint64_t number;
    } keys[] = {{"tree", 4, 7}, {"tree", 4, 300}, {"trees", 5, 1}, {"tre", 3, 2}, {"tree\0", 5, 5}};
    sop_buffer *key = sop_scratch(transaction), *value = sop_scratch(transaction);
    for (size_t index = 0; index < sizeof keys / sizeof *keys; index++) {
        sop_clear(key);
        sop_key_text(key, (sop_bytes){(const uint8_t *)keys[index].term, keys[index].length});
        sop_key_u64(key, keys[index].number);
        SOP_TRY(sop_put(&store, key, value));
    }
    sop_clear(key);
    CHECK(count_under(&store, key) == 5);
    sop_key_text(key, sop_text("tree"));
    CHECK(count_under(&store, key) == 2);
    sop_key_u64(key, 7);
    CHECK(count_under(&store, key) == 1);
    sop_clear(key);
    sop_key_beginning(key, sop_text("tree"));
    CHECK(count_under(&store, key) == 4);
    return SOP_OK;
}

static void tuples_and_texts_have_their_ranges(void) { within(look_under); }

static sop_status end_beginnings(sop_transaction *transaction, void *argument) {
    (void)argument;
    sop_store store;
    SOP_TRY(sop_open(transaction, "bytes", &store));
    sop_buffer *key = sop_scratch(transaction), *value = sop_scratch(transaction);
    for (const char *const *each = (const char *const[]){"\x07\xff", "\x07\xff\xff", "\x08", "\xff\xff", NULL}; *each; each++) {
        sop_clear(key);
        sop_add_text(key, *each);
        SOP_TRY(sop_put(&store, key, value));
    }
    sop_clear(key);
    sop_add_text(key, "\x07\xff");
    CHECK(count_under(&store, key) == 2);
    sop_clear(key);
    sop_add_text(key, "\xff");
    CHECK(count_under(&store, key) == 1);
    return SOP_OK;
}

static void a_beginning_of_highest_bytes_is_open_above(void) { within(end_beginnings); }

int main(void) {
    TEST(iterations_give_every_item_in_order_in_both_directions);
    TEST(an_iteration_that_stops_early_releases_its_cursor);
    TEST(insert_update_and_remove_say_what_was_there);
    TEST(tuples_and_texts_have_their_ranges);
    TEST(a_beginning_of_highest_bytes_is_open_above);
    stand_in_reset();
}
