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

/// A log file is finished when it has grown to this length, unless the options say otherwise.
pub const LOG_FILE_BYTES_DEFAULT: u32 = 16 << 20;
/// Shortest log file that can be asked for: tests want many files.
pub const LOG_FILE_BYTES_MIN: u32 = 4 << 10;
/// Longest log file that can be asked for.
pub const LOG_FILE_BYTES_MAX: u32 = 1 << 30;
/// A log file gets room on the disk in chunks of this length.
pub const LOG_ALLOCATION_BYTES: u32 = 4 << 20;
/// A log file is filled with zeros this far ahead: overwriting them makes a sync cheaper than growing the file.
pub const LOG_ZEROS_BYTES: u32 = 512 << 10;
/// Longest segment of the log. Larger transactions spill.
pub const LOG_SEGMENT_BYTES_MAX: u32 = 512 << 20;
/// Most bytes that one sync of the log covers.
pub const LOG_BATCH_BYTES_MAX: usize = 32 << 20;
/// Segments at least this long are written without being copied into the batch first.
pub const LOG_COPY_BYTES_MAX: usize = 256 << 10;
/// Most log files that are kept open for reading.
pub const LOG_FILES_OPEN_MAX: usize = 256;

const _: () = assert!(LOG_FILE_BYTES_MIN <= LOG_FILE_BYTES_DEFAULT && LOG_FILE_BYTES_DEFAULT <= LOG_FILE_BYTES_MAX);
// Every offset in a log file fits 32 bits: a file that is nearly full takes one more record at most.
const _: () = assert!((LOG_FILE_BYTES_MAX as u64) + (LOG_SEGMENT_BYTES_MAX as u64) + (1 << 20) < u32::MAX as u64);
