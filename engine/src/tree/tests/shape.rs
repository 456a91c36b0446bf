//! What trees look like after typical changes: full pages after appends, joined pages after removals, one
//! node changed by one write.

use super::{Memory, STORE};
use crate::tree::{NodeChange, Tree, Write};
use crate::types::LogicalId;

fn number(number: usize) -> Vec<u8> {
    format!("item-{number:08}").into_bytes()
}

fn filled(page_bytes: usize, count: usize) -> (Tree, Memory) {
    let (tree, mut memory) = (Tree::new(STORE, page_bytes), Memory::default());
    let keys: Vec<_> = (0..count).map(number).collect();
    let writes: Vec<_> = keys
        .iter()
        .map(|key| (key.as_slice(), Write::Put(b"value".as_slice())))
        .collect();
    assert_eq!(memory.change(&tree, &writes), i64::try_from(count).unwrap());
    (tree, memory)
}

fn fill_percent(memory: &mut Memory, tree: &Tree) -> u64 {
    let inspection = memory.inspect(tree);
    inspection.page_bytes * 100
        / ((inspection.leaves + inspection.branches) * tree.page_bytes as u64)
}

#[test]
fn appending_one_by_one_fills_pages() {
    for page_bytes in [512, 1024, 8192] {
        let (tree, mut memory) = (Tree::new(STORE, page_bytes), Memory::default());
        for index in 0..20_000 * page_bytes / 8192 {
            assert_eq!(memory.put(&tree, &number(index), b"0123456789012345"), 1);
        }
        let fill = fill_percent(&mut memory, &tree);
        assert!(fill > 90, "{page_bytes}: {fill} %");
    }
}

#[test]
fn loading_in_order_fills_pages() {
    let (tree, mut memory) = filled(4096, 30_000);
    assert!(fill_percent(&mut memory, &tree) > 95);
}

#[test]
fn inserting_anywhere_fills_pages_by_more_than_half() {
    let (tree, mut memory) = (Tree::new(STORE, 1024), Memory::default());
    let mut random = super::Random(5);
    for _ in 0..10_000 {
        memory.put(&tree, &number(random.below(100_000_000)), b"0123456789");
    }
    let fill = fill_percent(&mut memory, &tree);
    assert!(fill > 55, "{fill} %");
}

#[test]
fn one_write_changes_one_node() {
    let (tree, mut memory) = filled(1024, 5_000);
    for (key, write, items) in [
        (number(777), Write::Put(b"other".as_slice()), 0),
        (number(778), Write::Remove, -1),
        (b"item-00000777+".to_vec(), Write::Put(b"new".as_slice()), 1),
    ] {
        let plan = tree.change(&mut memory, &[(&key, write)]).unwrap();
        assert_eq!((plan.nodes.len(), plan.items), (1, items));
        memory.apply(plan);
    }
    memory.inspect(&tree);
}

#[test]
fn writes_that_change_nothing_change_no_node() {
    let (tree, mut memory) = filled(1024, 500);
    let (absent, present) = (b"nothing".to_vec(), number(5));
    let writes = [
        (present.as_slice(), Write::Put(b"value".as_slice())),
        (absent.as_slice(), Write::Remove),
    ];
    let plan = tree.change(&mut memory, &writes).unwrap();
    assert_eq!((plan.nodes.len(), plan.items), (0, 0));
    let mut empty = Memory::default();
    let plan = tree
        .change(&mut empty, &[(&absent, Write::Remove)])
        .unwrap();
    assert!(plan.nodes.is_empty(), "a remove does not create the root");
}

#[test]
fn removing_everything_leaves_an_empty_root() {
    for count in [1, 10, 300, 20_000] {
        let (tree, mut memory) = filled(256, count);
        let keys: Vec<_> = (0..count).map(number).collect();
        let writes: Vec<_> = keys
            .iter()
            .map(|key| (key.as_slice(), Write::Remove))
            .collect();
        memory.change(&tree, &writes);
        let inspection = memory.inspect(&tree);
        assert_eq!(
            (inspection.leaves, inspection.branches, inspection.items),
            (1, 0, 0)
        );
        assert_eq!(
            memory.bodies.keys().copied().collect::<Vec<_>>(),
            [LogicalId::root(STORE)]
        );
    }
}

