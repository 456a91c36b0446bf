//! Every bound of the engine, with the relations between them.

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 << 20;
/// Longest store name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Smallest page size a store can be created with: small pages make deep trees, which tests want.
pub const PAGE_BYTES_MIN: usize = 256;
/// Page size of a store unless it says otherwise. A page splits when it would grow beyond this.
pub const PAGE_BYTES_DEFAULT: usize = 8 << 10;
/// Largest page size: cell offsets inside a page are 16 bits wide.
pub const PAGE_BYTES_MAX: usize = 32 << 10;
/// A value longer than this share of a page becomes a value blob.
pub const INLINE_SHARE: usize = 4;
/// Deepest tree: 2^64 items never need more.
pub const DEPTH_MAX: usize = 32;
/// Most deltas in a chain before a new base is written.
pub const CHAIN_DELTAS_MAX: usize = 4;

/// Most buffered writes of a transaction.
pub const WRITES_MAX: usize = 200_000;
/// Most bytes of buffered keys and values of a transaction that are not spilled.
pub const WRITE_BYTES_MAX: usize = 256 << 20;
/// A value at least this long is written ahead instead of being kept until commit.
pub const SPILL_BYTES_MIN: usize = 1 << 20;
/// Most logical reads of a transaction that are kept for validation.
pub const READS_MAX: usize = 1_000_000;
/// Most logical ids in a footprint or a list of changes.
pub const IDS_MAX: usize = 20_000;
/// Most times a commit re-validates before it gives up with `conflict`.
pub const ATTEMPTS_MAX: u32 = 64;
/// Most savepoints of a transaction.
pub const SAVEPOINTS_MAX: usize = 64;
/// Most open cursors of a transaction.
pub const CURSORS_MAX: usize = 1024;

/// Most items of one `scan`.
pub const SCAN_ITEMS_MAX: usize = 65_536;
/// Most keys of one `get-many`, most items of one `put-many`.
pub const BATCH_ITEMS_MAX: usize = 4_096;
/// Most bytes of one result, except of a single value.
pub const RESULT_BYTES_MAX: usize = 64 << 20;
/// A cursor ends a batch after this many bytes.
pub const CURSOR_BATCH_BYTES: usize = 1 << 20;
/// Most ids in one call of the storage interface.
pub const CALL_IDS_MAX: usize = 4_096;
/// Most blobs in one call of the storage interface.
pub const CALL_BLOBS_MAX: usize = 1_024;

/// Bytes of pages that an engine instance keeps across transactions.
pub const PAGE_CACHE_BYTES: usize = 8 << 20;
/// Most conflicting keys that are named in a `conflict`.
pub const CONFLICT_KEYS_MAX: usize = 16;

const _: () = assert!(PAGE_BYTES_MIN <= PAGE_BYTES_DEFAULT && PAGE_BYTES_DEFAULT <= PAGE_BYTES_MAX);
// The largest possible page still has 16-bit cell offsets: a full page, or two fences and a single largest cell.
const _: () = assert!(
    PAGE_BYTES_MAX + 3 * KEY_BYTES_MAX + PAGE_BYTES_MAX / INLINE_SHARE + 256 < u16::MAX as usize
);
const _: () = assert!(SPILL_BYTES_MIN > PAGE_BYTES_MAX);
const _: () = assert!(
    BATCH_ITEMS_MAX <= SCAN_ITEMS_MAX && CALL_BLOBS_MAX <= CALL_IDS_MAX && CALL_IDS_MAX <= IDS_MAX
);
