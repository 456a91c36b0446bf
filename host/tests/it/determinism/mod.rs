//! No hidden inputs: built as a component and built natively, the engine makes the same calls with the same bytes and gives
//! the same answers.
//!
//! Method: interleaved transactions of a seed run on the component, over the imports of a real host, and every call is written
//! down. Then the native engine runs the same transactions on the transcript: each of its calls has to be the next one
//! written down, and gets the answer written down. Among them are conflicts, re-validations, splits, merges, and bodies
//! written ahead of their commit.

mod recorder;
mod replay;
mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use sop_engine::error::Error as NativeError;
use sop_engine::store::Engine as NativeEngine;
use sop_engine::transaction::{Isolation, Range, Transaction};
use sop_engine::tree::Direction;
use sop_engine::types::CommitOutcome;
use sop_host::engine_pool::ENGINE_COMPONENT;
use sop_host::engine_pool::bindings::Engine;
use sop_host::engine_pool::bindings::exports::sop::engine::{transactions as guest, types};
use wasmtime::component::{Component, HasSelf, Linker, ResourceAny};
use wasmtime::{Config, Store};

use crate::memory;
use recorder::Recorder;
use replay::Replay;
use transcript::{Answer, Request, Written};

/// Transactions that are open at one time.
const SLOTS: usize = 3;
const STEPS: usize = 1_500;
const KEYS: u16 = 600;

#[derive(Clone, Debug)]
enum Step {
    Get(u16),
    Put(u16, Vec<u8>),
    Remove(u16),
    RemoveRange(u16, u16),
    Scan(u16, u16, bool),
    Count,
    Commit,
    Rollback,
}

/// The steps of a seed, each in one of the slots. A slot without a transaction begins one first.
fn steps(seed: u64) -> Vec<(usize, Step)> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut step = |number: usize| {
        let key = random.random_range(0..KEYS);
        // First it grows, in the end it shrinks, so that nodes split and merge.
        let shrinks = number > STEPS * 3 / 4;
        match random.random_range(0..100) {
            0..10 => Step::Get(key),
            10..50 if shrinks => Step::RemoveRange(key, key.saturating_add(8)),
            10..60 => Step::Put(key, value(&mut random)),
            60..70 => Step::Remove(key),
            70..76 => Step::Scan(key, key.saturating_add(20), random.random()),
            76..78 => Step::Count,
            78..97 => Step::Commit,
            _ => Step::Rollback,
        }
    };
    let steps: Vec<_> = (0..STEPS).map(&mut step).collect();
    let slots = steps
        .into_iter()
        .map(|step| (random.random_range(0..SLOTS), step));
    slots.collect()
}

/// Mostly small, some that get a node of their own, a few that are written ahead.
fn value(random: &mut StdRng) -> Vec<u8> {
    let length = match random.random_range(0..100) {
        0..90 => random.random_range(0..400),
        90..99 => random.random_range(3_000..9_000),
        _ => 1_500_000,
    };
    let mut value = vec![0; length];
    random.fill_bytes(&mut value);
    value
}

fn key(number: u16) -> Vec<u8> {
    format!("key-{number:05}").into_bytes()
}

/// What a step answered, alike for both.
fn told<T: std::fmt::Debug>(answer: Result<T, String>) -> String {
    match answer {
        Ok(value) => format!("{value:?}"),
        Err(kind) => kind,
    }
}

fn digest(value: &[u8]) -> (usize, u64) {
    let sum = value.iter().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    (value.len(), sum)
}

type Items = Vec<(Vec<u8>, (usize, u64))>;

/// The component, with the transactions of its slots.
struct Guest {
    store: Store<Recorder>,
    engine: Engine,
    slots: BTreeMap<usize, (ResourceAny, ResourceAny)>,
}

impl Guest {
    async fn new() -> Self {
        let mut config = Config::new();
        config.concurrency_support(false);
        let engine = wasmtime::Engine::new(&config).unwrap();
        let component = Component::new(&engine, ENGINE_COMPONENT).unwrap();
        let mut linker = Linker::new(&engine);
        Engine::add_to_linker::<_, HasSelf<Recorder>>(&mut linker, |state| state).unwrap();
        let db = memory().await;
        let mut store = Store::new(&engine, Recorder::new(db.host_state(None)));
        let engine = Engine::instantiate_async(&mut store, &component, &linker)
            .await
            .unwrap();
        let slots = BTreeMap::new();
        Self {
            store,
            engine,
            slots,
        }
    }

