//! A registry server with a replica, as recovery sees it: it restarts, loses everything, fails over to a stale copy, and
//! comes back.
//!
//! ```text
//!   host ──route──► server 0 or 1 ──► of this epoch, bound to this identity? ──► ledger ──► registry
//! ```
//!
//! An identity is a run and a history of replication: a restart changes the first, a promotion the second.

mod gate;
mod route;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;
use sop_engine::types::LogicalId;
use sop_host::recovery::entry::{Base, Entry, EntryVersion, Header};
use sop_host::registry::memory::{HistoryOptions, MemoryRegistry};
use sop_host::registry::server::{Activation, Standing};
use sop_host::registry::{Registry, RegistryError};

pub use self::route::HostServer;
use super::ledger::{Durable, Ledger, LedgerRegistry};
use super::sabotage::Sabotage;
use super::scheduler::{HostRuntime, Scheduler};

/// What is active in a server.
#[derive(Clone, Debug)]
struct Active {
    epoch: u32,
    /// Of whom it was activated.
    identity: String,
    ledger: Arc<LedgerRegistry>,
    registry: Arc<dyn Registry>,
}

#[derive(Clone, Debug)]
struct Server {
    run: u64,
    replication: u64,
    /// It believes that it is the primary.
    primary: bool,
    active: Option<Active>,
    staged: BTreeMap<(u32, u64), Vec<Entry>>,
}

impl Server {
    fn identity(&self) -> String {
        format!("{:x}/{:x}", self.run, self.replication)
    }
}

#[derive(Debug)]
struct State {
    servers: [Server; 2],
    primary: usize,
}

/// Two servers, one of which is the primary that newcomers find.
pub struct Cluster {
    state: Mutex<State>,
    scheduler: Arc<Scheduler>,
    ledger: Arc<Ledger>,
    durable: Durable,
    history: HistoryOptions,
    sabotage: Option<Sabotage>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "a cluster with primary {}", self.primary())
    }
}

/// What was staged or copied, as the base of a registry.
#[derive(Debug)]
struct Staged {
    header: Header,
    entries: Vec<Entry>,
}

impl Base for Staged {
    fn header(&self) -> &Header {
        &self.header
    }

    fn entry(&self, id: LogicalId) -> std::io::Result<Option<Entry>> {
        let found = self.entries.binary_search_by_key(&id, |entry| entry.id);
        Ok(found.ok().map(|slot| self.entries[slot].clone()))
    }

    fn entries_after(&self, after: Option<LogicalId>, count: usize) -> std::io::Result<Vec<Entry>> {
        let first = self
            .entries
            .partition_point(|entry| after.is_some_and(|after| entry.id <= after));
        Ok(self.entries[first..].iter().take(count).cloned().collect())
    }
}

fn foreign(why: &str) -> RegistryError {
    RegistryError::Foreign(why.to_owned())
}

impl Cluster {
    /// Two empty servers.
    pub fn new(
        scheduler: &Arc<Scheduler>,
        ledger: &Arc<Ledger>,
        durable: Durable,
        history: HistoryOptions,
        sabotage: Option<Sabotage>,
    ) -> Arc<Self> {
        let server = |run: u64| Server {
            run,
            replication: 7,
            primary: run == 1,
            active: None,
            staged: BTreeMap::new(),
        };
        Arc::new(Self {
            state: Mutex::new(State {
                servers: [server(1), server(2)],
                primary: 0,
            }),
            scheduler: Arc::clone(scheduler),
            ledger: Arc::clone(ledger),
            durable,
            history,
            sabotage,
        })
    }

    /// The server that newcomers find.
    pub fn primary(&self) -> usize {
        self.state.lock().primary
    }

    /// The registry that is active now, if one is.
    pub fn active(&self) -> Option<Arc<LedgerRegistry>> {
        let state = self.state.lock();
        let server = &state.servers[state.primary];
        self.current(server)
            .map(|active| Arc::clone(&active.ledger))
    }

