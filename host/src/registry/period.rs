//! Periods of a shared registry: what lets a recovery look at the newest segments only.
//!
//! ```text
//!   period 4                      │ period 5
//!   ── tickets 90 … 120 ──────────┼── 121 …            the period of a segment is fixed when it is reserved
//!        93 and 117 are under way │
//!                                 └ begin_period: version 77, low-water mark 93, contained 94 … 116, 118 … 120, oldest 4
//! ```
//!
//! Beginning a period is one step of the registry, and so is reserving. A reservation for a segment of an earlier period
//! is refused after it, so whatever has such a segment was reserved before; and of that, everything is resolved but what
//! [`PeriodStart::oldest`] and [`PeriodStart::low_water`] tell of.
//!
//! It is *not* a lock: hosts that begin periods at the same time write one checkpoint each.

use std::time::Duration;

use sop_engine::types::Version;

use crate::recovery::entry::Entry;

/// What is true at the moment in which a period begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodStart {
    /// Its number.
    pub period: u32,
    /// The oldest period with an unresolved reservation; this one if there is none. Everything that was reserved for a
    /// segment of an earlier period is resolved: published before, or undone behind a tombstone.
    pub oldest: u32,
    /// The version to read all entries at: everything published before is in it.
    pub version: Version,
    /// The lowest unresolved ticket, or the next to give out.
    pub low_water: u64,
    /// The tickets above it that are published already, ascending.
    pub contained: Vec<u64>,
    /// The next ticket to give out.
    pub next_ticket: u64,
    /// How many entries there are, about.
    pub entries: u64,
}

/// How far a period has come, as this host last heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeriodProgress {
    /// Its number.
    pub period: u32,
    /// Tickets given out since it began: there are no more segments than that.
    pub segments: u64,
    /// How long ago it began.
    pub age: Duration,
    /// How many entries there are, about.
    pub entries: u64,
}

/// Some of all entries as of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryBatch {
    /// In no order. An id may come more than once, with different versions or the same.
    pub entries: Vec<Entry>,
    /// Where to go on; `None` = that was all.
    pub next: Option<Vec<u8>>,
    /// The lowest version that all batches up to this one tell everything about.
    pub floor: Version,
}
