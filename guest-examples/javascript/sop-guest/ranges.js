/** Ranges of keys. */

/** A range of encoded keys in bytewise order. Empty and inverted ranges are valid and have no items. */
export class KeyRange {
  /**
   * @param {Uint8Array} [lower] where it starts, whatever the direction of a scan, this key included
   * @param {Uint8Array} [upper] where it ends
   * @param {boolean} upperIncluded whether the key `upper` belongs to it
   */
  constructor(lower, upper, upperIncluded = false) {
    this.lower = lower;
    this.upper = upper;
    this.upperIncluded = upperIncluded;
  }

  /** The keys that begin with these bytes. @param {Uint8Array} beginning */
  static prefix(beginning) {
    return new KeyRange(beginning.length ? beginning : undefined, successor(beginning));
  }

  /** The range as the interface has it. */
  bounds() {
    return {
      lower: this.lower ? { tag: 'included', val: this.lower } : { tag: 'unbounded' },
      upper: this.upper
        ? { tag: this.upperIncluded ? 'included' : 'excluded', val: this.upper }
        : { tag: 'unbounded' },
    };
  }
}

/** All keys. */
export const ALL = new KeyRange();

/**
 * The smallest byte string that is greater than all that begin with this one; undefined if there is no such.
 */
function successor(beginning) {
  let length = beginning.length;
  while (length && beginning[length - 1] === 0xff) length--;
  if (!length) return undefined;
  const bytes = beginning.slice(0, length);
  bytes[length - 1]++;
  return bytes;
}
