//! What becomes of groups whose epoch ends under them.

use async_trait::async_trait;
use sop_engine::types::Version;

use super::Committer;
use super::group::Reserved;
use crate::blob::SegmentKey;
use crate::registry::Published;

/// What the epoch after it says of a durable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inclusion {
    /// Its transactions are part of the database, visible from this version on.
    Included(Version),
    /// They never happened.
    Excluded,
}

/// Who knows the epochs after this one.
#[async_trait]
pub(crate) trait Succession: Send + Sync + std::fmt::Debug + 'static {
    /// Waits until a later epoch is active, then answers what the first real manifest after the segment's epoch says.
    /// `None` = that cannot be told now.
    async fn inclusion(&self, key: SegmentKey) -> Option<Inclusion>;
}

impl Committer {
    /// What the next epoch says of a group, if this one has ended.
    pub(super) async fn inherited(&self, reserved: &Reserved) -> Option<Inclusion> {
        if !self.fenced() {
            return None;
        }
        self.succession.as_ref()?.inclusion(reserved.key).await
    }
}

/// How the transactions of a group were published that a recovery included.
pub(super) fn included(reserved: &Reserved, version: Version) -> Vec<Published> {
    let transactions = reserved.record.transactions.iter();
    transactions
        .map(|transaction| Published {
            version,
            // Where their bodies lie under the new epoch is the registry's to say.
            handles: vec![None; transaction.changes.len()],
        })
        .collect()
}
