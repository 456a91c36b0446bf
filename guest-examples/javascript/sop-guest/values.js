/**
 * Values as bytes: the forms that the kits of all languages share, and JSON.
 *
 * The forms other than `json` and `raw` are those of postcard, which the kit for Rust uses: integers of more
 * than one byte are variable-length (7 bits in a byte, the lowest first, the top bit set on all but the last;
 * signed ones zigzag), texts and byte strings begin with their length, and nothing carries a type or a name.
 * To change the form of a stored value, put a number of the form before it first. Integers of 64 and 128 bits
 * are bigint, smaller ones number.
 *
 * @module
 */

import { joined, Reader, shown } from './bytes.js';
import { Invalid, ValueMismatch } from './errors.js';
import { parse, stringify } from './json.js';
import * as utf8 from './utf8.js';

/**
 * How values of one type are written.
 * @template V
 */
export class ValueForm {
  /**
   * @param {(value: V) => Uint8Array} encode the encoded value; `Invalid` if it is none of this form
   * @param {(reader: Reader) => V} decodeFrom takes an encoded value from the front
   */
  constructor(encode, decodeFrom) {
    this.encode = encode;
    this.decodeFrom = decodeFrom;
  }

  /**
   * The value of which these bytes, all of them, are the encoded form.
   * @param {Uint8Array} bytes
   * @returns {V}
   */
  decode(bytes) {
    const reader = new Reader(bytes, mismatch);
    const value = this.decodeFrom(reader);
    if (reader.left) throw mismatch(`it has ${reader.left} bytes too many`);
    return value;
  }
}

/** @param {string} message */
function mismatch(message) {
  return new ValueMismatch(
    `a value is not of the store's form: ${message}; was it written by another program?`,
  );
}

/** @param {boolean} condition @param {unknown} value @param {string} expected */
function demand(condition, value, expected) {
  if (!condition) throw new Invalid(`${shown(value)} is no ${expected}`);
}