    /// What a server may answer from.
    fn current<'a>(&self, server: &'a Server) -> Option<&'a Active> {
        let trusting = self.sabotage == Some(Sabotage::Identity);
        let active = server.active.as_ref()?;
        (trusting || active.identity == server.identity()).then_some(active)
    }

    fn registry(&self, server: usize, epoch: u32) -> Result<Arc<dyn Registry>, RegistryError> {
        let state = self.state.lock();
        let server = &state.servers[server];
        if !server.primary {
            return Err(foreign("a replica"));
        }
        match self.current(server) {
            Some(active) if active.epoch == epoch => Ok(Arc::clone(&active.registry)),
            _ => Err(foreign("not the registry of this epoch")),
        }
    }

    fn standing(&self, server: usize) -> Result<Standing, RegistryError> {
        let state = self.state.lock();
        let server = &state.servers[server];
        if !server.primary {
            return Err(RegistryError::Unavailable("a replica".to_owned()));
        }
        Ok(Standing {
            identity: server.identity(),
            epoch: self.current(server).map(|active| active.epoch),
            remembered: server.active.as_ref().map(|active| active.epoch),
        })
    }

    fn stage(
        &self,
        server: usize,
        (epoch, batch): (u32, u64),
        entries: &[Entry],
    ) -> Result<(), RegistryError> {
        let mut state = self.state.lock();
        let server = &mut state.servers[server];
        if !server.primary {
            return Err(RegistryError::Unavailable("a replica".to_owned()));
        }
        server.staged.insert((epoch, batch), entries.to_vec());
        Ok(())
    }

    fn activate(&self, number: usize, activation: &Activation) -> Result<(), RegistryError> {
        let mut state = self.state.lock();
        let server = &mut state.servers[number];
        if !server.primary || server.identity() != activation.identity {
            return Err(foreign("another registry than the claim names"));
        }
        let epoch = activation.epoch;
        if self
            .current(server)
            .is_some_and(|active| active.epoch >= epoch)
        {
            return Err(foreign("a newer epoch is active"));
        }
        let batches = server.staged.range((epoch, 0)..=(epoch, u64::MAX));
        let staged: Vec<&Vec<Entry>> = batches.map(|(_, entries)| entries).collect();
        let mut entries: Vec<Entry> = staged
            .iter()
            .flat_map(|batch| batch.iter())
            .cloned()
            .collect();
        if staged.len() as u64 != activation.batches || entries.len() as u64 != activation.entries {
            return Err(foreign("what was staged is not whole"));
        }
        for entry in &mut entries {
            entry.ticket = 0;
            let state = entry.versions[0].state.clone();
            let version = activation.version;
            entry.versions = vec![EntryVersion { version, state }];
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
        server.active = Some(self.build(header, entries, activation.identity.clone()));
        server.staged.retain(|(staged, _), _| *staged > epoch);
        drop(state);
        self.scheduler.note(&[7, number as u64, u64::from(epoch)]);
        Ok(())
    }

    fn build(&self, header: Header, entries: Vec<Entry>, identity: String) -> Active {
        let runtime = HostRuntime::new(&self.scheduler, 0, 0);
        let epoch = header.epoch;
        let base = Arc::new(Staged { header, entries });
        let registry = MemoryRegistry::over(base, epoch, self.history, runtime);
        let shared = (Arc::clone(&self.durable), &self.ledger, &self.scheduler);
        let ledger = LedgerRegistry::new(registry, epoch, shared);
        let registry = Sabotage::server(self.sabotage, Arc::clone(&ledger) as Arc<dyn Registry>);
        Active {
            epoch,
            identity,
            ledger,
            registry,
        }
    }

    /// The replica gets a copy of the primary as of now.
    pub fn replicate(&self) {
        let mut state = self.state.lock();
        let primary = state.primary;
        let copy = state.servers[primary].active.as_ref().map(|active| {
            let mut survey = active.ledger.inner.survey();
            let header = survey.header().clone();
            let entries = survey.next_entries(usize::MAX).unwrap_or_default();
            self.build(header, entries, active.identity.clone())
        });
        let replication = state.servers[primary].replication;
        let replica = &mut state.servers[1 - primary];
        if !replica.primary {
            replica.active = copy;
            replica.replication = replication;
        }
    }

    /// Everything in the primary is gone; it is still itself.
    pub fn flush(&self) {
        let mut state = self.state.lock();
        let primary = state.primary;
        state.servers[primary].active = None;
        state.servers[primary].staged.clear();
    }

    /// The primary begins a new run, with nothing or with what its disk still has.
    pub fn restart(&self, random: &mut StdRng) {
        let mut state = self.state.lock();
        let primary = state.primary;
        let server = &mut state.servers[primary];
        server.run = random.random();
        if random.random_range(0..2) == 0 {
            server.active = None;
            server.staged.clear();
        }
    }

    /// The other server becomes the primary with what it has; the former one may go on believing that it is.
    pub fn fail_over(&self, random: &mut StdRng, former_alive: bool) {
        let mut state = self.state.lock();
        let former = state.primary;
        state.primary = 1 - former;
        let promoted = &mut state.servers[1 - former];
        // One that never stopped believing is not promoted: nothing about it changes.
        if !promoted.primary {
            promoted.primary = true;
            promoted.replication = random.random();
        }
        state.servers[former].primary = former_alive;
    }

    /// Whoever is not the primary learns it.
    pub fn demote(&self) {
        let mut state = self.state.lock();
        let replica = 1 - state.primary;
        state.servers[replica].primary = false;
    }
}
