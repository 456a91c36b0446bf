//! Every bound of the host, with the relations between them.

use std::time::Duration;

/// Bytes of immutable blobs kept in memory (L1) unless the configuration says otherwise.
pub const CACHE_BYTES_DEFAULT: u64 = 256 << 20;
/// How long superseded versions stay readable unless the configuration says otherwise.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(60);
/// Most transactions open at one time on one database unless the configuration says otherwise.
pub const TRANSACTIONS_MAX_DEFAULT: usize = 1_000;

/// Most times `transact` runs its body unless its options say otherwise.
pub const TRANSACT_ATTEMPTS_MAX: u32 = 64;
/// The first wait after a conflict; it doubles with every further one.
pub const BACKOFF_BASE: Duration = Duration::from_micros(500);
/// The longest wait after a conflict.
pub const BACKOFF_MAX: Duration = Duration::from_millis(100);
/// Items that a streaming scan fetches at a time.
pub const SCAN_BATCH_ITEMS: u32 = 1_024;
