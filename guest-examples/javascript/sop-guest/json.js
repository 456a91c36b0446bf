/** JSON as bytes, with integers of any size. */

import * as utf8 from './utf8.js';

/**
 * What JSON bytes say. Throws an `Error` that says what is wrong with them.
 * @param {Uint8Array} bytes
 */
export function parse(bytes) {
  const text = utf8.decoded(bytes);
  if (text === undefined) throw new SyntaxError('it is not UTF-8');
  return JSON.parse(text);
}

/**
 * The JSON text of a value. Unlike `JSON.stringify` it writes a bigint as the number that it is.
 * @param {unknown} value
 * @returns {string}
 */
export function stringify(value) {
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (typeof value.toJSON === 'function') return stringify(value.toJSON());
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`;
  const members = Object.entries(value).filter(
    ([, member]) => member !== undefined && typeof member !== 'function',
  );
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${stringify(member)}`).join(',')}}`;
}
