//! Goal: the rules of reserve and publish, each with a twin that must pass. Method: single calls on a registry whose time
//! is set by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use sop_engine::types::{LogicalId, Observation, PhysicalId, TransactionId, Version};

use super::{HistoryOptions, MemoryRegistry, epoch_version};
use crate::blob::SegmentKey;
use crate::recovery::entry::{Base, Entry, Header, State};
use crate::registry::{
    Claim, Flip, FlipKind, Group, Publication, Published, Registry, RegistryError, Request,
    Reservation, Verdict,
};
use crate::runtime::ManualRuntime;

const A: LogicalId = LogicalId::new(7, 10);
const B: LogicalId = LogicalId::new(7, 11);
const COUNT: LogicalId = LogicalId::counter(7);

/// No call of this registry waits.
fn block_on<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().unwrap()
}

struct Fixture {
    registry: MemoryRegistry,
    runtime: Arc<ManualRuntime>,
    keys: u64,
}

fn place(number: u32) -> PhysicalId {
    PhysicalId {
        segment: (1, u64::from(number)),
        offset: 80,
        length: 100,
    }
}

fn seen(id: LogicalId, version: Version) -> Observation {
    Observation { id, version }
}

fn request(observed: &[Observation], claims: &[(LogicalId, Claim)]) -> Request {
    Request {
        id: TransactionId { high: 1, low: 1 },
        observed: observed.to_vec(),
        claims: claims.to_vec(),
        priority: false,
    }
}

impl Fixture {
    fn new() -> Self {
        Self::with(HistoryOptions {
            retention: Duration::from_secs(60),
            bytes_max: 1 << 30,
        })
    }

    fn with(history: HistoryOptions) -> Self {
        let runtime = Arc::new(ManualRuntime::default());
        Self {
            registry: MemoryRegistry::new(1, history, runtime.clone()),
            runtime,
            keys: 0,
        }
    }

    fn reserve(&mut self, requests: Vec<Request>) -> Reservation {
        self.keys += 1;
        let key = SegmentKey {
            epoch: 1,
            period: 1,
            unique: self.keys,
        };
        block_on(self.registry.reserve(Group {
            key,
            lease: Duration::from_secs(10),
            requests,
        }))
        .unwrap()
    }

    fn verdict(&mut self, request: Request) -> Verdict {
        let reservation = self.reserve(vec![request]);
        if reservation.ticket.is_some() {
            let key = SegmentKey {
                epoch: 1,
                period: 1,
                unique: self.keys,
            };
            block_on(self.registry.abandon(key)).unwrap();
        }
        reservation.verdicts[0].clone()
    }

    fn publish(&self, ticket: u64, flips: Vec<Flip>) -> Published {
        let id = TransactionId {
            high: 9,
            low: ticket,
        };
        block_on(
            self.registry
                .publish(ticket, vec![Publication { id, flips }]),
        )
        .unwrap()
        .unwrap()
        .remove(0)
    }

    /// Commits one change of one id; answers its version.
    fn change(&mut self, id: LogicalId, kind: FlipKind) -> Version {
        let claim = if matches!(kind, FlipKind::Add(_)) {
            Claim::Shared
        } else {
            Claim::Exclusive
        };
        let version = self.version_of(id);
        let observed = if claim == Claim::Shared {
            vec![]
        } else {
            vec![seen(id, version)]
        };
        let reservation = self.reserve(vec![request(&observed, &[(id, claim)])]);
        assert_eq!(reservation.verdicts, vec![Verdict::Granted]);
        self.publish(reservation.ticket.unwrap(), vec![Flip { id, kind }])
            .version
    }

    fn put(&mut self, id: LogicalId, number: u32) -> Version {
        self.change(id, FlipKind::Put(place(number)))
    }

    fn version_of(&self, id: LogicalId) -> Version {
        let at = self.registry.version();
        block_on(self.registry.resolve(&[id], at))
            .unwrap()
            .remove(0)
            .map_or(0, |handle| handle.version)
    }

    fn at(&self, id: LogicalId, at: Version) -> Result<Option<PhysicalId>, RegistryError> {
        Ok(block_on(self.registry.resolve(&[id], at))?
            .remove(0)
            .map(|handle| handle.chain[0]))
    }
}

