/** Transactions that are run again when they conflict. */

import { Conflict, SnapshotExpired, SopError, Unavailable, UnknownOutcome } from './errors.js';
import { OUTCOME_TRIES_MAX, TRIES_MAX } from './limits.js';
import { outcome, Transaction } from './transaction.js';

/**
 * What a transaction gave, and how it went.
 * @template T
 * @typedef {object} Committed
 * @property {T} value what the body answered in the run that committed
 * @property {bigint} version the version under which its changes are visible
 * @property {number} revalidations how often the commit validated its reads again because of a conflict on a
 *   page
 * @property {number} tries how often the body ran: 1 = without a conflict
 */

/**
 * Runs a serializable transaction: what the body wrote becomes visible all at once, or not at all if it
 * throws.
 *
 * When another transaction changed something that this one had read, the body is **run again** from its
 * start, at most `limits.TRIES_MAX` times; after that `Conflict` is thrown, and a plugin that lets it pass is
 * run again by the host after a pause. So the body must have no effect outside its transaction.
 *
 * @template T
 * @param {(transaction: Transaction) => T} body
 * @returns {T}
 */
export function transact(body) {
  return transactUpTo(TRIES_MAX, body).value;
}

/**
 * `transact` with a chosen number of tries, and with an answer that says how it went.
 * @template T
 * @param {number} triesMax
 * @param {(transaction: Transaction) => T} body
 * @returns {Committed<T>}
 */
export function transactUpTo(triesMax, body) {
  for (let tries = 1; ; tries++) {
    try {
      return { ...attempt(body), tries };
    } catch (error) {
      // An expired read point is that of a registry that lost its state: begin again as well.
      const again = error instanceof Conflict || error instanceof SnapshotExpired;
      if (!again || tries >= triesMax) throw error;
    }
  }
}

/**
 * Reads one consistent version. Never conflicts; writing throws `ReadOnly`.
 * @template T
 * @param {(transaction: Transaction) => T} body
 * @returns {T}
 */
export function snapshot(body) {
  const transaction = Transaction.begin('snapshot');
  try {
    return body(transaction);
  } finally {
    transaction[Symbol.dispose]();
  }
}

function attempt(body) {
  const transaction = Transaction.begin('serializable');
  try {
    const value = body(transaction);
    return { value, ...committed(transaction) };
  } finally {
    transaction[Symbol.dispose]();
  }
}

function committed(transaction) {
  try {
    return transaction.commit();
  } catch (error) {
    if (error instanceof UnknownOutcome) return settled(error);
    throw error;
  }
}

/**
 * What became of a commit whose answer was lost. One that did not happen is like a conflict: run it again.
 */
function settled(unknown) {
  for (let tries = 0; tries < OUTCOME_TRIES_MAX; tries++) {
    const found = asked(unknown.id);
    if (found.tag === 'committed') return { version: found.version, revalidations: 0 };
    if (found.tag === 'aborted') throw new Conflict();
    if (found.tag === 'unknown') break;
  }
  throw unknown;
}

function asked(id) {
  try {
    return outcome(id);
  } catch (error) {
    if (!(error instanceof SopError)) throw error;
    return { tag: error instanceof Unavailable ? 'undecided' : 'unknown' };
  }
}
