//! Hosts, their clients, the epochs, and what they share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_engine::error::Error;
use sop_host::blob::memory::MemoryBlobs;
use sop_host::blob::{BlobStore, SegmentKey};
use sop_host::commit::segment::Segment;
use sop_host::recovery::entry::Header;
use sop_host::recovery::replay::Replay;
use sop_host::registry::Registry;
use sop_host::registry::memory::MemoryRegistry;
use sop_host::storage::{Storage, StorageParts};

use super::faults::{FaultyBlobs, FaultyRegistry, Network};
use super::fiber::Fiber;
use super::history::History;
use super::ledger::{Ledger, LedgerRegistry};
use super::plan::{Plan, Weather};
use super::sabotage::Sabotage;
use super::scheduler::{Control, HOSTS, HostRuntime, Owner, Scheduler};
use super::session::Session;
use super::workload;

/// One life of the registry.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its number.
    pub epoch: u32,
    /// Its registry.
    pub registry: Arc<LedgerRegistry>,
    lost: Arc<AtomicBool>,
}

/// One host at this moment.
#[derive(Debug)]
pub struct Host {
    /// Its tasks.
    pub owner: Owner,
    /// The epoch it lives in.
    pub epoch: u32,
    /// Its storage.
    pub storage: Storage,
    registry: Arc<FaultyRegistry>,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// What the seed means.
    pub plan: Plan,
    /// Time and chance.
    pub scheduler: Arc<Scheduler>,
    /// Starts and ends tasks.
    pub control: Control,
    /// What clients did.
    pub history: Rc<History>,
    /// What registries did.
    pub ledger: Arc<Ledger>,
    /// The object store.
    pub blobs: Arc<MemoryBlobs>,
    /// The segments that takeovers found, in the order in which they were replayed.
    pub included: RefCell<Vec<SegmentKey>>,
    /// Whether the end was reached.
    pub done: Cell<bool>,
    /// Whether nothing goes wrong any more.
    pub calm: Cell<bool>,
    /// How many transactions each client has left.
    pub left: RefCell<Vec<u32>>,
    /// The clients that came to their end.
    pub finished: RefCell<BTreeSet<usize>>,
    to_registry: Arc<Network>,
    to_blobs: Arc<Network>,
    lives: RefCell<Vec<Life>>,
    hosts: RefCell<Vec<Option<Host>>>,
    owner_next: Cell<Owner>,
}

impl World {
    /// A world without hosts.
    pub fn new(plan: Plan, scheduler: &Arc<Scheduler>, control: Control) -> Rc<Self> {
        let blobs = Arc::new(MemoryBlobs::default());
        let ledger = Arc::new(Ledger::default());
        let clients = plan.hosts * plan.clients;
        let network = |salt: u64| Network::new(scheduler, Weather::CALM, plan.seed ^ salt);
        let world = Self {
            to_registry: network(0x5245_4749),
            to_blobs: network(0x424c_4f42),
            left: RefCell::new(vec![plan.transactions; clients]),
            hosts: RefCell::new((0..plan.hosts).map(|_| None).collect()),
            plan,
            scheduler: Arc::clone(scheduler),
            control,
            history: Rc::default(),
            ledger,
            blobs,
            included: RefCell::default(),
            done: Cell::new(false),
            calm: Cell::new(false),
            finished: RefCell::default(),
            lives: RefCell::default(),
            owner_next: Cell::new(HOSTS),
        };
        let first = world.recover(1);
        world.activate(first);
        Rc::new(world)
    }

    /// Lets the weather of the plan begin.
    pub fn storm(&self) {
        self.to_registry.set(self.plan.registry);
        self.to_blobs.set(self.plan.blobs);
    }

    /// Ends all faults.
    pub fn calm_down(&self) {
        self.calm.set(true);
        self.to_registry.set(Weather::CALM);
        self.to_blobs.set(Weather::CALM);
    }

    /// The life that counts.
    pub fn life(&self) -> Life {
        self.lives.borrow().last().expect("a first epoch").clone()
    }

    /// All epochs there were.
    pub fn epochs(&self) -> u32 {
        self.life().epoch
    }

