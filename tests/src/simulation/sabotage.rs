//! Rules broken on purpose, outside the shipped code, to show that the simulation can fail.

mod blobs;
mod objects;
mod registry;

use std::sync::Arc;

use clap::ValueEnum;
use sop_host::blob::BlobStore;
use sop_host::blob::objects::Objects;
use sop_host::registry::Registry;

use super::scheduler::HostRuntime;

/// One rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sabotage {
    /// Reserve does not look at what was observed.
    ReadValidation,
    /// Nobody sees the claim of a later epoch.
    FenceCheck,
    /// The put of a segment answers before it is stored.
    EarlyAnswer,
    /// Two writers of one key in one group are let through.
    TwoWriters,
    /// A host remembers handles and asks nobody whether they are current.
    HandleCache,
    /// A read point is shared with those who asked after it was taken.
    StaleNow,
    /// Whoever resolves a reservation believes in a tombstone that was not stored.
    Tombstone,
    /// An exclusive intent does not hold anybody back.
    Intents,
    /// A claim without a manifest is stepped over without a void.
    Void,
    /// A registry is believed whoever it is and whatever it copied.
    Identity,
    /// A checkpoint takes the next ticket for its low-water mark, whoever is under way.
    LowWater,
    /// A checkpoint does not name the tickets above its low-water mark that it contains.
    Contained,
    /// A checkpoint has only the segments of its own period come after it.
    OlderPeriods,
    /// A checkpoint holds what is there when it is read, rather than when its low-water mark was fixed.
    NewerEntries,
    /// A collector takes bodies written ahead for dead that may still be consumed.
    SpillFloor,
    /// A collector does not see the versions that readers still have.
    Readers,
    /// A collector goes by entries that were relocated while it read them.
    Relocations,
    /// Nobody hears that keys of periods long past say nothing any more.
    Forgotten,
}

impl Sabotage {
    /// What a broken registry server would be.
    pub fn server(this: Option<Self>, inner: Arc<dyn Registry>) -> Arc<dyn Registry> {
        match this {
            Some(rule @ (Self::ReadValidation | Self::TwoWriters | Self::Intents)) => {
                registry::BrokenRegistry::new(inner, rule)
            }
            _ => inner,
        }
    }

    /// What a broken host would do with its registry.
    pub fn host(this: Option<Self>, inner: Arc<dyn Registry>) -> Arc<dyn Registry> {
        match this {
            Some(
                rule @ (Self::HandleCache
                | Self::StaleNow
                | Self::LowWater
                | Self::Contained
                | Self::OlderPeriods
                | Self::NewerEntries
                | Self::SpillFloor
                | Self::Readers
                | Self::Relocations),
            ) => registry::BrokenRegistry::new(inner, rule),
            _ => inner,
        }
    }

    /// What a broken host would do with its objects.
    pub fn objects(
        this: Option<Self>,
        inner: Arc<dyn Objects>,
        runtime: &Arc<HostRuntime>,
    ) -> Arc<dyn Objects> {
        match this {
            Some(
                rule @ (Self::FenceCheck
                | Self::EarlyAnswer
                | Self::Tombstone
                | Self::Void
                | Self::Forgotten),
            ) => objects::BrokenObjects::new(inner, rule, runtime),
            _ => inner,
        }
    }

    /// Whether it can only be seen where epochs begin in the object store.
    pub const fn is_about_epochs(self) -> bool {
        matches!(
            self,
            Self::Void
                | Self::Identity
                | Self::LowWater
                | Self::Contained
                | Self::OlderPeriods
                | Self::NewerEntries
                | Self::SpillFloor
                | Self::Readers
                | Self::Relocations
                | Self::Forgotten
        )
    }

    /// What a broken host would do with its blob store.
    pub fn blobs(
        this: Option<Self>,
        inner: Arc<dyn BlobStore>,
        runtime: &Arc<HostRuntime>,
    ) -> Arc<dyn BlobStore> {
        match this {
            Some(rule @ (Self::FenceCheck | Self::EarlyAnswer | Self::Tombstone)) => {
                blobs::BrokenBlobs::new(inner, rule, runtime)
            }
            _ => inner,
        }
    }
}
