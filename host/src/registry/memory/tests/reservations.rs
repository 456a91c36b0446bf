//! Goal: what reserve and publish let through, hold back and repeat.

use super::*;
use crate::registry::memory::epoch_version;

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
        (first, Some(vec![B]), Some(vec![(A, first)]))
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
