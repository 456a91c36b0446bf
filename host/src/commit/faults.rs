//! A blob store that fails where a test says so.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sop_engine::types::PhysicalId;

use crate::blob::memory::MemoryBlobs;
use crate::blob::{BlobError, BlobStore, Put, SegmentKey};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails and nothing happened.
    Before,
    /// It happens, and the answer is lost.
    After,
    /// It never answers, and nothing happened.
    Hang,
    /// It happens, and never answers.
    HangAfter,
    /// It waits until it is let go.
    Held,
    /// No room.
    Full,
    /// The store was closed.
    Closed,
}

/// Which call a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Put,
    Tombstone,
    Fence,
    Read,
    /// Reads answer damaged bytes.
    Damage,
}

/// Memory with faults; each is used up by one call.
#[derive(Debug, Default)]
pub(crate) struct FaultyBlobs {
    pub(crate) inner: MemoryBlobs,
    faults: Mutex<Vec<(Call, Fault)>>,
    held: Mutex<Vec<futures::channel::oneshot::Sender<()>>>,
    pub(crate) reads: std::sync::atomic::AtomicU64,
}

impl FaultyBlobs {
    pub(crate) fn with(faults: &[(Call, Fault)]) -> Arc<Self> {
        let blobs = Self::default();
        blobs.faults.lock().extend_from_slice(faults);
        Arc::new(blobs)
    }

    pub(crate) fn fail(&self, call: Call, fault: Fault) {
        self.faults.lock().push((call, fault));
    }

    /// Lets all held calls go on.
    pub(crate) fn let_go(&self) {
        self.held.lock().drain(..).for_each(|held| {
            let _ = held.send(());
        });
    }

    fn next(&self, call: Call) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let index = faults.iter().position(|(of, _)| *of == call)?;
        Some(faults.remove(index).1)
    }

    async fn run<T: Send>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, BlobError>> + Send,
    ) -> Result<T, BlobError> {
        let lost = || Err(BlobError::Unavailable("injected".to_owned()));
        match self.next(call) {
            None => work.await,
            Some(Fault::Before) => lost(),
            Some(Fault::After) => work.await.and_then(|_| lost()),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangAfter) => {
                work.await?;
                std::future::pending().await
            }
            Some(Fault::Held) => {
                let (sender, receiver) = futures::channel::oneshot::channel();
                self.held.lock().push(sender);
                let _ = receiver.await;
                work.await
            }
            Some(Fault::Full) => Err(BlobError::Full("injected".to_owned())),
            Some(Fault::Closed) => Err(BlobError::Closed("injected".to_owned())),
        }
    }
}

#[async_trait]
impl BlobStore for FaultyBlobs {
    async fn put(&self, key: SegmentKey, bytes: Bytes) -> Result<Put, BlobError> {
        self.run(Call::Put, self.inner.put(key, bytes)).await
    }

    async fn put_tombstone(&self, key: SegmentKey) -> Result<Put, BlobError> {
        self.run(Call::Tombstone, self.inner.put_tombstone(key))
            .await
    }

    async fn decided_from(&self, epoch: u32) -> Result<u32, BlobError> {
        self.inner.decided_from(epoch).await
    }

    async fn claimed_after(&self, epoch: u32) -> Result<bool, BlobError> {
        self.run(Call::Fence, self.inner.claimed_after(epoch)).await
    }

    async fn read(&self, id: PhysicalId, before: u32) -> Result<Bytes, BlobError> {
        self.reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let bytes = self.run(Call::Read, self.inner.read(id, before)).await?;
        if self.next(Call::Damage).is_none() {
            return Ok(bytes);
        }
        let mut damaged = bytes.to_vec();
        if let Some(last) = damaged.last_mut() {
            *last ^= 1;
        }
        Ok(Bytes::from(damaged))
    }
}
