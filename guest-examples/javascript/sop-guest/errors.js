/**
 * Why something failed: one class for each case of the interface, and those of the kit itself. Each says what
 * to do. Unless it says otherwise, the transaction goes on.
 */

/** What every error of the kit is. */
export class SopError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** Something this transaction observed was changed by another: run it again. `transact` does. */
export class Conflict extends SopError {
  /** @param {{store: string, key: Uint8Array}[]} keys some of what changed */
  constructor(keys = []) {
    super('another transaction changed what this one had read; run it again');
    this.keys = keys;
  }
}

/** The storage did not answer. Nothing was written. */
export class Unavailable extends SopError {
  constructor(message) {
    super(`the storage did not answer; retry later: ${message}`);
  }
}

/** The commit may or may not have happened. Ask `outcome` before running it again. */
export class UnknownOutcome extends SopError {
  /** @param {{high: number, low: number}} id */
  constructor(id) {
    super('the outcome of a commit is unknown; find out whether it happened before running it again');
    this.id = id;
  }
}

/** Stored bytes are damaged. */
export class Corrupt extends SopError {
  constructor(message) {
    super(`stored bytes are damaged: ${message}`);
  }
}

/** The grants of this plugin do not cover this. */
export class Denied extends SopError {
  constructor(message) {
    super(`not granted: ${message}`);
  }
}

/** A declared limit was exceeded; ask for less. */
export class LimitExceeded extends SopError {
  constructor({ name, maximum }) {
    super(`over the limit of ${maximum} ${name}`);
    this.limit = name;
    this.maximum = maximum;
  }
}

/** The version read at is older than the history kept. */
export class SnapshotExpired extends SopError {
  constructor(oldest) {
    super(`that version is no longer kept; the oldest is ${oldest}`);
    this.oldest = oldest;
  }
}

/** Another host took over the database. The transaction is ended. */
export class Fenced extends SopError {
  constructor() {
    super('another host took over the database; reopen it');
  }
}

/** The transaction is over. */
export class Ended extends SopError {
  constructor() {
    super('the transaction is over; begin another');
  }
}

/** There is no such store, key to update, or savepoint. */
export class NotFound extends SopError {
  constructor(message) {
    super(`not found: ${message}`);
  }
}

/** There already is such a store or key. */
export class Exists extends SopError {
  constructor(message) {
    super(`exists already: ${message}`);
  }
}

/** A snapshot transaction cannot write. */
export class ReadOnly extends SopError {
  constructor() {
    super('a snapshot transaction cannot write; use a serializable one');
  }
}

/** The call makes no sense. */
export class Invalid extends SopError {}

/** Stored bytes are not a key of the store's form. Was the store written with another? */
export class KeyMismatch extends SopError {}

/** Stored bytes are not a value of the store's form. Was it written by another program? */
export class ValueMismatch extends SopError {}

/** The request is not what it should be. */
export class RequestInvalid extends SopError {
  constructor(message) {
    super(`the request is not understood: ${message}`);
  }
}

/** A failure of the plugin's own, in words. */
export class Failed extends SopError {}
