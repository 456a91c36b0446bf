/**
 * UTF-8. The QuickJS of a plugin has no TextEncoder and TextDecoder, and keys need a codec that refuses what
 * it cannot carry instead of replacing it.
 */

/** Code units that go through `String.fromCharCode` at a time: each is an argument on the stack. */
const UNITS_MAX = 4_096;

/**
 * The bytes of a text; undefined if it has half a surrogate pair, which no UTF-8 has.
 * @param {string} text
 * @returns {Uint8Array | undefined}
 */
export function encoded(text) {
  const bytes = new Uint8Array(text.length * 3);
  let end = 0;
  for (let index = 0; index < text.length; index++) {
    let code = text.charCodeAt(index);
    if (code < 0x80) {
      bytes[end++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      code = text.codePointAt(index);
      if (code < 0x10000) return undefined;
      index++;
    }
    if (code < 0x800) {
      bytes[end++] = 0xc0 | (code >> 6);
    } else {
      if (code < 0x10000) {
        bytes[end++] = 0xe0 | (code >> 12);
      } else {
        bytes[end++] = 0xf0 | (code >> 18);
        bytes[end++] = 0x80 | ((code >> 12) & 0x3f);
      }
      bytes[end++] = 0x80 | ((code >> 6) & 0x3f);
    }
    bytes[end++] = 0x80 | (code & 0x3f);
  }
  return bytes.slice(0, end);
}

/**
 * The text of bytes; undefined if they are not UTF-8.
 * @param {Uint8Array} bytes
 * @returns {string | undefined}
 */
export function decoded(bytes) {
  let text = '';
  let units = [];
  for (let index = 0; index < bytes.length; ) {
    const first = bytes[index++];
    if (first < 0x80) {
      units.push(first);
    } else {
      const sequence = SEQUENCES.find(({ mask, mark }) => (first & mask) === mark);
      if (!sequence) return undefined;
      let code = first & ~sequence.mask;
      for (let rest = 0; rest < sequence.rest; rest++) {
        const next = bytes[index++];
        if ((next & 0xc0) !== 0x80) return undefined;
        code = (code << 6) | (next & 0x3f);
      }
      if (code < sequence.least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return undefined;
      if (code < 0x10000) {
        units.push(code);
      } else {
        units.push(0xd800 | ((code - 0x10000) >> 10), 0xdc00 | ((code - 0x10000) & 0x3ff));
      }
    }
    if (units.length >= UNITS_MAX) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
}

/** How a sequence begins, how many bytes follow, and the least code that needs so many. */
const SEQUENCES = [
  { mask: 0xe0, mark: 0xc0, rest: 1, least: 0x80 },
  { mask: 0xf0, mark: 0xe0, rest: 2, least: 0x800 },
  { mask: 0xf8, mark: 0xf0, rest: 3, least: 0x10000 },
];
