/** Byte strings that grow and are taken apart. */

/** Takes bytes from the front of a byte string. */
export class Reader {
  /**
   * @param {Uint8Array} bytes
   * @param {(message: string) => Error} mismatch the error of bytes that do not fit
   */
  constructor(bytes, mismatch) {
    this.bytes = bytes;
    this.position = 0;
    this.mismatch = mismatch;
  }

  /** Bytes that were not taken yet. */
  get left() {
    return this.bytes.length - this.position;
  }

  /** @param {number} length */
  take(length) {
    if (length > this.left) throw this.mismatch('the bytes end inside it');
    const taken = this.bytes.subarray(this.position, this.position + length);
    this.position += length;
    return taken;
  }

  byte() {
    return this.take(1)[0];
  }
}

/**
 * Byte strings one after another.
 * @param {Uint8Array[]} parts
 * @returns {Uint8Array}
 */
export function joined(parts) {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}

/** What messages call a value. @param {unknown} value */
export function shown(value) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  return Object.prototype.toString.call(value) === '[object Object]' ? 'an object' : String(value);
}
