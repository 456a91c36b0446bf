//! What the host keeps for one wasmtime store.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sop_engine::types::{Handle, PhysicalId, Version};
use wasmtime::component::ResourceTable;

use super::authority::Authority;
use super::budget::Budget;
use super::calls::{CallCounters, count};
use super::output::Output;
use super::refusal::{LimitReached, Refusal};
use super::turn::Turn;
use super::wasi::InertWasi;
use crate::limits;
use crate::storage::{Spilled, Storage};

/// A body that the guest wrote ahead; the resource behind `blobs.spilled`.
#[derive(Debug)]
pub struct SpilledBody(pub(super) Arc<Spilled>);

/// What the instance of one wasmtime store may do, holds, and has used up. Dropping it releases everything.
#[derive(Debug)]
pub struct HostState {
    pub(super) storage: Arc<Storage>,
    pub(super) authority: Authority,
    pub(super) calls: Arc<CallCounters>,
    pub(super) table: ResourceTable,
    pub(crate) budget: Budget,
    /// Whether a commit of this instance took effect.
    pub(crate) settlement: Settlement,
    /// How often the transaction or plugin that runs here ended in a conflict before and was begun again: its commits
    /// count as that much older, so that it is let through at last.
    pub(crate) reruns: u32,
    /// Versions registered by `now` and not yet released, with how often.
    read_points: BTreeMap<Version, usize>,
    /// The physical ids that handles gave to a plugin's instance.
    given: HashSet<PhysicalId>,
    /// When a plugin may compute.
    pub(crate) turn: Turn,
    /// Where what the guest says goes.
    pub(crate) output: Arc<Output>,
    /// Made when a guest first asks for it.
    pub(super) wasi: Option<Box<InertWasi>>,
}

/// Whether running a plugin again could do its work twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Settlement {
    /// No commit with changes succeeded.
    #[default]
    Nothing,
    /// A commit with changes is under way, or its outcome is unknown.
    Unknown,
    /// A commit with changes succeeded.
    Committed,
}

impl HostState {
    /// The state of a fresh instance.
    pub(crate) fn new(
        storage: Arc<Storage>,
        authority: Authority,
        budget: Budget,
        calls: Arc<CallCounters>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::SPILLS_MAX);
        Self {
            storage,
            authority,
            calls,
            table,
            budget,
            settlement: Settlement::default(),
            reruns: 0,
            read_points: BTreeMap::new(),
            given: HashSet::new(),
            turn: Turn::default(),
            output: Arc::new(Output::silent()),
            wasi: None,
        }
    }

    /// The same, of a guest that may speak.
    pub(crate) fn with_output(mut self, output: Output) -> Self {
        self.output = Arc::new(output);
        self
    }

    /// As it was before the first run, but for what the guest itself holds.
    pub(crate) fn begin_again(&mut self, output_bytes: u64) {
        self.settlement = Settlement::default();
        self.budget.begin_again();
        self.given.clear();
        self.turn.end();
        self.output.begin_again(output_bytes);
    }

    /// What bounds the memories and tables of the instance, for [`wasmtime::Store::limiter`].
    pub fn limiter(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// Whether the instance holds nothing: no read point, no spilled body.
    pub(crate) fn is_idle(&self) -> bool {
        self.read_points.is_empty() && self.table.is_empty()
    }

    /// A call that may wait begins: counts it.
    pub(super) fn waits(&self, counter: fn(&CallCounters) -> &AtomicU64) {
        count(counter(&self.calls));
        self.turn.end();
    }

    /// Whether another `now` is within bounds.
    pub(super) fn may_read_more(&self) -> Result<(), Refusal> {
        if self.read_points.len() >= limits::READ_POINTS_MAX {
            return Err(Refusal::limit(
                "transactions open in one instance",
                limits::READ_POINTS_MAX,
            ));
        }
        Ok(())
    }

    pub(super) fn registered(&mut self, at: Version) {
        *self.read_points.entry(at).or_default() += 1;
    }

    /// Takes back one registration; false if there is none.
    pub(super) fn unregistered(&mut self, at: Version) -> bool {
        let Some(count) = self.read_points.get_mut(&at) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.read_points.remove(&at);
        }
        true
    }

    /// Remembers the physical ids that these handles give to a plugin's instance.
    pub(super) fn give<'a>(
        &mut self,
        handles: impl Iterator<Item = &'a Handle>,
    ) -> Result<(), Refusal> {
        if self.authority.is_host() {
            return Ok(());
        }
        self.given
            .extend(handles.flat_map(|handle| handle.chain.iter().copied()));
        if self.given.len() > limits::PHYSICAL_IDS_GIVEN_MAX {
            return Err(LimitReached {
                name: "blobs of one run",
                maximum: limits::PHYSICAL_IDS_GIVEN_MAX as u64,
            }
            .into());
        }
        Ok(())
    }

    /// A spilled body can be read back by the instance that wrote it.
    pub(super) fn give_place(&mut self, place: PhysicalId) {
        if !self.authority.is_host() {
            self.given.insert(place);
        }
    }

    /// Counts a denial and leaves a record of it.
    pub(super) fn denied(&self, refusal: &dyn std::fmt::Display) {
        count(&self.calls.denied);
        self.output.audit(refusal);
    }

    pub(super) fn was_given(&self, id: &PhysicalId) -> bool {
        self.authority.is_host() || self.given.contains(id)
    }
}

impl Drop for HostState {
    fn drop(&mut self) {
        for (version, count) in std::mem::take(&mut self.read_points) {
            for _ in 0..count {
                self.storage.release(version);
            }
        }
    }
}