#[test]
fn an_observation_holds_only_at_its_version() {
    let mut fixture = Fixture::new();
    let first = fixture.put(A, 1);
    assert_eq!(
        fixture.verdict(request(&[seen(A, first)], &[])),
        Verdict::Granted
    );
    let second = fixture.put(A, 2);
    assert_eq!(
        fixture.verdict(request(&[seen(A, first)], &[])),
        Verdict::Changed(vec![A])
    );
    assert_eq!(
        fixture.verdict(request(&[seen(A, second)], &[])),
        Verdict::Granted
    );
    assert_eq!(
        fixture.verdict(request(&[seen(A, second), seen(B, 0)], &[])),
        Verdict::Granted
    );
    assert_eq!(
        fixture.verdict(request(&[seen(A, 0)], &[])),
        Verdict::Changed(vec![A])
    );
}

#[test]
fn a_removed_id_counts_as_absent() {
    let mut fixture = Fixture::new();
    let version = fixture.put(A, 1);
    let removed = fixture.change(A, FlipKind::Remove);
    assert_eq!(
        fixture.verdict(request(&[seen(A, 0)], &[])),
        Verdict::Granted
    );
    assert_eq!(
        fixture.verdict(request(&[seen(A, version)], &[])),
        Verdict::Changed(vec![A])
    );
    assert_eq!(
        fixture.verdict(request(&[seen(A, removed)], &[])),
        Verdict::Changed(vec![A])
    );
    assert_eq!(fixture.at(A, removed).unwrap(), None);
    assert_eq!(fixture.at(A, version).unwrap(), Some(place(1)));
}

#[test]
fn what_is_changed_was_observed_or_is_fresh() {
    let mut fixture = Fixture::new();
    let version = fixture.put(A, 1);
    assert_eq!(
        fixture.verdict(request(&[], &[(A, Claim::Exclusive)])),
        Verdict::Changed(vec![A])
    );
    assert_eq!(
        fixture.verdict(request(&[seen(A, version)], &[(A, Claim::Exclusive)])),
        Verdict::Granted
    );
    assert_eq!(
        fixture.verdict(request(&[], &[(B, Claim::Exclusive)])),
        Verdict::Granted
    );
    // The order of the observations does not matter.
    let unordered = request(&[seen(B, 0), seen(A, version)], &[(A, Claim::Exclusive)]);
    assert_eq!(fixture.verdict(unordered), Verdict::Granted);
}

#[test]
fn an_intent_makes_observers_and_writers_wait_until_it_is_gone() {
    let mut fixture = Fixture::new();
    let version = fixture.put(A, 1);
    let held = fixture.reserve(vec![request(&[seen(A, version)], &[(A, Claim::Exclusive)])]);
    assert_eq!(
        fixture.verdict(request(&[seen(A, version)], &[])),
        Verdict::Busy(vec![A])
    );
    assert_eq!(
        fixture.verdict(request(&[seen(A, version)], &[(A, Claim::Exclusive)])),
        Verdict::Busy(vec![A])
    );
    assert_eq!(
        fixture.verdict(request(&[], &[(A, Claim::Relocation)])),
        Verdict::Busy(vec![A])
    );
    assert_eq!(
        fixture.verdict(request(&[seen(B, 0)], &[(B, Claim::Exclusive)])),
        Verdict::Granted
    );
    let flip = Flip {
        id: A,
        kind: FlipKind::Put(place(2)),
    };
    let next = fixture.publish(held.ticket.unwrap(), vec![flip]).version;
    assert_eq!(
        fixture.verdict(request(&[seen(A, next)], &[(A, Claim::Exclusive)])),
        Verdict::Granted
    );
}

#[test]
fn of_two_read_modify_writes_in_one_group_one_is_granted() {
    let mut fixture = Fixture::new();
    let version = fixture.put(A, 1);
    let change = || request(&[seen(A, version)], &[(A, Claim::Exclusive)]);
    let reservation = fixture.reserve(vec![change(), change(), request(&[seen(A, version)], &[])]);
    assert_eq!(
        reservation.verdicts,
        vec![
            Verdict::Granted,
            Verdict::Busy(vec![A]),
            Verdict::Busy(vec![A])
        ]
    );
    let mut other = Fixture::new();
    let both = vec![
        request(&[], &[(A, Claim::Exclusive)]),
        request(&[], &[(B, Claim::Exclusive)]),
    ];
    assert_eq!(other.reserve(both).verdicts, vec![Verdict::Granted; 2]);
}

