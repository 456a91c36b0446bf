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

/// Groups of commits that a host has under way at the same time on an object store.
pub const GROUPS_IN_FLIGHT_OBJECTS: usize = 8;
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
/// Bytes of the disk cache unless the configuration says otherwise.
pub const DISK_CACHE_BYTES_DEFAULT: u64 = 4 << 30;
/// Handles that a host keeps of a shared registry.
pub const HANDLES_KEPT_MAX: usize = 1 << 18;
/// How often more may have changed than a read point brings along before all kept handles are dropped.
pub const HANDLE_GENERATIONS_MAX: usize = 1 << 20;
/// Read points that a host asks a shared registry for at the same time.
pub const NOWS_IN_FLIGHT: usize = 4;
/// Most published transactions that the feed remembers.
pub const FEED_TRANSACTIONS_MAX: usize = 1_024;
/// Bytes of superseded bodies and handles that retention may keep unless the configuration says otherwise.
pub const HISTORY_BYTES_DEFAULT: u64 = 64 << 20;
/// Superseded versions that one publish drops beyond as many as it makes.
pub const PRUNE_STEPS: usize = 64;
/// How often in a row a reservation may meet a period that has ended.
pub const PERIODS_MAX: u32 = 16;
/// Blobs that one `get` fetches at the same time.
pub const FETCHES_MAX: usize = 16;
/// Entries that a checkpoint reads at a time.
pub const CHECKPOINT_CHUNK_ENTRIES: usize = 1_024;
/// Most times a call of a recovery is made before the recovery is given up.
pub const EPOCH_ATTEMPTS_MAX: u32 = 12;
/// Recoveries of one host in a row that others may overtake before it gives up.
pub const RECOVERIES_MAX: u32 = 16;
/// How long somebody else's recovery may show no progress before it is stepped over; up to twice as long, at random.
pub const RECOVERY_PATIENCE: Duration = Duration::from_secs(4);
/// How often it is looked at.
pub const RECOVERY_LOOK: Duration = Duration::from_millis(200);
/// How often a request to an object store that changes nothing when it is repeated is repeated.
pub const OBJECT_RETRIES: usize = 3;
/// How long one request to an object store may take.
pub const OBJECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long connecting to one may take.
pub const OBJECT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// An object with more bytes than this is put in parts of this size, unless it decides something.
pub const OBJECT_PART_BYTES: usize = 8 << 20;
/// Parts of an object that are under way at the same time.
pub const OBJECT_PARTS_AT_ONCE: usize = 4;
/// How long one request may take that carries such a part.
pub const OBJECT_PART_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one request may take whose answer may be long.
pub const OBJECT_TRANSFER_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a connection to an object store is kept unused: less than the servers keep it, so that none is used up.
pub const OBJECT_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// The wait before a request is repeated; it doubles with every further one.
pub const OBJECT_BACKOFF: Duration = Duration::from_millis(50);
/// A call on an object store ends when it moves fewer bytes per second than this.
pub const OBJECT_BYTES_PER_SECOND_MIN: u64 = 512 << 10;
/// Longest object that is waited for: checkpoints are the longest.
pub const OBJECT_BYTES_MAX: u64 = 1 << 30;
/// Parts of an object that lie closer together than this are read as one.
pub const OBJECT_GAP_BYTES: u64 = 64 << 10;
/// Puts that race when a store is probed.
pub const PROBE_RACERS: usize = 8;
/// How often an undecided put is tried again.
pub const OBJECT_PUT_ATTEMPTS_MAX: u32 = 4;
/// Epochs in a row that may end under one call.
pub const LIVES_MAX: u32 = 8;
/// Segments that a recovery reads at the same time.
pub const RECOVERY_READS: usize = 32;
/// Segments after which it tells others that it goes on.
pub const RECOVERY_CHUNK: usize = 512;
/// Bytes of a segment that a recovery reads at once, in the hope that the record is among them.
pub const SEGMENT_FRONT_BYTES: u64 = 32 << 10;
/// Entries that a recovery hands to a registry in one call.
pub const STAGE_BATCH_ENTRIES: usize = 1_000;
/// Bytes that a database in memory writes before it looks for segments that nobody can read any more.
pub const MEMORY_COLLECTION_BYTES: u64 = 16 << 20;

