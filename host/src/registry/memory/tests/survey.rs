//! Goal: a survey is the state of one moment, with all that replay needs to know.

use super::*;
use crate::limits::OUTCOMES_MAX;
use crate::recovery::entry::{Base, Entry, Header, State};
use crate::registry::memory::{Survey, epoch_version};

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

fn surveyed(survey: &mut Survey<'_>) -> Vec<Entry> {
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

/// A checkpoint that forgot one of these tickets would let replay count its additions twice.
#[test]
fn everything_published_beside_an_unresolved_reservation_is_named_as_contained() {
    let mut fixture = Fixture::new();
    let held = fixture
        .reserve(vec![request(&[], &[(B, Claim::Exclusive)])])
        .ticket
        .unwrap();
    let many = OUTCOMES_MAX as u64 + 100;
    for _ in 0..many {
        fixture.change(COUNT, FlipKind::Add(1));
    }
    let survey = fixture.registry.survey();
    assert_eq!(survey.header().low_water, held);
    let expected: Vec<u64> = (held + 1..=held + many).collect();
    assert_eq!(survey.header().contained, expected);
    drop(survey);
    // Once the reservation is resolved, memory is bounded again.
    fixture.publish(
        held,
        vec![Flip {
            id: B,
            kind: FlipKind::Put(place(1)),
        }],
    );
    fixture.change(COUNT, FlipKind::Add(1));
    assert!(fixture.registry.core.lock().recent.len() <= OUTCOMES_MAX);
    assert!(fixture.registry.survey().header().contained.is_empty());
}
