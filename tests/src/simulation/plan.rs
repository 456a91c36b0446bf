//! What a seed means: the shape of the world, its weather, its workload.

use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sop_host::storage::{CheckpointOptions, CommitOptions, HistoryOptions, StorageOptions};

use super::sabotage::Sabotage;

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// Transfers between accounts, and audits.
    Bank,
    /// Reads of lists and appends to them.
    Append,
    /// Scans of a range, then an insert of something new into it.
    Sets,
    /// Everybody increments one key.
    Counter,
    /// Every operation of the engine on few keys of small pages.
    Mixed,
}

/// How requests and answers travel. Chances are per mille.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// The usual longest way of a request or an answer.
    pub delay_max: Duration,
    /// How often a way takes up to `slow_max`.
    pub slow: u32,
    /// The longest way.
    pub slow_max: Duration,
    /// How often a request never arrives.
    pub lost: u32,
    /// How often an answer never arrives.
    pub answer_lost: u32,
    /// How often a request arrives twice.
    pub twice: u32,
    /// How long a caller waits for an answer.
    pub patience: Duration,
}

impl Weather {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        delay_max: Duration::from_millis(2),
        slow: 0,
        slow_max: Duration::from_millis(2),
        lost: 0,
        answer_lost: 0,
        twice: 0,
        patience: Duration::from_secs(10),
    };
}

/// How often something befalls a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blows {
    /// The mean time between two.
    pub every: Duration,
    /// Weight of a crash.
    pub crash: u32,
    /// Weight of a pause.
    pub pause: u32,
    /// Weight of a takeover by a new epoch.
    pub takeover: u32,
    /// Weight of a relocation.
    pub relocate: u32,
    /// Weight of a checkpoint, where epochs begin by the shipped recovery.
    pub checkpoint: u32,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where everything follows from.
    pub seed: u64,
    /// What clients do.
    pub workload: WorkloadKind,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// Whether epochs begin by the shipped recovery, over an object store and a cluster of servers.
    pub epochs: bool,
    /// How many hosts.
    pub hosts: usize,
    /// How many clients each of them has.
    pub clients: usize,
    /// How many transactions each client carries out.
    pub transactions: u32,
    /// How requests travel to the registry.
    pub registry: Weather,
    /// How they travel to the blob store.
    pub blobs: Weather,
    /// What befalls hosts.
    pub blows: Blows,
    /// Bytes of a page.
    pub page_bytes: usize,
    /// Filler in values, in bytes.
    pub filler_bytes: usize,
    /// How hosts behave.
    pub storage: StorageOptions,
    /// When hosts take checkpoints by themselves.
    pub checkpoint: CheckpointOptions,
}

fn weather(random: &mut StdRng, usual: u64) -> Weather {
    let mut chance = |most: u32| match random.random_range(0..3) {
        0 => 0,
        1 => random.random_range(0..=most / 4),
        _ => random.random_range(0..=most),
    };
    let (slow, lost, answer_lost, twice) = (chance(200), chance(60), chance(80), chance(100));
    Weather {
        delay_max: Duration::from_micros(random.random_range(50..=usual)),
        slow,
        slow_max: Duration::from_millis(random.random_range(1..=400)),
        lost,
        answer_lost,
        twice,
        patience: Duration::from_millis(random.random_range(20..=200)),
    }
}

impl Plan {
    /// The run of a seed.
    pub fn new(seed: u64, workload: Option<WorkloadKind>, sabotage: Option<Sabotage>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut checkpoints = StdRng::seed_from_u64(seed ^ 0x4348_4543);
        let kinds = WorkloadKind::value_variants();
        let drawn = kinds[random.random_range(0..kinds.len())];
        let lease = random.random_range(20..=200);
        let commit = CommitOptions {
            groups_in_flight: random.random_range(1..=4),
            group_transactions_max: random.random_range(1..=6),
            reservation_lease: Duration::from_millis(lease),
            put_timeout: Duration::from_millis(random.random_range(10..=100)),
            ..CommitOptions::default()
        };
        let history = HistoryOptions {
            retention: Duration::from_millis(random.random_range(20..=5_000)),
            bytes_max: 1 << random.random_range(12..=24),
        };
        let mut weight = |most: u32| match random.random_range(0..2) {
            0 => 0,
            _ => random.random_range(1..=most),
        };
        let blows = Blows {
            crash: weight(10),
            pause: weight(10),
            takeover: weight(6),
            relocate: weight(10),
            // Drawn apart: it changes nothing about what the other numbers are.
            checkpoint: checkpoints.random_range(0..=10),
            every: Duration::from_millis(random.random_range(20..=400)),
        };
        let checkpoint = CheckpointOptions {
            segments: checkpoints.random_range(1..=40),
            automatic: checkpoints.random_range(0..2) == 0,
            ..CheckpointOptions::default()
        };
        let mut plan = Self {
            seed,
            workload: workload.unwrap_or(drawn),
            sabotage,
            epochs: seed % 2 == 1 || sabotage.is_some_and(Sabotage::is_about_epochs),
            hosts: random.random_range(2..=4),
            clients: random.random_range(1..=3),
            transactions: random.random_range(4..=16),
            registry: weather(&mut random, 2_000),
            blobs: weather(&mut random, 20_000),
            blows,
            page_bytes: [256, 256, 512, 1024, 8192][random.random_range(0..5)],
            filler_bytes: [0, 0, 20, 60, 200][random.random_range(0..5)],
            storage: StorageOptions {
                cache_bytes: 8 << 20,
                history,
                commit,
                read_only: false,
            },
            checkpoint,
        };
        if sabotage == Some(Sabotage::Relocations) {
            // Two hosts must do one thing each at the same time: they do little else.
            let blows = Blows {
                every: Duration::from_millis(25),
                relocate: 10,
                checkpoint: 10,
                crash: 0,
                pause: 0,
                takeover: 0,
            };
            plan.blows = blows;
            plan.storage.history.retention = Duration::from_secs(5);
        }
        plan
    }
}
