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
//! # Bodies written ahead
//! A body that lies in a segment of its own before its transaction reserves is named by nobody. So the hosts *hold* the
//! periods in which they have such bodies, and a registry keeps a **spill floor**: the earliest period held, set anew
//! whenever a period begins. A reservation that consumes bodies of an earlier period is refused. That alone keeps nobody from
//! losing a body: a hold may run out while its host stands still, and then the reservation is refused, whatever any clock
//! says. What was reserved before the floor was set may still be unresolved, so a collector goes by the floor that was set
//! with the period [`PeriodStart::oldest`], of which the registry remembers the last two.
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
    /// Bodies written ahead in segments of periods before this one are dead unless the entries name them: whoever wrote
    /// them and has not reserved yet is refused, and what was reserved before is resolved and in the entries.
    pub spills_from: u32,
    /// How often chains were relocated so far.
    pub relocations: u64,
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
    /// How often chains were relocated so far. Where that is more than when the period began, entries may show newer places of
    /// old versions while versions that came since have the old ones: then nothing can be said of what no entry names.
    pub relocations: u64,
}
