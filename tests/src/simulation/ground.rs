//! What all hosts share, in two kinds, and what of it counts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use sop_engine::types::TransactionId;
use sop_host::blob::SegmentKey;
use sop_host::blob::memory::MemoryBlobs;
use sop_host::blob::objects::Objects;
use sop_host::blob::objects::store::decided_from;
use sop_host::commit::segment::{Record, Segment, SegmentKind};
use sop_host::recovery::entry::Header;
use sop_host::recovery::epoch::EpochStore;
use sop_host::recovery::replay::Replay;
use sop_host::registry::memory::{HistoryOptions, MemoryRegistry};

use super::archive::Archive;
use super::cluster::Cluster;
use super::ledger::{Durable, Ledger, LedgerRegistry};
use super::scheduler::{HostRuntime, Scheduler};

/// One life of the registry where epochs begin from outside.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its number.
    pub epoch: u32,
    /// Its registry.
    pub registry: Arc<LedgerRegistry>,
    /// Whether it answers no more.
    pub lost: Arc<AtomicBool>,
}

/// Segments in memory; an epoch begins when the nemesis says so.
#[derive(Debug)]
pub struct Takeovers {
    /// The segments.
    pub blobs: Arc<MemoryBlobs>,
    /// The segments that takeovers found, in the order in which they were replayed.
    included: RefCell<Vec<SegmentKey>>,
    lives: RefCell<Vec<Life>>,
}

/// Objects in memory and a cluster of servers; epochs begin by the shipped recovery.
#[derive(Debug)]
pub struct Epochs {
    /// The objects.
    pub objects: Arc<Archive>,
    /// The servers.
    pub cluster: Arc<Cluster>,
}

/// What all hosts share.
#[derive(Debug)]
pub enum Ground {
    /// The commit protocol alone.
    Takeovers(Takeovers),
    /// With recovery.
    Epochs(Epochs),
}

fn immediately<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory answers at once")
}

fn object_name(key: SegmentKey) -> String {
    let SegmentKey {
        epoch,
        period,
        unique,
    } = key;
    format!("segment/{epoch:08x}/{period:08x}/{unique:016x}")
}

impl Epochs {
    /// An empty object store and empty servers.
    pub fn new(
        scheduler: &Arc<Scheduler>,
        ledger: &Arc<Ledger>,
        history: HistoryOptions,
        sabotage: Option<super::Sabotage>,
    ) -> Self {
        let objects = Arc::new(Archive::default());
        let there = Arc::clone(&objects);
        let durable: Durable = Arc::new(move |key| {
            let segment = there.first(&object_name(key));
            let segment = segment.map(|bytes| Segment::decode(&bytes));
            matches!(segment, Some(Ok(segment)) if segment.kind == SegmentKind::Segment)
        });
        let cluster = Cluster::new(scheduler, ledger, durable, history, sabotage);
        Self { objects, cluster }
    }

    /// Whether somebody claimed an epoch and has not decided it yet.
    pub fn is_recovering(&self) -> bool {
        let newest = self.newest();
        let manifest = format!("epoch/{newest:08x}/manifest");
        newest > 0 && !immediately(self.objects.exists(&manifest)).unwrap_or(true)
    }

    fn newest(&self) -> u32 {
        let listed = immediately(self.objects.list("epoch/")).unwrap_or_default();
        let numbers = listed.iter().filter_map(|listed| {
            let number = listed.name.strip_prefix("epoch/")?.split('/').next()?;
            u32::from_str_radix(number, 16).ok()
        });
        numbers.max().unwrap_or(0)
    }

    fn truth(&self, scheduler: &Arc<Scheduler>) -> Vec<(SegmentKey, Record)> {
        let runtime = HostRuntime::new(scheduler, 0, 0);
        let objects: Arc<dyn Objects> = Arc::clone(&self.objects) as Arc<dyn Objects>;
        let store = immediately(EpochStore::open(objects, runtime, false)).expect("a database");
        let mut truth = Vec::new();
        for bytes in self.objects.segments() {
            let segment = Segment::decode(&bytes).expect("a whole segment");
            let counts = segment.kind == SegmentKind::Segment
                && immediately(store.included(segment.key))
                    .expect("manifests")
                    .is_none_or(|(_, included)| included);
            if counts {
                truth.push((segment.key, segment.record));
            }
        }
        truth
    }
}

impl Takeovers {
    /// No segments, and epoch 1.
    pub fn new(scheduler: &Arc<Scheduler>, ledger: &Arc<Ledger>, history: HistoryOptions) -> Self {
        let this = Self {
            blobs: Arc::new(MemoryBlobs::default()),
            included: RefCell::default(),
            lives: RefCell::default(),
        };
        let first = this.recover(1, (scheduler, ledger, history));
        this.activate(first);
        this
    }