    async fn carry_out(&mut self, slot: usize, step: &Step) -> String {
        let transactions = self.engine.sop_engine_transactions().clone();
        let (transaction, items) = match self.slots.get(&slot) {
            Some(open) => *open,
            None => {
                let isolation = guest::Isolation::Serializable;
                let begun = transactions
                    .transaction()
                    .call_begin(&mut self.store, isolation)
                    .await;
                let transaction = begun.unwrap().unwrap();
                let opened = transactions
                    .transaction()
                    .call_open_or_create_store(&mut self.store, transaction, "items")
                    .await;
                let open = (transaction, opened.unwrap().unwrap());
                self.slots.insert(slot, open);
                open
            }
        };
        let store = &mut self.store;
        let all = transactions.store();
        match step {
            Step::Get(number) => {
                let found = all.call_get(store, items, &key(*number)).await.unwrap();
                told(
                    found
                        .map(|found| found.map(|value| digest(&value)))
                        .map_err(kind),
                )
            }
            Step::Put(number, value) => told(
                all.call_put(store, items, &key(*number), value)
                    .await
                    .unwrap()
                    .map_err(kind),
            ),
            Step::Remove(number) => told(
                all.call_remove(store, items, &key(*number))
                    .await
                    .unwrap()
                    .map_err(kind),
            ),
            Step::RemoveRange(from, to) => {
                let range = guest_range(*from, *to);
                told(
                    all.call_remove_range(store, items, &range)
                        .await
                        .unwrap()
                        .map_err(kind),
                )
            }
            Step::Scan(from, to, descending) => {
                let direction = match descending {
                    true => guest::Direction::Descending,
                    false => guest::Direction::Ascending,
                };
                let range = guest_range(*from, *to);
                let found = all
                    .call_scan(store, items, &range, direction, 10)
                    .await
                    .unwrap();
                let shown = |item: types::Item| (item.key, digest(&item.value));
                told(
                    found
                        .map(|found| found.into_iter().map(shown).collect::<Items>())
                        .map_err(kind),
                )
            }
            Step::Count => told(all.call_count(store, items).await.unwrap().map_err(kind)),
            Step::Commit => {
                let answer = transactions
                    .transaction()
                    .call_commit(&mut *store, transaction)
                    .await;
                self.end(slot).await;
                told(
                    answer
                        .unwrap()
                        .map(|info| (info.version, info.revalidations))
                        .map_err(kind),
                )
            }
            Step::Rollback => {
                let answer = transactions
                    .transaction()
                    .call_rollback(&mut *store, transaction)
                    .await;
                self.end(slot).await;
                told(answer.unwrap().map_err(kind))
            }
        }
    }

    async fn end(&mut self, slot: usize) {
        let (transaction, items) = self.slots.remove(&slot).unwrap();
        items.resource_drop_async(&mut self.store).await.unwrap();
        transaction
            .resource_drop_async(&mut self.store)
            .await
            .unwrap();
    }
}

fn guest_range(from: u16, to: u16) -> types::Range {
    types::Range {
        lower: types::Bound::Included(key(from)),
        upper: types::Bound::Excluded(key(to)),
    }
}

fn kind(error: types::Error) -> String {
    match error {
        types::Error::Conflict(keys) => {
            let keys: Vec<_> = keys
                .into_iter()
                .map(|found| (found.store, found.key))
                .collect();
            format!("conflict {keys:?}")
        }
        other => panic!("{other:?}"),
    }
}

/// The native engine, with the transactions of its slots.
struct Native {
    engine: Rc<NativeEngine<Replay>>,
    slots: BTreeMap<usize, (Transaction<Replay>, u64)>,
}

