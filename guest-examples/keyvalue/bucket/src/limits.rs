//! Bounds of the adapters.

/// Most times a call runs its transaction again. Each time another one has committed, so somebody
/// makes progress.
pub const TRIES_MAX: u32 = 256;
/// Most times the outcome of a commit is asked for.
pub const OUTCOME_TRIES_MAX: u32 = 16;
/// Most keys of one answer to `list-keys`.
pub const PAGE_KEYS_MAX: usize = 1_000;
/// Most items of one call of the engine.
pub const BATCH_ITEMS_MAX: usize = 4_096;
