//! Hosts, their clients, the epochs, and what they share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_engine::error::Error;
use sop_host::blob::objects::Objects;
use sop_host::blob::{BlobError, BlobStore};
use sop_host::recovery::epoch::{EpochError, EpochStore};
use sop_host::runtime::Runtime;
use sop_host::storage::{ObjectOptions, RegistryPlace, Storage, StorageParts};

use super::cluster::HostServer;
use super::faults::{FaultyBlobs, FaultyObjects, FaultyRegistry, Network};
use super::fiber::Fiber;
use super::ground::{Epochs, Ground, Takeovers};
use super::history::History;
use super::ledger::Ledger;
use super::plan::{Plan, Weather};
use super::sabotage::Sabotage;
use super::scheduler::{Control, HOSTS, HostRuntime, Owner, Scheduler};
use super::session::Session;
use super::workload;

/// One host at this moment.
#[derive(Debug)]
pub struct Host {
    /// Its tasks.
    pub owner: Owner,
    /// Its storage, as soon as it is open.
    storage: Rc<RefCell<Option<Storage>>>,
    way: Way,
}

/// A host's way to the registry.
#[derive(Clone, Debug)]
enum Way {
    Registry(Arc<FaultyRegistry>),
    Server(Arc<HostServer>),
}

impl Way {
    fn expire(&self) {
        match self {
            Self::Registry(registry) => registry.expire(),
            Self::Server(server) => server.expire(),
        }
    }
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
    /// What hosts share.
    pub ground: Ground,
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
    hosts: RefCell<Vec<Option<Host>>>,
    owner_next: Cell<Owner>,
}

impl World {
    /// A world without hosts.
    pub fn new(plan: Plan, scheduler: &Arc<Scheduler>, control: Control) -> Rc<Self> {
        let ledger = Arc::new(Ledger::default());
        let clients = plan.hosts * plan.clients;
        let network = |salt: u64| Network::new(scheduler, Weather::CALM, plan.seed ^ salt);
        let history = plan.storage.history;
        let ground = match plan.epochs {
            false => Ground::Takeovers(Takeovers::new(scheduler, &ledger, history)),
            true => Ground::Epochs(Epochs::new(scheduler, &ledger, history, plan.sabotage)),
        };
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
            ground,
            done: Cell::new(false),
            calm: Cell::new(false),
            finished: RefCell::default(),
            owner_next: Cell::new(HOSTS),
        };
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

    /// A host that is not open yet: its tasks, its way to the registry, and how it opens its storage.
    fn prepare(self: &Rc<Self>) -> (Owner, Way, Arc<HostRuntime>) {
        let owner = self.owner_next.get();
        self.owner_next.set(owner + 1);
        let runtime = HostRuntime::new(&self.scheduler, owner, self.plan.seed);
        let way = match &self.ground {
            Ground::Takeovers(takeovers) => {
                let life = takeovers.life();
                let server = Sabotage::server(self.plan.sabotage, life.registry);
                Way::Registry(FaultyRegistry::new(&self.to_registry, server, &life.lost))
            }
            Ground::Epochs(epochs) => {
                Way::Server(HostServer::new(&self.to_registry, &epochs.cluster))
            }
        };
        (owner, way, runtime)
    }

    async fn open(&self, way: Way, runtime: Arc<HostRuntime>) -> Result<Storage, EpochError> {
        let sabotage = self.plan.sabotage;
        match (&self.ground, way) {
            (Ground::Takeovers(takeovers), Way::Registry(registry)) => {
                let blobs = Arc::clone(&takeovers.blobs) as Arc<dyn BlobStore>;
                let blobs = FaultyBlobs::new(&self.to_blobs, blobs);
                let parts = StorageParts {
                    registry: Sabotage::host(sabotage, registry),
                    blobs: Sabotage::blobs(sabotage, blobs, &runtime),
                    runtime,
                    epoch: takeovers.life().epoch,
                    period: 1,
                };
                Ok(Storage::assemble(parts, self.plan.storage))
            }
            (Ground::Epochs(epochs), Way::Server(server)) => {
                let objects = Arc::clone(&epochs.objects) as Arc<dyn Objects>;
                let objects = FaultyObjects::new(&self.to_blobs, objects);
                let objects = Sabotage::objects(sabotage, objects, &runtime);
                let options = ObjectOptions {
                    storage: self.plan.storage,
                    registry: RegistryPlace::Shared(server),
                    recover: false,
                    checkpoint: self.plan.checkpoint,
                    disk: None,
                };
                let shared = Arc::clone(&runtime) as Arc<dyn Runtime>;
                let epochs = EpochStore::open(objects, shared, true).await?;
                Storage::open_objects(epochs, options, runtime).await
            }
            _ => unreachable!("a host has the way of its ground"),
        }
    }

