//! What a run of a plugin may do and use up.

use std::time::Duration;

use crate::capability::{Budget, Grants};
use crate::database::TransactOptions;
use crate::limits;

/// How a plugin is run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The stores it may use. None by default.
    pub grants: Grants,
    /// What one run may use up.
    pub limits: RunLimits,
    /// How often and with what pauses a run that ended in a conflict is repeated. `isolation` means nothing here: the
    /// plugin chooses.
    pub retry: TransactOptions,
}

/// What one run of a plugin may use up. A run that exceeds one is stopped and rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Bytes of all linear memories together, the engine's included.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Time of each attempt, waiting included.
    pub wall: Duration,
    /// Instructions of each attempt, the engine's included, in units of fuel: about one for each instruction. Only for a plugin
    /// that was loaded with [`Metering::Fuel`](crate::engine_pool::Metering::Fuel); none = as many as its time allows.
    pub fuel: Option<u64>,
    /// Bytes that cross between the engine and the host.
    pub call_bytes: u64,
    /// Bytes of the response.
    pub response_bytes: u64,
    /// Bytes of stdout and stderr that become log lines. The one limit that does not stop a run: what exceeds it is dropped.
    pub output_bytes: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            memory_bytes: limits::RUN_MEMORY_BYTES_DEFAULT,
            table_elements: limits::TABLE_ELEMENTS_MAX,
            wall: limits::RUN_WALL_DEFAULT,
            fuel: None,
            call_bytes: limits::RUN_CALL_BYTES_DEFAULT,
            response_bytes: limits::RUN_RESPONSE_BYTES_DEFAULT,
            output_bytes: limits::RUN_OUTPUT_BYTES_DEFAULT,
        }
    }
}

impl RunLimits {
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.memory_bytes, self.table_elements, self.call_bytes)
    }
}
