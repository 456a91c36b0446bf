//! The append log: one thread writes, and all who wait share its sync.
//!
//! ```text
//!  put ─┐                    ┌──────────── log thread ─────────────┐
//!  put ─┼─► queue ─ batch ─► │ frames ─ write ─ sync ─ acknowledge │ ─► next batch: whoever came meanwhile
//!  put ─┘                    └─────────────────────────────────────┘
//! ```
//!
//! - Records are written, synced and acknowledged in the order of their positions: there is never a hole below an
//!   acknowledged record.
//! - File n is on the disk, with a frame that says that the log goes on, before file n+1 gets its first record.
//! - After a failed write or sync the file may hold anything, and a second sync would report success for bytes that the
//!   system has already thrown away. So the log is poisoned: no retry, every call answers `Closed` until the database is
//!   opened again, in a new epoch, which reads what is really there.
//! - A full disk shows when room is reserved, before the record is touched: that one put answers `Full`, its key stays
//!   free and the log goes on.
//! - While nothing follows, a mark lies after the last record: it proves that the record was acknowledged, so that later
//!   damage to it is not taken for a torn tail.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::oneshot;
use parking_lot::{Condvar, Mutex};

use super::error::DirectoryError;
use super::frame::{self, checksum};
use super::layout::LogPosition;
use super::writer::{Writer, WriterError};
use crate::blob::{BlobError, Put, SegmentKey, SegmentPlace, Taken};
use crate::limits;

type Answer = Result<SegmentPlace, BlobError>;

/// A segment that waits for the log thread.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) key: SegmentKey,
    pub(crate) bytes: Bytes,
    pub(crate) length: u32,
    pub(crate) bytes_checksum: u64,
}

/// What is known of a key.
#[derive(Debug)]
enum KeyState {
    /// On its way; these wait for it.
    Queued(Vec<oneshot::Sender<Answer>>),
    Appended(SegmentPlace),
    Aborted,
}

