//! Random transactions against a model: committed state, buffered writes, savepoints, all value sizes, tiny pages.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Put(u16, usize),
    Insert(u16, usize),
    Update(u16, usize),
    Remove(u16),
    RemoveRange(u16, u16),
    Get(u16),
    Scan(u16, u16, bool, usize),
    Count,
    Savepoint(u8),
    RollbackTo(u8),
    Commit,
    Rollback,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..200_u16;
    let size = prop_oneof![5 => 0..40_usize, 2 => 60..400_usize, 1 => 900..3000_usize];
    prop_oneof![
        6 => (key.clone(), size.clone()).prop_map(|(key, size)| Step::Put(key, size)),
        2 => (key.clone(), size.clone()).prop_map(|(key, size)| Step::Insert(key, size)),
        2 => (key.clone(), size).prop_map(|(key, size)| Step::Update(key, size)),
        3 => key.clone().prop_map(Step::Remove),
        1 => (key.clone(), key.clone()).prop_map(|(from, to)| Step::RemoveRange(from, to)),
        3 => key.clone().prop_map(Step::Get),
        2 => (key.clone(), key, any::<bool>(), 0..30_usize)
            .prop_map(|(from, to, down, limit)| Step::Scan(from, to, down, limit)),
        1 => Just(Step::Count),
        1 => (0..3_u8).prop_map(Step::Savepoint),
        1 => (0..3_u8).prop_map(Step::RollbackTo),
        2 => Just(Step::Commit),
        1 => Just(Step::Rollback),
    ]
}

fn key(number: u16) -> Vec<u8> {
    // Long shared prefixes in one half, so that prefix compression has work.
    if number.is_multiple_of(2) {
        format!("k{number:05}").into()
    } else {
        format!("{}{number:05}", "p".repeat(40)).into()
    }
}

fn value(size: usize, salt: usize) -> Vec<u8> {
    (0..size)
        .map(|at| u8::try_from((at + salt) % 251).unwrap())
        .collect()
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

struct Run<'w> {
    world: &'w World,
    tx: Tx,
    store: u64,
    committed: Map,
    current: Map,
    savepoints: BTreeMap<u8, (usize, Map)>,
    order: usize,
}

impl<'w> Run<'w> {
    fn new(world: &'w World) -> Self {
        let mut tx = world.begin();
        let store = tx.open_store("s").unwrap();
        let (committed, current, savepoints) = Default::default();
        Self {
            world,
            tx,
            store,
            committed,
            current,
            savepoints,
            order: 0,
        }
    }

    fn restart(&mut self) {
        self.tx = self.world.begin();
        self.store = self.tx.open_store("s").unwrap();
        self.current = self.committed.clone();
        self.savepoints.clear();
    }

    fn step(&mut self, step: &Step) {
        self.order += 1;
        let (s, salt) = (self.store, self.order);
        match step {
            Step::Put(k, size) => {
                self.tx.put(s, &key(*k), &value(*size, salt)).unwrap();
                self.current.insert(key(*k), value(*size, salt));
            }
            Step::Insert(k, size) => {
                let done = self.tx.insert(s, &key(*k), &value(*size, salt));
                assert_eq!(done.is_err(), self.current.contains_key(&key(*k)));
                self.current
                    .entry(key(*k))
                    .or_insert_with(|| value(*size, salt));
            }
            Step::Update(k, size) => {
                let done = self.tx.update(s, &key(*k), &value(*size, salt));
                assert_eq!(done.is_ok(), self.current.contains_key(&key(*k)));
                self.current
                    .entry(key(*k))
                    .and_modify(|old| *old = value(*size, salt));
            }
            Step::Remove(k) => {
                assert_eq!(
                    self.tx.remove(s, &key(*k)).unwrap(),
                    self.current.remove(&key(*k)).is_some()
                );
            }
            Step::RemoveRange(from, to) => self.remove_range(*from, *to),
            Step::Get(k) => {
                let found = self
                    .tx
                    .get(s, &key(*k))
                    .unwrap()
                    .map(super::super::Found::into_vec);
                assert_eq!(found.as_ref(), self.current.get(&key(*k)));
            }
            Step::Scan(from, to, down, limit) => self.scan(*from, *to, *down, *limit),
            Step::Count => assert_eq!(self.tx.count(s).unwrap(), self.current.len() as u64),
            Step::Savepoint(name) => {
                self.tx.savepoint(&name.to_string()).unwrap();
                self.savepoints.insert(*name, (salt, self.current.clone()));
            }
            Step::RollbackTo(name) => {
                let done = self.tx.rollback_to(&name.to_string());
                assert_eq!(done.is_ok(), self.savepoints.contains_key(name));
                if let Some((order, state)) = self.savepoints.get(name).cloned() {
                    self.current = state;
                    self.savepoints.retain(|_, (at, _)| *at <= order);
                }
            }
            Step::Commit => {
                self.tx.commit().unwrap();
                self.committed = self.current.clone();
                self.restart();
            }
            Step::Rollback => {
                self.tx.rollback().unwrap();
                self.restart();
            }
        }
    }

    fn remove_range(&mut self, from: u16, to: u16) {
        let (from, to) = (key(from), key(to));
        let range = Range {
            lower: Bound::Included(&from),
            upper: Bound::Excluded(&to),
        };
        let removed = self.tx.remove_range(self.store, range).unwrap();
        let before = self.current.len();
        self.current.retain(|key, _| !(*key >= from && *key < to));
        assert_eq!(removed, (before - self.current.len()) as u64);
    }

    fn scan(&mut self, from: u16, to: u16, down: bool, limit: usize) {
        let (from, to) = (key(from), key(to));
        let range = Range {
            lower: Bound::Excluded(&from),
            upper: Bound::Included(&to),
        };
        let direction = if down {
            Direction::Descending
        } else {
            Direction::Ascending
        };
        let found: Vec<_> = self
            .tx
            .scan(self.store, range, direction, limit)
            .unwrap()
            .into_pairs()
            .collect();
        let inside = self
            .current
            .iter()
            .filter(|(key, _)| **key > from && **key <= to);
        let pair = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        let expected: Vec<_> = match direction {
            Direction::Ascending => inside.map(pair).take(limit).collect(),
            Direction::Descending => inside
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .map(pair)
                .take(limit)
                .collect(),
        };
        assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn transactions_agree_with_a_map(
        steps in prop::collection::vec(step(), 1..250),
        page_bytes in prop_oneof![Just(256_usize), Just(512), Just(2048)],
    ) {
        let world = World::with(page_bytes, "s", &[]);
        let mut run = Run::new(&world);
        for step in &steps {
            run.step(step);
        }
        let committed = run.committed.clone();
        drop(run);
        let mut tx = world.snapshot();
        let s = tx.open_store("s").unwrap();
        let found: Map = tx.scan(s, Tx::everything(), Direction::Ascending, 60_000).unwrap().into_pairs().collect();
        prop_assert_eq!(found, committed);
        drop(tx);
        let mut inspection = crate::maintenance::Inspection::begin(world.engine(), None).unwrap();
        while !inspection.step(7).unwrap().done {}
        prop_assert_eq!(inspection.damages(), &[]);
    }
}
