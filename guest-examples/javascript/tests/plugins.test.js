// Goal: the example plugins answer as the others do, and the export turns every failure into the right
// answer.
// Method: their exports are called as the host calls them, on the database in memory.

import assert from 'node:assert/strict';
import test, { beforeEach } from 'node:test';
import { failCommits, reset } from 'sop:engine/transactions@0.1.0';

import { run as counter } from '../counter.js';
import { run as inventory } from '../inventory.js';
import { errors, Failed, plugin, transact } from '../sop-guest/index.js';

const bytes = (text) => Uint8Array.from(Buffer.from(text));
const answer = (run, request) => JSON.parse(Buffer.from(run(bytes(JSON.stringify(request)))));

beforeEach(reset);

test('every increment counts once whatever becomes of the commits', () => {
  failCommits(['conflict', 'reply-lost-after', 'reply-lost-before']);
  assert.deepEqual(answer(counter, { times: 5 }), { value: 5, tries: 7 });
  const stored = transact((transaction) => transaction.store('counters').first());
  assert.deepEqual(stored, [bytes('count\0\x01'), Uint8Array.of(5)]);
});

test('an inventory keeps stock and its history', () => {
  // prettier-ignore
  const moves = [['Kiel', 'bolt', 5], ['Kiel', 'nut', 300], ['Kiel', 'bolt', -2], ['Bonn', 'bolt', 1]];
  const answers = moves.map(([place, article, change]) =>
    answer(inventory, { op: 'move', place, article, change }),
  );
  // prettier-ignore
  assert.deepEqual(answers.map(({ amount, number }) => [amount, number]), [[5, 0], [300, 1], [3, 2], [1, 0]]);
  const stock = (request) => answer(inventory, { op: 'stock', place: 'Kiel', ...request }).articles;
  assert.deepEqual(stock(), [['bolt', 3], ['nut', 300]]); // prettier-ignore
  assert.deepEqual(stock({ beginning: 'n' }), [['nut', 300]]);
  const { movements } = answer(inventory, { op: 'history', place: 'Kiel', limit: 2 });
  assert.deepEqual(movements, [[2, 'bolt', -2], [1, 'nut', 300]]); // prettier-ignore
  const tooMany = () => answer(inventory, { op: 'move', place: 'Kiel', article: 'bolt', change: -4 });
  assert.throws(tooMany, { payload: { tag: 'failed', val: 'there are only 3 of bolt at Kiel' } });
  answer(inventory, { op: 'move', place: 'Bonn', article: 'bolt', change: -1 });
  assert.deepEqual(stock({ place: 'Bonn' }), []);
});

test('a bad request says what is wrong with it', () => {
  for (const run of [counter, inventory]) {
    for (const request of ['', '[]', '{', '{"op": "fly", "times": -1}']) {
      assert.throws(
        () => run(bytes(request)),
        ({ payload }) => payload.val.includes('the request is not understood'),
      );
    }
    assert.throws(
      () => run(Uint8Array.of(255)),
      ({ payload }) => payload.val.includes('not UTF-8'),
    );
  }
});

test('the export turns failures into answers', () => {
  const raising = (error) => plugin(() => { throw error; }); // prettier-ignore
  assert.throws(() => raising(new errors.Conflict())(bytes('')), { payload: { tag: 'conflict' } });
  assert.throws(() => raising(new Failed('enough'))(bytes('')), {
    payload: { tag: 'failed', val: 'enough' },
  });
  const defect = ({ payload }) => payload.tag === 'failed' && payload.val.startsWith('TypeError: a defect');
  assert.throws(() => raising(new TypeError('a defect'))(bytes('')), defect);
});
