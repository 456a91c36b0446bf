// Goal: values are postcard, byte for byte. Method: bytes from its specification, and ways back and forth.

import assert from 'node:assert/strict';
import test from 'node:test';

import { errors, values } from '../sop-guest/index.js';
import { stringify } from '../sop-guest/json.js';
import * as utf8 from '../sop-guest/utf8.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (digits) => Uint8Array.from(Buffer.from(digits, 'hex'));

test('the forms are those of postcard', () => {
  const examples = [
    [values.u64, 0n, '00'], [values.u64, 127n, '7f'], [values.u64, 128n, '8001'], [values.u64, 300n, 'ac02'],
    [values.u64, (1n << 64n) - 1n, 'ffffffffffffffffff01'], [values.u16, 65535, 'ffff03'],
    [values.u32, 300, 'ac02'], [values.i64, 0n, '00'], [values.i64, -1n, '01'], [values.i64, 1n, '02'],
    [values.i64, -128n, 'ff01'], [values.i64, -(1n << 63n), 'ffffffffffffffffff01'],
    [values.i64, (1n << 63n) - 1n, 'feffffffffffffffff01'], [values.u8, 200, 'c8'], [values.i8, -2, 'fe'],
    [values.boolean, true, '01'], [values.f64, 1, '000000000000f03f'], [values.text, 'aé', '0361c3a9'],
    [values.binary, Uint8Array.of(0, 1), '020001'], [values.optional(values.u64), undefined, '00'],
    [values.optional(values.u64), 5n, '0105'], [values.list(values.u64), [1n, 300n], '0201ac02'],
    [values.tuple(values.text, values.i64), ['bolt', -3n], '04626f6c7405'],
    [values.json, { a: [1, 'é'] }, hex(Buffer.from('{"a":[1,"é"]}'))],
    [values.raw, Uint8Array.of(255), 'ff'],
  ]; // prettier-ignore
  for (const [form, value, digits] of examples) {
    assert.equal(hex(form.encode(value)), digits);
    assert.deepEqual(form.decode(bytes(digits)), value);
  }
});

test('other bytes are an error, not a wrong value', () => {
  const wrong = [
    [values.u64, ''], [values.u64, '80'], [values.u64, '0000'], [values.u64, 'ffffffffffffffffff02'],
    [values.u64, 'ffffffffffffffffffff01'], [values.u16, 'ffff04'], [values.text, '0261'],
    [values.text, '01ff'], [values.boolean, '02'], [values.tuple(values.u64, values.u64), '01'],
    [values.json, '7b'], [values.list(values.u64), 'ffffffff0f'],
    [values.list(values.tuple()), 'ffffffffffffffff7f'],
  ]; // prettier-ignore
  for (const [form, digits] of wrong)
    assert.throws(() => form.decode(bytes(digits)), errors.ValueMismatch, digits);
});

test('what is no value of a form does not encode', () => {
  const wrong = [
    [values.u64, -1n], [values.u64, 5], [values.u16, 65536], [values.u16, 1.5], [values.i64, 1n << 63n],
    [values.text, 5], [values.text, '\ud800'], [values.u8, 256], [values.list(values.u8), 'ab'],
    [values.binary, 'x'],
  ]; // prettier-ignore
  for (const [form, value] of wrong) assert.throws(() => form.encode(value), errors.Invalid);
});

test('texts have the UTF-8 that the platform gives them', () => {
  // prettier-ignore
  const texts = ['', 'a\0\x7f', '\x80\u07ff',
    '\u0800\ud7ff\ue000\uffff', '🐜\u{10ffff}', 'é'.repeat(10_000)];
  for (const text of texts) {
    assert.deepEqual(utf8.encoded(text), Uint8Array.from(Buffer.from(text)));
    assert.equal(utf8.decoded(Buffer.from(text)), text);
  }
  for (const half of ['\ud800', 'a\udc00', '\ud800\ud800']) assert.equal(utf8.encoded(half), undefined);
});

test('what the platform refuses as UTF-8 is refused', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (const first of [0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff]) {
    for (const rest of [
      [],
      [0x80],
      [0x9f, 0xbf],
      [0xa0, 0x80],
      [0x8f, 0x80, 0x80],
      [0x90, 0x80, 0x80],
      [0x80, 0x41],
    ]) {
      const given = Uint8Array.of(first, ...rest);
      let expected;
      try {
        expected = strict.decode(given);
      } catch {
        expected = undefined;
      }
      assert.equal(utf8.decoded(given), expected, hex(given));
    }
  }
});

test('JSON has integers of any size and is otherwise as ever', () => {
  assert.equal(stringify({ a: [1n << 64n, null], b: undefined }), '{"a":[18446744073709551616,null]}');
  for (const value of [
    null,
    'a"\n\ud800',
    1.5,
    NaN,
    [undefined, true],
    { c: { d: 'é' } },
    new Date(0),
    undefined,
  ]) {
    assert.equal(stringify(value), JSON.stringify(value) ?? 'null');
  }
});
