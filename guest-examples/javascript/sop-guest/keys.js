/**
 * Keys as bytes that sort like the values they stand for.
 *
 * A store orders its keys bytewise. A form turns a value into bytes so that for any two values of one form `a
 * < b` exactly when their bytes are so, and the bytes of one are never a proper prefix of those of another.
 * From both follows that they can simply be put one after another: a tuple sorts element by element, and the
 * keys that begin with certain elements are one contiguous range.
 *
 *     form                 values           bytes
 *     u8 u16 u32           number           big-endian, as many bytes as the form has
 *     u64 u128             bigint           the same
 *     i8 i16 i32           number           the same with the top bit flipped
 *     i64 i128             bigint           the same with the top bit flipped
 *     boolean              boolean          00 = false, 01 = true
 *     character            string           its code point as u32
 *     f64                  number           its IEEE bits; top bit set: all bits flipped, else: the top one
 *     text, binary         string, bytes    the bytes (of UTF-8), 00 as 00 ff, then the mark 00 01
 *     optional(form)       or undefined     00 = undefined; 01 and the value
 *     tuple(...forms)      array            the elements one after another
 *     array(form, n)       array            the elements one after another
 *     raw                  bytes            as they are: only for a whole key, not as an element
 *
 * It is the form of the kits of all languages, byte for byte; `guest-examples/key-vectors.json` has the test
 * vectors and `guest-examples/sdk/src/key/mod.rs` says why it is as it is. A store has one key form, known to
 * those who use it. Texts sort by code point, which is not the order of JavaScript's `<` beyond U+FFFF.
 * JavaScript has only one NaN: it is written as the positive quiet one, and all are read as it.
 *
 * @module
 */

import { joined, Reader, shown } from './bytes.js';
import { Invalid, KeyMismatch } from './errors.js';
import * as utf8 from './utf8.js';

/**
 * How values of one type are written as keys.
 * @template V
 */
export class KeyForm {
  /**
   * The encoded value. `Invalid` if it is none of this form.
   * @param {V} value
   * @returns {Uint8Array}
   */
  encode(value) {
    throw new Invalid(`${shown(value)} has no form`);
  }

  /**
   * Takes an encoded value from the front.
   * @param {Reader} reader
   * @returns {V}
   */
  decodeFrom(reader) {
    throw reader.mismatch('no form');
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

  /** What the keys begin with whose text, or whose last given element, begins with this one. */
  encodeBeginning(value) {
    return this.encode(value);
  }

  /** What the tuple keys begin with whose first elements are these. */
  encodeUnder(elements) {
    throw new Invalid(`only keys that are tuples lie under others, such as ${shown(elements)}`);
  }
}

/** @param {string} message */
function mismatch(message) {
  return new KeyMismatch(`a key is not of the store's form: ${message}`);
}

class SmallInteger extends KeyForm {
  constructor(bits, signed) {
    super();
    this.length = bits / 8;
    // Moving the negative numbers up by half the range is flipping the top bit.
    this.least = signed ? -(2 ** (bits - 1)) : 0;
    this.count = 2 ** bits;
  }

  encode(value) {
    const moved = Number.isInteger(value) ? value - this.least : -1;
    if (moved < 0 || moved >= this.count) {
      throw new Invalid(`${shown(value)} is no integer of ${this.length * 8} bits from ${this.least}`);
    }
    const bytes = new Uint8Array(this.length);
    for (let index = this.length, rest = moved; index-- > 0; rest = Math.floor(rest / 256))
      bytes[index] = rest % 256;
    return bytes;
  }

  decodeFrom(reader) {
    return reader.take(this.length).reduce((value, byte) => value * 256 + byte, 0) + this.least;
  }
}

class LargeInteger extends KeyForm {
  constructor(bits, signed) {
    super();
    this.length = bits / 8;
    this.least = signed ? -(1n << BigInt(bits - 1)) : 0n;
    this.count = 1n << BigInt(bits);
  }

