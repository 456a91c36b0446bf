//! How ids, versions and records look in the server; all numbers are big-endian.
//!
//! ```text
//!   logical id   store 8 | node 8
//!   place        segment 16 | offset 4 | length 4
//!   version      counter 5: the epoch is that of the registry
//!   body         kind 2 | …   0 = removed, 65535 = counter (value 8), else length of the chain (places)
//!   record       version | body | ticket 6 | the version and body before, if any
//! ```

use sop_engine::types::{Handle, LogicalId, PhysicalId, TransactionId, Version};

use super::reply::damaged;
use crate::blob::SegmentKey;
use crate::recovery::entry::State;
use crate::registry::RegistryError;
use crate::registry::memory::epoch_version;

/// Bits of a version that count within its epoch.
const COUNTER_BITS: u32 = 40;
const COUNTER_KIND: u16 = u16::MAX;
/// Bytes of a place.
const PLACE_BYTES: usize = 24;
/// Longest chain that a record can hold.
const CHAIN_MAX: usize = 60_000;

/// An observed version of something that is not there.
pub(super) const ABSENT: [u8; 5] = [255; 5];
/// A version that no record ever has.
pub(super) const NEVER: [u8; 5] = [255, 255, 255, 255, 254];

/// The counter of a version of this epoch.
pub(super) fn counter_of(version: Version, epoch: u32) -> Option<u64> {
    (version >> COUNTER_BITS == u64::from(epoch)).then_some(version & ((1 << COUNTER_BITS) - 1))
}

/// The counter to ask a script with: below all for a version of an earlier epoch, above all for one
/// of a later.
pub(super) fn asked(version: Version, epoch: u32) -> i64 {
    match counter_of(version, epoch) {
        Some(counter) => i64::try_from(counter).unwrap_or(i64::MAX),
        None if version < epoch_version(epoch) => -1,
        None => 1 << (COUNTER_BITS + 1),
    }
}

pub(super) fn version_of(counter: u64, epoch: u32) -> Version {
    epoch_version(epoch) | counter
}

pub(super) fn version_bytes(counter: u64) -> [u8; 5] {
    let [_, _, _, bytes @ ..] = counter.to_be_bytes();
    bytes
}

pub(super) fn id_bytes(id: LogicalId) -> [u8; 16] {
    ((u128::from(id.store) << 64) | u128::from(id.node)).to_be_bytes()
}

pub(super) fn transaction_bytes(id: TransactionId) -> [u8; 16] {
    ((u128::from(id.high) << 64) | u128::from(id.low)).to_be_bytes()
}

pub(super) fn key_bytes(key: SegmentKey) -> [u8; 16] {
    let front = (u128::from(key.epoch) << 96) | (u128::from(key.period) << 64);
    (front | u128::from(key.unique)).to_be_bytes()
}

pub(super) fn push_place(bytes: &mut Vec<u8>, place: &PhysicalId) {
    bytes.extend_from_slice(&place.segment.0.to_be_bytes());
    bytes.extend_from_slice(&place.segment.1.to_be_bytes());
    bytes.extend_from_slice(&place.offset.to_be_bytes());
    bytes.extend_from_slice(&place.length.to_be_bytes());
}

/// Length and places.
pub(super) fn push_chain(bytes: &mut Vec<u8>, chain: &[PhysicalId]) -> Result<(), RegistryError> {
    if chain.len() > CHAIN_MAX {
        let message = format!("a chain of {} bodies is too long", chain.len());
        return Err(RegistryError::Invalid(message));
    }
    let length = u16::try_from(chain.len()).unwrap_or(0);
    bytes.extend_from_slice(&length.to_be_bytes());
    chain.iter().for_each(|place| push_place(bytes, place));
    Ok(())
}

/// What a handle looks like in a record, without a ticket.
pub(super) fn handle_bytes(handle: &Handle, epoch: u32) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::with_capacity(7 + PLACE_BYTES * handle.chain.len());
    let version = counter_of(handle.version, epoch).map_or(NEVER, version_bytes);
    bytes.extend_from_slice(&version);
    push_chain(&mut bytes, &handle.chain)?;
    Ok(bytes)
}

/// A record of version 0 and ticket 0.
pub(super) fn staged_bytes(state: &State) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = version_bytes(0).to_vec();
    match state {
        State::Chain(chain) => push_chain(&mut bytes, chain)?,
        State::Removed => bytes.extend_from_slice(&[0, 0]),
        State::Counter(value) => {
            bytes.extend_from_slice(&COUNTER_KIND.to_be_bytes());
            bytes.extend_from_slice(&value.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 6]);
    Ok(bytes)
}

/// Reads big-endian numbers off the front of bytes from outside.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    fn unsigned(&mut self, bytes: usize) -> Result<u64, RegistryError> {
        let (front, rest) = self.0.split_at_checked(bytes).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(front
            .iter()
            .fold(0, |number, &byte| (number << 8) | u64::from(byte)))
    }

    fn half(&mut self) -> Result<u32, RegistryError> {
        u32::try_from(self.unsigned(4)?).map_err(|_| damaged())
    }

    pub(super) fn counter(&mut self) -> Result<u64, RegistryError> {
        self.unsigned(5)
    }

    /// A ticket, or milliseconds.
    pub(super) fn six(&mut self) -> Result<u64, RegistryError> {
        self.unsigned(6)
    }

    pub(super) fn id(&mut self) -> Result<LogicalId, RegistryError> {
        Ok(LogicalId::new(self.unsigned(8)?, self.unsigned(8)?))
    }

    pub(super) fn key(&mut self) -> Result<SegmentKey, RegistryError> {
        Ok(SegmentKey {
            epoch: self.half()?,
            period: self.half()?,
            unique: self.unsigned(8)?,
        })
    }

    fn place(&mut self) -> Result<PhysicalId, RegistryError> {
        Ok(PhysicalId {
            segment: (self.unsigned(8)?, self.unsigned(8)?),
            offset: self.half()?,
            length: self.half()?,
        })
    }

    /// Version and state of a record; a ticket may follow.
    pub(super) fn record(&mut self) -> Result<(u64, State), RegistryError> {
        let counter = self.counter()?;
        let kind = u16::try_from(self.unsigned(2)?).map_err(|_| damaged())?;
        let state = match kind {
            0 => State::Removed,
            COUNTER_KIND => State::Counter(self.unsigned(8)?.cast_signed()),
            length => {
                let mut chain = Vec::with_capacity(usize::from(length).min(8));
                for _ in 0..length {
                    chain.push(self.place()?);
                }
                State::Chain(chain)
            }
        };
        Ok((counter, state))
    }
}

/// The handle in a record, if it is one.
pub(super) fn handle_of(record: &[u8], epoch: u32) -> Result<Option<Handle>, RegistryError> {
    let (counter, state) = Reader(record).record()?;
    Ok(match state {
        State::Chain(chain) => Some(Handle {
            version: version_of(counter, epoch),
            chain,
        }),
        State::Removed | State::Counter(_) => None,
    })
}
