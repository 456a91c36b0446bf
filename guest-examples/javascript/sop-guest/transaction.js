/** Transactions by hand. Most plugins need only `transact` and `snapshot`. */

import { answering, exact, transactions } from './engine.js';
import { Invalid, NotFound, ReadOnly, UnknownOutcome } from './errors.js';
import * as keys from './keys.js';
import { Store } from './store.js';
import * as values from './values.js';

/**
 * A transaction. Every call sees its own writes; nothing is visible to others before `commit` answers.
 * Disposing of it rolls back what was not committed.
 */
export class Transaction {
  #transaction;

  /** @param {object} transaction the resource of the interface */
  constructor(transaction) {
    this.#transaction = transaction;
  }

  /**
   * Begins at a fresh version: it sees everything that was acknowledged anywhere before this call.
   * @param {'serializable' | 'snapshot'} isolation serializable: as if the transactions that committed had
   *   run one after another, and a commit may end in a conflict; snapshot: reads one consistent version,
   *   never conflicts, cannot write
   */
  static begin(isolation = 'serializable') {
    return new Transaction(answering(() => transactions.Transaction.begin(isolation)));
  }

  /**
   * Begins a snapshot transaction at a past version: `SnapshotExpired` when its history is gone.
   * @param {bigint} version
   */
  static beginAt(version) {
    const number = Number(version);
    if (!Number.isSafeInteger(number)) throw new Invalid(`${version} is beyond what QuickJS carries exactly`);
    return new Transaction(answering(() => transactions.Transaction.beginAt(number)));
  }

  /** The version it reads at. @returns {bigint} */
  version() {
    return exact(answering(() => this.#transaction.version()));
  }

  /**
   * Opens a store with the forms of its keys and values, creating it if there is none of that name. In a
   * snapshot transaction, which cannot create, `NotFound`. Nothing of the forms is kept or checked: a store
   * is of one form by agreement.
   * @template K, V
   * @param {string} name
   * @param {keys.KeyForm<K>} [key]
   * @param {values.ValueForm<V>} [value]
   * @returns {Store<K, V>}
   */
  store(name, key, value) {
    try {
      return this.openStore(name, key, value);
    } catch (absent) {
      if (!(absent instanceof NotFound)) throw absent;
      try {
        return this.openOrCreateStore(name, key, value);
      } catch (error) {
        throw error instanceof ReadOnly ? absent : error;
      }
    }
  }

  /**
   * Opens a store: `NotFound` if there is none of that name.
   * @param {string} name
   * @returns {Store<any, any>}
   */
  openStore(name, key = keys.raw, value = values.raw) {
    return new Store(
      answering(() => this.#transaction.openStore(name)),
      key,
      value,
    );
  }

  /**
   * Opens a store, creating it if there is none of that name.
   * @param {string} name
   * @returns {Store<any, any>}
   */
  openOrCreateStore(name, key = keys.raw, value = values.raw) {
    return new Store(
      answering(() => this.#transaction.openOrCreateStore(name)),
      key,
      value,
    );
  }

  /**
   * Creates a store, empty: `Exists` if there is one of that name.
   * @param {string} name
   * @returns {Store<any, any>}
   */
  createStore(name, key = keys.raw, value = values.raw) {
    return new Store(
      answering(() => this.#transaction.createStore(name)),
      key,
      value,
    );
  }

  /** Drops a store with all its items: `NotFound` if there is none of that name. @param {string} name */
  dropStore(name) {
    answering(() => this.#transaction.dropStore(name));
  }

  /** The names of the stores this plugin may read. @returns {string[]} */
  storeNames() {
    return answering(() => this.#transaction.listStores()).map((info) => info.name);
  }

  /** Marks a point to come back to. A name that is in use moves to the new point. @param {string} name */
  savepoint(name) {
    answering(() => this.#transaction.savepoint(name));
  }

  /**
   * Forgets all writes since the savepoint, which stays. What was read since then still counts.
   * @param {string} name
   */
  rollbackTo(name) {
    answering(() => this.#transaction.rollbackTo(name));
  }

  /**
   * Makes all writes durable and visible, or none. Answers the version under which they are visible (at which
   * it read if it wrote nothing), and how often a conflict on a page made it validate its reads again.
   * @returns {{version: bigint, revalidations: number}}
   */
  commit() {
    const { version, revalidations } = answering(() => this.#transaction.commit());
    return { version: exact(version), revalidations };
  }

  /** Ends the transaction without a trace. `Ended` if it was over. */
  rollback() {
    answering(() => this.#transaction.rollback());
  }

  [Symbol.dispose]() {
    this.#transaction[Symbol.dispose]();
  }
}

/**
 * What became of a commit that threw `UnknownOutcome`, by the id of the error. QuickJS carries the halves of
 * an id as numbers; where one has lost its last bits so that nobody can be asked, this throws
 * `UnknownOutcome` again.
 * @param {{high: number, low: number}} id
 * @returns {{tag: 'committed', version: bigint} | {tag: 'aborted' | 'undecided' | 'unknown'}}
 */
export function outcome(id) {
  if (!Number.isSafeInteger(id.high) || !Number.isSafeInteger(id.low)) throw new UnknownOutcome(id);
  const found = answering(() => transactions.outcome(id));
  return found.tag === 'committed' ? { tag: 'committed', version: exact(found.val) } : { tag: found.tag };
}