    /// Opens a host and runs fibers on it, each with its number.
    pub fn boot(
        self: &Rc<Self>,
        fibers: usize,
        body: impl Fn(&Rc<Self>, &Session<'_>, usize, Owner) + 'static,
        first: usize,
    ) -> Host {
        let (owner, way, runtime) = self.prepare();
        let host = Host {
            owner,
            storage: Rc::default(),
            way: way.clone(),
        };
        let (world, opened, body) = (Rc::clone(self), Rc::clone(&host.storage), Rc::new(body));
        let boot = async move {
            let storage = loop {
                match world.open(way.clone(), Arc::clone(&runtime)).await {
                    Ok(storage) => break storage,
                    Err(EpochError::Registry(_) | EpochError::Overtaken(_)) => {}
                    Err(EpochError::Blob(BlobError::Unavailable(_))) => {}
                    Err(error) => world.ledger.violation(format!("opening: {error}")),
                }
                world.scheduler.sleep(Duration::from_millis(20)).await;
            };
            opened.replace(Some(storage.clone()));
            for number in 0..fibers {
                let (world, body) = (Rc::clone(&world), Rc::clone(&body));
                let (storage, control) = (storage.clone(), world.control.clone());
                let seed = world.plan.seed ^ (u64::from(owner) << 8 | number as u64) << 32;
                let fiber = Fiber::new(move |baton| {
                    let random = StdRng::seed_from_u64(seed);
                    let (history, scheduler) = (&world.history, &world.scheduler);
                    let host = (baton, storage);
                    let spill = world.plan.page_bytes;
                    let session =
                        Session::new(first + number, random, host, history, scheduler, spill);
                    body(&world, &session, number, owner);
                });
                control.spawn(owner, fiber);
            }
        };
        self.control.spawn(owner, boot);
        host
    }

    /// Starts a host with its clients.
    pub fn start(self: &Rc<Self>, slot: usize) {
        let epoch = self.ground.newest();
        let live = move |world: &Rc<Self>, session: &Session<'_>, _, owner| {
            world.live(session, slot, (owner, epoch));
        };
        let host = self.boot(self.plan.clients, live, slot * self.plan.clients);
        self.scheduler
            .note(&[5, slot as u64, u64::from(host.owner)]);
        self.hosts.borrow_mut()[slot] = Some(host);
    }

    /// Ends a host in the middle of everything.
    pub fn crash(&self, slot: usize) {
        if let Some(host) = self.hosts.borrow_mut()[slot].take() {
            host.way.expire();
            self.control.crash(host.owner);
        }
    }

    /// Stops a host where it is; answers what stands still.
    pub fn pause(&self, slot: usize, expire: bool) -> Option<Owner> {
        let hosts = self.hosts.borrow();
        let host = hosts[slot].as_ref()?;
        if expire {
            host.way.expire();
        }
        self.control.pause(host.owner);
        Some(host.owner)
    }

    /// The storage of a host and its owner.
    pub fn storage(&self, slot: usize) -> Option<(Owner, Storage)> {
        let hosts = self.hosts.borrow();
        let host = hosts[slot].as_ref()?;
        let storage = host.storage.borrow().clone()?;
        Some((host.owner, storage))
    }

    /// Hosts stay connected to the server they talk to now, whatever becomes of it; with `false` they find the primary.
    pub fn stick(&self, slot: usize, stick: bool) {
        let hosts = self.hosts.borrow();
        if let Some(Host {
            way: Way::Server(server),
            ..
        }) = &hosts[slot]
        {
            match stick {
                true => server.stick(),
                false => server.follow(),
            }
        }
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
                Err(Error::Fenced) if !self.plan.epochs => {
                    self.reopen(session, slot, (owner, epoch))
                }
                Err(
                    Error::Conflict(_)
                    | Error::Unavailable(_)
                    | Error::UnknownOutcome(_)
                    | Error::SnapshotExpired(_)
                    | Error::Fenced,
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
        while self.ground.newest() == epoch {
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
