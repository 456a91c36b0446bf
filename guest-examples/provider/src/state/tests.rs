//! Goal: the provider keeps the contract of `wit/storage`. Method: each rule by itself, and random
//! commits against a copy of the whole database for each version.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at a broken assumption"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const fn id(store: u64, node: u64) -> LogicalId {
    LogicalId { store, node }
}

fn put(body: &[u8]) -> Change {
    Change::Put(body.to_vec())
}

fn committed(outcome: Result<Outcome>) -> (Version, Vec<Option<Handle>>) {
    match outcome {
        Ok(Outcome::Committed(version, handles)) => (version, handles),
        other => panic!("{other:?}"),
    }
}

fn is_invalid<T: std::fmt::Debug>(result: Result<T>) -> bool {
    matches!(result, Err(Failure::Invalid(_)))
}

/// The bodies of an id as of a version.
fn body(state: &State, id: LogicalId, at: Version) -> Option<Vec<Vec<u8>>> {
    let handle = state.resolve(&[id], at).unwrap().remove(0)?;
    Some(state.get(&handle.chain).unwrap())
}

#[test]
fn a_commit_needs_what_it_observed_to_be_so_still() {
    let mut state = State::default();
    let root = id(0, ROOT);
    let (first, handles) = committed(state.commit(&[(root, 0)], vec![(root, put(b"one"))]));
    assert_eq!(handles[0].as_ref().unwrap().version, first);
    let stale = state.commit(&[(root, 0)], vec![(root, put(b"two"))]);
    assert_eq!(stale, Ok(Outcome::Conflict(vec![root])));
    let blind = state.commit(&[], vec![(root, put(b"two"))]);
    assert_eq!(
        blind,
        Ok(Outcome::Conflict(vec![root])),
        "changed without a look"
    );
    assert_eq!(body(&state, root, first), Some(vec![b"one".to_vec()]));
    committed(state.commit(&[(root, first)], vec![(root, Change::Remove)]));
    let gone = state.commit(&[(root, first)], Vec::new());
    assert_eq!(gone, Ok(Outcome::Conflict(vec![root])));
    committed(state.commit(&[(root, 0)], Vec::new()));
}

#[test]
fn a_conflict_changes_nothing() {
    let mut state = State::default();
    let nodes = state.allocate(0, 2).unwrap();
    committed(state.commit(&[], vec![(nodes[0], put(b"a"))]));
    let before = state.now(None).unwrap();
    let changes = vec![
        (nodes[1], put(b"b")),
        (nodes[0], put(b"c")),
        (id(0, COUNTER), Change::Add(5)),
    ];
    let outcome = state.commit(&[(nodes[0], 0)], changes);
    assert_eq!(outcome, Ok(Outcome::Conflict(vec![nodes[0]])));
    assert_eq!(state.now(None), Ok(before));
    assert_eq!(body(&state, nodes[1], before), None);
    assert_eq!(state.counters(&[id(0, COUNTER)], before), Ok(vec![(0, 0)]));
}

#[test]
fn adds_pass_each_other_and_meet_who_looked() {
    let mut state = State::default();
    let counter = id(0, COUNTER);
    let (first, _) = committed(state.commit(&[], vec![(counter, Change::Add(3))]));
    let (second, _) = committed(state.commit(&[], vec![(counter, Change::Add(-5))]));
    assert_eq!(state.counters(&[counter], first), Ok(vec![(3, first)]));
    assert_eq!(state.counters(&[counter], second), Ok(vec![(-2, second)]));
    let looked = state.commit(&[(counter, first)], vec![(id(0, ROOT), put(b"x"))]);
    assert_eq!(looked, Ok(Outcome::Conflict(vec![counter])));
    assert!(is_invalid(
        state.commit(&[], vec![(counter, Change::Add(i64::MIN))])
    ));
    committed(state.commit(&[(counter, second)], vec![(counter, Change::Remove)]));
    let newest = state.now(None).unwrap();
    assert_eq!(state.counters(&[counter], newest), Ok(vec![(0, 0)]));
}

#[test]
fn a_delta_is_appended_to_what_is_there() {
    let mut state = State::default();
    let root = id(0, ROOT);
    assert!(is_invalid(
        state.commit(&[(root, 0)], vec![(root, Change::Delta(Vec::new()))])
    ));
    let (first, _) = committed(state.commit(&[], vec![(root, put(b"base"))]));
    let delta = Change::Delta(b"delta".to_vec());
    let (second, handles) = committed(state.commit(&[(root, first)], vec![(root, delta)]));
    assert_eq!(handles[0].as_ref().unwrap().chain.len(), 2);
    let both = vec![b"base".to_vec(), b"delta".to_vec()];
    assert_eq!(body(&state, root, second), Some(both));
    assert_eq!(body(&state, root, first), Some(vec![b"base".to_vec()]));
}