#[test]
fn additions_pass_each_other_but_no_observer() {
    let mut fixture = Fixture::new();
    let first = fixture.change(COUNT, FlipKind::Add(5));
    let add = || request(&[], &[(COUNT, Claim::Shared)]);
    let one = fixture.reserve(vec![add(), add()]);
    let two = fixture.reserve(vec![add()]);
    assert_eq!(
        (one.verdicts, two.verdicts),
        (vec![Verdict::Granted; 2], vec![Verdict::Granted])
    );
    assert_eq!(
        fixture.verdict(request(&[seen(COUNT, first)], &[])),
        Verdict::Busy(vec![COUNT])
    );
    assert_eq!(
        fixture.verdict(request(&[seen(COUNT, first)], &[(COUNT, Claim::Exclusive)])),
        Verdict::Busy(vec![COUNT])
    );
    let flip = |amount| {
        vec![Flip {
            id: COUNT,
            kind: FlipKind::Add(amount),
        }]
    };
    // The later ticket is published first.
    fixture.publish(two.ticket.unwrap(), flip(10));
    assert_eq!(
        fixture.verdict(request(&[seen(COUNT, first)], &[])),
        Verdict::Changed(vec![COUNT])
    );
    let last = fixture.publish(one.ticket.unwrap(), flip(100)).version;
    let counter = block_on(fixture.registry.counters(&[COUNT], last)).unwrap()[0];
    assert_eq!((counter.value, counter.version), (115, last));
    assert_eq!(
        fixture.verdict(request(&[seen(COUNT, last)], &[])),
        Verdict::Granted
    );
}

#[test]
fn publish_is_repeatable_and_abandon_clears_only_its_own() {
    let mut fixture = Fixture::new();
    let reservation = fixture.reserve(vec![request(&[], &[(A, Claim::Exclusive)])]);
    let ticket = reservation.ticket.unwrap();
    let flips = || {
        vec![Flip {
            id: A,
            kind: FlipKind::Put(place(1)),
        }]
    };
    let published = fixture.publish(ticket, flips());
    assert_eq!(fixture.publish(ticket, flips()), published);
    assert_eq!(fixture.registry.version(), published.version);
    let held = fixture.reserve(vec![request(
        &[seen(A, published.version)],
        &[(A, Claim::Exclusive)],
    )]);
    block_on(fixture.registry.abandon(SegmentKey {
        epoch: 1,
        period: 1,
        unique: 1,
    }))
    .unwrap();
    assert_eq!(
        fixture.verdict(request(&[seen(A, published.version)], &[])),
        Verdict::Busy(vec![A])
    );
    block_on(fixture.registry.abandon(SegmentKey {
        epoch: 1,
        period: 1,
        unique: fixture.keys - 1,
    }))
    .unwrap();
    assert_eq!(
        fixture.verdict(request(&[seen(A, published.version)], &[])),
        Verdict::Granted
    );
    let id = TransactionId { high: 1, low: 1 };
    let gone = block_on(fixture.registry.publish(
        held.ticket.unwrap(),
        vec![Publication { id, flips: flips() }],
    ));
    assert_eq!(gone, Ok(None));
}

#[test]
fn a_publish_of_what_was_not_reserved_changes_nothing() {
    let mut fixture = Fixture::new();
    let reservation = fixture.reserve(vec![request(&[], &[(A, Claim::Exclusive)])]);
    let flips = vec![
        Flip {
            id: A,
            kind: FlipKind::Put(place(1)),
        },
        Flip {
            id: B,
            kind: FlipKind::Put(place(2)),
        },
    ];
    let id = TransactionId { high: 1, low: 1 };
    let refused = block_on(
        fixture
            .registry
            .publish(reservation.ticket.unwrap(), vec![Publication { id, flips }]),
    );
    assert!(
        matches!(refused, Err(RegistryError::Invalid(_))),
        "{refused:?}"
    );
    assert_eq!(fixture.at(A, fixture.registry.version()).unwrap(), None);
}

