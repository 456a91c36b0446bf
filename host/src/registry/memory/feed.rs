//! Which ids changed lately: the cheap check of a handle cache.

use std::collections::VecDeque;

use sop_engine::types::{LogicalId, Version};

use crate::limits::{FEED_IDS_MAX, FEED_TRANSACTIONS_MAX};

/// The changed ids of the last published transactions.
#[derive(Debug)]
pub(super) struct Feed {
    /// Everything after this version is in the list.
    since: Version,
    list: VecDeque<(Version, Box<[LogicalId]>)>,
}

impl Feed {
    pub(super) fn new(since: Version) -> Self {
        Self {
            since,
            list: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, version: Version, ids: impl Iterator<Item = LogicalId>) {
        self.list.push_back((version, ids.collect()));
        if self.list.len() > FEED_TRANSACTIONS_MAX
            && let Some((dropped, _)) = self.list.pop_front()
        {
            self.since = dropped;
        }
    }

    /// What changed after a version and when it did last, ascending; `None` = too many to list, or too long ago.
    pub(super) fn changed(&self, since: Version) -> Option<Vec<(LogicalId, Version)>> {
        if since < self.since {
            return None;
        }
        let mut ids = Vec::new();
        for (version, changed) in self
            .list
            .iter()
            .rev()
            .take_while(|(version, _)| *version > since)
        {
            if ids.len() + changed.len() > FEED_IDS_MAX {
                return None;
            }
            ids.extend(changed.iter().map(|id| (*id, *version)));
        }
        Some(super::super::newest_of_each(ids))
    }
}