const _: () =
    assert!(GROUP_BYTES_MAX < SEGMENT_BYTES_MAX && SEGMENT_BYTES_MAX < u32::MAX as usize / 2);
const _: () = assert!(PUT_TIMEOUT.as_millis() < RESERVATION_LEASE.as_millis());
const _: () = assert!(WAITING_MARK_LEASE.as_millis() >= BUSY_WAIT.as_millis());

/// Nodes that one step of a verification looks at.
pub const VERIFY_STEP_NODES: u32 = 256;
/// Nodes that one transaction of a reclamation removes.
pub const RECLAIM_STEP_NODES: u32 = 1_024;

/// Wasm memory of one engine instance of the host.
pub const ENGINE_MEMORY_BYTES_MAX: u64 = 1 << 30;
/// Elements of all tables of one instance.
pub const TABLE_ELEMENTS_MAX: u64 = 65_536;
/// Bytes that one handle counts for when it crosses to a guest.
pub const HANDLE_BYTES: usize = 40;
/// Names of stores that are remembered for the grant check.
pub const STORE_NAMES_MAX: usize = 1 << 16;
/// Stores that one run may create.
pub const STORES_CREATED_MAX: usize = 4_096;
/// Read points that one instance may hold.
pub const READ_POINTS_MAX: usize = 1_024;
/// Spilled bodies that one instance may hold.
pub const SPILLS_MAX: usize = 65_536;
/// Physical ids that one run of a plugin may be given: what it can read, and what is remembered for the check.
pub const PHYSICAL_IDS_GIVEN_MAX: usize = 1 << 20;

/// How often the epoch advances: guests yield and meet their deadlines at its ticks.
pub const EPOCH_TICK: Duration = Duration::from_millis(5);
/// Component instances that exist at one time in a process: open transactions and running plugins.
pub const INSTANCES_MAX: u32 = 2_048;
/// Core instances to have ready for each component instance.
pub const CORE_INSTANCES_EACH: u32 = 8;
/// Memories to have ready for each component instance: the engine and a plugin have one each.
pub const MEMORIES_EACH: u32 = 2;
/// Tables to have ready for each component instance.
pub const TABLES_EACH: u32 = 4;
/// Core instances that one component may have.
pub const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 128;
/// Memories that one component may have.
pub const MEMORIES_PER_COMPONENT_MAX: u32 = 16;
/// Tables that one component may have.
pub const TABLES_PER_COMPONENT_MAX: u32 = 64;
/// Bytes of host-side data of one instance.
pub const INSTANCE_BYTES_MAX: usize = 4 << 20;
/// Bytes of a memory that are zeroed instead of being unmapped when its instance is gone.
pub const MEMORY_KEPT_BYTES: usize = 1 << 20;
/// Stack of a guest.
pub const WASM_STACK_BYTES: usize = 512 << 10;
/// Stack of a guest and of the host functions it calls.
pub const ASYNC_STACK_BYTES: usize = 2 << 20;
/// Frames that a trap's message shows.
pub const BACKTRACE_FRAMES_MAX: usize = 16;
/// Bytes that may cross between guest and host in one call.
pub const CALL_BYTES_MAX: usize = 512 << 20;
/// Engine instances that wait warm for a transaction.
pub const INSTANCES_IDLE_MAX: usize = 64;
/// An instance with more memory than this is not kept.
pub const IDLE_MEMORY_BYTES_MAX: u64 = 32 << 20;
/// An instance that carried out so many transactions is not kept: a leak would end here.
pub const INSTANCE_USES_MAX: u32 = 100_000;

const _: () = assert!(WASM_STACK_BYTES * 2 <= ASYNC_STACK_BYTES);
const _: () = assert!(INSTANCES_IDLE_MAX < INSTANCES_MAX as usize);

