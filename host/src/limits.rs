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

/// Most transactions of one group.
pub const GROUP_TRANSACTIONS_MAX: usize = 256;
/// Most bytes of bodies in one group, unless a single transaction has more.
pub const GROUP_BYTES_MAX: usize = 16 << 20;
/// Most bytes of one segment: offsets inside it are 32 bits wide.
pub const SEGMENT_BYTES_MAX: usize = 480 << 20;
/// Most logical ids that one transaction observes or changes.
pub const TRANSACTION_IDS_MAX: usize = 20_000;
/// Most transactions that wait for their group; one more is told to come back later.
pub const QUEUE_TRANSACTIONS_MAX: usize = 16_384;
/// From this attempt on a transaction holds back those that would change what it observed.
pub const PRIORITY_ATTEMPT: u32 = 3;
/// How long it holds them back.
pub const WAITING_MARK_LEASE: Duration = Duration::from_millis(100);
/// How long a reservation may stay unpublished before whoever meets it resolves it.
pub const RESERVATION_LEASE: Duration = Duration::from_secs(10);
/// How long a put is waited for.
pub const PUT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a busy transaction waits before it looks for overdue reservations in its way.
pub const BUSY_WAIT: Duration = Duration::from_millis(50);
/// Most times a call of the blob store or of the registry is made before its outcome counts as unknown.
pub const CALL_ATTEMPTS_MAX: u32 = 4;
/// The wait before the second attempt; it doubles with every further one.
pub const CALL_BACKOFF: Duration = Duration::from_millis(5);
/// Most times a commit of unknown outcome is looked at again in the background.
pub const RESOLVE_ATTEMPTS_MAX: u32 = 64;
/// The longest wait between two of them.
pub const RESOLVE_BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Most commits whose outcome is remembered.
pub const OUTCOMES_MAX: usize = 8_192;
/// Most ids being published that a read point names; with more, any id may be among them.
pub const PUBLISHING_IDS_MAX: usize = 64;
/// Most changed ids that a read point brings along.
pub const FEED_IDS_MAX: usize = 64;
/// Most published transactions that the feed remembers.
pub const FEED_TRANSACTIONS_MAX: usize = 1_024;
/// Bytes of superseded bodies and handles that retention may keep unless the configuration says otherwise.
pub const HISTORY_BYTES_DEFAULT: u64 = 64 << 20;
/// Superseded versions that one publish drops beyond as many as it makes.
pub const PRUNE_STEPS: usize = 64;
/// Blobs that one `get` fetches at the same time.
pub const FETCHES_MAX: usize = 16;
/// Entries that a checkpoint reads at a time.
pub const CHECKPOINT_CHUNK_ENTRIES: usize = 1_024;
/// Bytes that a database in memory writes before it looks for segments that nobody can read any more.
pub const MEMORY_COLLECTION_BYTES: u64 = 16 << 20;

const _: () =
    assert!(GROUP_BYTES_MAX < SEGMENT_BYTES_MAX && SEGMENT_BYTES_MAX < u32::MAX as usize / 2);
const _: () = assert!(PUT_TIMEOUT.as_millis() < RESERVATION_LEASE.as_millis());
const _: () = assert!(WAITING_MARK_LEASE.as_millis() >= BUSY_WAIT.as_millis());
