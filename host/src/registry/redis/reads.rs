//! Calls that change nothing but the registration of a snapshot.

use std::sync::atomic::Ordering;

use sop_engine::types::{Counter, Handle, LogicalId, TransactionId, Version};

use super::codec::{
    Reader, asked, counter_of, handle_bytes, handle_of, id_bytes, transaction_bytes, version_of,
};
use super::registry::{RedisRegistry, milliseconds};
use super::reply::{Reply, damaged};
use super::scripts::{CONFIRM, HISTORY, NOW, OUTCOME, RESOLVE};
use crate::limits;
use crate::recovery::entry::State;
use crate::registry::{History, Now, RegistryError, newest_of_each};

impl RedisRegistry {
    pub(super) async fn read_point(
        &self,
        at: Option<Version>,
        since: Version,
    ) -> Result<Now, RegistryError> {
        let seen = self.seen.load(Ordering::Acquire);
        let bound = match at {
            Some(at) => counter_of(at, self.epoch).unwrap_or(0),
            None => seen,
        };
        let expected = self.snapshots.expect(bound);
        let lowest = self.snapshots.lowest().unwrap_or(bound);
        let mut arguments = self.arguments(&NOW);
        arguments = match at {
            Some(at) => arguments.number(asked(at, self.epoch)),
            None => arguments.bytes(b""),
        };
        let arguments = arguments
            .number(asked(since, self.epoch))
            .bytes(&self.host)
            .number(lowest)
            .number(milliseconds(limits::SNAPSHOT_LEASE))
            .number(milliseconds(self.snapshot_renewal()))
            .number(limits::PUBLISHING_IDS_MAX)
            .number(limits::FEED_IDS_MAX);
        let mut reply = self.call(arguments).await?;
        let version = reply.number()?;
        let publishing = match reply.optional_list()? {
            Some(list) => Some(fields(list)?),
            None => None,
        };
        let changed = match reply.optional_list()? {
            Some(list) => Some(self.changes(list)?),
            None => None,
        };
        expected.granted(version);
        Ok(Now {
            version: version_of(version, self.epoch),
            publishing,
            changed,
        })
    }

    async fn records(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Vec<u8>>>, RegistryError> {
        let arguments = self
            .arguments(&RESOLVE)
            .number(asked(at, self.epoch))
            .all(ids.iter().map(|id| id_bytes(*id)));
        let mut list = self.call(arguments).await?.list()?;
        // The stamp.
        list.bytes()?;
        let mut records = Vec::with_capacity(ids.len());
        for _ in ids {
            records.push(list.optional_bytes()?);
        }
        Ok(records)
    }

    pub(super) async fn handles(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Option<Handle>>, RegistryError> {
        let records = self.records(ids, at).await?;
        let handle = |record: Option<Vec<u8>>| match record {
            Some(record) => handle_of(&record, self.epoch),
            None => Ok(None),
        };
        records.into_iter().map(handle).collect()
    }

    pub(super) async fn counts(
        &self,
        ids: &[LogicalId],
        at: Version,
    ) -> Result<Vec<Counter>, RegistryError> {
        let records = self.records(ids, at).await?;
        let counter = |record: Option<Vec<u8>>| {
            let state = record.map(|record| Reader(&record).record()).transpose()?;
            Ok(match state {
                Some((counter, State::Counter(value))) => Counter {
                    value,
                    version: version_of(counter, self.epoch),
                },
                _ => Counter {
                    value: 0,
                    version: 0,
                },
            })
        };
        records.into_iter().map(counter).collect()
    }

    pub(super) async fn differing(
        &self,
        known: &[(LogicalId, Option<Handle>)],
        at: Version,
    ) -> Result<Vec<Option<Option<Handle>>>, RegistryError> {
        let mut arguments = self
            .arguments(&CONFIRM)
            .number(asked(at, self.epoch))
            .number(known.len())
            .all(known.iter().map(|(id, _)| id_bytes(*id)));
        for (_, handle) in known {
            arguments = match handle {
                Some(handle) => arguments.bytes(&handle_bytes(handle, self.epoch)?),
                None => arguments.bytes(b""),
            };
        }
        let mut reply = self.call(arguments).await?;
        let mut answers = vec![None; known.len()];
        while reply.len() > 0 {
            let index = usize::try_from(reply.number()?).map_err(|_| damaged())?;
            let record = reply.bytes()?;
            let handle = if record.is_empty() {
                None
            } else {
                handle_of(&record, self.epoch)?
            };
            *answers.get_mut(index).ok_or_else(damaged)? = Some(handle);
        }
        Ok(answers)
    }

    pub(super) async fn kept(&self, ids: &[LogicalId]) -> Result<Vec<History>, RegistryError> {
        let arguments = self
            .arguments(&HISTORY)
            .all(ids.iter().map(|id| id_bytes(*id)));
        let mut reply = self.call(arguments).await?;
        let mut histories = Vec::with_capacity(ids.len());
        for _ in ids {
            let mut list = reply.list()?;
            let mut history = Vec::with_capacity(list.len());
            while list.len() > 0 {
                if let Some(handle) = handle_of(&list.bytes()?, self.epoch)? {
                    history.push((handle.version, handle.chain));
                }
            }
            histories.push(history);
        }
        Ok(histories)
    }

    pub(super) async fn remembered(
        &self,
        id: TransactionId,
    ) -> Result<Option<Version>, RegistryError> {
        let arguments = self.arguments(&OUTCOME).bytes(&transaction_bytes(id));
        let found = self.call(arguments).await?.optional_number()?;
        Ok(found.map(|counter| version_of(counter, self.epoch)))
    }

    /// The ids in entries of the feed, with the versions that changed them last.
    fn changes(&self, mut list: Reply) -> Result<Vec<(LogicalId, Version)>, RegistryError> {
        let mut ids = Vec::new();
        while list.len() > 0 {
            let entry = list.bytes()?;
            let mut reader = Reader(&entry);
            let version = version_of(reader.counter()?, self.epoch);
            while !reader.0.is_empty() {
                ids.push((reader.id()?, version));
            }
        }
        Ok(newest_of_each(ids))
    }

    /// With a short retention, registrations must follow closely.
    fn snapshot_renewal(&self) -> std::time::Duration {
        limits::SNAPSHOT_RENEWAL.min(self.history.retention / 4)
    }
}

/// The ids among the fields of a stamped hash.
fn fields(mut list: Reply) -> Result<Vec<LogicalId>, RegistryError> {
    let mut ids = Vec::with_capacity(list.len());
    while list.len() > 0 {
        let field = list.bytes()?;
        if !field.is_empty() {
            ids.push(Reader(&field).id()?);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
