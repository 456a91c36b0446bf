//! `sop:storage/registry` on the storage of a database.

use std::sync::Arc;

use bytes::Bytes;
use sop_engine::limits as engine_limits;
use sop_engine::storage::StorageError;
use sop_engine::types::{CommitOutcome, LogicalId, Observation};

use super::authority::Intent;
use super::calls::{add, count};
use super::convert;
use super::refusal::Refusal;
use super::state::{HostState, Settlement};
use crate::engine_pool::bindings::sop::storage::registry::{self, Access};
use crate::engine_pool::bindings::sop::storage::types as guest;
use crate::limits;
use crate::storage::{Change, ChangeKind};

impl registry::Host for HostState {
    async fn now(&mut self, at: Option<u64>) -> Result<registry::ReadPoint, Refusal> {
        self.waits(|calls| &calls.now);
        self.may_read_more()?;
        let point = self.storage.now(at).await?;
        self.registered(point.version);
        // Ids of stores that are out of reach are nobody's business here: no footprint holds them.
        let publishing = point.publishing.map(|ids| {
            let visible = ids
                .into_iter()
                .filter(|id| !self.authority.is_known_denied(id.store));
            visible.map(convert::guest_logical).collect()
        });
        Ok(registry::ReadPoint {
            version: point.version,
            publishing,
        })
    }

    fn release(&mut self, at: u64) -> wasmtime::Result<()> {
        count(&self.calls.release);
        if self.unregistered(at) {
            self.storage.release(at);
        }
        Ok(())
    }

    async fn resolve(
        &mut self,
        ids: Vec<guest::LogicalId>,
        at: u64,
    ) -> Result<Vec<Option<guest::Handle>>, Refusal> {
        self.waits(|calls| &calls.resolve);
        add(&self.calls.resolve_ids, ids.len());
        let ids = self.readable(ids, at).await?;
        let handles = self.storage.resolve(&ids, at).await?;
        self.budget
            .charge(handles.len().saturating_mul(limits::HANDLE_BYTES))?;
        self.give(handles.iter().flatten())?;
        Ok(handles
            .into_iter()
            .map(|handle| handle.map(convert::handle))
            .collect())
    }

    async fn counters(
        &mut self,
        ids: Vec<guest::LogicalId>,
        at: u64,
    ) -> Result<Vec<registry::Counter>, Refusal> {
        self.waits(|calls| &calls.counters);
        let ids = self.readable(ids, at).await?;
        let counters = self.storage.counters(&ids, at).await?;
        let convert = |counter: sop_engine::types::Counter| guest::Counter {
            value: counter.value,
            version: counter.version,
        };
        Ok(counters.into_iter().map(convert).collect())
    }

    fn allocate(&mut self, store: u64, amount: u32) -> Result<Vec<guest::LogicalId>, Refusal> {
        count(&self.calls.allocate);
        if amount as usize > engine_limits::CALL_IDS_MAX {
            return Err(Refusal::limit(
                "ids of one call",
                engine_limits::CALL_IDS_MAX,
            ));
        }
        // An id by itself opens nothing: what is put under it is checked at commit.
        Ok(self
            .storage
            .allocate(store, amount)
            .into_iter()
            .map(convert::guest_logical)
            .collect())
    }

    fn allocate_store(&mut self, name: Vec<u8>) -> Result<u64, Refusal> {
        count(&self.calls.allocate);
        if name.is_empty() || name.len() > engine_limits::NAME_BYTES_MAX {
            return Err(StorageError::Invalid("a store name has 1 to 255 bytes".to_owned()).into());
        }
        if !self.authority.access(&name).create {
            let name = String::from_utf8_lossy(&name).into_owned();
            let refusal = StorageError::Denied(format!("no grant to create store `{name}`"));
            self.denied(&refusal);
            return Err(refusal.into());
        }
        let store = self.storage.allocate_store();
        self.authority.bind(store, &name)?;
        Ok(store)
    }

    fn granted(&mut self, names: Vec<Vec<u8>>) -> wasmtime::Result<Vec<Access>> {
        count(&self.calls.granted);
        // One name is a store to open; more are a list to choose from, which is nothing to report.
        if let [name] = names.as_slice()
            && self.authority.access(name) == sop_engine::types::Access::default()
        {
            let name = String::from_utf8_lossy(name);
            self.output
                .audit(&format_args!("no grant for store `{name}`"));
        }
        Ok(names
            .iter()
            .map(|name| convert::access(self.authority.access(name)))
            .collect())
    }

