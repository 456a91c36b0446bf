//! `sop:storage/blobs` on the storage of a database.

use std::sync::Arc;

use bytes::Bytes;
use sop_engine::limits as engine_limits;
use sop_engine::storage::StorageError;
use sop_engine::types::PhysicalId;
use wasmtime::component::Resource;

use super::authority::Intent;
use super::calls::add;
use super::convert;
use super::refusal::Refusal;
use super::state::{HostState, SpilledBody};
use crate::engine_pool::bindings::sop::storage::blobs;
use crate::engine_pool::bindings::sop::storage::types as guest;

impl blobs::Host for HostState {
    async fn get(&mut self, ids: Vec<guest::PhysicalId>) -> Result<Vec<Vec<u8>>, Refusal> {
        self.waits(|calls| &calls.get);
        add(&self.calls.get_ids, ids.len());
        if ids.len() > engine_limits::CALL_BLOBS_MAX {
            return Err(Refusal::limit(
                "blobs of one call",
                engine_limits::CALL_BLOBS_MAX,
            ));
        }
        let ids: Vec<PhysicalId> = ids.into_iter().map(convert::physical).collect();
        // Charged before anything is fetched: the lengths are part of the ids.
        let bytes = ids
            .iter()
            .map(|id| id.length as usize)
            .fold(0_usize, usize::saturating_add);
        self.budget.charge(bytes)?;
        if !ids.iter().all(|id| self.was_given(id)) {
            let refusal =
                StorageError::Denied("this blob was not given to this program".to_owned());
            self.denied(&refusal);
            return Err(refusal.into());
        }
        add(&self.calls.get_bytes, bytes);
        let bodies = self.storage.get(&ids).await?;
        Ok(bodies.into_iter().map(Vec::from).collect())
    }

    async fn spill(
        &mut self,
        id: guest::LogicalId,
        body: Vec<u8>,
    ) -> Result<Resource<SpilledBody>, Refusal> {
        self.waits(|calls| &calls.spill);
        self.budget.charge(body.len())?;
        let id = convert::logical(id);
        self.checked(std::iter::once(id.store), Intent::Write, None)
            .await?;
        let spilled = self.storage.spill(id, Bytes::from(body)).await?;
        self.give_place(spilled.id);
        self.table
            .push(SpilledBody(Arc::new(spilled)))
            .map_err(|error| Refusal::Stop(error.into()))
    }
}

impl blobs::HostSpilled for HostState {
    fn place(&mut self, spilled: Resource<SpilledBody>) -> wasmtime::Result<guest::PhysicalId> {
        Ok(convert::guest_physical(self.table.get(&spilled)?.0.id))
    }

    fn drop(&mut self, spilled: Resource<SpilledBody>) -> wasmtime::Result<()> {
        self.table.delete(spilled)?;
        Ok(())
    }
}
