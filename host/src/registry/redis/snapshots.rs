//! The versions that this host has in use, of which the server is told the lowest.
//!
//! While a `now` is under way, the version it will be given is not known: until then the lowest it
//! can be counts.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Counters of versions in use, with how often.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Mutex<BTreeMap<u64, usize>>);

impl Snapshots {
    fn add(&self, counter: u64) {
        *self.0.lock().entry(counter).or_default() += 1;
    }

    pub(super) fn release(&self, counter: u64) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(&counter) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&counter);
            }
        }
    }

    pub(super) fn lowest(&self) -> Option<u64> {
        self.0.lock().keys().next().copied()
    }

    /// Counts a version for as long as the call lasts, dropped calls included.
    pub(super) fn expect(&self, lowest: u64) -> Expected<'_> {
        self.add(lowest);
        Expected {
            snapshots: self,
            lowest,
        }
    }
}

/// A `now` under way.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    snapshots: &'a Snapshots,
    lowest: u64,
}

impl Expected<'_> {
    /// The version that was given counts from now on.
    pub(super) fn granted(self, counter: u64) {
        self.snapshots.add(counter);
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.snapshots.release(self.lowest);
    }
}
