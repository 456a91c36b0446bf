//! How a server is set up and how fast it answers, for `sop doctor`.

use std::time::{Duration, Instant};

use super::scripts::{RIGHTS, VITALS};
use super::server::RedisServer;
use crate::registry::RegistryError;
use crate::registry::server::{RegistryServer, Standing};

/// Round trips that are measured.
const ROUNDS: usize = 21;

/// What a server says of itself, and what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Its version.
    pub version: String,
    /// Bytes of memory it may take; 0 = any number.
    pub memory_bytes_max: u64,
    /// Bytes of memory it takes.
    pub memory_bytes: u64,
    /// What it does when its memory is full: `maxmemory-policy`.
    pub eviction_policy: String,
    /// Whether it keeps an append-only file.
    pub append_only: bool,
    /// Replicas connected to it.
    pub replicas: u64,
    /// Whether it is a node of a cluster.
    pub cluster: bool,
    /// Whether it would throw keys away.
    pub evicts: bool,
    /// Median time of one round trip.
    pub round_trip: Duration,
    /// Shortest time of one.
    pub round_trip_min: Duration,
    /// What it says of the epochs of the database.
    pub standing: Standing,
}

impl RedisServer {
    /// Asks the server how it is set up, and measures it.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] from a replica, a server that is still loading, or none.
    pub async fn vitals(&self) -> Result<Vitals, RegistryError> {
        let mut reply = self.call(self.arguments(&VITALS, 0)).await?;
        let version = reply.text()?;
        let memory_bytes_max = reply.number()?;
        let memory_bytes = reply.number()?;
        let eviction_policy = reply.text()?;
        let append_only = reply.number()? == 1;
        let replicas = reply.number()?;
        let cluster = reply.number()? == 1;
        let standing = self.standing().await?;
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            self.standing().await?;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        Ok(Vitals {
            version,
            memory_bytes_max,
            memory_bytes,
            evicts: memory_bytes_max > 0 && eviction_policy != "noeviction",
            eviction_policy,
            append_only,
            replicas,
            cluster,
            round_trip: times.get(ROUNDS / 2).copied().unwrap_or_default(),
            round_trip_min: times.first().copied().unwrap_or_default(),
            standing,
        })
    }

    /// Calls everything that the scripts call, on a key of its own that is removed again.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] names the right that the user lacks.
    pub async fn check_rights(&self) -> Result<(), RegistryError> {
        self.call(self.arguments(&RIGHTS, 0)).await.map(|_| ())
    }
}
