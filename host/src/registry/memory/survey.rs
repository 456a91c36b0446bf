//! All entries as of one moment, while commits go on: what a checkpoint writes down.
//!
//! The moment is a version whose history is kept while the survey lasts, so the entries are exactly the state at that
//! version, whatever is published meanwhile. Relocations change no version and may or may not be included: repeating one
//! finds its old chain gone and changes nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sop_engine::types::{LogicalId, Version};

use super::MemoryRegistry;
use crate::recovery::entry::{Base, Entry, Header};

/// All entries of a registry in the order of ids.
#[derive(Debug)]
pub struct Survey<'a> {
    registry: &'a MemoryRegistry,
    header: Header,
    touched: u64,
    registered: bool,
    base: Option<Arc<dyn Base>>,
    /// Ids in memory that are still to come, ascending.
    recent: std::iter::Peekable<std::vec::IntoIter<LogicalId>>,
    stored: std::collections::VecDeque<Entry>,
    stored_after: Option<LogicalId>,
    stored_ended: bool,
}

impl MemoryRegistry {
    /// Fixes the moment: everything published before is in, nothing later. Only one survey at a time may end in
    /// [`MemoryRegistry::rebase`].
    pub fn survey(&self) -> Survey<'_> {
        let mut core = self.core.lock();
        let version = core.version;
        core.retention.register(version);
        let low_water = core.low_water();
        let header = Header {
            epoch: core.epoch,
            period: 0,
            version,
            floor: self.floor.load(Ordering::Acquire),
            low_water,
            contained: core.recent.at_or_above(low_water),
            next_ticket: core.next_ticket,
            outcomes: core.outcomes.list(),
            position: crate::recovery::entry::LogPosition::default(),
        };
        let touched = core.touches;
        drop(core);
        Survey::new(self, header, touched, true, None)
    }

    /// Lies over a checkpoint that a survey made, from now on, and forgets what it contains.
    pub fn rebase(&self, base: Arc<dyn Base>, survey: &Survey<'_>) {
        let mut core = self.core.lock();
        let left = self.handles.rebase(base, survey.touched);
        core.retention.bytes = core.retention.bytes.saturating_sub(left);
    }

    /// Whether a reservation is unresolved.
    pub fn reserved(&self) -> bool {
        !self.core.lock().intents.is_empty()
    }
}

impl<'a> Survey<'a> {
    fn new(
        registry: &'a MemoryRegistry,
        header: Header,
        touched: u64,
        registered: bool,
        after: Option<LogicalId>,
    ) -> Self {
        let mut ids = registry.handles.ids();
        if let Some(after) = after {
            ids.retain(|id| *id > after);
        }
        Self {
            registry,
            header,
            touched,
            registered,
            base: registry.handles.base(),
            recent: ids.into_iter().peekable(),
            stored: std::collections::VecDeque::new(),
            stored_after: after,
            stored_ended: false,
        }
    }

    pub(super) fn unregistered(registry: &'a MemoryRegistry, after: Option<LogicalId>) -> Self {
        Self::at(registry, Version::MAX, after)
    }

    /// The entries after an id as of a version that somebody else registered.
    pub(super) fn at(
        registry: &'a MemoryRegistry,
        version: Version,
        after: Option<LogicalId>,
    ) -> Self {
        let floor = registry.floor.load(Ordering::Acquire);
        let header = Header {
            version,
            floor,
            ..Header::default()
        };
        Self::new(registry, header, 0, false, after)
    }

    /// What the checkpoint says about the whole; its period and position are the writer's to fill in.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many entries there are, about.
    pub(crate) fn entries_estimate(&self) -> u64 {
        self.registry.entries_estimate()
    }

    /// Up to `count` further entries; none = that was all.
    pub fn next_entries(&mut self, count: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() < count {
            self.fill(count)?;
            let stored = self.stored.front().map(|entry| entry.id);
            let id = match (self.recent.peek().copied(), stored) {
                (None, None) => break,
                (Some(recent), Some(stored)) => recent.min(stored),
                (Some(id), None) | (None, Some(id)) => id,
            };
            if self.recent.peek() == Some(&id) {
                self.recent.next();
            }
            let below = if stored == Some(id) {
                self.stored.pop_front()
            } else {
                None
            };
            entries.extend(self.entry(id, below)?);
        }
        Ok(entries)
    }

    fn fill(&mut self, count: usize) -> io::Result<()> {
        if !self.stored.is_empty() || self.stored_ended {
            return Ok(());
        }
        let Some(base) = &self.base else {
            self.stored_ended = true;
            return Ok(());
        };
        let stored = base.entries_after(self.stored_after, count)?;
        self.stored_after = stored.last().map(|entry| entry.id).or(self.stored_after);
        self.stored_ended = stored.is_empty();
        self.stored.extend(stored);
        Ok(())
    }

    /// The entry of an id: its record in memory where there is one now, else what the base says.
    fn entry(&self, id: LogicalId, below: Option<Entry>) -> io::Result<Option<Entry>> {
        let (at, floor) = (self.header.version, self.header.floor);
        let in_memory = self
            .registry
            .handles
            .recent(id, |record| record.to_entry(id, at, floor));
        match (in_memory, below) {
            (Some(entry), _) => Ok(entry),
            (None, Some(entry)) => {
                Ok(super::record::Record::from_entry(&entry).to_entry(id, at, floor))
            }
            // It was in memory a moment ago: it ended and was forgotten, or lies in a newer base.
            (None, None) => self
                .registry
                .handles
                .read(id, |record| record?.to_entry(id, at, floor)),
        }
    }
}

impl Drop for Survey<'_> {
    fn drop(&mut self) {
        if self.registered {
            self.registry
                .core
                .lock()
                .retention
                .release(self.header.version);
        }
    }
}
