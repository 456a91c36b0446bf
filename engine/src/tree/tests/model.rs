//! Random histories: after each batch the tree holds what a sorted map holds, and is sound.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Memory, Random, STORE};
use crate::tree::{Direction, Tree, Write};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Spill(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    RemoveRange(Vec<u8>, Vec<u8>),
}

fn apply(tree: &Tree, memory: &mut Memory, model: &mut Model, steps: &[Step]) {
    // The last write of a key counts.
    let mut batch: BTreeMap<Vec<u8>, Option<(Vec<u8>, bool)>> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Put(key, value) => drop(batch.insert(key.clone(), Some((value.clone(), false)))),
            Step::Spill(key, value) => drop(batch.insert(key.clone(), Some((value.clone(), true)))),
            Step::Remove(key) => drop(batch.insert(key.clone(), None)),
            Step::RemoveRange(low, high) if low <= high => {
                let keys = model
                    .range(low.clone()..high.clone())
                    .map(|(key, _)| key.clone());
                batch.extend(keys.map(|key| (key, None)));
            }
            Step::RemoveRange(..) => {}
        }
    }
    let before = model.len();
    let mut writes: Vec<(&[u8], Write<'_>)> = Vec::new();
    for (key, value) in &batch {
        writes.push(match value {
            Some((value, true)) => (
                key,
                Write::PutSpilled {
                    id: memory.spill(value),
                },
            ),
            Some((value, false)) => (key, Write::Put(value)),
            None => (key, Write::Remove),
        });
        match value {
            Some((value, _)) => drop(model.insert(key.clone(), value.clone())),
            None => drop(model.remove(key)),
        }
    }
    let items = memory.change(tree, &writes);
    assert_eq!(
        items,
        i64::try_from(model.len()).unwrap() - i64::try_from(before).unwrap()
    );
    assert!(memory.spilled.is_empty());
}

fn compare(tree: &Tree, memory: &mut Memory, model: &Model) {
    let inspection = memory.inspect(tree);
    assert_eq!(inspection.items, model.len() as u64);
    for direction in [Direction::Ascending, Direction::Descending] {
        let all = super::scanning::collect(
            memory,
            tree,
            Bound::Unbounded,
            Bound::Unbounded,
            direction,
            usize::MAX,
        );
        let mut expected: Vec<_> = model
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if direction == Direction::Descending {
            expected.reverse();
        }
        assert_eq!(all, expected);
    }
    for (key, value) in model.iter().step_by(model.len() / 50 + 1) {
        assert_eq!(memory.get(tree, key).as_ref(), Some(value));
        let mut absent = key.clone();
        absent.push(0);
        assert_eq!(memory.get(tree, &absent), model.get(&absent).cloned());
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(b'a'..=b'c', 0..6),
        4 => (0_u32..400).prop_map(|number| format!("shared/prefix/{number}").into_bytes()),
        2 => (0_u16..300).prop_map(|number| number.to_be_bytes().to_vec()),
        1 => (0_usize..6, any::<u8>(), 0_usize..1000).prop_map(|(kind, last, length)| {
            let mut key = vec![b'k' + u8::try_from(kind).unwrap(); length];
            key.push(last);
            key
        }),
        1 => vec(any::<u8>(), 0..1024),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    (
        any::<u8>(),
        prop_oneof![6 => 0_usize..40, 2 => 0_usize..400, 1 => 0_usize..9000],
    )
        .prop_map(|(byte, length)| vec![byte; length])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (key(), value()).prop_map(|(key, value)| Step::Put(key, value)),
        1 => (key(), value()).prop_map(|(key, value)| Step::Spill(key, value)),
        5 => key().prop_map(Step::Remove),
        1 => (key(), key()).prop_map(|(low, high)| Step::RemoveRange(low, high)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_do_what_a_map_does(
        page_bytes in prop_oneof![Just(256_usize), Just(300), Just(512), Just(1024), Just(4096), Just(8192)],
        batches in vec(prop_oneof![4 => vec(step(), 1..8), 1 => vec(step(), 50..300)], 1..25),
    ) {
        let tree = Tree::new(STORE, page_bytes);
        let (mut memory, mut model) = (Memory::default(), Model::new());
        for batch in batches {
            apply(&tree, &mut memory, &mut model, &batch);
            compare(&tree, &mut memory, &model);
        }
    }
}

/// A hundred thousand random operations in small batches, the same ones each time.
fn long_history(page_bytes: usize, keys: usize, seed: u64) {
    let tree = Tree::new(STORE, page_bytes);
    let (mut memory, mut model, mut random) = (Memory::default(), Model::new(), Random(seed));
    let mut operations = 0;
    while operations < 100_000 {
        // Phases of growth and of shrinking, so that the tree gains and loses levels.
        let grows = operations / 20_000 % 2 == 0;
        let mut steps = Vec::new();
        for _ in 0..=random.below(60) {
            let number = random.below(keys);
            let key =
                format!("{}/{number:06}", ["a", "longer-prefix", "z"][number % 3]).into_bytes();
            let length = [3, 20, 60, page_bytes / 3][random.below(40).saturating_sub(36)];
            let value = vec![random.next().to_le_bytes()[0]; length];
            let write = random.below(10) < if grows { 8 } else { 2 };
            steps.push(if write {
                Step::Put(key, value)
            } else {
                Step::Remove(key)
            });
        }
        operations += steps.len();
        apply(&tree, &mut memory, &mut model, &steps);
        if random.below(40) == 0 {
            compare(&tree, &mut memory, &model);
        }
    }
    compare(&tree, &mut memory, &model);
}

#[test]
fn long_history_in_tiny_pages() {
    long_history(256, 4_000, 1);
}

#[test]
fn long_history_in_pages_of_the_default_size() {
    long_history(crate::limits::PAGE_BYTES_DEFAULT, 20_000, 2);
}
