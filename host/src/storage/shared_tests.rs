//! Goal: hosts over one object store agree, whatever happens to the registry: nothing acknowledged is lost or doubled, one
//! of them recovers and all go on. Method: several storages in one process over objects in memory and a registry server
//! that can be emptied or replaced at any moment.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sop_engine::storage::StorageError;
use sop_engine::types::{CommitOutcome, Counter, Handle, LogicalId, TransactionId, Version};

use super::tests::{COUNT, add, commit, filled, fresh, id, put, transfer};
use super::{CheckpointOptions, ObjectOptions, RegistryPlace, Storage, StorageOptions};
use crate::blob::SegmentKey;
use crate::blob::objects::Objects;
use crate::blob::objects::memory::MemoryObjects;
use crate::recovery::entry::{Entry, EntryList, EntryVersion, Header};
use crate::recovery::epoch::EpochStore;
use crate::registry::memory::{HistoryOptions, MemoryRegistry};
use crate::registry::server::{Activation, RegistryServer, Standing};
use crate::registry::{
    Blocker, EntryBatch, Group, History, Now, PeriodProgress, PeriodStart, Publication, Published,
    Registry, RegistryError, Reservation,
};
use crate::runtime::{Runtime, TokioRuntime};

#[derive(Debug, Default)]
struct Held {
    identity: u64,
    active: Option<(u32, Arc<MemoryRegistry>)>,
    staged: Vec<(u32, u64, Vec<Entry>)>,
    activations: usize,
}

/// A registry server in this process.
#[derive(Clone, Debug)]
pub(super) struct Server {
    held: Arc<Mutex<Held>>,
    runtime: Arc<dyn Runtime>,
}

impl Server {
    pub(super) fn new() -> Self {
        Self {
            held: Arc::default(),
            runtime: Arc::new(TokioRuntime::current()),
        }
    }

    /// It restarts with nothing.
    pub(super) fn lose(&self) {
        let mut held = self.held.lock();
        held.identity += 1;
        held.active = None;
        held.staged.clear();
    }
}

impl Server {
    /// The registry of an epoch, as a host has it.
    pub(super) fn of_epoch(&self, epoch: u32) -> Arc<dyn Registry> {
        self.registry(epoch)
    }
}

#[async_trait]
impl RegistryServer for Server {
    async fn standing(&self) -> Result<Standing, RegistryError> {
        let held = self.held.lock();
        let epoch = held.active.as_ref().map(|(epoch, _)| *epoch);
        Ok(Standing {
            identity: held.identity.to_string(),
            epoch,
            remembered: epoch,
        })
    }

    async fn stage(&self, epoch: u32, batch: u64, entries: &[Entry]) -> Result<(), RegistryError> {
        let mut held = self.held.lock();
        held.staged
            .retain(|(staged, number, _)| (*staged, *number) != (epoch, batch));
        held.staged.push((epoch, batch, entries.to_vec()));
        Ok(())
    }

    async fn activate(&self, activation: &Activation) -> Result<(), RegistryError> {
        let mut held = self.held.lock();
        let refused = |why: &str| Err(RegistryError::Foreign(why.to_owned()));
        if held.identity.to_string() != activation.identity {
            return refused("another registry");
        }
        if held
            .active
            .as_ref()
            .is_some_and(|(active, _)| *active >= activation.epoch)
        {
            return refused("a newer epoch is active");
        }
        let epoch = activation.epoch;
        let mut entries: Vec<Entry> = Vec::new();
        for (_, _, batch) in held.staged.iter().filter(|(staged, ..)| *staged == epoch) {
            entries.extend(batch.iter().map(|entry| Entry {
                id: entry.id,
                ticket: 0,
                versions: vec![EntryVersion {
                    version: activation.version,
                    state: entry.versions[0].state.clone(),
                }],
            }));
        }
        if entries.len() as u64 != activation.entries {
            return refused("entries are missing");
        }
        entries.sort_by_key(|entry| entry.id);
        let header = Header {
            epoch,
            version: activation.version,
            floor: activation.version,
            low_water: activation.next_ticket,
            next_ticket: activation.next_ticket,
            ..Header::default()
        };
        let base = Arc::new(EntryList::new(header, entries));
        let registry = MemoryRegistry::over(
            base,
            epoch,
            HistoryOptions::default(),
            Arc::clone(&self.runtime),
        );
        held.active = Some((epoch, Arc::new(registry)));
        held.activations += 1;
        Ok(())
    }

    fn registry(&self, epoch: u32) -> Arc<dyn Registry> {
        Arc::new(OfEpoch {
            server: self.clone(),
            epoch,
        })
    }
}

