//! Bounds of the provider, as `wit/storage` states them.

/// Most ids in one call.
pub const CALL_IDS_MAX: usize = 4_096;
/// Most blobs in one call.
pub const CALL_BLOBS_MAX: usize = 1_024;
/// Most observations, and most changes, of a commit.
pub const COMMIT_IDS_MAX: usize = 20_000;
/// Longest store name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Versions whose history is kept although nobody reads at them.
pub const HISTORY_VERSIONS: u64 = 1_024;
