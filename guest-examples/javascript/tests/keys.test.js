// Goal: this codec and those of other languages agree byte for byte. Method: the shared vectors, encoded and
// decoded.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { errors, keys } from '../sop-guest/index.js';

const vectors = JSON.parse(readFileSync(new URL('../../key-vectors.json', import.meta.url), 'utf8'));
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (digits) => Uint8Array.from(Buffer.from(digits, 'hex'));

const plain = (value) => value;
const each =
  (...reads) =>
  (value) =>
    reads.map((read, index) => read(value[index]));
const perhaps = (read) => (value) => (value.length ? read(value[0]) : undefined);

const FORMS = {
  bool: [keys.boolean, plain],
  char: [keys.character, plain],
  f64: [keys.f64, (digits) => new DataView(bytes(digits).buffer).getFloat64(0)],
  string: [keys.text, plain],
  bytes: [keys.binary, bytes],
  'option<u8>': [keys.optional(keys.u8), perhaps(Number)],
  'option<string>': [keys.optional(keys.text), perhaps(plain)],
  '[u16; 2]': [keys.array(keys.u16, 2), each(Number, Number)],
  '(string, u64)': [keys.tuple(keys.text, keys.u64), each(plain, BigInt)],
  '(bytes, u8)': [keys.tuple(keys.binary, keys.u8), each(bytes, Number)],
  '(u16, string, i32)': [keys.tuple(keys.u16, keys.text, keys.i32), each(Number, plain, Number)],
};
for (const name of ['u8', 'u16', 'u32', 'i8', 'i16', 'i32']) FORMS[name] = [keys[name], Number];
for (const name of ['u64', 'u128', 'i64', 'i128']) FORMS[name] = [keys[name], BigInt];

test('every vector encodes to its bytes and back', () => {
  assert.ok(vectors.groups.length >= 20);
  for (const { type, ascending } of vectors.groups) {
    const [form, read] = FORMS[type];
    for (const vector of ascending) {
      const value = read(vector.value);
      // JavaScript has only one NaN; the other bits of one are not its to keep.
      const digits = Number.isNaN(value) ? 'fff8000000000000' : vector.hex;
      assert.equal(hex(form.encode(value)), digits, `${type} ${vector.value}`);
      assert.equal(hex(form.encode(form.decode(bytes(vector.hex)))), digits, `${type} ${vector.value}`);
    }
  }
});

test('no invalid vector decodes', () => {
  assert.ok(vectors.invalid.length >= 20);
  for (const { type, hex: digits, why } of vectors.invalid) {
    assert.throws(() => FORMS[type][0].decode(bytes(digits)), errors.KeyMismatch, `${type}: ${why}`);
  }
});

test('what is no value of a form does not encode', () => {
  const wrong = [
    [keys.u8, 256], [keys.u8, 5n], [keys.u64, 5], [keys.u64, -1n], [keys.u64, 1n << 64n], [keys.i8, 128],
    [keys.u32, 1.5], [keys.u32, '7'], [keys.u32, NaN], [keys.boolean, 1], [keys.character, 'ab'],
    [keys.character, '\ud800'], [keys.f64, 'x'], [keys.text, 5], [keys.text, 'a\ud800'],
    [keys.text, '\udc00a'], [keys.binary, 'x'], [keys.binary, [1]], [keys.tuple(keys.u8, keys.u8), [1]],
    [keys.tuple(keys.text, keys.u8), 'ab'],
  ]; // prettier-ignore
  for (const [form, value] of wrong) assert.throws(() => form.encode(value), errors.Invalid);
});

test('elements lie under others and texts under their beginnings', () => {
  const form = keys.tuple(keys.text, keys.text);
  const key = hex(form.encode(['Kiel', 'bo\0lt']));
  assert.ok(key.startsWith(hex(form.encodeUnder(['Kiel']))));
  assert.ok(key.startsWith(hex(form.encodeBeginning(['Kiel', 'bo\0']))));
  assert.ok(!key.startsWith(hex(form.encodeUnder(['Kie']))));
  assert.ok(key.startsWith(hex(form.encodeBeginning(['Kie']))));
  assert.throws(() => keys.text.encodeUnder(['a']), errors.Invalid);
  assert.throws(() => form.encodeUnder(['a', 'b', 'c']), errors.Invalid);
});
