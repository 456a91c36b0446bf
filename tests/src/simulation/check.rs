//! What happened, judged from outside.
//!
//! The truth is in the blob store: the segments that takeovers included and those of the newest epoch, in the order of
//! (epoch, ticket, index). Checked against it:
//!
//! - *outcomes*: committed = exactly once there; refused = not there; unknown = either, as asking later says;
//! - *order*: replayed in this order, every read of every committed writer answers what it answered;
//! - *readers*: a committed serializable reader fits somewhere in this order, between what was acknowledged before it
//!   began and what began after it ended;
//! - *snapshots*: every read of every transaction, committed or not, is that of the version it read at, which contains
//!   everything acknowledged before it began.

use std::collections::BTreeMap;

use sop_engine::types::{TransactionId, TransactionOutcome, Version};
use sop_host::commit::segment::KindRecord;

use super::history::{Answer, Record};
use super::model::{self, Items, Own};
use super::workload;
use super::world::World;

const COUNTER_BITS: u32 = 40;

fn epoch_of(version: Version) -> u32 {
    u32::try_from(version >> COUNTER_BITS).unwrap_or(u32::MAX)
}

/// One committed transaction: where it stands, and its record.
#[derive(Clone, Copy, Debug)]
struct Committed {
    epoch: u32,
    ticket: u64,
    id: TransactionId,
    record: usize,
}

struct Judge<'a> {
    world: &'a World,
    records: Vec<Record>,
    owners: BTreeMap<TransactionId, usize>,
    truth: Vec<Committed>,
    places: BTreeMap<TransactionId, usize>,
    /// Of each place in the order.
    writes: Vec<Own>,
    wrong: Vec<String>,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Everything that was wrong.
    pub wrong: Vec<String>,
    /// How many transactions were committed.
    pub committed: usize,
    /// The committed transactions in their order, then all records, for people.
    pub story: Vec<String>,
}

/// Judges what happened.
pub fn check(world: &World) -> Verdict {
    let records = world.history.records();
    let mut owners = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        owners.extend(record.attempts.iter().map(|attempt| (attempt.id, index)));
    }
    let mut judge = Judge {
        world,
        records,
        owners,
        truth: Vec::new(),
        places: BTreeMap::new(),
        writes: Vec::new(),
        wrong: world.ledger.violations(),
    };
    judge.find_truth();
    judge.outcomes();
    if let Some(end) = judge.order() {
        judge.readers();
        judge.snapshots();
        let committed: Vec<&Record> = judge
            .truth
            .iter()
            .map(|committed| &judge.records[committed.record])
            .collect();
        judge
            .wrong
            .extend(workload::total(&world.plan, &end, &committed));
    }
    Verdict {
        committed: judge.truth.len(),
        story: judge.story(),
        wrong: judge.wrong,
    }
}

