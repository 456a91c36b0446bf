//! Goal: the scripts decide exactly as the registry in memory does. Method: the same random calls
//! on both, equal answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_engine::types::{Handle, LogicalId, Observation, Version};
use sop_host::blob::SegmentKey;
use sop_host::recovery::entry::{Entry, State};
use sop_host::registry::memory::{HistoryOptions, MemoryRegistry, epoch_version};
use sop_host::registry::{
    Blocker, Claim, Flip, FlipKind, Group, PeriodStart, Publication, Registry, RegistryError,
    Request, Verdict,
};
use sop_host::runtime::TokioRuntime;
use sop_tests::servers::redis::RedisProcess;

use super::{LEASE, begin, connect, group, place, transaction};

const EPOCH: u32 = 3;
const NODES: u64 = 40;
const COUNTERS: u64 = 4;

/// A reservation that is not resolved yet.
#[derive(Clone)]
struct Open {
    ticket: u64,
    key: SegmentKey,
    requests: Vec<Request>,
}

struct Pair {
    memory: Arc<dyn Registry>,
    redis: Arc<dyn Registry>,
    random: StdRng,
    /// What a transaction believes to be there, right or stale.
    believed: Vec<(LogicalId, Version, Option<Handle>)>,
    versions: Vec<Version>,
    open: Vec<Open>,
    done: Vec<(u64, Vec<Publication>)>,
    transactions: u64,
    calls: u64,
    period: u32,
    /// The period of the last hold; none before the first.
    held: Option<u32>,
    kinds: [u64; 16],
}

/// Errors are the same if their kinds are; a floor is part of the kind.
fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    memory: &Result<T, RegistryError>,
    redis: &Result<T, RegistryError>,
) {
    let equal = match (memory, redis) {
        (Ok(memory), Ok(redis)) => memory == redis,
        (Err(RegistryError::Invalid(_)), Err(RegistryError::Invalid(_))) => true,
        (Err(memory), Err(redis)) => memory == redis,
        _ => false,
    };
    assert!(equal, "{what}\nmemory: {memory:?}\n redis: {redis:?}");
}

macro_rules! both {
    ($pair:ident, $call:ident ( $($argument:expr),* )) => {{
        let memory = $pair.memory.$call($($argument),*).await;
        let redis = $pair.redis.$call($($argument),*).await;
        $pair.calls += 1;
        same(stringify!($call), &memory, &redis);
        memory
    }};
}

impl Pair {
    fn id(&mut self) -> LogicalId {
        LogicalId::new(
            self.random.random_range(1..3),
            self.random.random_range(10..10 + NODES),
        )
    }

    fn counter(&mut self) -> LogicalId {
        LogicalId::counter(self.random.random_range(1..=COUNTERS))
    }

    fn some_version(&mut self) -> Version {
        match self.random.random_range(0..40) {
            0 => epoch_version(EPOCH - 1) + 5,
            1 => epoch_version(EPOCH + 1),
            2 => 0,
            3..10 => *self.versions.last().unwrap(),
            _ => {
                let index = self.random.random_range(0..self.versions.len());
                self.versions[index]
            }
        }
    }

    /// Mostly what is there now, sometimes what was there, sometimes nonsense.
    async fn observation(&mut self, id: LogicalId) -> Observation {
        let at = match self.random.random_range(0..30) {
            0 => self.some_version(),
            _ => *self.versions.last().unwrap(),
        };
        let version = if id.node == LogicalId::COUNTER {
            let found = both!(self, counters(&[id], at));
            found.map_or(7, |found| found[0].version)
        } else {
            let found = both!(self, resolve(&[id], at));
            found.map_or(7, |found| {
                found[0].as_ref().map_or(0, |handle| handle.version)
            })
        };
        Observation { id, version }
    }

    async fn request(&mut self) -> Request {
        self.transactions += 1;
        let mut request = Request {
            id: transaction(self.transactions),
            observed: Vec::new(),
            claims: Vec::new(),
            priority: self.random.random_bool(0.2),
            spills_from: match self.random.random_range(0..5) {
                0 => Some(self.random.random_range(0..self.period + 2)),
                _ => None,
            },
        };
        let mut used = Vec::new();
        for _ in 0..self.random.random_range(0..4) {
            let id = self.id();
            if used.contains(&id) {
                continue;
            }
            used.push(id);
            let observation = self.observation(id).await;
            match self.random.random_range(0..10) {
                0..5 => {
                    request.observed.push(observation);
                    request.claims.push((id, Claim::Exclusive));
                }
                5..7 => request.observed.push(observation),
                7..9 => request.claims.push((id, Claim::Exclusive)),
                _ => request.claims.push((id, Claim::Relocation)),
            }
        }
        for _ in 0..self.random.random_range(0..3) {
            let id = self.counter();
            if used.contains(&id) {
                continue;
            }
            used.push(id);
            match self.random.random_range(0..8) {
                0 => request.observed.push(self.observation(id).await),
                1 => {
                    request.observed.push(self.observation(id).await);
                    request.claims.push((id, Claim::Exclusive));
                }
                _ => request.claims.push((id, Claim::Shared)),
            }
        }
        request
    }

