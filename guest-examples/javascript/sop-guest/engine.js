/**
 * The only module that knows the generated bindings: data and errors of the interface become those of the
 * kit.
 */

import * as transactions from 'sop:engine/transactions@0.1.0';

import * as errors from './errors.js';

export { transactions };

const ERRORS = {
  conflict: (keys) => new errors.Conflict(keys),
  unavailable: (message) => new errors.Unavailable(message),
  'unknown-outcome': (id) => new errors.UnknownOutcome(id),
  corrupt: (message) => new errors.Corrupt(message),
  denied: (message) => new errors.Denied(message),
  limit: (limit) => new errors.LimitExceeded(limit),
  'snapshot-expired': (oldest) => new errors.SnapshotExpired(exact(oldest)),
  fenced: () => new errors.Fenced(),
  ended: () => new errors.Ended(),
  'not-found': (message) => new errors.NotFound(message),
  exists: (message) => new errors.Exists(message),
  'read-only': () => new errors.ReadOnly(),
  invalid: (message) => new errors.Invalid(message),
};

/**
 * Makes the error of the interface that a call meets an error of the kit.
 * @template R
 * @param {() => R} call
 * @returns {R}
 */
export function answering(call) {
  try {
    return call();
  } catch (thrown) {
    const error = thrown?.payload;
    const known = ERRORS[error?.tag];
    throw known ? known(error.val) : thrown;
  }
}

/**
 * A `u64` of the interface. The QuickJS of a plugin carries it as a number, which is exact up to 2^53: enough
 * for counts, and for versions until a database has been recovered 8,191 times.
 * @param {number} value
 */
export function exact(value) {
  return BigInt(value);
}