    /// What a recovery of the embedded kind does after its claim: lists, replays, and knows what was committed.
    pub fn recover(&self, epoch: u32) -> Life {
        let runtime = HostRuntime::new(&self.scheduler, 0, 0);
        let registry = MemoryRegistry::new(epoch, self.plan.storage.history, runtime);
        let mut found: Vec<_> = self
            .blobs
            .segments()
            .into_iter()
            .filter(|(key, ..)| key.epoch + 1 == epoch)
            .map(|(key, place, bytes)| {
                let segment = Segment::decode(&bytes).expect("a whole segment");
                (segment.record, key, place)
            })
            .filter(|(record, ..)| !record.transactions.is_empty())
            .collect();
        found.sort_by_key(|(record, ..)| record.ticket);
        let mut included = self.included.borrow_mut();
        included.extend(found.iter().map(|(_, key, _)| *key));
        let mut replay = Replay::new(&registry, &Header::default());
        let segments = self.blobs.segments();
        for key in included.iter() {
            let found = segments.iter().find(|(of, ..)| of == key);
            let (_, place, bytes) = found.expect("what decided stays");
            let segment = Segment::decode(bytes).expect("a whole segment");
            if let Err(error) = replay.apply(&segment.record, *place) {
                self.ledger.violation(format!("replay failed: {error}"));
            }
        }
        Life {
            epoch,
            registry: LedgerRegistry::new(
                registry,
                epoch,
                &self.blobs,
                &self.ledger,
                &self.scheduler,
            ),
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

    /// A host on the newest epoch, without clients.
    pub fn assemble(&self) -> Host {
        let owner = self.owner_next.get();
        self.owner_next.set(owner + 1);
        let runtime = HostRuntime::new(&self.scheduler, owner, self.plan.seed);
        let life = self.life();
        let sabotage = self.plan.sabotage;
        let server = Sabotage::server(sabotage, life.registry);
        let registry = FaultyRegistry::new(&self.to_registry, server, &life.lost);
        let blobs: Arc<dyn BlobStore> = Arc::clone(&self.blobs) as Arc<dyn BlobStore>;
        let blobs = FaultyBlobs::new(&self.to_blobs, blobs);
        let parts = StorageParts {
            registry: Sabotage::host(sabotage, Arc::clone(&registry) as Arc<dyn Registry>),
            blobs: Sabotage::blobs(sabotage, blobs, &runtime),
            runtime,
            epoch: life.epoch,
            period: 1,
        };
        Host {
            owner,
            epoch: life.epoch,
            storage: Storage::assemble(parts, self.plan.storage),
            registry,
        }
    }

    /// Starts a host with its clients.
    pub fn start(self: &Rc<Self>, slot: usize) {
        let host = self.assemble();
        self.scheduler
            .note(&[5, slot as u64, u64::from(host.owner)]);
        for number in 0..self.plan.clients {
            let client = slot * self.plan.clients + number;
            let world = Rc::clone(self);
            let (storage, epoch, owner) = (host.storage.clone(), host.epoch, host.owner);
            let seed = self.plan.seed ^ (u64::from(owner) << 8 | number as u64) << 32;
            let fiber = Fiber::new(move |baton| {
                let random = StdRng::seed_from_u64(seed);
                let (history, scheduler) = (&world.history, &world.scheduler);
                let session = Session::new(client, random, (baton, storage), history, scheduler);
                world.live(&session, slot, (owner, epoch));
            });
            self.control.spawn(host.owner, fiber);
        }
        self.hosts.borrow_mut()[slot] = Some(host);
    }

    /// Ends a host in the middle of everything.
    pub fn crash(&self, slot: usize) {
        if let Some(host) = self.hosts.borrow_mut()[slot].take() {
            host.registry.expire();
            self.control.crash(host.owner);
        }
    }

    /// Stops a host where it is; answers what stands still.
    pub fn pause(&self, slot: usize, expire: bool) -> Option<Owner> {
        let hosts = self.hosts.borrow();
        let host = hosts[slot].as_ref()?;
        if expire {
            host.registry.expire();
        }
        self.control.pause(host.owner);
        Some(host.owner)
    }

    /// The storage of a host and its owner.
    pub fn storage(&self, slot: usize) -> Option<(Owner, Storage)> {
        let hosts = self.hosts.borrow();
        let host = hosts[slot].as_ref()?;
        Some((host.owner, host.storage.clone()))
    }

    /// Whether a host runs in this slot.
    pub fn runs(&self, slot: usize) -> bool {
        self.hosts.borrow()[slot].is_some()
    }

    /// The life of a client.
    fn live(self: &Rc<Self>, session: &Session<'_>, slot: usize, (owner, epoch): (Owner, u32)) {
        let client = session.client;
        loop {
            let last = self.calm.get() && self.left.borrow()[client] == 0;
            let result = if last {
                workload::finish(session).map(|()| None)
            } else if self.left.borrow()[client] > 0 {
                self.left.borrow_mut()[client] -= 1;
                workload::step(&self.plan, session)
            } else {
                session.sleep(Duration::from_millis(5));
                continue;
            };
            match result {
                Ok(None) if last => break,
                Ok(None) => {}
                Ok(Some(wrong)) => self.ledger.violation(wrong),
                Err(Error::Fenced) => self.reopen(session, slot, (owner, epoch)),
                Err(
                    Error::Conflict(_)
                    | Error::Unavailable(_)
                    | Error::UnknownOutcome(_)
                    | Error::SnapshotExpired(_),
                ) => {
                    let wait = session.random.borrow_mut().random_range(0..4_000);
                    session.sleep(Duration::from_micros(wait));
                    if wait % 4 == 0 {
                        session.ask();
                    }
                }
                Err(error) => self
                    .ledger
                    .violation(format!("client {client} was told: {error}")),
            }
        }
        self.finished.borrow_mut().insert(client);
    }

    /// The host learned that it lives in the past: it begins anew as soon as there is a newer epoch.
    fn reopen(self: &Rc<Self>, session: &Session<'_>, slot: usize, (owner, epoch): (Owner, u32)) {
        while self.life().epoch == epoch {
            session.sleep(Duration::from_millis(3));
        }
        let current = self.hosts.borrow()[slot].as_ref().map(|host| host.owner);
        if current == Some(owner) {
            self.crash(slot);
            self.start(slot);
        }
        session.wait(std::future::pending::<()>());
    }
}