#[test]
fn a_delta_extends_the_chain_that_is_current() {
    let mut fixture = Fixture::new();
    fixture.put(A, 1);
    let version = fixture.change(A, FlipKind::Delta(place(2)));
    let handle = block_on(fixture.registry.resolve(&[A], version))
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(handle.chain, vec![place(1), place(2)]);
    let reservation = fixture.reserve(vec![request(&[], &[(B, Claim::Exclusive)])]);
    let flips = vec![Flip {
        id: B,
        kind: FlipKind::Delta(place(3)),
    }];
    let id = TransactionId { high: 1, low: 1 };
    let refused = block_on(
        fixture
            .registry
            .publish(reservation.ticket.unwrap(), vec![Publication { id, flips }]),
    );
    assert!(matches!(refused, Err(RegistryError::Invalid(_))));
}

#[test]
fn history_below_the_floor_is_expired_and_snapshots_hold_the_floor() {
    let mut fixture = Fixture::new();
    let versions: Vec<_> = (0..4).map(|number| fixture.put(A, number)).collect();
    let snapshot = block_on(fixture.registry.now(Some(versions[1]), 0))
        .unwrap()
        .version;
    fixture.runtime.advance(Duration::from_secs(120));
    block_on(fixture.registry.prune()).unwrap();
    assert_eq!(fixture.at(A, versions[1]).unwrap(), Some(place(1)));
    assert!(
        matches!(fixture.at(A, versions[0]), Err(RegistryError::SnapshotExpired(floor)) if floor == versions[1])
    );
    fixture.registry.release(snapshot);
    fixture.put(B, 9);
    fixture.runtime.advance(Duration::from_secs(120));
    block_on(fixture.registry.prune()).unwrap();
    assert!(matches!(
        fixture.at(A, versions[2]),
        Err(RegistryError::SnapshotExpired(_))
    ));
    assert!(matches!(
        fixture.at(A, versions[3]),
        Err(RegistryError::SnapshotExpired(_))
    ));
    assert_eq!(
        fixture.at(A, fixture.registry.version()).unwrap(),
        Some(place(3))
    );
    assert_eq!(fixture.registry.history_bytes(), 0);
    let expired = block_on(fixture.registry.now(Some(versions[0]), 0));
    assert!(matches!(expired, Err(RegistryError::SnapshotExpired(_))));
    let future = block_on(
        fixture
            .registry
            .now(Some(fixture.registry.version() + 1), 0),
    );
    assert!(matches!(future, Err(RegistryError::Invalid(_))));
}

#[test]
fn retention_keeps_what_was_current_within_it() {
    let mut fixture = Fixture::new();
    let first = fixture.put(A, 1);
    fixture.runtime.advance(Duration::from_secs(50));
    fixture.put(A, 2);
    fixture.runtime.advance(Duration::from_secs(50));
    let third = fixture.put(A, 3);
    // 60 seconds ago the first version was current.
    assert_eq!(fixture.at(A, first).unwrap(), Some(place(1)));
    assert_eq!(fixture.at(A, third).unwrap(), Some(place(3)));
}

#[test]
fn history_is_bounded_in_bytes() {
    let mut fixture = Fixture::with(HistoryOptions {
        retention: Duration::from_secs(60),
        bytes_max: 1_000,
    });
    let first = fixture.put(A, 0);
    for number in 1..100 {
        fixture.put(A, number);
    }
    assert!(
        fixture.registry.history_bytes() <= 1_000,
        "{}",
        fixture.registry.history_bytes()
    );
    assert!(matches!(
        fixture.at(A, first),
        Err(RegistryError::SnapshotExpired(_))
    ));
    let newest = fixture.registry.version();
    assert_eq!(fixture.at(A, newest - 1).unwrap(), Some(place(98)));
}

