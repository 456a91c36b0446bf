//! Trees that are wrong under right checksums: reads, changes and inspections answer with an error or a
//! result, end, and never panic.

use std::ops::{Bound, ControlFlow};

use super::{Memory, Random, STORE};
use crate::error::{Error, Result};
use crate::page::{Builder, Cell, Key, Page};
use crate::tree::{Direction, Inspection, Source, Tree, Write};
use crate::types::LogicalId;

const PAGE_BYTES: usize = 256;

fn filled() -> (Tree, Memory) {
    let (tree, mut memory) = (Tree::new(STORE, PAGE_BYTES), Memory::default());
    for number in 0..400 {
        let value = vec![b'v'; if number % 17 == 0 { 100 } else { 8 }];
        memory.put(&tree, format!("{number:04}").as_bytes(), &value);
    }
    (tree, memory)
}

/// Another page of the same node that is sound by itself.
fn twist(page: &Page, random: &mut Random, ids: &[LogicalId]) -> Page {
    let mut low = page.low_fence().to_vec();
    let mut high = page.high_fence().map(<[u8]>::to_vec);
    let mut level = page.level();
    let mut first = 0;
    let mut end = page.len();
    match random.below(6) {
        0 => high = None,
        1 => low = Vec::new(),
        2 if level > 0 => level = 1 + u8::try_from(random.below(5)).unwrap(),
        3 if level > 0 && end > 1 => {
            first = 1;
            low = page.key(1).to_vec();
        }
        4 if end > 1 => end -= 1,
        _ => {}
    }
    let last = if end > first {
        Some(page.key(end - 1))
    } else {
        None
    };
    if page.is_leaf() {
        let mut builder = Builder::leaf(page.id(), &low, high.as_deref(), last);
        (first..end).for_each(|slot| builder.push(page.key(slot), &page.cell(slot)));
        return builder.finish();
    }
    // The first key of a branch is its low fence.
    let last = if end - first == 1 {
        Some(Key::whole(&low))
    } else {
        last
    };
    let mut builder = Builder::branch(page.id(), level, &low, high.as_deref(), last);
    for slot in first..end {
        let key = if slot == first {
            Key::whole(&low)
        } else {
            page.key(slot)
        };
        let swapped = ids[random.below(ids.len())];
        let swap = random.below(10) == 0 && swapped.node > LogicalId::ROOT;
        builder.push(
            key,
            &Cell::Reference(if swap {
                swapped.node
            } else {
                page.child(slot).node
            }),
        );
    }
    builder.finish()
}

fn is_allowed<T>(result: &Result<T>) -> bool {
    matches!(result, Ok(_) | Err(Error::Corrupt(_)))
}

#[test]
fn wrong_structure_is_an_error_or_harmless() {
    let mut random = Random(21);
    for _ in 0..300 {
        let (tree, mut memory) = filled();
        let ids: Vec<_> = memory.bodies.keys().copied().collect();
        for _ in 0..=random.below(3) {
            let id = ids[random.below(ids.len())];
            if let Ok(Some(page)) = memory.page(id) {
                let twisted = twist(&page, &mut random, &ids).bytes().to_vec();
                memory.bodies.insert(id, vec![twisted]);
            } else if random.below(2) == 0 {
                memory.bodies.remove(&id);
            }
        }
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut visit = |_: &[u8], _: crate::page::Value<'_>| Ok(ControlFlow::Continue(()));
            let scanned = tree.scan(
                &mut memory,
                Bound::Unbounded,
                Bound::Unbounded,
                direction,
                &mut visit,
            );
            assert!(is_allowed(&scanned), "{scanned:?}");
        }
        let keys: Vec<_> = (0..400).map(|number| format!("{number:04}")).collect();
        assert!(
            keys.iter()
                .all(|key| is_allowed(&tree.find(&mut memory, key.as_bytes())))
        );
        for write in [Write::Put(b"other"), Write::Put(&[1; 200]), Write::Remove] {
            let start = random.below(keys.len());
            let end = start + random.below(keys.len() - start);
            let writes: Vec<_> = keys[start..end]
                .iter()
                .map(|key| (key.as_bytes(), write))
                .collect();
            assert!(is_allowed(&tree.change(&mut memory, &writes)));
        }
        assert!(is_allowed(&tree.dismantle(&mut memory, 50)));
        let mut inspection = Inspection::new(&tree);
        let mut steps = 0;
        while !inspection.step(&mut memory, 7).unwrap() {
            steps += 1;
            assert!(steps < 1_000, "an inspection that does not end");
        }
    }
}

#[test]
fn a_damaged_node_is_named_and_the_inspection_goes_on() {
    let (tree, mut memory) = filled();
    let whole = memory.inspect(&tree);
    let leaf = *memory
        .bodies
        .keys()
        .find(|id| is_leaf(&memory, **id))
        .unwrap();
    memory.bodies.get_mut(&leaf).unwrap()[0][40] ^= 1;
    let mut inspection = Inspection::new(&tree);
    while !inspection.step(&mut memory, 1_000).unwrap() {}
    assert_eq!(
        (inspection.leaves, inspection.branches),
        (whole.leaves - 1, whole.branches)
    );
    assert_eq!(
        inspection
            .damages
            .iter()
            .map(|(id, _)| *id)
            .collect::<Vec<_>>(),
        [leaf]
    );

    memory.bodies.remove(&leaf);
    let mut inspection = Inspection::new(&tree);
    while !inspection.step(&mut memory, 1_000).unwrap() {}
    assert_eq!(
        inspection
            .damages
            .iter()
            .map(|(id, _)| *id)
            .collect::<Vec<_>>(),
        [leaf]
    );
    let mut visit = |_: &[u8], _: crate::page::Value<'_>| Ok(ControlFlow::Continue(()));
    let scanned = tree.scan(
        &mut memory,
        Bound::Unbounded,
        Bound::Unbounded,
        Direction::Ascending,
        &mut visit,
    );
    assert!(matches!(scanned, Err(Error::Corrupt(what)) if what.contains(&leaf.to_string())));
}

fn is_leaf(memory: &Memory, id: LogicalId) -> bool {
    Page::parse(id, memory.bodies[&id].clone()).is_ok_and(|page| page.is_leaf())
}

#[test]
fn a_missing_value_blob_is_named() {
    let (tree, mut memory) = filled();
    let is_value = |id: &&LogicalId| Page::parse(**id, memory.bodies[*id].clone()).is_err();
    let values: Vec<_> = memory.bodies.keys().filter(is_value).copied().collect();
    values.iter().for_each(|id| drop(memory.bodies.remove(id)));
    let changed = tree.change(&mut memory, &[(b"0000", Write::Remove)]);
    assert!(
        matches!(changed, Err(Error::Corrupt(what)) if values.iter().any(|id| what.contains(&id.to_string())))
    );
}

#[test]
fn writes_that_make_no_sense_are_refused() {
    let (tree, mut memory) = filled();
    let writes: [(&[u8], Write<'_>); 2] = [(b"b", Write::Remove), (b"a", Write::Remove)];
    assert!(matches!(
        tree.change(&mut memory, &writes),
        Err(Error::Invalid(_))
    ));
    let long = vec![0; crate::limits::KEY_BYTES_MAX + 1];
    assert!(matches!(
        tree.change(&mut memory, &[(&long, Write::Put(b""))]),
        Err(Error::Limit { .. })
    ));
}
