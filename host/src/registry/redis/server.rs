//! The server, whatever epoch it holds: who it is, and how an epoch begins.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::address::Address;
use super::arguments::Arguments;
use super::codec::{id_bytes, staged_bytes};
use super::link::Link;
use super::registry::RedisRegistry;
use super::reply::Reply;
use super::scripts::{ACTIVATE, MEMORY, STAGE, STANDING, Script};
use crate::limits;
use crate::recovery::entry::Entry;
use crate::registry::memory::{HistoryOptions, epoch_version};
use crate::registry::server::{Activation, RegistryServer, Standing};
use crate::registry::{Registry, RegistryError};

/// How a server is used.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// How much history is kept. The same for all hosts.
    pub history: HistoryOptions,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// A certificate authority (PEM) to trust with TLS, instead of those that the system trusts.
    pub root_certificate: Option<Vec<u8>>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            history: HistoryOptions::default(),
            timeout: limits::REGISTRY_TIMEOUT,
            root_certificate: None,
        }
    }
}

/// One database on a Redis server, a master watched by Sentinels, or a Redis Cluster.
#[derive(Debug)]
pub struct RedisServer {
    link: Arc<Link>,
    root: Arc<str>,
    history: HistoryOptions,
}

fn invalid(reason: &str) -> RegistryError {
    RegistryError::Invalid(reason.to_owned())
}

impl RedisServer {
    /// Connects to the server at a URL (`redis://`, `rediss://`, `unix://`,
    /// `redis+sentinel://host,host/NAME`, `redis+cluster://host,host`) for the database `name`.
    /// Refuses a server that may throw keys away, and a replica.
    pub async fn connect(
        url: &str,
        name: &str,
        options: RedisOptions,
    ) -> Result<Self, RegistryError> {
        let server = Self::at(url, name, options)?;
        server.check_memory().await?;
        Ok(server)
    }

    /// The server at a URL, good or not. Asks nobody anything yet.
    pub fn at(url: &str, name: &str, options: RedisOptions) -> Result<Self, RegistryError> {
        if name.is_empty()
            || name.len() > limits::REGISTRY_NAME_BYTES_MAX
            || name.contains(['{', '}'])
        {
            return Err(invalid(
                "a database needs a name of 1 to 200 bytes without braces",
            ));
        }
        let address = Address::parse(url)?;
        let link = Link::new(&address, options.timeout, options.root_certificate)?;
        Ok(Self {
            link: Arc::new(link),
            root: format!("sop:{{{name}}}:epoch").into(),
            history: options.history,
        })
    }

    /// Where it is, without user and password.
    pub fn place(&self) -> &str {
        self.link.address()
    }

    /// How many calls were sent so far, by this and all registries made by it.
    pub fn round_trips(&self) -> u64 {
        self.link.round_trips()
    }

    pub(super) fn arguments(&self, script: &'static Script, epoch: u32) -> Arguments {
        Arguments::new(script, &self.root, epoch, 0)
    }

    pub(super) async fn call(&self, arguments: Arguments) -> Result<Reply, RegistryError> {
        let answer = self.link.call(&arguments).await?;
        Reply::checked(answer, |floor| floor).map_err(|error| match error {
            RegistryError::Unavailable(why) => {
                RegistryError::Unavailable(format!("{}: {why}", self.place()))
            }
            error => error,
        })
    }

    async fn check_memory(&self) -> Result<(), RegistryError> {
        let mut reply = self.call(self.arguments(&MEMORY, 0)).await?;
        let (bytes_max, policy) = (reply.number()?, reply.text()?);
        if bytes_max > 0 && policy != "noeviction" {
            let message = format!(
                "the registry at {} throws keys away when its memory is full (maxmemory-policy {policy}): set it to \
                 noeviction",
                self.place()
            );
            return Err(RegistryError::Invalid(message));
        }
        Ok(())
    }
}

fn epoch_number(number: u64) -> Result<u32, RegistryError> {
    u32::try_from(number).map_err(|_| super::reply::damaged())
}

#[async_trait]
impl RegistryServer for RedisServer {
    async fn standing(&self) -> Result<Standing, RegistryError> {
        let mut reply = self.call(self.arguments(&STANDING, 0)).await?;
        Ok(Standing {
            identity: reply.text()?,
            epoch: reply.optional_number()?.map(epoch_number).transpose()?,
            remembered: reply.optional_number()?.map(epoch_number).transpose()?,
        })
    }

    async fn stage(&self, epoch: u32, batch: u64, entries: &[Entry]) -> Result<(), RegistryError> {
        let mut arguments = self.arguments(&STAGE, epoch).number(batch);
        for entry in entries {
            let newest = entry
                .versions
                .first()
                .ok_or_else(|| invalid("an entry has a version"))?;
            arguments = arguments
                .bytes(&id_bytes(entry.id))
                .bytes(&staged_bytes(&newest.state)?);
        }
        self.call(arguments).await.map(|_| ())
    }

    async fn activate(&self, activation: &Activation) -> Result<(), RegistryError> {
        if activation.epoch == 0 || activation.version != epoch_version(activation.epoch) {
            return Err(invalid(
                "an epoch begins at its first version, and not at 0",
            ));
        }
        let arguments = self
            .arguments(&ACTIVATE, activation.epoch)
            .bytes(activation.identity.as_bytes())
            .number(activation.next_ticket.max(1))
            .number(activation.batches)
            .number(activation.entries);
        self.call(arguments).await.map(|_| ())
    }

    fn registry(&self, epoch: u32) -> Arc<dyn Registry> {
        let link = Arc::clone(&self.link);
        let root = Arc::clone(&self.root);
        Arc::new(RedisRegistry::new(link, root, epoch, self.history))
    }
}
