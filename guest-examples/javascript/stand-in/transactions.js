/**
 * A database in memory that stands in for `sop:engine/transactions`, so that plugins are tested in plain
 * node.
 *
 * A transaction works on a copy of everything. What it read it reads again at commit, on the newest version:
 * if one read sees something else, that is a conflict. Then its writes are repeated there. `failCommits`
 * makes commits fail by script.
 *
 * Call `reset` before each test. Not here: grants and limits.
 */

let versions;
let faults;
let outcomes;
let outcomeReplies;
/** Cursors that were opened and not released. */
let cursorsOpen;

/** Begins with an empty database, and no faults. */
export function reset() {
  versions = [new Map()];
  faults = [];
  outcomes = [];
  outcomeReplies = [];
  cursorsOpen = 0;
}

/**
 * The next commits fail like this, one after another.
 * @param {('conflict' | 'expired' | 'unavailable' | 'reply-lost-after' | 'reply-lost-before' | 'id-lost')[]}
 *   next
 */
export function failCommits(next) {
  faults = [...next];
}

/**
 * The next questions for an outcome are answered like this: `{tag}` of an outcome, or of an error if it is
 * `failing`.
 */
export function answerOutcomes(replies) {
  outcomeReplies = [...replies];
}

/** Cursors that were opened and not released. */
export function openCursors() {
  return cursorsOpen;
}

/** An error as the bindings throw it. */
export function failure(tag, val) {
  return Object.assign(new Error(tag), { payload: { tag, val } });
}

reset();

export class Transaction {
  constructor(version, writable) {
    this.at = version;
    this.writable = writable;
    this.stores = copied(versions[version]);
    this.reads = [];
    this.writes = [];
    this.savepoints = new Map();
    this.over = false;
  }

  static begin(isolation) {
    return new Transaction(versions.length - 1, isolation === 'serializable');
  }

  static beginAt(version) {
    if (version >= versions.length) throw failure('invalid', 'a version of the future');
    return new Transaction(version, false);
  }

  version() {
    this.live();
    return this.at;
  }

  createStore(name) {
    if (this.has(name)) throw failure('exists', `the store \`${name}\``);
    return this.openOrCreateStore(name);
  }

  openStore(name) {
    if (!this.has(name)) throw failure('not-found', `the store \`${name}\``);
    return new Store(this, name);
  }

  openOrCreateStore(name) {
    if (!this.has(name)) this.write((stores) => stores.has(name) || stores.set(name, new Map()));
    return new Store(this, name);
  }

  dropStore(name) {
    if (!this.has(name)) throw failure('not-found', `the store \`${name}\``);
    this.write((stores) => stores.delete(name));
  }

  listStores() {
    this.live();
    return [...this.stores.keys()].sort().map((name, id) => ({ name, id }));
  }

  savepoint(name) {
    this.live();
    this.savepoints.set(name, { stores: copied(this.stores), count: this.writes.length });
  }

  rollbackTo(name) {
    this.live();
    const point = this.savepoints.get(name);
    if (!point) throw failure('not-found', `the savepoint \`${name}\``);
    this.stores = copied(point.stores);
    this.writes.length = point.count;
  }

  commit() {
    this.live();
    const fault = faults.shift();
    if (fault === 'unavailable') throw failure('unavailable', 'nobody is there');
    this.over = true;
    if (fault === 'conflict') throw failure('conflict', [{ store: 'another', key: Uint8Array.of(1) }]);
    if (fault === 'expired') throw failure('snapshot-expired', versions.length);
    if (fault === 'reply-lost-before') throw failure('unknown-outcome', remembered({ tag: 'aborted' }));
    if (this.writes.length) {
      this.validate();
      const newest = copied(versions.at(-1));
      for (const write of this.writes) write(newest);
      this.at = versions.push(newest) - 1;
    }
    if (fault === 'reply-lost-after')
      throw failure('unknown-outcome', remembered({ tag: 'committed', val: this.at }));
    if (fault === 'id-lost') throw failure('unknown-outcome', { high: 2 ** 63, low: 5 });
    return { version: this.at, revalidations: 0 };
  }

  rollback() {
    this.live();
    this.over = true;
  }

  [Symbol.dispose]() {
    this.over = true;
  }

  /** Only a transaction that is not over answers. */
  live() {
    if (this.over) throw failure('ended');
  }

  has(name) {
    this.live();
    return this.stores.has(name);
  }

  /** Reads everything again. */
  validate() {
    for (const { name, read, seen } of this.reads) {
      const again = JSON.stringify(read(versions.at(-1).get(name) ?? new Map()));
      if (again !== seen) throw failure('conflict', [{ store: name, key: new Uint8Array() }]);
    }
  }