    async fn commit(
        &mut self,
        observed: Vec<registry::Observation>,
        changes: Vec<registry::Change>,
        attempt: u32,
    ) -> Result<registry::CommitOutcome, Refusal> {
        self.waits(|calls| &calls.commit);
        let observed = self.observations(observed)?;
        let changes = self.changes(changes)?;
        let reads = observed.iter().map(|observation| observation.id.store);
        self.checked(reads, Intent::Read, None).await?;
        self.checked(
            changes.iter().map(|change| change.id.store),
            Intent::Write,
            None,
        )
        .await?;
        let id = self.storage.transaction_id();
        let before = self.settlement;
        if !changes.is_empty() {
            // Stays so if this future is dropped: the commit goes on without it.
            self.settlement = before.max(Settlement::Unknown);
        }
        let wrote = !changes.is_empty();
        if attempt > 0 {
            self.storage.revalidated();
        }
        let attempt = attempt.saturating_add(self.reruns);
        let outcome = self.storage.commit(id, observed, changes, attempt).await;
        self.settlement = match &outcome {
            Ok(CommitOutcome::Committed(..)) if wrote => Settlement::Committed,
            Err(StorageError::UnknownOutcome(_)) => before.max(Settlement::Unknown),
            Ok(_) | Err(_) => before,
        };
        match outcome? {
            CommitOutcome::Conflict(ids) => Ok(registry::CommitOutcome::Conflict(
                ids.into_iter().map(convert::guest_logical).collect(),
            )),
            CommitOutcome::Committed(version, handles) => {
                // What took effect is not refused afterwards: a limit reached here stops the next read.
                let _ = self.give(handles.iter().flatten());
                let handles = handles
                    .into_iter()
                    .map(|handle| handle.map(convert::handle))
                    .collect();
                Ok(registry::CommitOutcome::Committed(registry::Committed {
                    version,
                    handles,
                }))
            }
        }
    }

    async fn outcome(
        &mut self,
        id: guest::TransactionId,
    ) -> Result<registry::TransactionOutcome, Refusal> {
        self.waits(|calls| &calls.outcome);
        Ok(convert::outcome(
            self.storage.outcome(convert::transaction_id(id)).await?,
        ))
    }
}

impl HostState {
    /// Checks the grants and counts what was denied.
    pub(super) async fn checked(
        &mut self,
        stores: impl Iterator<Item = u64> + Send,
        intent: Intent,
        at: Option<u64>,
    ) -> Result<(), Refusal> {
        let answer = self.authority.check(stores, intent, at).await;
        if let Err(Refusal::Answer(refusal @ StorageError::Denied(_))) = &answer {
            self.denied(refusal);
        }
        answer
    }

    /// Ids to look up, if there are not too many and all may be read.
    async fn readable(
        &mut self,
        ids: Vec<guest::LogicalId>,
        at: u64,
    ) -> Result<Vec<LogicalId>, Refusal> {
        if ids.len() > engine_limits::CALL_IDS_MAX {
            return Err(Refusal::limit(
                "ids of one call",
                engine_limits::CALL_IDS_MAX,
            ));
        }
        self.budget
            .charge(ids.len().saturating_mul(size_of::<LogicalId>()))?;
        self.checked(ids.iter().map(|id| id.store), Intent::Read, Some(at))
            .await?;
        Ok(ids.into_iter().map(convert::logical).collect())
    }

    fn observations(
        &mut self,
        observed: Vec<registry::Observation>,
    ) -> Result<Vec<Observation>, Refusal> {
        if observed.len() > engine_limits::IDS_MAX {
            return Err(Refusal::limit(
                "observations of a transaction",
                engine_limits::IDS_MAX,
            ));
        }
        self.budget
            .charge(observed.len().saturating_mul(size_of::<Observation>()))?;
        let convert = |seen: registry::Observation| Observation {
            id: convert::logical(seen.id),
            version: seen.version,
        };
        Ok(observed.into_iter().map(convert).collect())
    }

    fn changes(&mut self, changes: Vec<registry::Change>) -> Result<Vec<Change>, Refusal> {
        if changes.len() > engine_limits::IDS_MAX {
            return Err(Refusal::limit(
                "changes of a transaction",
                engine_limits::IDS_MAX,
            ));
        }
        changes
            .into_iter()
            .map(|change| self.change(change))
            .collect()
    }

    fn change(&mut self, change: registry::Change) -> Result<Change, Refusal> {
        let kind = match change.kind {
            registry::ChangeKind::Put(body) => ChangeKind::Put(Bytes::from(body)),
            registry::ChangeKind::Delta(body) => ChangeKind::Delta(Bytes::from(body)),
            registry::ChangeKind::Add(amount) => ChangeKind::Add(amount),
            registry::ChangeKind::Remove => ChangeKind::Remove,
            registry::ChangeKind::PutSpilled(spilled) => {
                let body = self
                    .table
                    .get(&spilled)
                    .map_err(|error| Refusal::Stop(error.into()))?;
                ChangeKind::PutSpilled(Arc::clone(&body.0))
            }
        };
        let bytes = match &kind {
            ChangeKind::Put(body) | ChangeKind::Delta(body) => body.len(),
            ChangeKind::PutSpilled(_) | ChangeKind::Add(_) | ChangeKind::Remove => 0,
        };
        self.budget
            .charge(bytes.saturating_add(size_of::<LogicalId>()))?;
        Ok(Change {
            id: convert::logical(change.id),
            kind,
        })
    }
}