  encode(value) {
    const moved = typeof value === 'bigint' ? value - this.least : -1n;
    if (moved < 0n || moved >= this.count) {
      throw new Invalid(`${shown(value)} is no bigint of ${this.length * 8} bits from ${this.least}`);
    }
    const bytes = new Uint8Array(this.length);
    for (let index = this.length, rest = moved; index-- > 0; rest >>= 8n) bytes[index] = Number(rest & 0xffn);
    return bytes;
  }

  decodeFrom(reader) {
    let value = 0n;
    for (const byte of reader.take(this.length)) value = (value << 8n) | BigInt(byte);
    return value + this.least;
  }
}

class BooleanForm extends KeyForm {
  encode(value) {
    if (typeof value !== 'boolean') throw new Invalid(`${shown(value)} is no truth value`);
    return Uint8Array.of(value ? 1 : 0);
  }

  decodeFrom(reader) {
    const mark = reader.byte();
    if (mark > 1) throw reader.mismatch(`it has the byte ${mark} where a truth value should be`);
    return mark === 1;
  }
}

class Character extends KeyForm {
  encode(value) {
    const code = typeof value === 'string' ? value.codePointAt(0) : undefined;
    if (code === undefined || String.fromCodePoint(code) !== value || utf8.encoded(value) === undefined) {
      throw new Invalid(`${shown(value)} is no single character`);
    }
    return u32.encode(code);
  }

  decodeFrom(reader) {
    const code = u32.decodeFrom(reader);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
      throw reader.mismatch(`${code} is no character`);
    return String.fromCodePoint(code);
  }
}

class Float extends KeyForm {
  encode(value) {
    if (typeof value !== 'number') throw new Invalid(`${shown(value)} is no number`);
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    // The bits of a NaN are the machine's affair; a key needs the same ones everywhere.
    if (Number.isNaN(value)) view.setUint16(0, 0x7ff8);
    else view.setFloat64(0, value);
    return flipped(bytes, (bytes[0] & 0x80) !== 0);
  }

  decodeFrom(reader) {
    const bytes = flipped(reader.take(8).slice(), (reader.bytes[reader.position - 8] & 0x80) === 0);
    return new DataView(bytes.buffer).getFloat64(0);
  }
}

/** Flips all bits, or only the top one. */
function flipped(bytes, all) {
  if (all) for (let index = 0; index < bytes.length; index++) bytes[index] ^= 0xff;
  else bytes[0] ^= 0x80;
  return bytes;
}

const ESCAPED = 0xff;
const END = Uint8Array.of(0, 1);

class Binary extends KeyForm {
  encodeBeginning(value) {
    if (!(value instanceof Uint8Array)) throw new Invalid(`${shown(value)} is no Uint8Array`);
    return escaped(value);
  }

  encode(value) {
    return joined([this.encodeBeginning(value), END]);
  }

  decodeFrom(reader) {
    const parts = [];
    for (;;) {
      const zero = reader.bytes.indexOf(0, reader.position);
      if (zero < 0) throw reader.mismatch('it ends inside a string');
      parts.push(reader.take(zero - reader.position));
      const [, mark] = reader.take(2);
      if (mark === END[1]) return joined(parts).slice();
      if (mark !== ESCAPED) throw reader.mismatch(`it has the byte ${mark} after a zero`);
      parts.push(END.subarray(0, 1));
    }
  }
}

function escaped(bytes) {
  const parts = [];
  let start = 0;
  for (let zero; (zero = bytes.indexOf(0, start)) >= 0; start = zero + 1) {
    parts.push(bytes.subarray(start, zero), Uint8Array.of(0, ESCAPED));
  }
  parts.push(bytes.subarray(start));
  return joined(parts);
}

class Text extends KeyForm {
  encodeBeginning(value) {
    if (typeof value !== 'string') throw new Invalid(`${shown(value)} is no text`);
    const bytes = utf8.encoded(value);
    if (!bytes) throw new Invalid(`${shown(value)} has half a surrogate pair, which no UTF-8 has`);
    return escaped(bytes);
  }