    /// That of a segment of the current period.
    fn key(&self) -> SegmentKey {
        SegmentKey {
            epoch: EPOCH,
            period: self.period,
            unique: self.transactions,
        }
    }

    async fn reserve(&mut self) {
        let mut requests = Vec::new();
        for _ in 0..self.random.random_range(1..4) {
            requests.push(self.request().await);
        }
        self.transactions += 1;
        let key = if self.random.random_range(0..40) == 0 && !self.open.is_empty() {
            self.open[0].key
        } else {
            self.key()
        };
        let group = Group {
            key,
            lease: if self.random.random_bool(0.3) {
                Duration::ZERO
            } else {
                LEASE
            },
            requests: requests.clone(),
        };
        let Ok(reservation) = both!(self, reserve(group.clone())) else {
            return;
        };
        let granted = requests.into_iter().zip(&reservation.verdicts);
        let granted: Vec<_> = granted
            .inspect(|(_, verdict)| match verdict {
                Verdict::Granted => self.kinds[0] += 1,
                Verdict::Changed(_) => self.kinds[1] += 1,
                Verdict::Busy(_) => self.kinds[2] += 1,
            })
            .filter(|(_, verdict)| **verdict == Verdict::Granted)
            .map(|(request, _)| request)
            .collect();
        if let Some(ticket) = reservation.ticket {
            self.open.push(Open {
                ticket,
                key,
                requests: granted,
            });
        }
    }

    async fn flip(&mut self, id: LogicalId, claim: Claim) -> Flip {
        let newest = *self.versions.last().unwrap();
        let number = self.random.random_range(0..1_000);
        let kind = match claim {
            Claim::Shared => FlipKind::Add(match self.random.random_range(0..20) {
                0 => i64::MAX - 3,
                1 => i64::MIN + 9,
                2 => -(1 << 40),
                _ => self.random.random_range(-5_000_000_000..5_000_000_000),
            }),
            Claim::Relocation => {
                let found = self.memory.history(&[id]).await.unwrap().remove(0);
                let index = self.random.random_range(0..found.len().max(1));
                match found.get(index).cloned() {
                    Some((version, from)) => FlipKind::Relocate {
                        version: self.random.random_bool(0.7).then_some(version),
                        from,
                        to: vec![place(number); self.random.random_range(1..3)],
                    },
                    // Nobody relocates what is not there.
                    None => FlipKind::Remove,
                }
            }
            Claim::Exclusive if id.node == LogicalId::COUNTER => {
                match self.random.random_range(0..10) {
                    0..3 => FlipKind::Remove,
                    3 => FlipKind::Put(place(number)),
                    _ => FlipKind::Add(number as i64),
                }
            }
            Claim::Exclusive => match self.random.random_range(0..20) {
                0..4 => FlipKind::Remove,
                4..9 => {
                    let found = self.memory.resolve(&[id], newest).await.unwrap();
                    if found[0].is_some() || self.random.random_bool(0.03) {
                        FlipKind::Delta(place(number))
                    } else {
                        FlipKind::Put(place(number))
                    }
                }
                _ => FlipKind::Put(place(number)),
            },
        };
        Flip { id, kind }
    }

    async fn publish(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let index = self.random.random_range(0..self.open.len());
        let open = self.open[index].clone();
        let mut publications = Vec::new();
        for request in &open.requests {
            let mut flips = Vec::new();
            for &(id, claim) in &request.claims {
                flips.push(self.flip(id, claim).await);
            }
            publications.push(Publication {
                id: request.id,
                flips,
            });
        }
        if self.random.random_bool(0.02) {
            publications[0].flips.push(Flip {
                id: LogicalId::new(9, 9),
                kind: FlipKind::Remove,
            });
        }
        match both!(self, publish(open.ticket, publications.clone())) {
            Ok(Some(published)) => {
                self.kinds[3] += 1;
                self.open.swap_remove(index);
                for (published, publication) in published.iter().zip(&publications) {
                    self.versions.push(published.version);
                    for (flip, handle) in publication.flips.iter().zip(&published.handles) {
                        self.believed
                            .push((flip.id, published.version, handle.clone()));
                    }
                }
                self.done.push((open.ticket, publications));
            }
            Ok(None) => panic!("an open ticket is known"),
            Err(_) => {
                self.kinds[4] += 1;
                let _ = both!(self, abandon(open.key));
                self.open.swap_remove(index);
            }
        }
    }

