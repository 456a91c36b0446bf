//! The exported interface `maintenance`.

use std::cell::RefCell;

use super::{Component, convert, engine, imports::Imports};
use crate::bindings::exports::sop::engine::maintenance as wire;
use crate::bindings::exports::sop::engine::types::Error as WireError;
use crate::maintenance;

/// The exported resource `inspection`.
pub struct Inspection(RefCell<maintenance::Inspection<Imports>>);

impl wire::Guest for Component {
    type Inspection = Inspection;

    fn reclaim(nodes_max: u32) -> Result<bool, WireError> {
        maintenance::reclaim(&engine(), nodes_max as usize).map_err(convert::error)
    }
}

fn begin(at: Option<u64>) -> Result<wire::Inspection, WireError> {
    let inspection = maintenance::Inspection::begin(&engine(), at).map_err(convert::error)?;
    Ok(wire::Inspection::new(Inspection(RefCell::new(inspection))))
}

impl wire::GuestInspection for Inspection {
    fn begin() -> Result<wire::Inspection, WireError> {
        begin(None)
    }

    fn begin_at(version: u64) -> Result<wire::Inspection, WireError> {
        begin(Some(version))
    }

    fn step(&self, nodes_max: u32) -> Result<wire::Progress, WireError> {
        let progress = self
            .0
            .borrow_mut()
            .step(nodes_max as usize)
            .map_err(convert::error)?;
        Ok(wire::Progress {
            done: progress.done,
            nodes: progress.nodes,
            ahead: progress.ahead,
        })
    }

    fn version(&self) -> u64 {
        self.0.borrow().version()
    }

    fn stores(&self) -> Vec<wire::StoreReport> {
        let report = |store: maintenance::StoreReport| wire::StoreReport {
            name: store.name,
            id: store.id,
            items: store.items,
            counted: store.counted,
            depth: store.depth,
            leaves: store.leaves,
            branches: store.branches,
            values: store.values,
            page_bytes: store.page_bytes,
            value_bytes: store.value_bytes,
        };
        self.0.borrow().stores().into_iter().map(report).collect()
    }

    fn damages(&self) -> Vec<wire::Damage> {
        let damage = |found: &maintenance::Damage| wire::Damage {
            store: found.store.clone(),
            node: found.node.to_string(),
            message: found.message.clone(),
        };
        self.0.borrow().damages().iter().map(damage).collect()
    }
}