/** @param {bigint} value */
function encodedUnsigned(value) {
  const bytes = [];
  for (; value > 0x7fn; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  bytes.push(Number(value));
  return Uint8Array.from(bytes);
}

function decodedUnsigned(reader, bits) {
  let value = 0n;
  for (let shift = 0; shift < bits; shift += 7) {
    const byte = reader.byte();
    value |= BigInt(byte & 0x7f) << BigInt(shift);
    if (byte < 0x80) {
      if (value >> BigInt(bits)) break;
      return value;
    }
  }
  throw reader.mismatch(`it has a number of more than ${bits} bits`);
}

/** @param {number} bits @param {boolean} signed */
function integer(bits, signed) {
  const large = bits > 32;
  const count = 1n << BigInt(bits);
  const least = signed ? -count / 2n : 0n;
  const expected = `${signed ? 'signed ' : ''}${large ? 'bigint' : 'integer'} of ${bits} bits`;
  const encode = (value) => {
    demand(
      typeof value === (large ? 'bigint' : 'number') && (large || Number.isInteger(value)),
      value,
      expected,
    );
    const exact = BigInt(value);
    demand(exact >= least && exact < least + count, value, expected);
    if (bits === 8) return Uint8Array.of(value);
    if (!signed) return encodedUnsigned(exact);
    return encodedUnsigned(exact >= 0n ? exact << 1n : ~(exact << 1n));
  };
  const decodeFrom = (reader) => {
    if (bits === 8) return signed ? (reader.byte() << 24) >> 24 : reader.byte();
    const found = decodedUnsigned(reader, bits);
    const value = signed ? (found & 1n ? ~(found >> 1n) : found >> 1n) : found;
    return large ? value : Number(value);
  };
  return new ValueForm(encode, decodeFrom);
}

/** @param {Uint8Array} bytes */
function lengthFirst(bytes) {
  return joined([encodedUnsigned(BigInt(bytes.length)), bytes]);
}

/** A length that is beyond what is left is damage, not a number to reckon with. */
function takenLength(reader) {
  const length = decodedUnsigned(reader, 64);
  if (length > BigInt(reader.left)) throw reader.mismatch('the bytes end inside it');
  return Number(length);
}

/** @type {ValueForm<number>} */ export const u8 = integer(8, false);
/** @type {ValueForm<number>} */ export const u16 = integer(16, false);
/** @type {ValueForm<number>} */ export const u32 = integer(32, false);
/** @type {ValueForm<bigint>} */ export const u64 = integer(64, false);
/** @type {ValueForm<bigint>} */ export const u128 = integer(128, false);
/** @type {ValueForm<number>} */ export const i8 = integer(8, true);
/** @type {ValueForm<number>} */ export const i16 = integer(16, true);
/** @type {ValueForm<number>} */ export const i32 = integer(32, true);
/** @type {ValueForm<bigint>} */ export const i64 = integer(64, true);
/** @type {ValueForm<bigint>} */ export const i128 = integer(128, true);

/** @type {ValueForm<boolean>} */
export const boolean = new ValueForm(
  (value) => {
    demand(typeof value === 'boolean', value, 'truth value');
    return Uint8Array.of(value ? 1 : 0);
  },
  (reader) => {
    const mark = reader.byte();
    if (mark > 1) throw reader.mismatch(`it has ${mark} for a truth value`);
    return mark === 1;
  },
);

/** @type {ValueForm<number>} */
export const f64 = new ValueForm(
  (value) => {
    demand(typeof value === 'number', value, 'number');
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    return bytes;
  },
  (reader) => new DataView(reader.take(8).slice().buffer).getFloat64(0, true),
);

/** @type {ValueForm<Uint8Array>} */
export const binary = new ValueForm(
  (value) => {
    demand(value instanceof Uint8Array, value, 'Uint8Array');
    return lengthFirst(value);
  },
  (reader) => reader.take(takenLength(reader)),
);

/** @type {ValueForm<string>} */
export const text = new ValueForm(
  (value) => {
    const bytes = typeof value === 'string' ? utf8.encoded(value) : undefined;
    demand(bytes !== undefined, value, 'text');
    return lengthFirst(bytes);
  },
  (reader) => {
    const value = utf8.decoded(binary.decodeFrom(reader));
    if (value === undefined) throw reader.mismatch('it has a text that is not UTF-8');
    return value;
  },
);

/**
 * Anything that JSON can say. Only for a whole value; other languages read it with their own JSON.
 * @type {ValueForm<any>}
 */
export const json = new ValueForm(
  (value) => utf8.encoded(stringify(value)),
  (reader) => {
    try {
      return parse(reader.take(reader.left));
    } catch (reason) {
      throw reader.mismatch(reason.message);
    }
  },
);

/** Bytes as they are. Only for a whole value. @type {ValueForm<Uint8Array>} */
export const raw = new ValueForm(
  (value) => value,
  (reader) => reader.take(reader.left),
);

/**
 * Undefined or a value of the form.
 * @template V
 * @param {ValueForm<V>} form
 * @returns {ValueForm<V | undefined>}
 */
export const optional = (form) =>
  new ValueForm(
    (value) => (value === undefined ? Uint8Array.of(0) : joined([Uint8Array.of(1), form.encode(value)])),
    (reader) => (boolean.decodeFrom(reader) ? form.decodeFrom(reader) : undefined),
  );

/**
 * Arrays whose elements are of these forms: what other languages call tuples and records.
 * @param {...ValueForm<any>} forms
 * @returns {ValueForm<any[]>}
 */
export const tuple = (...forms) =>
  new ValueForm(
    (value) => {
      demand(
        Array.isArray(value) && value.length === forms.length,
        value,
        `array of ${forms.length} elements`,
      );
      return joined(forms.map((form, index) => form.encode(value[index])));
    },
    (reader) => forms.map((form) => form.decodeFrom(reader)),
  );

/**
 * Arrays of any length.
 * @template V
 * @param {ValueForm<V>} form of at least one byte
 * @returns {ValueForm<V[]>}
 */
export const list = (form) =>
  new ValueForm(
    (value) => {
      demand(Array.isArray(value), value, 'array');
      return joined([encodedUnsigned(BigInt(value.length)), ...value.map((element) => form.encode(element))]);
    },
    (reader) => Array.from({ length: takenLength(reader) }, () => form.decodeFrom(reader)),
  );