#[test]
fn waiting_marks_hold_back_all_but_priority_until_they_end() {
    let mut fixture = Fixture::new();
    let version = fixture.put(A, 1);
    let change = || request(&[seen(A, version)], &[(A, Claim::Exclusive)]);
    block_on(fixture.registry.mark(&[A], Duration::from_millis(100))).unwrap();
    assert_eq!(fixture.verdict(change()), Verdict::Busy(vec![A]));
    assert_eq!(
        fixture.verdict(request(&[seen(A, version)], &[])),
        Verdict::Granted
    );
    fixture.runtime.advance(Duration::from_millis(100));
    assert_eq!(fixture.verdict(change()), Verdict::Granted);
    block_on(fixture.registry.mark(&[A], Duration::from_millis(100))).unwrap();
    assert_eq!(
        fixture.verdict(Request {
            priority: true,
            ..change()
        }),
        Verdict::Granted
    );
    assert_eq!(
        fixture.verdict(change()),
        Verdict::Granted,
        "whoever got through takes its marks along"
    );
}

#[test]
fn now_names_what_is_being_published_and_what_changed() {
    let mut fixture = Fixture::new();
    let first = fixture.put(A, 1);
    fixture.reserve(vec![request(&[], &[(B, Claim::Exclusive)])]);
    let now = block_on(fixture.registry.now(None, epoch_version(1))).unwrap();
    assert_eq!(
        (now.version, now.publishing, now.changed),
        (first, Some(vec![B]), Some(vec![A]))
    );
    assert_eq!(
        block_on(fixture.registry.now(None, first)).unwrap().changed,
        Some(vec![])
    );
    let many: Vec<_> = (100..300)
        .map(|node| (LogicalId::new(7, node), Claim::Exclusive))
        .collect();
    fixture.reserve(vec![request(&[], &many)]);
    assert_eq!(
        block_on(fixture.registry.now(None, first))
            .unwrap()
            .publishing,
        None
    );
}

#[test]
fn a_reservation_past_its_deadline_is_overdue() {
    let mut fixture = Fixture::new();
    let ticket = fixture
        .reserve(vec![request(&[], &[(A, Claim::Exclusive)])])
        .ticket
        .unwrap();
    assert!(block_on(fixture.registry.overdue()).unwrap().is_empty());
    assert!(!block_on(fixture.registry.blocking(&[A])).unwrap()[0].overdue);
    fixture.runtime.advance(Duration::from_secs(11));
    let blocker = block_on(fixture.registry.blocking(&[B, A])).unwrap()[0];
    assert_eq!(
        (blocker.ticket, blocker.overdue, blocker.age),
        (ticket, true, Duration::from_secs(11))
    );
    assert_eq!(block_on(fixture.registry.overdue()).unwrap(), vec![blocker]);
}

#[test]
fn a_relocation_swaps_only_an_unchanged_chain_and_no_version() {
    let mut fixture = Fixture::new();
    let first = fixture.put(A, 1);
    let second = fixture.put(A, 2);
    let relocate = |version, from, to| Flip {
        id: A,
        kind: FlipKind::Relocate {
            version: Some(version),
            from: vec![place(from)],
            to: vec![place(to)],
        },
    };
    let ticket = fixture
        .reserve(vec![request(&[], &[(A, Claim::Relocation)])])
        .ticket
        .unwrap();
    fixture.publish(
        ticket,
        vec![relocate(first, 1, 11), relocate(second, 7, 12)],
    );
    assert_eq!(fixture.registry.version(), second);
    assert_eq!(fixture.at(A, first).unwrap(), Some(place(11)));
    assert_eq!(fixture.at(A, second).unwrap(), Some(place(2)));
    assert_eq!(
        fixture.verdict(request(&[seen(A, second)], &[])),
        Verdict::Granted
    );
}

/// A base made of what a survey gave.
#[derive(Debug)]
struct Kept {
    header: Header,
    entries: Vec<Entry>,
}

impl Base for Kept {
    fn header(&self) -> &Header {
        &self.header
    }
    fn entry(&self, id: LogicalId) -> std::io::Result<Option<Entry>> {
        Ok(self.entries.iter().find(|entry| entry.id == id).cloned())
    }
    fn entries_after(&self, after: Option<LogicalId>, count: usize) -> std::io::Result<Vec<Entry>> {
        let all = self
            .entries
            .iter()
            .filter(|entry| after.is_none_or(|after| entry.id > after));
        Ok(all.take(count).cloned().collect())
    }
}

