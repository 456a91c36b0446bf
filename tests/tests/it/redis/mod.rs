//! The registry on a real Redis server.

mod checkpoint;
mod collection;
mod costs;
mod differential;
mod loss;
mod modes;

use std::sync::Arc;
use std::time::Duration;

use sop_engine::types::{LogicalId, Observation, PhysicalId, TransactionId, Version};
use sop_host::blob::SegmentKey;
use sop_host::recovery::entry::{Entry, EntryVersion, State};
use sop_host::registry::memory::epoch_version;
use sop_host::registry::redis::{RedisOptions, RedisServer};
use sop_host::registry::server::{Activation, RegistryServer};
use sop_host::registry::{
    Claim, Flip, FlipKind, Group, Publication, Registry, RegistryError, Request,
};

const LEASE: Duration = Duration::from_secs(3_600);

fn place(number: u64) -> PhysicalId {
    PhysicalId {
        segment: (number, !number),
        offset: 80,
        length: 100,
    }
}

fn key(epoch: u32, unique: u64) -> SegmentKey {
    SegmentKey {
        epoch,
        period: 3,
        unique,
    }
}

fn transaction(number: u64) -> TransactionId {
    TransactionId {
        high: 1,
        low: number,
    }
}

fn entry(id: LogicalId, number: u64) -> Entry {
    Entry {
        id,
        ticket: 5,
        versions: vec![EntryVersion {
            version: 77,
            state: State::Chain(vec![place(number)]),
        }],
    }
}

async fn connect(url: &str) -> RedisServer {
    let name = "tests/database";
    RedisServer::connect(url, name, RedisOptions::default())
        .await
        .unwrap()
}

/// Begins an epoch with some handles.
async fn begin(
    server: &RedisServer,
    epoch: u32,
    entries: &[Entry],
) -> Result<Arc<dyn Registry>, RegistryError> {
    let standing = server.standing().await?;
    let mut batches = 0;
    for batch in entries.chunks(1_000) {
        server.stage(epoch, batches, batch).await?;
        batches += 1;
    }
    let activation = Activation {
        epoch,
        identity: standing.identity,
        version: epoch_version(epoch),
        next_ticket: 1,
        batches,
        entries: entries.len() as u64,
    };
    server.activate(&activation).await?;
    Ok(server.registry(epoch))
}

/// A group of one transaction.
fn group(key: SegmentKey, observed: Vec<Observation>, claims: &[(LogicalId, Claim)]) -> Group {
    Group {
        key,
        lease: LEASE,
        requests: vec![Request {
            id: transaction(key.unique),
            observed,
            claims: claims.to_vec(),
            priority: false,
            spills_from: None,
        }],
    }
}

/// Puts fresh ids, in one transaction.
async fn put(
    registry: &dyn Registry,
    key: SegmentKey,
    ids: &[LogicalId],
) -> Result<Version, RegistryError> {
    let claims: Vec<_> = ids.iter().map(|id| (*id, Claim::Exclusive)).collect();
    let reservation = registry.reserve(group(key, Vec::new(), &claims)).await?;
    let publication = Publication {
        id: transaction(key.unique),
        flips: ids
            .iter()
            .map(|&id| Flip {
                id,
                kind: FlipKind::Put(place(key.unique)),
            })
            .collect(),
    };
    let ticket = reservation.ticket.expect("fresh ids are granted");
    let published = registry.publish(ticket, vec![publication]).await?;
    Ok(published.expect("it was reserved")[0].version)
}