impl Native {
    fn carry_out(&mut self, slot: usize, step: &Step) -> String {
        if !self.slots.contains_key(&slot) {
            let mut transaction =
                Transaction::begin(&self.engine, Isolation::Serializable).unwrap();
            let items = transaction.open_or_create_store("items").unwrap();
            self.slots.insert(slot, (transaction, items));
        }
        let (transaction, items) = self.slots.get_mut(&slot).unwrap();
        let items = *items;
        match step {
            Step::Get(number) => {
                let found = transaction.get(items, &key(*number));
                told(
                    found
                        .map(|found| found.map(|value| digest(value.as_slice())))
                        .map_err(native_kind),
                )
            }
            Step::Put(number, value) => told(
                transaction
                    .put(items, &key(*number), value)
                    .map_err(native_kind),
            ),
            Step::Remove(number) => told(
                transaction
                    .remove(items, &key(*number))
                    .map_err(native_kind),
            ),
            Step::RemoveRange(from, to) => {
                let (from, to) = (key(*from), key(*to));
                told(
                    transaction
                        .remove_range(items, native_range(&from, &to))
                        .map_err(native_kind),
                )
            }
            Step::Scan(from, to, descending) => {
                let (from, to) = (key(*from), key(*to));
                let direction = match descending {
                    true => Direction::Descending,
                    false => Direction::Ascending,
                };
                let found = transaction.scan(items, native_range(&from, &to), direction, 10);
                let shown = |(key, value): (Vec<u8>, Vec<u8>)| (key, digest(&value));
                told(
                    found
                        .map(|found| found.into_pairs().map(shown).collect::<Items>())
                        .map_err(native_kind),
                )
            }
            Step::Count => told(transaction.count(items).map_err(native_kind)),
            Step::Commit => {
                let answer = transaction.commit();
                self.slots.remove(&slot);
                told(
                    answer
                        .map(|info| (info.version, info.revalidations))
                        .map_err(native_kind),
                )
            }
            Step::Rollback => {
                let answer = transaction.rollback();
                self.slots.remove(&slot);
                told(answer.map_err(native_kind))
            }
        }
    }
}

fn native_range<'a>(from: &'a [u8], to: &'a [u8]) -> Range<'a> {
    Range {
        lower: Bound::Included(from),
        upper: Bound::Excluded(to),
    }
}

fn native_kind(error: NativeError) -> String {
    match error {
        NativeError::Conflict(keys) => {
            let keys: Vec<_> = keys
                .into_iter()
                .map(|found| (found.store, found.key))
                .collect();
            format!("conflict {keys:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_component_and_the_native_engine_make_the_same_calls() {
    for seed in 1..=2 {
        let steps = steps(seed);
        let mut component = Guest::new().await;
        let mut told = Vec::with_capacity(steps.len());
        for (slot, step) in &steps {
            told.push(component.carry_out(*slot, step).await);
        }
        for slot in 0..SLOTS {
            if component.slots.contains_key(&slot) {
                told.push(component.carry_out(slot, &Step::Rollback).await);
            }
        }
        let calls = std::mem::take(&mut component.store.data_mut().calls);
        covered(&calls, &told);

        let left = std::cell::RefCell::new(calls.into());
        let engine = Rc::new(NativeEngine::new(Replay { left }));
        let slots = BTreeMap::new();
        let mut native = Native { engine, slots };
        let mut again: Vec<_> = steps
            .iter()
            .map(|(slot, step)| native.carry_out(*slot, step))
            .collect();
        for slot in 0..SLOTS {
            if native.slots.contains_key(&slot) {
                again.push(native.carry_out(slot, &Step::Rollback));
            }
        }
        let differs = told
            .iter()
            .zip(&again)
            .position(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert!(
            native.engine.storage.left.borrow().is_empty(),
            "the component asked for more"
        );
    }
}

/// The run has what it is about.
fn covered(calls: &[transcript::Call], told: &[String]) {
    let commits = calls
        .iter()
        .filter_map(|call| match (&call.request, &call.answer) {
            (Request::Commit(_, changes, attempt), Answer::Outcome(outcome)) => {
                Some((changes, *attempt, outcome))
            }
            _ => None,
        });
    let (mut nodes, mut again, mut conflicts, mut removed, mut spilled) =
        (BTreeSet::new(), 0, 0, 0, 0);
    for (changes, attempt, outcome) in commits {
        again += u32::from(attempt > 0);
        conflicts += u32::from(matches!(outcome, CommitOutcome::Conflict(_)));
        for (id, written) in changes {
            match written {
                Written::Put(_) => drop(nodes.insert(id)),
                Written::Remove => removed += 1,
                Written::PutSpilled(_) => spilled += 1,
                Written::Delta(_) | Written::Add(_) => {}
            }
        }
    }
    let ended = told
        .iter()
        .filter(|told| told.starts_with("conflict"))
        .count();
    let seen = (nodes.len(), again, conflicts, removed, spilled, ended);
    let enough =
        nodes.len() >= 20 && again > 0 && conflicts > 0 && removed > 0 && spilled > 0 && ended > 0;
    assert!(
        enough,
        "nodes, second attempts, conflicts, removals, spills, ended: {seen:?}"
    );
}