fn surveyed(survey: &mut super::Survey<'_>) -> Vec<Entry> {
    let mut all = Vec::new();
    loop {
        let entries = survey.next_entries(2).unwrap();
        if entries.is_empty() {
            assert!(all.is_sorted_by_key(|entry: &Entry| entry.id));
            return all;
        }
        all.extend(entries);
    }
}

#[test]
fn a_survey_is_of_one_moment_and_carries_over() {
    let mut fixture = Fixture::new();
    let ids: Vec<_> = (10..20).map(|node| LogicalId::new(3, node)).collect();
    for (number, id) in (0..).zip(&ids) {
        fixture.put(*id, number);
    }
    let old = fixture.put(ids[0], 50);
    fixture.change(COUNT, FlipKind::Add(3));
    fixture.change(ids[1], FlipKind::Remove);
    let held = fixture
        .reserve(vec![request(&[], &[(B, Claim::Exclusive)])])
        .ticket
        .unwrap();
    let after = fixture.put(A, 70);
    let mut survey = fixture.registry.survey();
    let moment = survey.header().version;
    assert_eq!(
        (survey.header().low_water, survey.header().contained.clone()),
        (held, vec![held + 1])
    );
    // Written after the moment: not part of it.
    let observed = Observation {
        id: ids[2],
        version: epoch_version(1) + 3,
    };
    let key = SegmentKey {
        epoch: 1,
        period: 1,
        unique: 999,
    };
    let requests = vec![request(&[observed], &[(ids[2], Claim::Exclusive)])];
    let group = Group {
        key,
        lease: Duration::from_secs(10),
        requests,
    };
    let ticket = block_on(fixture.registry.reserve(group))
        .unwrap()
        .ticket
        .unwrap();
    fixture.publish(
        ticket,
        vec![Flip {
            id: ids[2],
            kind: FlipKind::Put(place(60)),
        }],
    );
    let entries = surveyed(&mut survey);
    let third = entries.iter().find(|entry| entry.id == ids[2]).unwrap();
    assert_eq!(third.versions[0].state, State::Chain(vec![place(2)]));
    assert!(
        entries
            .iter()
            .all(|entry| entry.versions[0].version <= moment)
    );
    let header = survey.header().clone();
    let base: Arc<dyn Base> = Arc::new(Kept { header, entries });
    fixture.registry.rebase(base.clone(), &survey);
    drop(survey);
    assert_eq!(
        fixture.registry.records(),
        1,
        "only what was written after the moment stays in memory"
    );
    assert_eq!(
        fixture.at(ids[2], fixture.registry.version()).unwrap(),
        Some(place(60))
    );
    assert_eq!(fixture.at(ids[2], moment).unwrap(), Some(place(2)));
    assert_eq!(
        fixture.at(ids[0], old - 1).unwrap(),
        Some(place(0)),
        "history is carried over"
    );
    assert_eq!(fixture.at(A, after).unwrap(), Some(place(70)));
    // Records over the base are changed, added to and removed like any other.
    fixture.change(COUNT, FlipKind::Add(4));
    fixture.change(ids[0], FlipKind::Remove);
    fixture.change(ids[3], FlipKind::Delta(place(61)));
    let newest = fixture.registry.version();
    assert_eq!(
        block_on(fixture.registry.counters(&[COUNT], newest)).unwrap()[0].value,
        7
    );
    assert_eq!(fixture.at(ids[0], newest).unwrap(), None);
    assert_eq!(
        fixture.verdict(request(&[], &[(ids[4], Claim::Exclusive)])),
        Verdict::Changed(vec![ids[4]])
    );
    let mut again = fixture.registry.survey();
    let entries = surveyed(&mut again);
    assert_eq!(entries.len(), 12, "ten ids, a counter, and A");
    drop(again);

    let reopened =
        MemoryRegistry::over(base, 2, HistoryOptions::default(), fixture.runtime.clone());
    assert_eq!(reopened.version(), epoch_version(2));
    let handle = block_on(reopened.resolve(&[ids[0]], moment))
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!((handle.version, handle.chain), (old, vec![place(50)]));
}