/// Longest plugin, in bytes.
pub const PLUGIN_BYTES_MAX: usize = 128 << 20;
/// Most plugins that run at one time on one database; another one waits.
pub const RUNS_MAX: usize = 256;
/// Address space of the process that compiles a plugin.
pub const COMPILE_MEMORY_BYTES: u64 = 4 << 30;
/// Processor time, and time on the wall, of the process that compiles a plugin.
pub const COMPILE_TIME: Duration = Duration::from_secs(300);
/// How often it is looked whether that process has ended.
pub const COMPILE_LOOK: Duration = Duration::from_millis(5);
/// Largest compiled plugin.
pub const ARTEFACT_BYTES_MAX: u64 = 1 << 30;
/// Most of what that process may say about a plugin that it refuses.
pub const COMPILE_MESSAGE_BYTES_MAX: u64 = 16 << 10;
/// Memory of one run unless its limits say otherwise.
pub const RUN_MEMORY_BYTES_DEFAULT: u64 = 128 << 20;
/// Time of one attempt of a run unless its limits say otherwise.
pub const RUN_WALL_DEFAULT: Duration = Duration::from_secs(30);
/// Bytes that may cross between engine and host in one run unless its limits say otherwise.
pub const RUN_CALL_BYTES_DEFAULT: u64 = 1 << 30;
/// Bytes of stdout and stderr of one run unless its limits say otherwise.
pub const RUN_OUTPUT_BYTES_DEFAULT: u64 = 64 << 10;
/// Longest line of them; longer ones are cut into several.
pub const OUTPUT_LINE_BYTES_MAX: usize = 4_096;
/// Bytes that a plugin may write to them at once.
pub const OUTPUT_WRITE_BYTES: usize = 4_096;
/// Records of denials that one run leaves; the last one says so.
pub const AUDIT_RECORDS_MAX: u32 = 100;
/// Streams, pollables and the like that a plugin built for WASI may hold.
pub const WASI_RESOURCES_MAX: usize = 1_024;
/// Random bytes that one call gives.
pub const WASI_RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Longest response of a run unless its limits say otherwise.
pub const RUN_RESPONSE_BYTES_DEFAULT: u64 = 16 << 20;

/// A log file is finished when it has grown to this length, unless the options say otherwise.
pub const LOG_FILE_BYTES_DEFAULT: u32 = 16 << 20;
/// Shortest log file that can be asked for: tests want many files.
pub const LOG_FILE_BYTES_MIN: u32 = 4 << 10;
/// Longest log file that can be asked for.
pub const LOG_FILE_BYTES_MAX: u32 = 1 << 30;
/// A log file gets room on the disk in chunks of this length.
pub const LOG_ALLOCATION_BYTES: u32 = 1 << 20;
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

const _: () = assert!(
    LOG_FILE_BYTES_MIN <= LOG_FILE_BYTES_DEFAULT && LOG_FILE_BYTES_DEFAULT <= LOG_FILE_BYTES_MAX
);
// Every offset in a log file fits 32 bits: a file that is nearly full takes one more record at most.
const _: () = assert!(
    (LOG_FILE_BYTES_MAX as u64) + (LOG_SEGMENT_BYTES_MAX as u64) + (1 << 20) < u32::MAX as u64
);

