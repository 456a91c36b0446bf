/**
 * The guest kit of sop: write plugins in JavaScript.
 *
 * A plugin is a program that a host runs in a sandbox, on stores that many plugins share. It has transactions
 * and nothing else: no files, no network, and a clock and randomness that stand still.
 *
 * 1. Write a function from a request to a response and export it: `export const run = jsonPlugin(work);` 2.
 * Inside, `transact` runs a function as one serializable transaction, again on a conflict; `snapshot` only
 * reads. 3. The function opens stores: `transaction.store(name, keys.text, values.u64)` for typed keys and
 * values,
 *    `transaction.store(name)` for bytes.
 *
 * Keys sort like their values (see `keys.js`), so ranges of numbers, of texts, and of tuples by their first
 * elements are ranges of the store:
 *
 *     const index = transaction.store('index', keys.tuple(keys.text, keys.u64), values.u32);
 *     index.put(['tree', 7n], 2);
 *     index.put(['tree', 300n], 1);
 *     const documents = Array.from(index.keys(index.under('tree')), ([, number]) => number);
 *
 * In reading order: `transact.js`, `transaction.js`, `store.js`, `keys.js`, `values.js`, `ranges.js`,
 * `plugin.js`; below them `engine.js`, the only one that knows the generated bindings.
 *
 * @module
 */

export * as errors from './errors.js';
export { Conflict, Exists, Failed, NotFound, RequestInvalid, SopError } from './errors.js';
export * as keys from './keys.js';
export * as limits from './limits.js';
export { jsonPlugin, plugin } from './plugin.js';
export { ALL, KeyRange } from './ranges.js';
export { Store } from './store.js';
export { snapshot, transact, transactUpTo } from './transact.js';
export { outcome, Transaction } from './transaction.js';
export * as values from './values.js';