    async fn publish_again(&mut self) {
        if self.done.is_empty() {
            return;
        }
        let index = self.random.random_range(0..self.done.len());
        let (ticket, publications) = self.done[index].clone();
        let _ = both!(self, publish(ticket, publications.clone()));
        let _ = both!(self, publish(ticket + 1_000_000, publications.clone()));
        let id = publications[0].id;
        let _ = both!(self, outcome(id));
        let _ = both!(self, outcome(transaction(u64::MAX)));
    }

    async fn abandon(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let index = self.random.random_range(0..self.open.len());
        let open = self.open.swap_remove(index);
        let _ = both!(self, abandon(open.key));
        let _ = both!(self, abandon(open.key));
    }

    fn ids(&mut self) -> Vec<LogicalId> {
        let count = self.random.random_range(0..12);
        (0..count)
            .map(|_| {
                if self.random.random_bool(0.2) {
                    self.counter()
                } else {
                    self.id()
                }
            })
            .collect()
    }

    async fn read(&mut self) {
        let (ids, at) = (self.ids(), self.some_version());
        let _ = both!(self, resolve(&ids, at));
        let _ = both!(self, counters(&ids, at));
        let _ = both!(self, history(&ids));
        let mut known: Vec<_> = ids.into_iter().map(|id| (id, None)).collect();
        for _ in 0..5 {
            if !self.believed.is_empty() {
                let index = self.random.random_range(0..self.believed.len());
                let (id, _, handle) = self.believed[index].clone();
                known.push((id, handle));
            }
        }
        let _ = both!(self, confirm(&known, at));
    }

    async fn now(&mut self) {
        let at = self.random.random_bool(0.3).then(|| self.some_version());
        let since = self.some_version();
        if let Ok(now) = both!(self, now(at, since)) {
            self.kinds[5] += u64::from(now.changed.is_none());
            self.kinds[6] += u64::from(now.changed.is_some_and(|ids| !ids.is_empty()));
            if self.random.random_bool(0.7) {
                self.memory.release(now.version);
                self.redis.release(now.version);
            }
        }
    }

    async fn look(&mut self) {
        let ids = self.ids();
        let plain = |blockers: Result<Vec<Blocker>, RegistryError>| {
            blockers.map(|blockers| {
                let plain = blockers
                    .iter()
                    .map(|blocker| (blocker.ticket, blocker.key, blocker.overdue));
                plain.collect::<Vec<_>>()
            })
        };
        let memory = plain(self.memory.blocking(&ids).await);
        let redis = plain(self.redis.blocking(&ids).await);
        same("blocking", &memory, &redis);
        let memory = plain(self.memory.overdue().await);
        let redis = plain(self.redis.overdue().await);
        same("overdue", &memory, &redis);
        self.calls += 2;
    }

    async fn mark(&mut self) {
        let ids = self.ids();
        let _ = both!(self, mark(&ids, LEASE));
    }

    /// Bodies are written ahead in a period that may be over. In Redis the newest hold of a host counts, in memory all of
    /// them: they are the same as long as none is of a later period than one before.
    async fn hold(&mut self) {
        let from = self
            .random
            .random_range(0..=self.held.unwrap_or(self.period));
        let held = both!(self, hold_spills(from, Duration::from_secs(600)));
        if held.is_ok() {
            self.held = Some(from);
        }
    }

    /// A period begins, or a segment of one that is over is refused.
    async fn period(&mut self) {
        let plain = |start: Result<PeriodStart, RegistryError>| {
            // How many fields there are is not the same: old versions lie elsewhere.
            start.map(|start| PeriodStart {
                entries: 0,
                ..start
            })
        };
        let ended = match self.random.random_range(0..4) {
            0 => self.period + 1,
            1 => self.period.saturating_sub(1),
            _ => self.period,
        };
        let memory = plain(self.memory.begin_period(ended).await);
        let redis = plain(self.redis.begin_period(ended).await);
        same("begin_period", &memory, &redis);
        self.calls += 1;
        if let Ok(start) = memory {
            self.kinds[7] += 1;
            self.kinds[8] += u64::from(!start.contained.is_empty());
            self.kinds[11] += u64::from(start.oldest < start.period);
            self.period = start.period;
        }
        self.transactions += 1;
        let older = SegmentKey {
            period: self.random.random_range(0..self.period + 2),
            ..self.key()
        };
        let claims = [(LogicalId::new(5, self.transactions), Claim::Exclusive)];
        let group = group(older, Vec::new(), &claims);
        match both!(self, reserve(group.clone())) {
            Err(RegistryError::PeriodEnded(_)) => self.kinds[9] += 1,
            _ => drop(both!(self, abandon(older))),
        }
    }

