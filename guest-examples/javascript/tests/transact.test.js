// Goal: `transact` runs its body again exactly when that is right, and every error of the interface has its
// class.
// Method: the database in memory, with commits that fail by script.

import assert from 'node:assert/strict';
import test, { beforeEach } from 'node:test';
import { answerOutcomes, failCommits, failure, reset } from 'sop:engine/transactions@0.1.0';

import { answering } from '../sop-guest/engine.js';
import {
  Conflict,
  errors,
  Failed,
  keys,
  limits,
  NotFound,
  outcome,
  snapshot,
  transact,
  transactUpTo,
} from '../sop-guest/index.js';
import { Transaction, values } from '../sop-guest/index.js';

const counters = (transaction) => transaction.store('counters', keys.text, values.u64);
const increment = (transaction) => counters(transaction).modify('n', (count) => count + 1n, 0n);
const value = () => snapshot((transaction) => counters(transaction).get('n'));

beforeEach(reset);

test('a conflict runs the body again until it commits', () => {
  failCommits(['conflict', 'expired', 'conflict']);
  assert.deepEqual(transactUpTo(16, increment), { value: 1n, version: 1n, revalidations: 0, tries: 4 });
  assert.equal(value(), 1n);
});

test('the tries are bounded and the last conflict is the answer', () => {
  failCommits(Array(100).fill('conflict'));
  let runs = 0;
  const body = (transaction) => {
    runs++;
    increment(transaction);
  };
  assert.throws(
    () => transact(body),
    (error) => error instanceof Conflict && error.keys[0].store === 'another',
  );
  assert.equal(runs, limits.TRIES_MAX);
  assert.throws(value, NotFound);
});

test('a lost reply counts once whether or not the commit happened', () => {
  failCommits(['reply-lost-after']);
  assert.equal(transactUpTo(16, increment).tries, 1);
  failCommits(['reply-lost-before']);
  assert.equal(transactUpTo(16, increment).tries, 2);
  assert.equal(value(), 2n);
});

test('an outcome is asked for a bounded number of times', () => {
  const [undecided, away] = [{ tag: 'undecided' }, { failing: true, tag: 'unavailable', val: 'away' }];
  failCommits(['reply-lost-after']);
  answerOutcomes(
    Array(limits.OUTCOME_TRIES_MAX / 2 - 1)
      .fill([undecided, away])
      .flat(),
  );
  assert.equal(transactUpTo(16, increment).tries, 1);
  for (const replies of [
    Array(100).fill(undecided),
    [{ tag: 'unknown' }],
    [{ failing: true, tag: 'fenced' }],
  ]) {
    failCommits(['reply-lost-after']);
    answerOutcomes(replies);
    assert.throws(() => transact(increment), errors.UnknownOutcome);
  }
});

test('a commit whose id has lost bits is neither run again nor asked for by another id', () => {
  let runs = 0;
  failCommits(['id-lost']);
  answerOutcomes([{ tag: 'aborted' }]);
  const body = (transaction) => {
    runs++;
    increment(transaction);
  };
  assert.throws(() => transact(body), errors.UnknownOutcome);
  assert.equal(runs, 1);
});

test('an error of the body writes nothing and is not tried again', () => {
  let runs = 0;
  const body = (transaction) => {
    runs++;
    increment(transaction);
    throw new Failed('enough');
  };
  assert.throws(() => transact(body), Failed);
  assert.equal(runs, 1);
  assert.throws(value, NotFound);
});

test('an error of the storage is not tried again', () => {
  failCommits(['unavailable']);
  assert.throws(() => transact(increment), errors.Unavailable);
});

test('one that read what another changed conflicts and a reader does not', () => {
  transact(increment);
  const [writer, reader] = [Transaction.begin(), Transaction.begin('snapshot')];
  increment(writer);
  transact(increment);
  assert.throws(() => writer.commit(), Conflict);
  assert.equal(counters(reader).get('n'), 1n);
  assert.throws(() => increment(reader), errors.ReadOnly);
  assert.equal(counters(Transaction.beginAt(1n)).get('n'), 1n);
  assert.throws(() => Transaction.beginAt(1n << 60n), errors.Invalid);
  assert.equal(value(), 2n);
});

test('a transaction that was disposed of is over', () => {
  const transaction = Transaction.begin();
  increment(transaction);
  transaction[Symbol.dispose]();
  assert.throws(() => transaction.commit(), errors.Ended);
});

test('a lost commit by hand can be asked for', () => {
  for (const [fault, expected] of [
    ['reply-lost-after', { tag: 'committed', version: 1n }],
    ['reply-lost-before', { tag: 'aborted' }],
  ]) {
    failCommits([fault]);
    const transaction = Transaction.begin();
    increment(transaction);
    assert.throws(
      () => transaction.commit(),
      (error) => {
        assert.deepEqual(outcome(error.id), expected);
        return true;
      },
    );
  }
  assert.deepEqual(outcome({ high: 5, low: 55 }), { tag: 'unknown' });
});

test('savepoints drop later writes only', () => {
  const transaction = Transaction.begin();
  const store = transaction.store('s', keys.text, values.text);
  store.put('a', '1');
  transaction.savepoint('here');
  store.put('a', '2');
  transaction.createStore('late');
  transaction.rollbackTo('here');
  assert.deepEqual([store.get('a'), transaction.storeNames()], ['1', ['s']]);
  assert.throws(() => transaction.rollbackTo('there'), NotFound);
});

test('every error of the interface has its class', () => {
  const cases = {
    conflict: [errors.Conflict, []], unavailable: [errors.Unavailable, 'x'], corrupt: [errors.Corrupt, 'x'],
    'unknown-outcome': [errors.UnknownOutcome, { high: 1, low: 2 }], denied: [errors.Denied, 'x'],
    limit: [errors.LimitExceeded, { name: 'value bytes', maximum: 5 }], ended: [errors.Ended],
    'snapshot-expired': [errors.SnapshotExpired, 7],
    fenced: [errors.Fenced], 'not-found': [errors.NotFound, 'x'], exists: [errors.Exists, 'x'],
    'read-only': [errors.ReadOnly], invalid: [errors.Invalid, 'x'],
  }; // prettier-ignore
  for (const [tag, [expected, val]] of Object.entries(cases)) {
    const call = () => answering(() => { throw failure(tag, val); }); // prettier-ignore
    assert.throws(
      call,
      (error) => error.constructor === expected && error.message.length > 0 && error.name === expected.name,
    );
  }
  const defect = new TypeError('a defect');
  assert.throws(() => answering(() => { throw defect; }), defect); // prettier-ignore
});