/// What the log has done, in numbers.
#[derive(Debug, Default)]
pub(crate) struct LogCounts {
    pub(crate) appends: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

#[derive(Debug)]
struct Queue {
    pending: Vec<Append>,
    keys: HashMap<SegmentKey, KeyState>,
    period_newest: u32,
    sync_waiters: Vec<oneshot::Sender<Result<(), BlobError>>>,
    /// Someone asked for a new file.
    roll: bool,
    end: LogPosition,
    closing: Option<Closing>,
    poison: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Trim,
    Leave,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    counts: Arc<LogCounts>,
}

/// The append log of one epoch.
#[derive(Debug)]
pub(crate) struct Log {
    epoch: u32,
    seed: u64,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Starts the thread.
    pub(crate) fn start(writer: Writer, interval: Option<Duration>) -> io::Result<Self> {
        let end = writer.end();
        let queue = Queue {
            pending: Vec::new(),
            keys: HashMap::new(),
            period_newest: 0,
            sync_waiters: Vec::new(),
            roll: false,
            end,
            closing: None,
            poison: None,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            work: Condvar::new(),
            counts: writer.counts(),
        });
        let seed = writer.seed();
        let body = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sop-log".to_owned())
            .spawn(move || body.run(writer, interval))?;
        Ok(Self {
            epoch: end.epoch,
            seed,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Appends a segment unless its key is taken.
    pub(crate) async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        if key.epoch != self.epoch {
            return Err(BlobError::Closed(format!(
                "epoch {} is over, the log is of epoch {}",
                key.epoch, self.epoch
            )));
        }
        let length = u32::try_from(bytes.len())
            .ok()
            .filter(|length| *length <= limits::LOG_SEGMENT_BYTES_MAX);
        let length = length.ok_or_else(|| {
            BlobError::Full(format!(
                "a segment has at most {} bytes",
                limits::LOG_SEGMENT_BYTES_MAX
            ))
        })?;
        let bytes_checksum = checksum(&bytes, self.seed);
        let answer = {
            let mut queue = self.shared.queue.lock();
            queue.check()?;
            match queue.keys.get_mut(&key) {
                Some(KeyState::Appended(place)) => return Ok(Put::Won(*place)),
                Some(KeyState::Aborted) => return Ok(Put::Taken(Taken::Tombstone)),
                Some(KeyState::Queued(waiters)) => {
                    let (sender, answer) = oneshot::channel();
                    waiters.push(sender);
                    answer
                }
                None => {
                    let (sender, answer) = oneshot::channel();
                    queue.remember(key, KeyState::Queued(vec![sender]));
                    queue.pending.push(Append {
                        key,
                        bytes,
                        length,
                        bytes_checksum,
                    });
                    self.shared.work.notify_one();
                    answer
                }
            }
        };
        answer
            .await
            .unwrap_or_else(|_| Err(BlobError::Closed("the log ended".to_owned())))
            .map(Put::Won)
    }

    /// Takes the key of a segment that was not appended.
    pub(crate) async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError> {
        const NOWHERE: SegmentPlace = SegmentPlace {
            segment: (0, 0),
            base: 0,
        };
        loop {
            let answer = {
                let mut queue = self.shared.queue.lock();
                queue.check()?;
                let forgotten =
                    key.period < queue.period_newest.saturating_sub(1) || key.epoch != self.epoch;
                match queue.keys.get_mut(&key) {
                    Some(KeyState::Appended(place)) => {
                        return Ok(Put::Taken(Taken::Segment(*place)));
                    }
                    Some(KeyState::Aborted) => return Ok(Put::Taken(Taken::Tombstone)),
                    Some(KeyState::Queued(waiters)) => {
                        let (sender, answer) = oneshot::channel();
                        waiters.push(sender);
                        answer
                    }
                    None if forgotten => {
                        return Err(BlobError::Unavailable(
                            "this key is too old to be decided without recovery".into(),
                        ));
                    }
                    None => {
                        queue.remember(key, KeyState::Aborted);
                        return Ok(Put::Won(NOWHERE));
                    }
                }
            };
            // A failed append leaves the key free, or the log poisoned: look again.
            let _ = answer.await;
        }
    }

    /// Waits until everything that was acknowledged is on the disk; with `roll`, what follows goes to a new file.
    pub(crate) async fn sync(&self, roll: bool) -> Result<(), BlobError> {
        let (sender, answer) = oneshot::channel();
        {
            let mut queue = self.shared.queue.lock();
            queue.check()?;
            queue.sync_waiters.push(sender);
            queue.roll |= roll;
            self.shared.work.notify_one();
        }
        answer
            .await
            .unwrap_or_else(|_| Err(BlobError::Closed("the log ended".to_owned())))
    }

    /// Whether calls are still answered.
    pub(crate) fn check(&self) -> Result<(), BlobError> {
        self.shared.queue.lock().check()
    }

    /// Where the next record goes: everything acknowledged lies before.
    pub(crate) fn end(&self) -> LogPosition {
        self.shared.queue.lock().end
    }

    pub(crate) fn counts(&self) -> &LogCounts {
        &self.shared.counts
    }

    /// Finishes what is queued, syncs, trims the file and ends the thread. Blocks.
    pub(crate) fn close(&self) -> Result<(), BlobError> {
        self.stop(Closing::Trim);
        self.shared
            .queue
            .lock()
            .poison
            .clone()
            .map_or(Ok(()), |reason| Err(BlobError::Closed(reason)))
    }

    fn stop(&self, closing: Closing) {
        self.shared.queue.lock().closing.get_or_insert(closing);
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // The thread does not panic; if it did, the poison or the dropped answers say so.
            let _ = thread.join();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop(Closing::Leave);
    }
}

impl Queue {
    fn check(&self) -> Result<(), BlobError> {
        if let Some(reason) = &self.poison {
            return Err(BlobError::Closed(reason.clone()));
        }
        if self.closing.is_some() {
            return Err(BlobError::Closed("the database was closed".to_owned()));
        }
        Ok(())
    }

    /// Keys are remembered for their own period and the one after it: a reservation is decided long before that.
    fn remember(&mut self, key: SegmentKey, state: KeyState) {
        if key.period > self.period_newest {
            self.period_newest = key.period;
            let oldest = key.period.saturating_sub(1);
            self.keys
                .retain(|key, state| key.period >= oldest || matches!(state, KeyState::Queued(_)));
        }
        self.keys.insert(key, state);
    }

    fn answer(&mut self, key: &SegmentKey, answer: &Answer) {
        let state = match answer {
            Ok(place) => self.keys.insert(*key, KeyState::Appended(*place)),
            Err(_) => self.keys.remove(key),
        };
        if let Some(KeyState::Queued(waiters)) = state {
            for waiter in waiters {
                // Whoever stopped waiting can ask again.
                let _ = waiter.send(answer.clone());
            }
        }
    }
}

/// What the thread found to do.
struct Batch {
    appends: Vec<Append>,
    sync_waiters: Vec<oneshot::Sender<Result<(), BlobError>>>,
    roll: bool,
    closing: Option<Closing>,
}

impl Shared {
    fn run(&self, mut writer: Writer, interval: Option<Duration>) {
        loop {
            let timeout = interval.filter(|_| !writer.is_durable());
            let batch = self.next_batch(timeout);
            let idle = batch.appends.is_empty();
            let sync = interval.is_none() || idle;
            let written = self.write(&mut writer, &batch.appends, sync);
            let written = written.and_then(|()| {
                if batch.roll {
                    self.roll(&mut writer)
                } else {
                    Ok(())
                }
            });
            if let Err(reason) = written {
                return self.poison(&batch.appends, batch.sync_waiters, &reason);
            }
            for waiter in batch.sync_waiters {
                let _ = waiter.send(Ok(()));
            }
            if let Some(closing) = batch.closing {
                if closing == Closing::Trim
                    && let Err(error) = writer.trim()
                {
                    self.poison(&[], Vec::new(), &error.to_string());
                }
                return;
            }
        }
    }