  /** Changes the copy now and the newest version at commit. */
  write(change) {
    this.live();
    if (!this.writable) throw failure('read-only');
    change(this.stores);
    this.writes.push(change);
  }
}

class Store {
  constructor(transaction, name) {
    this.transaction = transaction;
    this.name = name;
  }

  get(key) {
    return bytes(this.read((items) => items.get(hex(key)) ?? null));
  }

  getMany(keys) {
    return this.read((items) => keys.map((key) => items.get(hex(key)) ?? null)).map(bytes);
  }

  contains(key) {
    return this.read((items) => items.has(hex(key)));
  }

  insert(key, value) {
    if (this.contains(key)) throw failure('exists', 'the key');
    this.put(key, value);
  }

  put(key, value) {
    if (!(key.length >= 1 && key.length <= 1024)) throw failure('invalid', 'a key of no bytes, or too many');
    const [name, digits, stored] = [this.name, hex(key), hex(value)];
    this.transaction.write((stores) =>
      (stores.get(name) ?? stores.set(name, new Map()).get(name)).set(digits, stored),
    );
  }

  putMany(items) {
    for (const { key, value } of items) this.put(key, value);
  }

  update(key, value) {
    if (!this.contains(key)) throw failure('not-found', 'the key');
    this.put(key, value);
  }

  remove(key) {
    const present = this.contains(key);
    this.transaction.write((stores) => stores.get(this.name)?.delete(hex(key)));
    return present;
  }

  removeRange(range) {
    const found = this.scan(range, 'ascending', Infinity);
    for (const { key } of found) this.remove(key);
    return found.length;
  }

  count() {
    return this.read((items) => items.size);
  }

  first() {
    return this.scan(EVERYTHING, 'ascending', 1)[0] ?? null;
  }

  last() {
    return this.scan(EVERYTHING, 'descending', 1)[0] ?? null;
  }

  scan(range, direction, limit) {
    const found = this.read((items) => within(items, range, direction).slice(0, limit));
    return found.map(([key, value]) => ({ key: bytes(key), value: bytes(value) }));
  }

  openCursor(range, direction) {
    this.transaction.live();
    return new Cursor(this, range, direction);
  }

  /** Reads the copy, and notes what it saw among the committed items. */
  read(read) {
    this.transaction.live();
    const committed = versions[this.transaction.at].get(this.name) ?? new Map();
    this.transaction.reads.push({ name: this.name, read, seen: JSON.stringify(read(committed)) });
    return read(this.transaction.stores.get(this.name) ?? new Map());
  }
}

class Cursor {
  constructor(store, range, direction) {
    this.store = store;
    this.range = range;
    this.direction = direction;
    cursorsOpen++;
  }

  next(max) {
    const found = this.store.scan(this.range, this.direction, max);
    if (found.length) {
      const passed = { tag: 'excluded', val: found.at(-1).key };
      const side = this.direction === 'ascending' ? 'lower' : 'upper';
      this.range = { ...this.range, [side]: passed };
    }
    return found;
  }

  [Symbol.dispose]() {
    cursorsOpen--;
  }
}

/** What became of a commit. */
export function outcome({ low }) {
  const reply = outcomeReplies.shift();
  if (reply?.failing) throw failure(reply.tag, reply.val);
  return reply ?? outcomes[low] ?? { tag: 'unknown' };
}

const EVERYTHING = { lower: { tag: 'unbounded' }, upper: { tag: 'unbounded' } };

function remembered(became) {
  return { high: Number.MAX_SAFE_INTEGER, low: outcomes.push(became) - 1 };
}

/** Bytes as hexadecimal digits: they are equal, and sort, as the bytes are and do. */
function hex(value) {
  if (!(value instanceof Uint8Array)) throw new TypeError('the bindings take a Uint8Array');
  return Buffer.from(value).toString('hex');
}

function bytes(digits) {
  return digits === null ? null : Uint8Array.from(Buffer.from(digits, 'hex'));
}

function copied(stores) {
  return new Map([...stores].map(([name, items]) => [name, new Map(items)]));
}

function within(items, { lower, upper }, direction) {
  const above = (key) =>
    lower.tag === 'unbounded' || key > hex(lower.val) || (lower.tag === 'included' && key === hex(lower.val));
  const below = (key) =>
    upper.tag === 'unbounded' || key < hex(upper.val) || (upper.tag === 'included' && key === hex(upper.val));
  const found = [...items].filter(([key]) => above(key) && below(key)).sort(([a], [b]) => (a < b ? -1 : 1));
  return direction === 'descending' ? found.reverse() : found;
}
