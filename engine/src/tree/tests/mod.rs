//! Trees against a plain sorted map, over a source that keeps real bytes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod damage;
mod dismantling;
mod model;
mod scanning;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use super::{Inspection, NodeChange, Plan, Source, Tree, Write};
use crate::error::Result;
use crate::page::{Page, Value, decode_value, encode_value};
use crate::types::LogicalId;

const STORE: u64 = 7;

/// Chains of bodies by id. Every page that is asked for is parsed from its bytes.
#[derive(Default)]
struct Memory {
    bodies: BTreeMap<LogicalId, Vec<Vec<u8>>>,
    spilled: BTreeMap<LogicalId, Vec<u8>>,
    allocated: u64,
    fresh: BTreeSet<LogicalId>,
    seen: BTreeSet<LogicalId>,
    deltas: usize,
    puts: usize,
}

impl Source for Memory {
    fn page(&mut self, id: LogicalId) -> Result<Option<Page>> {
        self.seen.insert(id);
        let Some(bodies) = self.bodies.get(&id) else {
            return Ok(None);
        };
        Page::parse(id, bodies.clone())
            .map(Some)
            .map_err(|error| error.corrupt(id))
    }

    fn observe(&mut self, id: LogicalId) -> Result<bool> {
        self.seen.insert(id);
        Ok(self.bodies.contains_key(&id))
    }

    fn allocate(&mut self, store: u64, count: usize) -> Result<Vec<LogicalId>> {
        let ids: Vec<_> = (0..count).map(|_| self.fresh_id(store)).collect();
        self.fresh.extend(&ids);
        Ok(ids)
    }
}

impl Memory {
    fn fresh_id(&mut self, store: u64) -> LogicalId {
        self.allocated += 1;
        // Scattered, so that order of ids and order of keys have nothing to do with each other.
        LogicalId::new(
            store,
            self.allocated.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 2,
        )
    }

    /// A value written ahead.
    fn spill(&mut self, value: &[u8]) -> LogicalId {
        let id = self.fresh_id(STORE);
        self.fresh.insert(id);
        self.spilled.insert(id, encode_value(id, value));
        id
    }

    /// Does what the plan says, and checks that every existing node it changes was looked at.
    fn apply(&mut self, plan: Plan) {
        for (id, change) in plan.nodes {
            let exists = self.bodies.contains_key(&id);
            assert!(
                self.seen.contains(&id) || self.fresh.contains(&id),
                "{id} was changed but not looked at"
            );
            assert!(
                !exists || self.seen.contains(&id),
                "{id} exists and was not looked at"
            );
            match change {
                NodeChange::Put(page) => {
                    assert_eq!(page.id(), id);
                    self.puts += 1;
                    self.bodies.insert(id, vec![page.bytes().to_vec()]);
                }
                NodeChange::Delta { body, page } => {
                    self.deltas += 1;
                    let bodies = self.bodies.get_mut(&id).unwrap();
                    bodies.push(body);
                    let parsed = Page::parse(id, bodies.clone()).unwrap();
                    assert_eq!(parsed.bytes(), page.bytes());
                    assert_eq!(
                        (
                            parsed.deltas(),
                            parsed.delta_bytes(),
                            parsed.chain_checksum()
                        ),
                        (page.deltas(), page.delta_bytes(), page.chain_checksum())
                    );
                }
                NodeChange::PutValue(body) => {
                    decode_value(id, &body).unwrap();
                    self.bodies.insert(id, vec![body]);
                }
                NodeChange::PutSpilled => {
                    let body = self.spilled.remove(&id).unwrap();
                    self.bodies.insert(id, vec![body]);
                }
                NodeChange::Remove => {
                    assert!(
                        self.bodies.remove(&id).is_some(),
                        "{id} was removed and did not exist"
                    );
                }
            }
        }
        self.seen.clear();
        self.fresh.clear();
    }

    fn change(&mut self, tree: &Tree, writes: &[(&[u8], Write<'_>)]) -> i64 {
        let plan = tree.change(self, writes).unwrap();
        let items = plan.items;
        self.apply(plan);
        items
    }

    fn put(&mut self, tree: &Tree, key: &[u8], value: &[u8]) -> i64 {
        self.change(tree, &[(key, Write::Put(value))])
    }

    /// The value itself, from its cell or its value blob.
    fn value(&self, value: Value<'_>) -> Vec<u8> {
        match value {
            Value::Inline(value) => value.to_vec(),
            Value::Blob(id) => {
                let body = &self.bodies[&id][0];
                body[decode_value(id, body).unwrap()].to_vec()
            }
        }
    }

    fn get(&mut self, tree: &Tree, key: &[u8]) -> Option<Vec<u8>> {
        let located = tree.find(self, key).unwrap()?;
        Some(self.value(located.value()))
    }

    /// Walks the tree, expects it to be sound, and expects nothing beside it.
    fn inspect(&mut self, tree: &Tree) -> Inspection {
        let mut inspection = Inspection::new(tree);
        while !inspection.step(self, 5).unwrap() {}
        assert_eq!(inspection.damages, Vec::new());
        let all: BTreeSet<u64> = self.bodies.keys().map(|id| id.node).collect();
        assert_eq!(inspection.reached(), &all, "orphans or missing nodes");
        for id in self.bodies.keys().copied().collect::<Vec<_>>() {
            self.check_size(tree, id);
        }
        self.seen.clear();
        inspection
    }

    fn check_size(&mut self, tree: &Tree, id: LogicalId) {
        let Ok(page) = Page::parse(id, self.bodies[&id].clone()) else {
            return;
        };
        let least = if page.is_leaf() { 1 } else { 3 };
        assert!(
            page.page_bytes() <= tree.page_bytes || page.len() <= least,
            "{page:?} should have been split"
        );
    }
}

/// A small generator with a fixed seed, so that a failure repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}