/// The registry while it is of this epoch.
#[derive(Debug)]
struct OfEpoch {
    server: Server,
    epoch: u32,
}

impl OfEpoch {
    async fn registry(&self) -> Result<Arc<MemoryRegistry>, RegistryError> {
        tokio::task::yield_now().await;
        match &self.server.held.lock().active {
            Some((epoch, registry)) if *epoch == self.epoch => Ok(Arc::clone(registry)),
            _ => Err(RegistryError::Foreign("lost".to_owned())),
        }
    }
}

#[async_trait]
impl Registry for OfEpoch {
    async fn now(&self, at: Option<Version>, since: Version) -> Result<Now, RegistryError> {
        self.registry().await?.now(at, since).await
    }
    fn release(&self, at: Version) {
        if let Some((_, registry)) = &self.server.held.lock().active {
            registry.release(at);
        }
    }
    async fn resolve(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, RegistryError> {
        self.registry().await?.resolve(ids, at).await
    }
    async fn counters(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Counter>, RegistryError> {
        self.registry().await?.counters(ids, at).await
    }
    async fn history(&self, ids: &[LogicalId]) -> Result<Vec<History>, RegistryError> {
        self.registry().await?.history(ids).await
    }
    async fn reserve(&self, group: Group) -> Result<Reservation, RegistryError> {
        self.registry().await?.reserve(group).await
    }
    async fn publish(
        &self,
        ticket: u64,
        publications: Vec<Publication>,
    ) -> Result<Option<Vec<Published>>, RegistryError> {
        self.registry().await?.publish(ticket, publications).await
    }
    async fn abandon(&self, key: SegmentKey) -> Result<(), RegistryError> {
        self.registry().await?.abandon(key).await
    }
    async fn blocking(&self, ids: &[LogicalId]) -> Result<Vec<Blocker>, RegistryError> {
        self.registry().await?.blocking(ids).await
    }
    async fn overdue(&self) -> Result<Vec<Blocker>, RegistryError> {
        self.registry().await?.overdue().await
    }
    async fn mark(&self, ids: &[LogicalId], lease: Duration) -> Result<(), RegistryError> {
        self.registry().await?.mark(ids, lease).await
    }
    async fn released(&self, releases: u64) {
        if let Ok(registry) = self.registry().await {
            registry.released(releases).await;
        }
    }
    async fn outcome(&self, id: TransactionId) -> Result<Option<Version>, RegistryError> {
        self.registry().await?.outcome(id).await
    }
    fn floor(&self) -> Version {
        0
    }
    async fn prune(&self) -> Result<(), RegistryError> {
        self.registry().await?.prune().await
    }
    async fn begin_period(&self, ended: u32) -> Result<PeriodStart, RegistryError> {
        self.registry().await?.begin_period(ended).await
    }
    async fn hold_spills(&self, from: u32, lease: Duration) -> Result<(), RegistryError> {
        self.registry().await?.hold_spills(from, lease).await
    }
    fn progress(&self) -> Option<PeriodProgress> {
        let held = self.server.held.lock();
        let (_, registry) = held.active.as_ref()?;
        registry.progress()
    }
    async fn entries(
        &self,
        at: Version,
        from: &[u8],
        count: usize,
    ) -> Result<EntryBatch, RegistryError> {
        self.registry().await?.entries(at, from, count).await
    }
}

pub(super) async fn open(objects: &Arc<MemoryObjects>, registry: RegistryPlace) -> Storage {
    open_with(objects, registry, CheckpointOptions::default()).await
}

pub(super) async fn open_with(
    objects: &Arc<MemoryObjects>,
    registry: RegistryPlace,
    checkpoint: CheckpointOptions,
) -> Storage {
    let options = ObjectOptions {
        storage: StorageOptions::default(),
        registry,
        recover: false,
        checkpoint,
        disk: None,
    };
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let epochs = EpochStore::open(Arc::clone(objects) as _, Arc::clone(&runtime), true);
    Storage::open_objects(epochs.await.unwrap(), options, runtime)
        .await
        .unwrap()
}

pub(super) async fn total(storage: &Storage, ids: &[LogicalId]) -> (i64, i64) {
    let sum = fresh(storage, ids)
        .await
        .iter()
        .map(|(_, value)| value)
        .sum();
    let at = storage.now(None).await.unwrap().version;
    let count = storage.counters(&[COUNT], at).await.unwrap()[0].value;
    storage.release(at);
    (sum, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_lose_their_registry_again_and_again_keep_every_transfer() {
    let objects = Arc::new(MemoryObjects::default());
    let server = Server::new();
    let place = RegistryPlace::Shared(Arc::new(server.clone()));
    let mut hosts = Vec::new();
    for _ in 0..3 {
        hosts.push(open(&objects, place.clone()).await);
    }
    let ids = filled(&hosts[0], 6, 100).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        let (host, ids, done) = (host.clone(), ids.clone(), Arc::clone(&done));
        tasks.push(tokio::spawn(async move {
            let mut transfers = 0;
            while !done.load(Ordering::Relaxed) {
                let from = ids[(transfers + number) % ids.len()];
                let to = ids[(transfers + number + 1) % ids.len()];
                if moved(&host, from, to).await {
                    transfers += 1;
                }
            }
            transfers as i64
        }));
    }
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        server.lose();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    done.store(true, Ordering::Relaxed);
    let mut transfers = 0;
    for task in tasks {
        transfers += task.await.unwrap();
    }
    assert!(transfers > 50, "{transfers}");
    for host in &hosts {
        assert_eq!(total(host, &ids).await, (600, 100 + transfers));
    }
    let activations = server.held.lock().activations;
    assert!((12..=14).contains(&activations), "{activations}");
    // A newcomer finds the same.
    let newcomer = open(&objects, place).await;
    assert_eq!(total(&newcomer, &ids).await, (600, 100 + transfers));
}

/// One transfer and one addition, or nothing, whatever the registry does meanwhile.
async fn moved(storage: &Storage, from: LogicalId, to: LogicalId) -> bool {
    let Ok(point) = storage.now(None).await else {
        return false;
    };
    let at = point.version;
    let seen = match storage.resolve(&[from, to], at).await {
        Ok(handles) => handles,
        Err(StorageError::SnapshotExpired(_)) => return false,
        Err(error) => panic!("{error}"),
    };
    let mut values = Vec::new();
    let mut observed = Vec::new();
    for (id, handle) in [from, to].into_iter().zip(seen) {
        let handle = handle.unwrap();
        let body = storage.get(&handle.chain).await.unwrap().remove(0);
        values.push(i64::from_le_bytes(body.as_ref().try_into().unwrap()));
        observed.push(sop_engine::types::Observation {
            id,
            version: handle.version,
        });
    }
    storage.release(at);
    let changes = vec![put(from, values[0] - 1), put(to, values[1] + 1), add(1)];
    let commit_id = storage.transaction_id();
    match storage.commit(commit_id, observed, changes, 0).await {
        Ok(CommitOutcome::Committed(..)) => true,
        Ok(CommitOutcome::Conflict(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_newer_writer_fences_the_older_one_and_finds_everything() {
    let objects = Arc::new(MemoryObjects::default());
    let first = open(&objects, RegistryPlace::Own).await;
    let ids = filled(&first, 4, 100).await;
    transfer(&first, ids[0], ids[1]).await;
    let second = open(&objects, RegistryPlace::Own).await;
    assert_eq!(total(&second, &ids).await, (400, 101));
    let late = first
        .commit(first.transaction_id(), vec![], vec![put(id(90), 1)], 0)
        .await;
    assert!(
        matches!(
            late,
            Err(StorageError::UnknownOutcome(_) | StorageError::Fenced)
        ),
        "{late:?}"
    );
    assert_eq!(first.now(None).await, Err(StorageError::Fenced));
    transfer(&second, ids[1], ids[2]).await;
    second.checkpoint().await.unwrap();
    transfer(&second, ids[2], ids[3]).await;
    // The checkpoint holds what came before it, the segments what came after.
    let third = open(&objects, RegistryPlace::Own).await;
    assert_eq!(total(&third, &ids).await, (400, 103));
    third.close().await.unwrap();
}

#[tokio::test]
async fn an_abandoned_recovery_is_stepped_over() {
    let objects = Arc::new(MemoryObjects::default());
    let server = Server::new();
    let place = RegistryPlace::Shared(Arc::new(server.clone()));
    let host = open(&objects, place).await;
    let ids = filled(&host, 4, 100).await;
    // Somebody claimed the next epoch and vanished.
    let claims: Vec<_> = objects.list("epoch/").await.unwrap();
    assert_eq!(claims.len(), 3, "claim, manifest, progress: {claims:?}");
    let claim = objects.get("epoch/00000001/claim").await.unwrap().unwrap();
    objects
        .put_if_absent("epoch/00000002/claim", claim)
        .await
        .unwrap();
    let outcome = commit(&host, vec![], vec![add(1)], 0).await;
    assert!(
        matches!(outcome, CommitOutcome::Committed(..)),
        "{outcome:?}"
    );
    assert_eq!(total(&host, &ids).await, (400, 101));
    assert!(objects.exists("epoch/00000003/manifest").await.unwrap());
}
