/**
 * Counts: the smallest plugin. The same requests, responses and store as the counter in Rust (`../counter`).
 *
 * Request `{"key": "visits", "times": 10}` -> response `{"value": 10, "tries": 10}`: the value after the last
 * increment, and how many runs of the transaction it took. `key` is `count` and `times` is 1 if they are not
 * given.
 *
 * Store `counters`: name (text) -> count (u64).
 */

import { jsonPlugin, keys, limits, RequestInvalid, transactUpTo, values } from './sop-guest/index.js';

function work(request) {
  const { key, times } = understood(request);
  const response = { value: 0n, tries: 0 };
  for (let done = 0; done < times; done++) {
    const committed = transactUpTo(limits.TRIES_MAX, (transaction) =>
      transaction.store('counters', keys.text, values.u64).modify(key, (count) => count + 1n, 0n),
    );
    response.value = committed.value;
    response.tries += committed.tries;
  }
  return response;
}

function understood(request) {
  if (request === null || typeof request !== 'object' || Array.isArray(request)) {
    throw new RequestInvalid('it is no JSON object');
  }
  const { key = 'count', times = 1 } = request;
  if (typeof key !== 'string' || !Number.isInteger(times) || times < 0) {
    throw new RequestInvalid('`key` has to be a text and `times` a number from 0');
  }
  return { key, times };
}

export const run = jsonPlugin(work);
