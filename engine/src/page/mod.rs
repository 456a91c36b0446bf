//! Pages: the immutable, self-describing byte form of one node, searched in place.
//!
//! A page is checked once, completely, when it is parsed; from then on every access is a few loads and
//! comparisons in the bytes as they came from storage. Nothing is decoded into a tree of allocations.
//!
//! ```text
//!  0        4       5    6     7     8       16      24     26      28      30      32
//!  +--------+-------+----+-----+-----+-------+-------+------+-------+-------+-------+
//!  | "sopN" |version|kind|level|flags| store | node  | cells|prefix | low   | high  |
//!  |        |       |    |     |     |       |       |      |length |length |length |
//!  +--------+-------+----+-----+-----+-------+-------+------+-------+-------+-------+
//!  32
//!  +-----------+------------+-----------------+-------------------+---------------+----------+
//!  | low fence | high fence | heads           | offsets           | cells         | checksum |
//!  |           |            | 4 bytes a cell, | 2 bytes a cell,   | back to back, | xxh3 of  |
//!  |           |            | big endian      | from the page's   | in key order  | all the  |
//!  |           |            |                 | first byte        |               | above    |
//!  +-----------+------------+-----------------+-------------------+---------------+----------+
//!
//!  cell:   tag (2)              suffix       payload, up to the next cell
//!          14 bits: length  |   the key   |  kind 0: an inline value
//!          of the suffix;   |   without   |  kind 1: the node id (8) of a child or of a value blob
//!          2 bits: kind     |   prefix    |  kind 2: nothing, the key is removed (deltas only)
//!
//!  delta:  the fences are replaced by the checksum (8) of the body before it in the chain
//!  value:  bytes 24..32 hold the length of the value, the value follows, then the checksum
//! ```
//!
//! Numbers are little endian, but for the heads: those are the first four bytes of each suffix, padded with
//! zeros, so that a binary search mostly reads one dense array.
//!
//! Invariants, all checked by [`Page::parse`]:
//! - a page holds the keys of `low <= key < high`; no high fence (flag bit 0) means +infinity; the low
//!   fence of the leftmost page of a level is empty;
//! - keys strictly ascend and are stored without the prefix that the low fence shares with the last key,
//!   which all keys in between share, too (the last key and not the high fence: so the page at the right
//!   edge is as dense as any);
//! - the first key of a branch is its low fence and stored empty, so child `i` covers `key(i)..key(i + 1)`;
//! - level 0 is a leaf, a branch is one level above its children;
//! - there is exactly one byte form of a given content: no gap, no slack, no unused bit;
//! - only a leaf has deltas; a delta holds the changed cells, without the prefix that the two fences of its
//!   base share.
//!
//! What it is not: a page knows nothing of parents, siblings, versions or how full it should be; that is
//! the tree's.

mod build;
mod chain;
mod check;
mod error;
mod format;
mod node;
mod value;
mod view;

pub use build::{Builder, Weight, delta_bytes};
pub use error::PageError;
pub use node::{Page, Value};
pub use value::{VALUE_OVERHEAD_BYTES, decode_value, encode_value};
pub use view::{Cell, Key};

#[cfg(test)]
mod tests;
