//! Goal: which old versions stay readable, and that a read below the floor says so.

use super::*;

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
