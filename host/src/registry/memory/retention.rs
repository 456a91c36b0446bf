//! Which superseded versions must be kept: those of the last minute or so, in bounded bytes, and those that someone reads.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sop_engine::types::{LogicalId, Version};

/// Marks of time per retention period: more make the floor follow more closely.
const MARKS_PER_RETENTION: u32 = 64;

/// Versions that came to be at about the same time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    first: Duration,
    last: Duration,
    /// The newest of them.
    version: Version,
}

/// The history to keep.
#[derive(Debug)]
pub(super) struct Retention {
    period: Duration,
    bytes_max: u64,
    /// Bytes of history now.
    pub(super) bytes: u64,
    snapshots: BTreeMap<Version, usize>,
    /// Ascending.
    marks: VecDeque<Mark>,
    /// Who was superseded by which version, in publish order.
    superseded: VecDeque<(Version, LogicalId)>,
}

impl Retention {
    pub(super) fn new(period: Duration, bytes_max: u64, now: Duration, version: Version) -> Self {
        Self {
            period,
            bytes_max,
            bytes: 0,
            snapshots: BTreeMap::new(),
            marks: VecDeque::from([Mark {
                first: now,
                last: now,
                version,
            }]),
            superseded: VecDeque::new(),
        }
    }

    pub(super) fn register(&mut self, version: Version) {
        *self.snapshots.entry(version).or_default() += 1;
    }

    pub(super) fn release(&mut self, version: Version) {
        if let Some(count) = self.snapshots.get_mut(&version) {
            *count -= 1;
            if *count == 0 {
                self.snapshots.remove(&version);
            }
        }
    }

    /// Notes when a version came to be.
    pub(super) fn published(&mut self, now: Duration, version: Version) {
        let spacing = self.period / MARKS_PER_RETENTION;
        match self.marks.back_mut() {
            Some(mark) if now < mark.first + spacing => {
                *mark = Mark {
                    first: mark.first,
                    last: now,
                    version,
                }
            }
            _ => self.marks.push_back(Mark {
                first: now,
                last: now,
                version,
            }),
        }
    }

    /// Notes that a version was superseded.
    pub(super) fn supersede(&mut self, by: Version, id: LogicalId) {
        self.superseded.push_back((by, id));
    }

    /// No version above this may be given up.
    pub(super) fn limit(&self, current: Version) -> Version {
        self.snapshots.keys().next().copied().unwrap_or(current)
    }

    /// The newest version whose successors have all been there for the whole retention period.
    pub(super) fn floor(&mut self, now: Duration, current: Version) -> Version {
        if self.period.is_zero() {
            return self.limit(current);
        }
        while let Some(mark) = self.marks.get(1) {
            if now.saturating_sub(mark.last) < self.period {
                break;
            }
            self.marks.pop_front();
        }
        match self.marks.front() {
            Some(mark) if now.saturating_sub(mark.last) >= self.period => {
                mark.version.min(self.limit(current))
            }
            _ => 0,
        }
    }

    /// The next superseded version to drop: everything up to `floor`, and beyond it while the bytes are too many.
    pub(super) fn next(
        &mut self,
        floor: Version,
        current: Version,
    ) -> Option<(Version, LogicalId)> {
        let (by, _) = *self.superseded.front()?;
        let pressed = self.bytes > self.bytes_max && by <= self.limit(current);
        if by <= floor || pressed {
            self.superseded.pop_front()
        } else {
            None
        }
    }
}
