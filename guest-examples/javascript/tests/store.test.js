// Goal: a store gives back what it was given, in order, in both directions. Method: the database in memory.

import assert from 'node:assert/strict';
import test, { beforeEach } from 'node:test';
import { openCursors, reset } from 'sop:engine/transactions@0.1.0';

import {
  errors,
  Exists,
  KeyRange,
  keys,
  NotFound,
  transact,
  Transaction,
  values,
} from '../sop-guest/index.js';

let transaction;

beforeEach(() => {
  reset();
  transaction = Transaction.begin();
});

const counted = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);

function numbers() {
  const store = transaction.store('numbers', keys.i32, values.text);
  store.putMany(counted(-3000, 3000).map((number) => [number, String(number)]));
  return store;
}

test('it gives back what it was given', () => {
  const store = transaction.store('s', keys.text, values.u64);
  store.put('b', 2n);
  store.put('a', 1n);
  assert.deepEqual(
    [store.get('a'), store.get('c'), store.contains('a'), store.contains('c')],
    [1n, undefined, true, false],
  );
  assert.deepEqual([...store], [['a', 1n], ['b', 2n]]); // prettier-ignore
  assert.deepEqual([...store.keys(undefined, { reverse: true })], ['b', 'a']);
  assert.deepEqual([...store.values()], [1n, 2n]);
  assert.equal(store.count(), 2n);
});

test('insert, update and remove say what was there', () => {
  const store = transaction.store('s', keys.text, values.text);
  store.insert('a', '1');
  assert.throws(() => store.insert('a', '2'), Exists);
  store.update('a', '3');
  assert.throws(() => store.update('b', '3'), NotFound);
  assert.deepEqual(
    [store.remove('a'), store.remove('a'), store.first(), store.last()],
    [true, false, undefined, undefined],
  );
  assert.throws(() => transaction.store('raw').put(new Uint8Array(), new Uint8Array()), errors.Invalid);
});

test('iterations give every item in order in both directions', () => {
  const store = numbers();
  assert.deepEqual([...store.keys()], counted(-3000, 3000));
  const falling = store.keys(store.between(-7, 2000, { upperIncluded: true }), { reverse: true });
  assert.deepEqual([...falling], counted(-7, 2001).reverse());
  assert.deepEqual([...store.values(store.between(undefined, -2998))], ['-3000', '-2999']);
  assert.deepEqual(store.scan(store.between(5), 2), [[5, '5'], [6, '6']]); // prettier-ignore
  assert.deepEqual([store.first(), store.last()], [[-3000, '-3000'], [2999, '2999']]); // prettier-ignore
  const found = store.getMany(counted(-5000, 5000));
  assert.deepEqual(
    [found[1999], found[2000], found.at(-2001), found.at(-2000)],
    [undefined, '-3000', '2999', undefined],
  );
  assert.equal(store.removeRange(store.between(0)), 3000n);
});

test('an iteration that stops early releases its cursor', () => {
  for (const key of numbers().keys()) {
    assert.equal(openCursors(), 1);
    if (key === -2500) break;
  }
  assert.equal(openCursors(), 0);
});

test('tuples and texts have their ranges', () => {
  const store = transaction.store('index', keys.tuple(keys.text, keys.u64), values.u32);
  for (const key of [
    ['tree', 7n],
    ['tree', 300n],
    ['trees', 1n],
    ['tre', 2n],
    ['tree\0', 5n],
  ])
    store.put(key, 1);
  assert.deepEqual([...store.keys(store.under('tree'))], [['tree', 7n], ['tree', 300n]]); // prettier-ignore
  assert.deepEqual([...store.keys(store.under('tree', 7n))], [['tree', 7n]]);
  const beginning = Array.from(store.keys(store.beginning(['tree'])), ([term]) => term);
  assert.deepEqual(beginning, ['tree', 'tree', 'tree\0', 'trees']);
  assert.equal([...store.keys(store.under())].length, 5);
});

test('a prefix range ends where it has to', () => {
  assert.deepEqual(KeyRange.prefix(Uint8Array.of(255, 255)).bounds().upper, { tag: 'unbounded' });
  assert.deepEqual(KeyRange.prefix(Uint8Array.of(7, 255)).bounds().upper, {
    tag: 'excluded',
    val: Uint8Array.of(8),
  });
  assert.deepEqual(KeyRange.prefix(Uint8Array.of()).bounds(), {
    lower: { tag: 'unbounded' },
    upper: { tag: 'unbounded' },
  });
});

test('a store read with other forms is an error, not a wrong value', () => {
  transaction.store('s', keys.u64, values.tuple(values.u32, values.u32)).put(7n, [1, 2]);
  assert.throws(() => transaction.store('s', keys.u64, values.u32).get(7n), errors.ValueMismatch);
  assert.throws(() => transaction.store('s', keys.u32).first(), errors.KeyMismatch);
});

test('items read and meanwhile changed are a conflict', () => {
  const put = (key) => transact((other) => other.store('s', keys.text, values.text).put(key, 'x'));
  put('a');
  const reader = Transaction.begin();
  const store = reader.store('s', keys.text, values.text);
  assert.deepEqual([...store.keys()], ['a']);
  put('b');
  store.put('c', 'x');
  assert.throws(() => reader.commit(), errors.Conflict);
});
