//! Periods and the cursor over all entries, as a server would have them: for registries that play one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sop_engine::types::{LogicalId, Version};

use super::{MemoryRegistry, Survey, failed_read};
use crate::registry::{EntryBatch, PeriodProgress, PeriodStart, RegistryError};

impl MemoryRegistry {
    pub(super) fn next_period(&self, ended: u32) -> Result<PeriodStart, RegistryError> {
        let now = self.runtime.elapsed();
        let mut core = self.core.lock();
        let period = match core.period.number {
            number if number == ended => number.saturating_add(1),
            number => return Err(RegistryError::PeriodEnded(number)),
        };
        core.period = super::core::Period {
            number: period,
            ticket: core.next_ticket,
            since: now,
        };
        core.holds.begin_period(period, now);
        let low_water = core.low_water();
        let oldest = core.intents.oldest_period().unwrap_or(period).min(period);
        Ok(PeriodStart {
            period,
            oldest,
            spills_from: core.holds.floor_of(oldest, period),
            relocations: core.relocations,
            version: core.version,
            low_water,
            contained: core.recent.at_or_above(low_water),
            next_ticket: core.next_ticket,
            entries: self.entries_estimate(),
        })
    }

    /// A period begins whose number somebody else decides: nothing is under way, and what was written ahead is known.
    pub fn enter_period(&self, number: u32) {
        let now = self.runtime.elapsed();
        let mut core = self.core.lock();
        core.period = super::core::Period {
            number,
            ticket: core.next_ticket,
            since: now,
        };
    }

    pub(super) fn hold(&self, from: u32, lease: Duration) -> Result<(), RegistryError> {
        let now = self.runtime.elapsed();
        let mut core = self.core.lock();
        let current = core.period.number;
        match core.holds.hold(from, now, lease) {
            true => Ok(()),
            false => Err(RegistryError::PeriodEnded(current)),
        }
    }

    pub(super) fn period_progress(&self) -> PeriodProgress {
        let now = self.runtime.elapsed();
        let core = self.core.lock();
        PeriodProgress {
            period: core.period.number,
            segments: core.next_ticket - core.period.ticket,
            age: now.saturating_sub(core.period.since),
            entries: self.entries_estimate(),
        }
    }

    /// How often chains were relocated so far.
    pub fn relocations(&self) -> u64 {
        self.core.lock().relocations
    }

    /// How many entries there are, about: those in memory may lie over those of the base.
    pub(crate) fn entries_estimate(&self) -> u64 {
        let base = self.handles.base();
        let below = base.map_or(0, |base| base.entries_count());
        below.max(self.handles.records() as u64)
    }

    pub(super) fn batch(
        &self,
        at: Version,
        from: &[u8],
        count: usize,
    ) -> Result<EntryBatch, RegistryError> {
        let mut survey = Survey::at(self, at, place(from)?);
        let entries = survey.next_entries(count);
        let entries = entries.map_err(|error| failed_read(&error))?;
        self.checked_floor(at)?;
        let last = entries.last().map(|entry| entry.id);
        let next = last.map(|id| [id.store.to_be_bytes(), id.node.to_be_bytes()].concat());
        Ok(EntryBatch {
            next: next.filter(|_| entries.len() >= count),
            entries,
            floor: self.floor.load(Ordering::Acquire),
            relocations: self.relocations(),
        })
    }
}

/// The id after which a batch begins.
fn place(from: &[u8]) -> Result<Option<LogicalId>, RegistryError> {
    if from.is_empty() {
        return Ok(None);
    }
    let (store, node) = from.split_at_checked(8).unwrap_or_default();
    match (store.try_into(), node.try_into()) {
        (Ok(store), Ok(node)) => Ok(Some(LogicalId::new(
            u64::from_be_bytes(store),
            u64::from_be_bytes(node),
        ))),
        _ => Err(RegistryError::Invalid(
            "no batch ended at this place".to_owned(),
        )),
    }
}
