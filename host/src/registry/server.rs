//! A registry that several hosts share and that may lose everything at any moment: what recovery asks of it.
//!
//! ```text
//!   standing ─► not of our epoch ─► (claim, replay, manifest: in the blob store) ─► stage … stage ─► activate ─► registry
//! ```
//!
//! Invariants:
//! - Every call of a [`Registry`] made by [`RegistryServer::registry`] first checks that this is still the registry of its
//!   epoch, and answers [`RegistryError::Foreign`] if not: restarted, failed over, flushed, evicted.
//! - What is staged is read by nobody before `activate`.
//! - `activate` is called once per claim, by its owner, and never repeated: a lost answer is followed by the next epoch.

use std::sync::Arc;

use async_trait::async_trait;
use sop_engine::types::Version;

use super::{Registry, RegistryError};
use crate::recovery::entry::Entry;

/// Who a registry is, at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The identity of the serving process and of its data: another one after a restart or a failover.
    pub identity: String,
    /// The epoch that is active in it, complete, and bound to this identity; `None` = none.
    pub epoch: Option<u32>,
    /// The newest epoch that it says it once held, whatever became of it; for messages and to refuse going back.
    pub remembered: Option<u32>,
}

/// What ends a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The new epoch, higher than any before.
    pub epoch: u32,
    /// The identity that the claim names: on any other registry nothing happens.
    pub identity: String,
    /// The version of all loaded entries, and the floor.
    pub version: Version,
    /// The next ticket to give out.
    pub next_ticket: u64,
    /// How many batches were staged.
    pub batches: u64,
    /// How many entries were staged in all.
    pub entries: u64,
}

/// A shared registry, whatever epoch it is of. Every call is one round trip.
#[async_trait]
pub trait RegistryServer: Send + Sync + std::fmt::Debug + 'static {
    /// Who answers. [`RegistryError::Unavailable`] from a replica, a server that is still loading, or none.
    async fn standing(&self) -> Result<Standing, RegistryError>;

    /// Puts a batch of entries aside for an epoch that is not active yet. Of each entry the newest state counts; it gets
    /// the version of the activation, and ticket 0. Repeating a batch under the same number changes nothing.
    async fn stage(&self, epoch: u32, batch: u64, entries: &[Entry]) -> Result<(), RegistryError>;

    /// Makes what was staged the registry of its epoch, if identity, counts and stamps are right and no equal or newer
    /// epoch is active; else [`RegistryError::Foreign`], and nothing happened.
    async fn activate(&self, activation: &Activation) -> Result<(), RegistryError>;

    /// The registry as of this epoch: its calls answer [`RegistryError::Foreign`] whenever it is not.
    fn registry(&self, epoch: u32) -> Arc<dyn Registry>;
}
