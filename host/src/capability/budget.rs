//! What one run may use up: memory, tables, bytes that cross into the host.

use super::refusal::LimitReached;
use crate::limits;

/// The resources of one wasmtime store. Exceeding one stops the guest.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Bytes of all linear memories together.
    pub memory_bytes_max: u64,
    /// Elements of all tables together.
    pub table_elements_max: u64,
    /// Bytes that cross between guest and host in calls of the imports.
    pub call_bytes_max: u64,
    memory_bytes: u64,
    table_elements: u64,
    call_bytes: u64,
}

impl Budget {
    /// The budget of an engine instance of the host itself.
    pub fn host() -> Self {
        Self::new(
            limits::ENGINE_MEMORY_BYTES_MAX,
            limits::TABLE_ELEMENTS_MAX,
            u64::MAX,
        )
    }

    /// A budget with nothing used up.
    pub fn new(memory_bytes_max: u64, table_elements_max: u64, call_bytes_max: u64) -> Self {
        let (memory_bytes, table_elements, call_bytes) = (0, 0, 0);
        Self {
            memory_bytes_max,
            table_elements_max,
            call_bytes_max,
            memory_bytes,
            table_elements,
            call_bytes,
        }
    }

    /// Bytes of all linear memories together.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Bytes that crossed so far.
    pub fn call_bytes(&self) -> u64 {
        self.call_bytes
    }

    /// Forgets what crossed; memories and tables stay.
    pub(super) fn begin_again(&mut self) {
        self.call_bytes = 0;
    }

    /// Counts bytes that cross.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), LimitReached> {
        self.call_bytes = self.call_bytes.saturating_add(bytes as u64);
        if self.call_bytes > self.call_bytes_max {
            return Err(LimitReached {
                name: "bytes of host calls",
                maximum: self.call_bytes_max,
            });
        }
        Ok(())
    }
}

/// The growth of one memory or table, added to what all of them have.
fn grown(total: u64, current: usize, desired: usize) -> u64 {
    total.saturating_add((desired as u64).saturating_sub(current as u64))
}

impl wasmtime::ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = grown(self.memory_bytes, current, desired);
        if total > self.memory_bytes_max {
            return Err(LimitReached {
                name: "bytes of memory",
                maximum: self.memory_bytes_max,
            }
            .into());
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = grown(self.table_elements, current, desired);
        if total > self.table_elements_max {
            return Err(LimitReached {
                name: "table elements",
                maximum: self.table_elements_max,
            }
            .into());
        }
        self.table_elements = total;
        Ok(true)
    }
}