    /// Waits for work. Syncs and closing wait until nothing is pending, a flush at most `timeout`.
    fn next_batch(&self, timeout: Option<Duration>) -> Batch {
        let mut queue = self.queue.lock();
        let deadline = timeout.map(|timeout| std::time::Instant::now() + timeout);
        loop {
            if !queue.pending.is_empty() {
                let appends = take_batch(&mut queue.pending);
                return Batch {
                    appends,
                    sync_waiters: Vec::new(),
                    roll: false,
                    closing: None,
                };
            }
            let closing = queue.closing;
            if !queue.sync_waiters.is_empty() || closing.is_some() {
                let sync_waiters = std::mem::take(&mut queue.sync_waiters);
                let roll = std::mem::take(&mut queue.roll);
                return Batch {
                    appends: Vec::new(),
                    sync_waiters,
                    roll,
                    closing,
                };
            }
            match deadline {
                None => self.work.wait(&mut queue),
                Some(deadline) => {
                    if self.work.wait_until(&mut queue, deadline).timed_out()
                        && queue.pending.is_empty()
                    {
                        return Batch {
                            appends: Vec::new(),
                            sync_waiters: Vec::new(),
                            roll: false,
                            closing: None,
                        };
                    }
                }
            }
        }
    }

    fn write(&self, writer: &mut Writer, appends: &[Append], sync: bool) -> Result<(), String> {
        let mut answers: Vec<Answer> = Vec::with_capacity(appends.len());
        for append in appends {
            match writer.append(append) {
                Ok(place) => answers.push(Ok(place)),
                Err(WriterError::Full(error)) => {
                    let error = DirectoryError::file(&writer.path(), "write", &error);
                    answers.push(Err(BlobError::Full(error.to_string())));
                }
                Err(WriterError::Failed(error)) => return Err(error.to_string()),
            }
        }
        if sync { writer.sync() } else { writer.flush() }.map_err(|error| error.to_string())?;
        let idle = {
            let mut queue = self.queue.lock();
            queue.end = writer.end();
            for (append, answer) in appends.iter().zip(&answers) {
                queue.answer(&append.key, answer);
            }
            queue.pending.is_empty()
        };
        if idle { writer.mark() } else { Ok(()) }.map_err(|error| error.to_string())
    }

    /// A full disk leaves everything in the old file, which only means that less of it can be freed.
    fn roll(&self, writer: &mut Writer) -> Result<(), String> {
        match writer.roll() {
            Ok(()) | Err(WriterError::Full(_)) => {}
            Err(WriterError::Failed(error)) => return Err(error.to_string()),
        }
        self.queue.lock().end = writer.end();
        Ok(())
    }

    fn poison(
        &self,
        appends: &[Append],
        waiters: Vec<oneshot::Sender<Result<(), BlobError>>>,
        reason: &str,
    ) {
        let reason =
            format!("{reason}; open the database again to see what became of the last commits");
        let closed = BlobError::Closed(reason.clone());
        let mut queue = self.queue.lock();
        queue.poison = Some(reason);
        for append in appends {
            queue.answer(&append.key, &Err(closed.clone()));
        }
        for append in std::mem::take(&mut queue.pending) {
            queue.answer(&append.key, &Err(closed.clone()));
        }
        let later = std::mem::take(&mut queue.sync_waiters);
        for waiter in waiters.into_iter().chain(later) {
            let _ = waiter.send(Err(closed.clone()));
        }
    }
}

/// The first appends, as many as one sync should cover.
fn take_batch(pending: &mut Vec<Append>) -> Vec<Append> {
    let mut bytes = 0;
    let mut count = 0;
    for append in pending.iter() {
        bytes += append.bytes.len() + frame::HEADER_BYTES as usize;
        if count > 0 && bytes > limits::LOG_BATCH_BYTES_MAX {
            break;
        }
        count += 1;
    }
    let rest = pending.split_off(count);
    std::mem::replace(pending, rest)
}

impl LogCounts {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "log_test.rs"]
mod test;