#[test]
fn a_spilled_body_is_consumed_by_its_commit_or_given_up() {
    let mut state = State::default();
    let nodes = state.allocate(0, 2).unwrap();
    let kept = state.spill(nodes[0], b"kept".to_vec()).unwrap();
    assert_eq!(
        state.get(&[kept]),
        Ok(vec![b"kept".to_vec()]),
        "before its commit"
    );
    let other = vec![(nodes[1], Change::PutSpilled(kept))];
    assert!(is_invalid(state.commit(&[], other)), "another id");
    let changes = vec![(nodes[0], Change::PutSpilled(kept))];
    let (version, _) = committed(state.commit(&[], changes.clone()));
    assert!(
        is_invalid(state.commit(&[(nodes[0], version)], changes)),
        "consumed"
    );
    state.abandon(kept);
    assert_eq!(
        body(&state, nodes[0], version),
        Some(vec![b"kept".to_vec()])
    );
    let dropped = state.spill(nodes[1], b"dropped".to_vec()).unwrap();
    state.abandon(dropped);
    assert_eq!(state.get(&[dropped]), Err(Failure::Missing(dropped)));
    assert!(is_invalid(
        state.commit(&[], vec![(nodes[1], Change::PutSpilled(dropped))])
    ));
}

#[test]
fn history_is_kept_for_the_last_versions_and_for_readers() {
    let mut state = State::default();
    let root = id(0, ROOT);
    let mut version = 0;
    let mut write = |state: &mut State, count: u64| {
        for _ in 0..count {
            let changes = vec![(root, put(&state.version.to_le_bytes()))];
            version = committed(state.commit(&[(root, version)], changes)).0;
        }
        version
    };
    let held = write(&mut state, 1);
    assert_eq!(state.now(Some(held)), Ok(held));
    write(&mut state, HISTORY_VERSIONS + 50);
    assert!(body(&state, root, held).is_some(), "a reader holds it");
    assert!(state.bodies.len() as u64 >= HISTORY_VERSIONS);
    state.release(held);
    let newest = write(&mut state, 10);
    let floor = newest - HISTORY_VERSIONS;
    assert_eq!(
        state.resolve(&[root], held),
        Err(Failure::SnapshotExpired(floor))
    );
    assert_eq!(state.now(Some(held)), Err(Failure::SnapshotExpired(floor)));
    assert!(is_invalid(state.now(Some(newest + 1))));
    assert_eq!(state.now(Some(floor)), Ok(floor));
    assert!(body(&state, root, floor).is_some());
    assert_eq!(
        state.bodies.len() as u64,
        HISTORY_VERSIONS + 1,
        "what none shows is gone"
    );
}

#[test]
fn calls_that_break_the_contract_are_invalid() {
    let mut state = State::default();
    let (root, counter) = (id(0, ROOT), id(0, COUNTER));
    for change in [put(b""), Change::Delta(Vec::new())] {
        assert!(is_invalid(state.commit(&[], vec![(counter, change)])));
    }
    assert!(is_invalid(state.commit(&[], vec![(root, Change::Add(1))])));
    assert!(is_invalid(
        state.commit(&[], vec![(root, put(b"a")), (root, put(b"b"))])
    ));
    for unknown in [id(1, ROOT), id(0, 77)] {
        assert!(is_invalid(state.commit(&[], vec![(unknown, put(b"a"))])));
        assert!(is_invalid(state.spill(unknown, Vec::new())));
    }
    assert!(is_invalid(state.allocate(1, 1)) && is_invalid(state.allocate_store(b"")));
    assert_eq!(state.allocate_store(b"name"), Ok(1));
    assert!(state.allocate(1, 1).is_ok());
    let newest = state.now(None).unwrap();
    assert!(is_invalid(state.resolve(&[counter], newest)));
    assert!(is_invalid(state.counters(&[root], newest)));
    let over = |result: Failure| matches!(result, Failure::Limit { .. });
    assert!(over(
        state
            .resolve(&vec![root; CALL_IDS_MAX + 1], newest)
            .unwrap_err()
    ));
    assert!(over(
        state.get(&vec![BodyId(1); CALL_BLOBS_MAX + 1]).unwrap_err()
    ));
    assert!(over(state.allocate(0, u32::MAX).unwrap_err()));
}

/// One random step on one of a few nodes.
fn step() -> impl Strategy<Value = (u64, u8, u8)> {
    (0..4_u64, 0..5_u8, any::<u8>())
}

proptest! {
    #[test]
    fn every_version_that_is_kept_shows_what_it_showed_at_first(steps in prop::collection::vec(step(), 1..200)) {
        let mut state = State::default();
        let nodes = state.allocate(0, 4).unwrap();
        let mut versions: BTreeMap<Version, BTreeMap<LogicalId, Vec<Vec<u8>>>> = BTreeMap::new();
        let mut now: BTreeMap<LogicalId, Vec<Vec<u8>>> = BTreeMap::new();
        versions.insert(FIRST_VERSION, BTreeMap::new());
        for (node, kind, byte) in steps {
            let node = nodes[usize::try_from(node).unwrap()];
            let newest = state.now(None).unwrap();
            let seen = state.resolve(&[node], newest).unwrap().remove(0);
            state.release(newest);
            let change = match kind {
                0 | 1 => put(&[byte]),
                2 => Change::PutSpilled(state.spill(node, vec![byte]).unwrap()),
                3 if seen.is_some() => Change::Delta(vec![byte]),
                _ => Change::Remove,
            };
            match &change {
                Change::Remove => { now.remove(&node); }
                Change::Delta(_) => now.get_mut(&node).unwrap().push(vec![byte]),
                _ => { now.insert(node, vec![vec![byte]]); }
            }
            let observed = [(node, seen.map_or(0, |handle| handle.version))];
            let (version, _) = committed(state.commit(&observed, vec![(node, change)]));
            versions.insert(version, now.clone());
        }
        for (version, contents) in versions {
            for node in &nodes {
                prop_assert_eq!(body(&state, *node, version), contents.get(node).cloned());
            }
        }
    }
}