    /// The life that counts.
    pub fn life(&self) -> Life {
        self.lives.borrow().last().expect("a first epoch").clone()
    }

    /// What a recovery does after its claim: lists, replays, and knows what was committed.
    pub fn recover(
        &self,
        epoch: u32,
        (scheduler, ledger, history): (&Arc<Scheduler>, &Arc<Ledger>, HistoryOptions),
    ) -> Life {
        let runtime = HostRuntime::new(scheduler, 0, 0);
        let registry = MemoryRegistry::new(epoch, history, runtime);
        let segments = self.blobs.segments();
        let record = |bytes| Segment::decode(bytes).expect("a whole segment").record;
        let mut found: Vec<_> = segments
            .iter()
            .filter(|(key, ..)| key.epoch + 1 == epoch)
            .map(|(key, _, bytes)| (record(bytes), *key))
            .filter(|(record, _)| !record.transactions.is_empty())
            .collect();
        found.sort_by_key(|(record, _)| record.ticket);
        let mut included = self.included.borrow_mut();
        included.extend(found.iter().map(|(_, key)| *key));
        let mut replay = Replay::new(&registry, &Header::default());
        for key in included.iter() {
            let found = segments.iter().find(|(of, ..)| of == key);
            let (_, place, bytes) = found.expect("what decided stays");
            if let Err(error) = replay.apply(&record(bytes), *place) {
                ledger.violation(format!("replay failed: {error}"));
            }
        }
        let blobs = Arc::clone(&self.blobs);
        let durable: Durable = Arc::new(move |key| {
            let segments = blobs.segments();
            segments.iter().any(|(of, ..)| *of == key)
        });
        Life {
            epoch,
            registry: LedgerRegistry::new(registry, epoch, (durable, ledger, scheduler)),
            lost: Arc::default(),
        }
    }

    /// From now on new hosts live in this epoch.
    pub fn activate(&self, life: Life) {
        self.lives.borrow_mut().push(life);
    }

    /// The registry of the last epoch but one answers no more, or as somebody else.
    pub fn lose_former(&self) {
        let lives = self.lives.borrow();
        if let [.., former, _] = lives.as_slice() {
            former.lost.store(true, Ordering::SeqCst);
        }
    }

    fn truth(&self) -> Vec<(SegmentKey, Record)> {
        let included: BTreeSet<_> = self.included.borrow().iter().copied().collect();
        let newest = self.life().epoch;
        let segments = self.blobs.segments().into_iter();
        segments
            .filter(|(key, ..)| key.epoch == newest || included.contains(key))
            .map(|(key, _, bytes)| {
                let segment = Segment::decode(&bytes).expect("a whole segment");
                (key, segment.record)
            })
            .collect()
    }
}

impl Ground {
    /// Whether a collector took away a segment that could have said what became of a commit.
    pub fn is_forgotten(&self, id: TransactionId) -> bool {
        let Self::Epochs(epochs) = self else {
            return false;
        };
        let half = |half: u64| u32::try_from(half & 0xffff_ffff).unwrap_or(0);
        let (epoch, period) = (half(id.high >> 32), half(id.high));
        let from = immediately(decided_from(&*epochs.objects, epoch));
        let said = from.is_ok_and(|from| period < from);
        let mut segments = epochs.objects.segments().into_iter();
        said || segments.any(|first| {
            let key = Segment::decode(&first).expect("a whole segment").key;
            let there = immediately(epochs.objects.get(&object_name(key)));
            key.epoch == epoch && key.period >= period && there.ok().flatten() != Some(first)
        })
    }

    /// All segments that decided something and count.
    pub fn truth(&self, scheduler: &Arc<Scheduler>) -> Vec<(SegmentKey, Record)> {
        match self {
            Self::Takeovers(takeovers) => takeovers.truth(),
            Self::Epochs(epochs) => epochs.truth(scheduler),
        }
    }

    /// The newest epoch.
    pub fn newest(&self) -> u32 {
        match self {
            Self::Takeovers(takeovers) => takeovers.life().epoch,
            Self::Epochs(epochs) => epochs.newest(),
        }
    }

    /// The registry that counts, if there is one at this moment.
    pub fn registry(&self) -> Option<Arc<LedgerRegistry>> {
        match self {
            Self::Takeovers(takeovers) => Some(takeovers.life().registry),
            Self::Epochs(epochs) => epochs.cluster.active(),
        }
    }
}
