//! Scans over every kind of range agree with a sorted map and read no more leaves than they need.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::{Memory, Random, STORE};
use crate::tree::{Direction, Tree, Write};

/// Up to `limit` items of a range.
pub(super) fn collect(
    memory: &mut Memory,
    tree: &Tree,
    lower: Bound<&[u8]>,
    upper: Bound<&[u8]>,
    direction: Direction,
    limit: usize,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cells = Vec::new();
    tree.scan(memory, lower, upper, direction, &mut |key, value| {
        let value = match value {
            crate::page::Value::Inline(value) => Ok(value.to_vec()),
            crate::page::Value::Blob(id) => Err(id),
        };
        cells.push((key.to_vec(), value));
        Ok(if cells.len() >= limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })
    .unwrap();
    let resolve = |value: Result<Vec<u8>, _>| {
        value.unwrap_or_else(|id| memory.value(crate::page::Value::Blob(id)))
    };
    cells
        .into_iter()
        .map(|(key, value)| (key, resolve(value)))
        .collect()
}

fn numbers(count: usize, page_bytes: usize) -> (Tree, Memory, BTreeMap<Vec<u8>, Vec<u8>>) {
    let (tree, mut memory) = (Tree::new(STORE, page_bytes), Memory::default());
    let model: BTreeMap<_, _> = (0..count)
        .map(|number| {
            (
                format!("k{:05}", number * 2).into_bytes(),
                vec![b'v'; number % 30],
            )
        })
        .collect();
    let writes: Vec<_> = model
        .iter()
        .map(|(key, value)| (key.as_slice(), Write::Put(value)))
        .collect();
    memory.change(&tree, &writes);
    (tree, memory, model)
}

#[test]
fn any_range_in_both_directions() {
    let (tree, mut memory, model) = numbers(1_500, 256);
    let mut random = Random(9);
    let pick = |random: &mut Random, key: &[u8]| match random.below(5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(key.to_vec()),
        _ => Bound::Excluded(key.to_vec()),
    };
    for _ in 0..2_000 {
        let keys = [0; 2].map(|_| format!("k{:05}", random.below(3_010)).into_bytes());
        let (lower, upper) = (pick(&mut random, &keys[0]), pick(&mut random, &keys[1]));
        let within = |key: &Vec<u8>| {
            let above = match &lower {
                Bound::Unbounded => true,
                Bound::Included(lower) => key >= lower,
                Bound::Excluded(lower) => key > lower,
            };
            above
                && match &upper {
                    Bound::Unbounded => true,
                    Bound::Included(upper) => key <= upper,
                    Bound::Excluded(upper) => key < upper,
                }
        };
        let mut expected: Vec<_> = model.iter().filter(|(key, _)| within(key)).collect();
        let limit = if random.below(2) == 0 {
            usize::MAX
        } else {
            random.below(100) + 1
        };
        let (lower, upper) = (
            lower.as_ref().map(Vec::as_slice),
            upper.as_ref().map(Vec::as_slice),
        );
        for direction in [Direction::Ascending, Direction::Descending] {
            let found = collect(&mut memory, &tree, lower, upper, direction, limit);
            assert!(
                found
                    .iter()
                    .map(|(key, value)| (key, value))
                    .eq(expected.iter().copied().take(limit))
            );
            expected.reverse();
        }
    }
}

#[test]
fn a_short_scan_reads_one_path() {
    let (tree, mut memory, _) = numbers(5_000, 512);
    let depth = memory.inspect(&tree).depth;
    for direction in [Direction::Ascending, Direction::Descending] {
        memory.seen.clear();
        collect(
            &mut memory,
            &tree,
            Bound::Unbounded,
            Bound::Unbounded,
            direction,
            1,
        );
        assert_eq!(memory.seen.len(), depth);
    }
}

#[test]
fn a_bounded_scan_reads_no_leaf_beyond_its_bounds() {
    let (tree, mut memory, _) = numbers(5_000, 512);
    let depth = memory.inspect(&tree).depth;
    let (lower, upper) = (
        Bound::Included(b"k02000".as_slice()),
        Bound::Included(b"k02001".as_slice()),
    );
    for direction in [Direction::Ascending, Direction::Descending] {
        memory.seen.clear();
        assert_eq!(
            collect(&mut memory, &tree, lower, upper, direction, usize::MAX).len(),
            1
        );
        assert!(memory.seen.len() <= depth + 1);
    }
}

#[test]
fn a_scan_over_nothing_finds_nothing() {
    let (tree, mut memory) = (Tree::new(STORE, 256), Memory::default());
    for direction in [Direction::Ascending, Direction::Descending] {
        assert!(
            collect(
                &mut memory,
                &tree,
                Bound::Unbounded,
                Bound::Unbounded,
                direction,
                1
            )
            .is_empty()
        );
    }
    assert_eq!(memory.get(&tree, b""), None);
}