impl Judge<'_> {
    fn find_truth(&mut self) {
        let mut found = Vec::new();
        for (key, record) in self.world.ground.truth(&self.world.scheduler) {
            for transaction in record.transactions {
                let moves = transaction
                    .changes
                    .iter()
                    .all(|change| matches!(change.kind, KindRecord::Relocate { .. }));
                if !moves {
                    found.push((key.epoch, record.ticket, transaction.index, transaction.id));
                }
            }
        }
        found.sort_unstable();
        for (epoch, ticket, _, id) in found {
            let Some(&record) = self.owners.get(&id) else {
                self.wrong.push(format!("nobody ever committed {id:?}"));
                continue;
            };
            if self.places.insert(id, self.truth.len()).is_some() {
                self.wrong.push(format!("{id:?} was committed twice"));
            }
            self.truth.push(Committed {
                epoch,
                ticket,
                id,
                record,
            });
        }
    }

    fn story(&self) -> Vec<String> {
        let place = |committed: &Committed| {
            let (epoch, ticket, record) = (committed.epoch, committed.ticket, committed.record);
            let version = self.world.ledger.version(committed.id);
            format!("epoch {epoch} ticket {ticket}: record {record}, published at {version:?}")
        };
        let order = self.truth.iter().map(place);
        let records = self.records.iter().enumerate();
        let all = records.map(|(index, record)| format!("record {index}: {record:?}"));
        order.chain(all).collect()
    }

    fn outcomes(&mut self) {
        let mut wrong = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            let is = |id| self.places.contains_key(id);
            let tell = |what: &str| format!("record {index} of client {}: {what}", record.client);
            for attempt in record.attempts.iter().filter(|attempt| attempt.changes) {
                let problem = match attempt.answer {
                    Answer::Committed(_) if !is(&attempt.id) => "acknowledged, but lost",
                    Answer::Refused(_) if is(&attempt.id) => "refused, but committed",
                    _ => continue,
                };
                wrong.push(tell(&format!("{problem} ({:?})", attempt.answer)));
            }
            if let Answer::Refused(word) = &record.answer
                && word.starts_with("corrupt")
            {
                wrong.push(tell(word));
            }
            let count = record.attempts.iter().filter(|one| is(&one.id)).count();
            if count > 1 {
                wrong.push(tell("committed twice"));
            }
            for (id, outcome) in &record.asked {
                let committed = matches!(outcome, TransactionOutcome::Committed(_));
                if committed != is(id) {
                    wrong.push(tell("the outcome that was asked for is not what happened"));
                }
            }
        }
        for epoch in 1..=self.world.ground.newest() {
            for (version, id) in self.world.ledger.published(epoch) {
                if self.owners.contains_key(&id) && !self.places.contains_key(&id) {
                    wrong.push(format!("{id:?} was visible at {version}, but is lost"));
                }
            }
        }
        self.wrong.extend(wrong);
    }

    /// Replays the writers in their order; answers the end.
    fn order(&mut self) -> Option<Items> {
        let mut items = Items::new();
        for (place, committed) in self.truth.iter().enumerate() {
            match model::replay(&items, &self.records[committed.record].operations) {
                Ok(mut writes) => {
                    // What removes something that is not there changes nothing: whoever inserts it later, in the order of
                    // tickets, may be published before.
                    writes.retain(|key, value| value.is_some() || items.contains_key(key));
                    model::apply(&mut items, &writes);
                    self.writes.push(writes);
                }
                Err(error) => {
                    let record = &self.records[committed.record];
                    self.wrong.push(format!(
                        "record {} of client {}, {place} in the order: {error}",
                        committed.record, record.client
                    ));
                    return None;
                }
            }
        }
        Some(items)
    }

    /// The places in the order between which a reader must fit.
    fn window(&self, reader: &Record, version: Version) -> (usize, usize) {
        let (mut low, mut high) = (0, self.truth.len());
        for (place, committed) in self.truth.iter().enumerate() {
            let writer = &self.records[committed.record];
            let known = match writer.answer {
                // A host that still talks to an old registry sees what was there when the new one began.
                Answer::Committed(at) => epoch_of(at) <= epoch_of(version),
                _ => false,
            };
            if known && writer.end < reader.begin {
                low = low.max(place + 1);
            }
            if writer.begin > reader.end {
                high = high.min(place);
            }
        }
        (low, high)
    }

    fn readers(&mut self) {
        let mut waiting = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            let Answer::Committed(version) = record.answer else {
                continue;
            };
            let wrote = record
                .attempts
                .iter()
                .any(|attempt| self.places.contains_key(&attempt.id));
            if !wrote && !record.snapshot {
                waiting.push((index, self.window(record, version)));
            }
        }
        let mut items = Items::new();
        for place in 0..=self.truth.len() {
            waiting.retain(|(index, (low, high))| {
                let within = (*low..=*high).contains(&place);
                !(within && model::replay(&items, &self.records[*index].operations).is_ok())
            });
            match self.writes.get(place) {
                Some(writes) => model::apply(&mut items, writes),
                None => break,
            }
        }
        for (index, (low, high)) in waiting {
            let record = &self.records[index];
            self.wrong.push(format!(
                "record {index} of client {} fits nowhere from {low} to {high}: {:?}",
                record.client, record.operations
            ));
        }
    }

    fn snapshots(&mut self) {
        let mut base = Items::new();
        for epoch in 1..=self.world.ground.newest() {
            let mut readers: Vec<(Version, usize)> = self
                .records
                .iter()
                .enumerate()
                .filter_map(|(index, record)| Some((record.version?, index)))
                .filter(|(version, _)| epoch_of(*version) == epoch)
                .collect();
            readers.sort_unstable();
            let log = self.world.ledger.published(epoch);
            let mut items = base.clone();
            let mut published = log.iter().peekable();
            for (version, index) in readers {
                while let Some((_, id)) = published.next_if(|(at, _)| **at <= version) {
                    self.write(&mut items, *id);
                }
                self.snapshot(&items, version, index);
            }
            for (committed, writes) in self.truth.iter().zip(&self.writes) {
                if committed.epoch == epoch {
                    model::apply(&mut base, writes);
                }
            }
        }
    }

    fn write(&self, items: &mut Items, id: TransactionId) {
        let place = self.places.get(&id);
        if let Some(writes) = place.and_then(|place| self.writes.get(*place)) {
            model::apply(items, writes);
        }
    }

    fn snapshot(&mut self, items: &Items, version: Version, index: usize) {
        let record = &self.records[index];
        if let Err(error) = model::replay(items, &record.operations) {
            self.wrong.push(format!(
                "record {index} of client {} at version {version}: {error}",
                record.client
            ));
        }
        let begin = record.begin;
        let missed = self.records.iter().find(|other| match other.answer {
            Answer::Committed(at) => {
                other.end < begin && at > version && epoch_of(at) == epoch_of(version)
            }
            _ => false,
        });
        if let Some(missed) = missed {
            self.wrong.push(format!(
                "record {index} read at {version} although {:?} was acknowledged before it began",
                missed.answer
            ));
        }
    }
}
