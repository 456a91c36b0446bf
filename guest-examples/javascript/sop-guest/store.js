/** Stores, as one transaction sees them. */

import { answering, exact } from './engine.js';
import { BATCH_ITEMS_FIRST, BATCH_ITEMS_LAST, BATCH_ITEMS_MAX } from './limits.js';
import { ALL, KeyRange } from './ranges.js';

/**
 * A map from keys to values in the order of the keys, with the forms it was opened with. `for (const [key,
 * value] of store)` goes through its items.
 *
 * @template K, V
 */
export class Store {
  #store;

  /**
   * @param {object} store the resource of the interface
   * @param {import('./keys.js').KeyForm<K>} key
   * @param {import('./values.js').ValueForm<V>} value
   */
  constructor(store, key, value) {
    this.#store = store;
    this.key = key;
    this.value = value;
  }

  /** The value of a key; undefined = absent. @param {K} key @returns {V | undefined} */
  get(key) {
    const found = answering(() => this.#store.get(this.key.encode(key)));
    return this.#valueOf(found);
  }

  /**
   * The values of several keys, index-aligned; undefined = absent.
   * @param {Iterable<K>} wanted
   * @returns {(V | undefined)[]}
   */
  getMany(wanted) {
    const encoded = Array.from(wanted, (key) => this.key.encode(key));
    return batches(encoded).flatMap((batch) => {
      const found = answering(() => this.#store.getMany(batch));
      return found.map((value) => this.#valueOf(value));
    });
  }

  /** Whether a key is present. @param {K} key @returns {boolean} */
  contains(key) {
    return answering(() => this.#store.contains(this.key.encode(key)));
  }

  /** Adds an item: `Exists` if the key is present. @param {K} key @param {V} value */
  insert(key, value) {
    answering(() => this.#store.insert(this.key.encode(key), this.value.encode(value)));
  }

  /**
   * Adds or replaces an item. Two transactions that put the same key do not conflict: one overwrites the
   * other.
   * @param {K} key
   * @param {V} value
   */
  put(key, value) {
    answering(() => this.#store.put(this.key.encode(key), this.value.encode(value)));
  }

  /** Adds or replaces several items, in order. @param {Iterable<[K, V]>} items */
  putMany(items) {
    const encoded = Array.from(items, ([key, value]) => ({
      key: this.key.encode(key),
      value: this.value.encode(value),
    }));
    for (const batch of batches(encoded)) answering(() => this.#store.putMany(batch));
  }

  /** Replaces the value of a key: `NotFound` if the key is absent. @param {K} key @param {V} value */
  update(key, value) {
    answering(() => this.#store.update(this.key.encode(key), this.value.encode(value)));
  }

  /**
   * Reads the value of a key (the initial one if it is absent), changes it, writes it back and answers it.
   * @param {K} key
   * @param {(value: V) => V} change
   * @param {V} initial
   * @returns {V}
   */
  modify(key, change, initial) {
    const found = this.get(key);
    const value = change(found === undefined ? initial : found);
    this.put(key, value);
    return value;
  }

  /** Removes a key. Answers whether it was present. @param {K} key @returns {boolean} */
  remove(key) {
    return answering(() => this.#store.remove(this.key.encode(key)));
  }

  /**
   * Removes all items of a range and answers how many there were.
   * @param {KeyRange} within
   * @returns {bigint}
   */
  removeRange(within) {
    return exact(answering(() => this.#store.removeRange(within.bounds())));
  }

  /** The number of items. A read of all inserts and removals of the store. @returns {bigint} */
  count() {
    return exact(answering(() => this.#store.count()));
  }

  /** The item with the smallest key. @returns {[K, V] | undefined} */
  first() {
    return this.#itemOf(answering(() => this.#store.first()));
  }

  /** The item with the greatest key. @returns {[K, V] | undefined} */
  last() {
    return this.#itemOf(answering(() => this.#store.last()));
  }

  /**
   * Up to `limit` items of a range, in one call. A transaction conflicts over what it saw, not over the rest.
   * @param {KeyRange} within
   * @param {number} limit
   * @param {{reverse?: boolean}} [options]
   * @returns {[K, V][]}
   */
  scan(within, limit, { reverse = false } = {}) {
    const found = answering(() => this.#store.scan(within.bounds(), direction(reverse), limit));
    return found.map((item) => this.#itemOf(item));
  }

  /**
   * The items of a range one after another, however many there are. They are fetched in growing batches and
   * show the transaction's writes as they are at that moment.
   * @param {KeyRange} [within]
   * @param {{reverse?: boolean}} [options]
   * @returns {Generator<[K, V]>}
   */
  *entries(within = ALL, options) {
    for (const item of this.#batched(within, options)) yield this.#itemOf(item);
  }

  /** The keys of a range one after another. @param {KeyRange} [within] @returns {Generator<K>} */
  *keys(within = ALL, options) {
    for (const { key } of this.#batched(within, options)) yield this.key.decode(key);
  }

  /**
   * The values of a range one after another, by their keys.
   * @param {KeyRange} [within]
   * @returns {Generator<V>}
   */
  *values(within = ALL, options) {
    for (const { value } of this.#batched(within, options)) yield this.value.decode(value);
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  /**
   * The range from one key to another, which is outside unless `upperIncluded`; undefined = open on that
   * side.
   * @param {K} [lower]
   * @param {K} [upper]
   * @param {{upperIncluded?: boolean}} [options]
   */
  between(lower, upper, { upperIncluded = false } = {}) {
    const [from, to] = [lower, upper].map((key) => (key === undefined ? undefined : this.key.encode(key)));
    return new KeyRange(from, to, upperIncluded);
  }

  /** The range of the tuple keys whose first elements are these. @param {...any} elements */
  under(...elements) {
    return KeyRange.prefix(this.key.encodeUnder(elements));
  }

  /** The range of the keys whose text, or whose last given element, begins like this one. @param {any} key */
  beginning(key) {
    return KeyRange.prefix(this.key.encodeBeginning(key));
  }

  *#batched(within, { reverse = false } = {}) {
    const cursor = answering(() => this.#store.openCursor(within.bounds(), direction(reverse)));
    try {
      for (let size = BATCH_ITEMS_FIRST; ; size = Math.min(size * 2, BATCH_ITEMS_LAST)) {
        const batch = answering(() => cursor.next(size));
        if (!batch.length) return;
        yield* batch;
      }
    } finally {
      cursor[Symbol.dispose]();
    }
  }

  #valueOf(found) {
    return found === null || found === undefined ? undefined : this.value.decode(found);
  }

  #itemOf(found) {
    return found ? [this.key.decode(found.key), this.value.decode(found.value)] : undefined;
  }
}

function direction(reverse) {
  return reverse ? 'descending' : 'ascending';
}

/** @template T @param {T[]} list @returns {T[][]} */
function batches(list) {
  const found = [];
  for (let start = 0; start < list.length; start += BATCH_ITEMS_MAX) {
    found.push(list.slice(start, start + BATCH_ITEMS_MAX));
  }
  return found;
}