  encode(value) {
    return joined([this.encodeBeginning(value), END]);
  }

  decodeFrom(reader) {
    const value = utf8.decoded(binary.decodeFrom(reader));
    if (value === undefined) throw reader.mismatch('it has a string that is not UTF-8');
    return value;
  }
}

class Optional extends KeyForm {
  constructor(form) {
    super();
    this.form = form;
  }

  encode(value) {
    return value === undefined ? Uint8Array.of(0) : joined([Uint8Array.of(1), this.form.encode(value)]);
  }

  decodeFrom(reader) {
    const mark = reader.byte();
    if (mark > 1) throw reader.mismatch(`it has the byte ${mark} where an option begins`);
    return mark === 1 ? this.form.decodeFrom(reader) : undefined;
  }
}

class Sequence extends KeyForm {
  constructor(forms) {
    super();
    this.forms = forms;
  }

  encode(value) {
    if (!Array.isArray(value) || value.length !== this.forms.length) {
      throw new Invalid(`${shown(value)} is no array of ${this.forms.length} elements`);
    }
    return this.encodeUnder(value);
  }

  encodeUnder(elements) {
    if (!Array.isArray(elements) || elements.length > this.forms.length) {
      throw new Invalid(`${shown(elements)} are not the first of ${this.forms.length} elements`);
    }
    return joined(elements.map((element, index) => this.forms[index].encode(element)));
  }

  encodeBeginning(value) {
    const complete = this.encodeUnder(value.slice(0, -1));
    const open = this.forms[value.length - 1]?.encodeBeginning(value[value.length - 1]);
    return open ? joined([complete, open]) : complete;
  }

  decodeFrom(reader) {
    return this.forms.map((form) => form.decodeFrom(reader));
  }
}

class Raw extends KeyForm {
  encode(value) {
    return value;
  }

  decodeFrom(reader) {
    return reader.take(reader.left);
  }
}

/** @type {KeyForm<number>} */ export const u8 = new SmallInteger(8, false);
/** @type {KeyForm<number>} */ export const u16 = new SmallInteger(16, false);
/** @type {KeyForm<number>} */ export const u32 = new SmallInteger(32, false);
/** @type {KeyForm<bigint>} */ export const u64 = new LargeInteger(64, false);
/** @type {KeyForm<bigint>} */ export const u128 = new LargeInteger(128, false);
/** @type {KeyForm<number>} */ export const i8 = new SmallInteger(8, true);
/** @type {KeyForm<number>} */ export const i16 = new SmallInteger(16, true);
/** @type {KeyForm<number>} */ export const i32 = new SmallInteger(32, true);
/** @type {KeyForm<bigint>} */ export const i64 = new LargeInteger(64, true);
/** @type {KeyForm<bigint>} */ export const i128 = new LargeInteger(128, true);
/** @type {KeyForm<boolean>} */ export const boolean = new BooleanForm();
/** @type {KeyForm<string>} */ export const character = new Character();
/** @type {KeyForm<number>} */ export const f64 = new Float();
/** @type {KeyForm<Uint8Array>} */ export const binary = new Binary();
/** @type {KeyForm<string>} */ export const text = new Text();
/** @type {KeyForm<Uint8Array>} */ export const raw = new Raw();

/**
 * Undefined, which sorts first, or a value of the form.
 * @template V
 * @param {KeyForm<V>} form
 * @returns {KeyForm<V | undefined>}
 */
export const optional = (form) => new Optional(form);

/**
 * Arrays whose elements are of these forms; they sort element by element.
 * @param {...KeyForm<any>} forms
 * @returns {KeyForm<any[]>}
 */
export const tuple = (...forms) => new Sequence(forms);

/**
 * Arrays of so many elements of one form.
 * @template V
 * @param {KeyForm<V>} form
 * @param {number} length
 * @returns {KeyForm<V[]>}
 */
export const array = (form, length) => new Sequence(Array(length).fill(form));
