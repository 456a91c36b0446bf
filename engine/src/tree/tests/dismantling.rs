//! A dropped tree goes in steps, each of which leaves a sound tree.

use super::{Memory, Random, STORE};
use crate::tree::{Tree, Write};

#[test]
fn repeated_steps_remove_all_nodes_and_values() {
    let tree = Tree::new(STORE, 512);
    for (count, nodes_max) in [(0, 10), (3, 1), (2_000, 1), (2_000, 40), (5_000, 1_000_000)] {
        let (mut memory, mut random) = (Memory::default(), Random(4));
        let items: Vec<_> = (0..count)
            .map(|number| (format!("{number:06}"), vec![7; random.below(160)]))
            .collect();
        let writes: Vec<_> = items
            .iter()
            .map(|(key, value)| (key.as_bytes(), Write::Put(value.as_slice())))
            .collect();
        memory.change(&tree, &writes);
        loop {
            let plan = tree.dismantle(&mut memory, nodes_max).unwrap();
            assert!(
                plan.nodes.len() <= nodes_max + 40,
                "{} nodes",
                plan.nodes.len()
            );
            if plan.nodes.is_empty() {
                break;
            }
            memory.apply(plan);
            memory.inspect(&tree);
        }
        assert!(memory.bodies.is_empty());
    }
}