/// A checkpoint is due after this many bytes of log, unless the options say otherwise, or after as many as the last
/// checkpoint file has: writing checkpoints never costs more than the log itself.
pub const CHECKPOINT_LOG_BYTES_DEFAULT: u64 = 64 << 20;
/// Over a shared registry a checkpoint is due after this many segments: a recovery reads each of them.
pub const CHECKPOINT_SEGMENTS_DEFAULT: u64 = 4_096;
/// Or after one segment for so many entries, if that is more: writing checkpoints never costs more than what they spare.
pub const CHECKPOINT_ENTRIES_PER_SEGMENT: u64 = 64;
/// After so long a tenth of what else makes one due is enough.
pub const CHECKPOINT_AGE_DEFAULT: Duration = Duration::from_secs(3_600);
/// How long a host that failed to write one leaves it to others.
pub const CHECKPOINT_PAUSE: Duration = Duration::from_secs(30);
/// Tickets at or above the low-water mark that a checkpoint may have to look at.
pub const CHECKPOINT_TICKETS_MAX: usize = OUTCOMES_MAX;
/// Entries that a partition of a checkpoint on an object store is made for: what a recovery holds at a time.
pub const CHECKPOINT_PARTITION_ENTRIES: u64 = 1 << 16;
/// Most partitions of one.
pub const CHECKPOINT_PARTITIONS_MAX: u32 = 256;
/// Memory that the entries take which wait to be written into one.
pub const CHECKPOINT_BUFFER_BYTES: usize = 32 << 20;
/// Batches of entries after which the version they are read at is registered anew.
pub const CHECKPOINT_RENEWAL_BATCHES: u64 = 16;
/// Periods for which tombstones and stubs stay after everything in them was resolved: so long the outcome of a commit can be
/// told from its segment.
pub const MARK_PERIODS_KEPT: u32 = 4;
/// Closed epochs whose last segments stay as long, though nothing reaches them.
pub const CLOSED_EPOCHS_KEPT: u32 = 2;
/// Puts and deletes of a collection at a time.
pub const COLLECTION_CALLS: usize = 8;
/// How long a host holds bodies written ahead; it renews the hold when it writes more of them. A transaction that lets more
/// time pass between its last large value and its commit conflicts, if a checkpoint was taken meanwhile.
pub const SPILL_LEASE: Duration = Duration::from_secs(900);
/// Segments of a closed epoch that are looked through for what became of a commit.
pub const OUTCOME_SEGMENTS_MAX: usize = 1 << 15;
/// Commits of a closed epoch that are remembered once they were found so.
pub const OUTCOMES_FOUND_MAX: usize = 1 << 20;
/// A checkpoint is due earlier when the log outgrows what is live, but never before this many bytes of log.
pub const CHECKPOINT_LOG_BYTES_MIN: u64 = 2 << 20;
/// The log outgrows what is live when it has more than this many percent of it.
pub const LOG_PERCENT_MAX: u64 = 200;
/// Checkpoints move live blobs out of log files in which they are less than this share, in percent.
pub const RELOCATION_LIVE_PERCENT: u64 = 70;
/// Segments on an object store outgrow what is live when they have more than this many percent of it.
pub const SEGMENTS_PERCENT_MAX: u64 = 140;
/// Compaction moves what lives in segments that are smaller than this together.
pub const SMALL_SEGMENT_BYTES: u64 = 256 << 10;
/// Ids that are moved at a time, in a log; whoever wants to change one of them waits for that long.
pub const RELOCATION_IDS_LOG: usize = 1_024;
/// The same where a segment is an object.
pub const RELOCATION_IDS_OBJECTS: usize = 256;
/// Compaction moves live blobs out of log files in which they are less than this share, in percent.
pub const COMPACTION_LIVE_PERCENT: u64 = 92;

/// How long one call of a registry on a server is waited for, unless the options say otherwise.
pub const REGISTRY_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection to it may take.
pub const REGISTRY_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// After a failed connection others are refused at once for so long.
pub const REGISTRY_CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Longest name of a database on a server, in bytes.
pub const REGISTRY_NAME_BYTES_MAX: usize = 200;
/// How long a host's snapshots hold history after its last read point.
pub const SNAPSHOT_LEASE: Duration = Duration::from_secs(60);
/// A registration of snapshots is written anew when it is older than this.
pub const SNAPSHOT_RENEWAL: Duration = Duration::from_secs(1);
/// The lowest snapshot of all hosts is looked up at most this often.
pub const SNAPSHOT_HOLD: Duration = Duration::from_millis(500);
/// The first pause between two looks whether intents have gone away; it grows by half with every further one.
pub const RELEASE_POLL_MIN: Duration = Duration::from_millis(5);
/// The longest pause between two of them.
pub const RELEASE_POLL_MAX: Duration = Duration::from_millis(50);
/// Superseded versions that one call of `prune` drops in one script.
pub const PRUNE_SCRIPT_STEPS: usize = 1_000;

const _: () = assert!(SNAPSHOT_RENEWAL.as_millis() * 4 <= SNAPSHOT_LEASE.as_millis());
const _: () = assert!(SNAPSHOT_HOLD.as_millis() < SNAPSHOT_LEASE.as_millis());
const _: () = assert!(RELEASE_POLL_MIN.as_millis() <= RELEASE_POLL_MAX.as_millis());