#[test]
fn removing_any_range_leaves_a_sound_tree() {
    const COUNT: usize = 3_000;
    let mut random = super::Random(11);
    for _ in 0..60 {
        let (tree, mut memory) = filled(256, COUNT);
        let (start, length) = (random.below(COUNT), random.below(COUNT));
        let end = (start + length).min(COUNT);
        let keys: Vec<_> = (start..end).map(number).collect();
        let writes: Vec<_> = keys
            .iter()
            .map(|key| (key.as_slice(), Write::Remove))
            .collect();
        memory.change(&tree, &writes);
        let inspection = memory.inspect(&tree);
        assert_eq!(inspection.items, (COUNT - (end - start)) as u64);
        for index in [0, start, end.saturating_sub(1), end, COUNT - 1] {
            let expected = index < COUNT && !(start..end).contains(&index);
            assert_eq!(memory.get(&tree, &number(index)).is_some(), expected);
        }
    }
}

#[test]
fn removing_one_by_one_shrinks_the_tree() {
    let (tree, mut memory) = filled(512, 4_000);
    let deep = memory.inspect(&tree).depth;
    let mut random = super::Random(3);
    let mut left: Vec<_> = (0..4_000).collect();
    while left.len() > 40 {
        let index = left.swap_remove(random.below(left.len()));
        memory.change(&tree, &[(&number(index), Write::Remove)]);
    }
    let inspection = memory.inspect(&tree);
    assert_eq!(inspection.items, 40);
    assert!(
        inspection.depth < deep && inspection.leaves < 20,
        "{} leaves",
        inspection.leaves
    );
}

#[test]
fn small_changes_of_large_leaves_become_deltas() {
    let (tree, mut memory) = filled(8192, 2_000);
    memory.puts = 0;
    for round in 0..5 {
        let (key, value) = (number(100), format!("val-{round}"));
        let plan = tree
            .change(&mut memory, &[(&key, Write::Put(value.as_bytes()))])
            .unwrap();
        let is_delta = matches!(plan.nodes.as_slice(), [(_, NodeChange::Delta { .. })]);
        assert_eq!(is_delta, round < crate::limits::CHAIN_DELTAS_MAX);
        memory.apply(plan);
        assert_eq!(memory.get(&tree, &key), Some(value.into_bytes()));
    }
    assert_eq!((memory.deltas, memory.puts), (4, 1));
}

#[test]
fn value_blobs_follow_their_cells() {
    let (tree, mut memory) = filled(1024, 200);
    let key = number(50);
    let changes = |plan: &crate::tree::Plan| -> Vec<&'static str> {
        let name = |change: &NodeChange| match change {
            NodeChange::Put(_) => "put",
            NodeChange::Delta { .. } => "delta",
            NodeChange::PutValue(_) => "value",
            NodeChange::PutSpilled => "spilled",
            NodeChange::Remove => "remove",
        };
        let mut names: Vec<_> = plan.nodes.iter().map(|(_, change)| name(change)).collect();
        names.sort_unstable();
        names
    };
    let (one, two, spilled) = (vec![1; 257], vec![2; 5_000], vec![3; 100_000]);
    let steps: [(Option<&[u8]>, &[&str]); 6] = [
        (Some(&one), &["delta", "value"]),
        (Some(&two), &["value"]),
        (Some(b"small"), &["delta", "remove"]),
        (Some(&one), &["delta", "value"]),
        (None, &["delta", "remove", "spilled"]),
        (Some(&two), &["value"]),
    ];
    for (value, expected) in steps {
        let id = memory.spill(&spilled);
        let write = value.map_or(Write::PutSpilled { id }, Write::Put);
        let plan = tree.change(&mut memory, &[(&key, write)]).unwrap();
        assert_eq!(changes(&plan), expected);
        assert_eq!(plan.items, 0);
        memory.apply(plan);
        assert_eq!(
            memory.get(&tree, &key).as_deref(),
            Some(value.unwrap_or(&spilled))
        );
        memory.inspect(&tree);
    }
    assert_eq!(memory.change(&tree, &[(&key, Write::Remove)]), -1);
    memory.inspect(&tree);
}