    /// Everything that is there at a version.
    async fn all(
        registry: &Arc<dyn Registry>,
        at: Version,
        count: usize,
    ) -> BTreeMap<LogicalId, Entry> {
        let (mut all, mut from) = (BTreeMap::<LogicalId, Entry>::new(), Vec::new());
        let mut versions = BTreeSet::new();
        let floor = loop {
            let batch = registry.entries(at, &from, count).await.unwrap();
            assert!(batch.floor <= at);
            for entry in batch.entries {
                assert!(entry.versions.iter().all(|version| version.version <= at));
                versions.extend(
                    entry
                        .versions
                        .iter()
                        .map(|version| (entry.id, version.version)),
                );
                let newer = all
                    .get(&entry.id)
                    .is_none_or(|found| found.versions[0].version < entry.versions[0].version);
                if newer {
                    all.insert(entry.id, entry);
                }
            }
            match batch.next {
                Some(next) => from = next,
                None => break batch.floor,
            }
        };
        // All that can be read from the floor on is among them.
        for id in all.keys() {
            for (version, _) in registry.history(&[*id]).await.unwrap().remove(0) {
                let there = version > at || versions.contains(&(*id, version));
                assert!(
                    there,
                    "{id} at version {version} is missing, the floor is {floor}"
                );
            }
        }
        all.retain(|_, entry| entry.versions[0].state != State::Removed);
        for entry in all.values_mut() {
            entry.versions.truncate(1);
            entry.ticket = 0;
        }
        all
    }

    async fn everything(&mut self) {
        let Ok(now) = both!(self, now(None, 0)) else {
            return;
        };
        // Something is superseded meanwhile.
        self.publish().await;
        let count = self.random.random_range(1..60);
        let memory = Self::all(&self.memory, now.version, count).await;
        let redis = Self::all(&self.redis, now.version, count).await;
        assert_eq!(memory, redis);
        self.kinds[10] += memory.len() as u64;
        self.memory.release(now.version);
        self.redis.release(now.version);
    }

    async fn step(&mut self) {
        match self.random.random_range(0..106) {
            100..104 => self.period().await,
            104.. => self.everything().await,
            0..34 => self.reserve().await,
            34..58 => self.publish().await,
            58..62 => self.publish_again().await,
            62..66 => self.abandon().await,
            66..80 => self.read().await,
            80..92 => self.now().await,
            92..97 => self.look().await,
            97 => self.mark().await,
            98 => self.hold().await,
            _ => {
                let _ = both!(self, prune());
            }
        }
        // Marks and intents must not pile up until everything is busy.
        if self.open.len() > 12 {
            self.abandon().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_calls_are_answered_as_by_the_registry_in_memory() {
    let process = RedisProcess::start();
    let start = Instant::now();
    let (mut calls, mut kinds) = (0, [0_u64; 16]);
    for seed in 0..8 {
        process.command(&["FLUSHALL"]);
        let server = connect(&process.url()).await;
        let redis = begin(&server, EPOCH, &[]).await.unwrap();
        let runtime = Arc::new(TokioRuntime::current());
        let memory = Arc::new(MemoryRegistry::new(
            EPOCH,
            HistoryOptions::default(),
            runtime,
        ));
        let mut pair = Pair {
            memory,
            redis,
            random: StdRng::seed_from_u64(seed),
            believed: Vec::new(),
            versions: vec![epoch_version(EPOCH)],
            open: Vec::new(),
            done: Vec::new(),
            transactions: 0,
            calls: 0,
            period: 0,
            held: None,
            kinds: [0; 16],
        };
        while pair.calls < 2_600 {
            pair.step().await;
        }
        calls += pair.calls;
        println!("seed {seed}: {:?}", pair.kinds);
        for (sum, kind) in kinds.iter_mut().zip(pair.kinds) {
            *sum += kind;
        }
    }
    assert!(kinds[..12].iter().all(|kind| *kind > 0), "{kinds:?}");
    println!("{calls} calls on both in {:?}", start.elapsed());
    assert!(calls >= 20_000);
}
