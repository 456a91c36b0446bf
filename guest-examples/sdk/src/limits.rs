//! The limits of this kit. Those of the engine are in the documentation of
//! `sop:engine/transactions`.

/// How often `transact` runs its closure before it gives up with `conflict`. There is no clock to
/// wait by in a plugin; the host, which has one, runs a plugin that ended in `conflict` again after
/// a pause.
pub const TRIES_MAX: u32 = 16;
/// How often a commit of unknown outcome is asked for before the caller is told that it is unknown.
pub const OUTCOME_TRIES_MAX: u32 = 8;
/// Keys of one `get-many`, items of one `put-many`: longer lists go in several calls.
pub const BATCH_ITEMS_MAX: usize = 4_096;
/// Items that an iteration asks for first; each later batch is twice as large.
pub const BATCH_ITEMS_FIRST: u32 = 16;
/// Items that an iteration asks for at most at a time.
pub const BATCH_ITEMS_LAST: u32 = 1_024;

const _: () = assert!(BATCH_ITEMS_FIRST <= BATCH_ITEMS_LAST && TRIES_MAX > 0);
