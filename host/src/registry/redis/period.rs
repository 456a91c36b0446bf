//! Periods, and the cursor over all entries.

use std::time::Duration;

use sop_engine::types::Version;

use super::codec::{Reader, asked, version_of};
use super::registry::{RedisRegistry, milliseconds};
use super::reply::{Reply, damaged};
use super::scripts::{ENTRIES, HOLD, PERIOD};
use crate::limits;
use crate::recovery::entry::{Entry, EntryVersion};
use crate::registry::{EntryBatch, PeriodProgress, PeriodStart, Registry, RegistryError};

/// The first place of the cursor: no cursor of the hash yet.
const FIRST: &[u8] = b"h0";

fn period(number: u64) -> Result<u32, RegistryError> {
    u32::try_from(number).map_err(|_| damaged())
}

impl RedisRegistry {
    pub(super) async fn next_period(&self, ended: u32) -> Result<PeriodStart, RegistryError> {
        let arguments = self
            .arguments(&PERIOD)
            .number(ended)
            .number(limits::CHECKPOINT_TICKETS_MAX);
        let answer = self.call_with_state(arguments).await?;
        let (version, mut reply) = (answer.version, answer.rest);
        let (begun, oldest) = (period(reply.number()?)?, period(reply.number()?)?);
        let (low_water, next_ticket) = (reply.number()?, reply.number()?);
        let (fields, spills_from) = (reply.number()?, period(reply.number()?)?);
        let relocations = reply.number()?;
        let mut contained = Vec::with_capacity(reply.len());
        while reply.len() > 0 {
            contained.push(reply.number()?);
        }
        Ok(PeriodStart {
            period: begun,
            oldest,
            version: version_of(version, self.epoch),
            low_water,
            contained,
            next_ticket,
            entries: fields.saturating_sub(1),
            spills_from,
            relocations,
        })
    }

    pub(super) async fn hold(&self, from: u32, lease: Duration) -> Result<(), RegistryError> {
        let arguments = self
            .arguments(&HOLD)
            .bytes(&self.host)
            .number(from)
            .number(milliseconds(lease));
        self.call(arguments).await.map(|_| ())
    }

    /// Notes what the answer of a publication says about the period.
    pub(super) fn hear_progress(&self, mut list: Reply) -> Result<(), RegistryError> {
        let heard = PeriodProgress {
            period: period(list.number()?)?,
            segments: list.number()?,
            age: Duration::from_millis(list.number()?),
            entries: list.number()?.saturating_sub(1),
        };
        let far = |progress: &PeriodProgress| (progress.period, progress.segments);
        let mut progress = self.progress.lock();
        // Answers may come in another order than they were given.
        if progress.is_none_or(|before| far(&before) <= far(&heard)) {
            *progress = Some(heard);
        }
        Ok(())
    }

    pub(super) async fn batch(
        &self,
        at: Version,
        from: &[u8],
        count: usize,
    ) -> Result<EntryBatch, RegistryError> {
        let arguments = self
            .arguments(&ENTRIES)
            .number(asked(at, self.epoch))
            .bytes(if from.is_empty() { FIRST } else { from })
            .number(count);
        let mut reply = self.call(arguments).await?;
        let (next, relocations) = (reply.optional_bytes()?, reply.number()?);
        let mut entries = Vec::with_capacity(reply.len() / 2);
        while reply.len() > 0 {
            let (id, record) = (reply.bytes()?, reply.bytes()?);
            let mut reader = Reader(&record);
            let (counter, state) = reader.record()?;
            let ticket = if reader.0.is_empty() {
                0
            } else {
                reader.six()?
            };
            entries.push(Entry {
                id: Reader(&id).id()?,
                ticket,
                versions: vec![EntryVersion {
                    version: version_of(counter, self.epoch),
                    state,
                }],
            });
        }
        Ok(EntryBatch {
            entries,
            next,
            floor: self.floor(),
            relocations,
        })
    }
}
