//! Values by id, as of any version that is kept.

use std::collections::BTreeMap;

use super::{LogicalId, Version};

/// What happened to one id, oldest first; none = it ended.
type Record<T> = Vec<(Version, Option<T>)>;

#[derive(Debug)]
pub(super) struct History<T>(BTreeMap<LogicalId, Record<T>>);

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> History<T> {
    /// What an id is now, and since when.
    pub fn newest(&self, id: LogicalId) -> Option<(Version, &T)> {
        self.at(id, Version::MAX)
    }

    /// What an id was at a version, and since when.
    pub fn at(&self, id: LogicalId, at: Version) -> Option<(Version, &T)> {
        let record = self.0.get(&id)?;
        let (version, value) = record.iter().rev().find(|(version, _)| *version <= at)?;
        Some((*version, value.as_ref()?))
    }

    /// Whether anything is known of an id, its end included.
    pub fn knows(&self, id: LogicalId) -> bool {
        self.0.contains_key(&id)
    }

    pub fn push(&mut self, id: LogicalId, version: Version, value: Option<T>) {
        self.0.entry(id).or_default().push((version, value));
    }

    /// Forgets what no version from `floor` on shows of an id. Answers what was forgotten, and what
    /// is left.
    pub fn forget(&mut self, id: LogicalId, floor: Version) -> (Vec<T>, &[(Version, Option<T>)]) {
        let Some(record) = self.0.get_mut(&id) else {
            return (Vec::new(), &[]);
        };
        let shown = record.iter().rposition(|(version, _)| *version <= floor);
        let mut forgotten: Vec<T> = record
            .drain(..shown.unwrap_or(0))
            .filter_map(|(_, value)| value)
            .collect();
        // An end that every version shows is as good as no record.
        if let [(version, None)] = record.as_slice()
            && *version <= floor
        {
            self.0.remove(&id);
            return (forgotten, &[]);
        }
        forgotten.shrink_to_fit();
        (forgotten, self.0.get(&id).map_or(&[], Vec::as_slice))
    }
}
