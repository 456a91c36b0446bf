/**
 * Keeps stock: tuple keys, scans of ranges in both directions, two stores in one transaction.
 *
 * The same requests, responses and stores as the inventories in Rust (`../inventory`) and Python
 * (`../python`).
 *
 * | `op` | other members | response |
 * |---|---|---|
 * | `move` | `"place": "Kiel", "article": "bolt", "change": 5` | `{"amount": 5, "number": 0}` |
 * | `stock` | `"place": "Kiel", "beginning": "b"` | `{"articles": [["bolt", 5]]}` |
 * | `history` | `"place": "Kiel", "limit": 10` | `{"movements": [[0, "bolt", 5]]}` |
 *
 * A movement answers what is there now, and its number. The stock is by name, of the articles that begin like
 * this. The history has the newest movement first.
 *
 * Stores `stock`: (place, article) -> amount (u64), and `movements`: (place, number as u64) -> (article,
 * change as i64).
 */

import { Failed, jsonPlugin, keys, RequestInvalid, snapshot, transact, values } from './sop-guest/index.js';

/** The greatest integer that JSON carries safely between all languages. */
const AMOUNT_MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** Most movements of one response. */
const HISTORY_MAX = 1_000;

function work(request) {
  const { op, place, article, change, beginning = '', limit = 10 } = request ?? {};
  if (typeof place === 'string') {
    if (op === 'move' && typeof article === 'string' && Number.isSafeInteger(change)) {
      return transact((transaction) => move(transaction, place, article, BigInt(change)));
    }
    if (op === 'stock' && typeof beginning === 'string') {
      return snapshot((transaction) => stock(transaction, place, beginning));
    }
    if (op === 'history' && Number.isInteger(limit) && limit >= 0 && limit <= HISTORY_MAX) {
      return snapshot((transaction) => history(transaction, place, limit));
    }
  }
  throw new RequestInvalid('it is no `move`, `stock` or `history` with the members that these need');
}

/** Changes an amount and writes down that it did. */
function move(transaction, place, article, change) {
  const { amounts, movements } = stores(transaction);
  const before = amounts.get([place, article]) ?? 0n;
  const amount = before + change;
  if (amount < 0n || amount > AMOUNT_MAX)
    throw new Failed(`there are only ${before} of ${article} at ${place}`);
  if (amount) amounts.put([place, article], amount);
  else amounts.remove([place, article]);
  const [newest] = movements.scan(movements.under(place), 1, { reverse: true });
  const number = newest ? newest[0][1] + 1n : 0n;
  movements.insert([place, number], [article, change]);
  return { amount, number };
}

/** What is at a place. */
function stock(transaction, place, beginning) {
  const { amounts } = stores(transaction);
  const items = amounts.entries(amounts.beginning([place, beginning]));
  return { articles: Array.from(items, ([[, article], amount]) => [article, amount]) };
}

/** What happened last at a place. */
function history(transaction, place, limit) {
  const { movements } = stores(transaction);
  const found = movements.scan(movements.under(place), limit, { reverse: true });
  return { movements: found.map(([[, number], [article, change]]) => [number, article, change]) };
}

function stores(transaction) {
  return {
    amounts: transaction.store('stock', keys.tuple(keys.text, keys.text), values.u64),
    movements: transaction.store(
      'movements',
      keys.tuple(keys.text, keys.u64),
      values.tuple(values.text, values.i64),
    ),
  };
}

export const run = jsonPlugin(work);
