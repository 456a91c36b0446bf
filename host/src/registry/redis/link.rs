//! One shared connection, made anew when it breaks. Nothing is sent twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, RedisError, ServerErrorKind,
    TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;

use super::address::Address;
use super::arguments::Arguments;
use crate::limits;
use crate::registry::RegistryError;

/// How connections are made.
enum Source {
    Server(Box<Client>),
    Sentinels(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn send(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::Server(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// The connection there is, or when and why there was none.
enum State {
    None,
    Open(u64, Connection),
    Failed(Instant, RegistryError),
}

struct Slot {
    source: Source,
    state: State,
    opened: u64,
}

/// The connection to a server.
pub(super) struct Link {
    address: String,
    timeout: Duration,
    slot: Mutex<Slot>,
    round_trips: AtomicU64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Link({})", self.address)
    }
}

impl Link {
    /// Nothing is sent yet. `root` is a certificate authority in PEM to trust instead of the
    /// system's.
    pub(super) fn new(
        address: &Address,
        timeout: Duration,
        root: Option<Vec<u8>>,
    ) -> Result<Self, RegistryError> {
        // Another part of the process may have chosen a provider before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let source = source(address, timeout, root)
            .map_err(|error| RegistryError::Invalid(format!("registry at {address}: {error}")))?;
        Ok(Self {
            address: address.to_string(),
            timeout,
            slot: Mutex::new(Slot {
                source,
                state: State::None,
                opened: 0,
            }),
            round_trips: AtomicU64::new(0),
        })
    }

    /// Where the server is, without secrets.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// How many calls were sent so far.
    pub(super) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    async fn connection(&self) -> Result<(u64, Connection), RegistryError> {
        let mut slot = self.slot.lock().await;
        match &slot.state {
            State::Open(number, connection) => return Ok((*number, connection.clone())),
            State::Failed(when, error) if when.elapsed() < limits::REGISTRY_CONNECT_PAUSE => {
                return Err(error.clone());
            }
            State::None | State::Failed(..) => {}
        }
        let connected = tokio::time::timeout(
            limits::REGISTRY_CONNECT_TIMEOUT,
            connect(&mut slot.source, self.timeout),
        );
        let failure = match connected.await {
            Ok(Ok(connection)) => {
                slot.opened += 1;
                let number = slot.opened;
                slot.state = State::Open(number, connection.clone());
                return Ok((number, connection));
            }
            Ok(Err(error)) => self.error(&error),
            Err(_) => {
                RegistryError::Unavailable(format!("{}: no connection in time", self.address))
            }
        };
        slot.state = State::Failed(Instant::now(), failure.clone());
        Err(failure)
    }

    /// Makes the next call connect anew.
    async fn give_up(&self, number: u64) {
        let mut slot = self.slot.lock().await;
        if matches!(slot.state, State::Open(current, _) if current == number) {
            slot.state = State::None;
        }
    }

    /// One call. An answer that is an error of the registry is an answer.
    pub(super) async fn call(&self, arguments: &Arguments) -> Result<Value, RegistryError> {
        let (number, mut connection) = self.connection().await?;
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let mut answer = connection.send(arguments.by_hash()).await;
        if matches!(&answer, Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
        {
            self.round_trips.fetch_add(1, Ordering::Relaxed);
            answer = connection.send(&arguments.by_source()).await;
        }
        match answer {
            Ok(value) => {
                if is_unavailable(&value) {
                    self.give_up(number).await;
                }
                Ok(value)
            }
            Err(error) => {
                // A script that failed, or a user without the right, is no matter of the
                // connection.
                let stays = matches!(
                    error.kind(),
                    ErrorKind::Server(
                        ServerErrorKind::ResponseError
                            | ServerErrorKind::NoPerm
                            | ServerErrorKind::BusyLoading
                    )
                );
                if !stays {
                    self.give_up(number).await;
                }
                Err(self.error(&error))
            }
        }
    }

    fn error(&self, error: &RedisError) -> RegistryError {
        let address = &self.address;
        match (error.kind(), error.code()) {
            (_, Some("WRONGTYPE")) => {
                RegistryError::Foreign("a key is of another type than expected".to_owned())
            }
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
                RegistryError::Unavailable(format!("{address}: wrong user or password ({error})"))
            }
            _ if is_forbidden(error) => {
                RegistryError::Unavailable(format!("{address}: the user lacks a right ({error})"))
            }
            (ErrorKind::Server(ServerErrorKind::ResponseError), _) => {
                RegistryError::Invalid(format!("{address}: {error}"))
            }
            _ => RegistryError::Unavailable(format!("{address}: {error}")),
        }
    }
}

/// The user may not do it. Inside a script the server says so in words only.
fn is_forbidden(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
        || error
            .detail()
            .is_some_and(|words| words.contains("user executing the script can't"))
}

/// A replica answered: whoever is the master now has to be looked for.
fn is_unavailable(value: &Value) -> bool {
    matches!(value, Value::Array(items)
        if matches!(items.first(), Some(Value::BulkString(kind)) if kind == b"unavailable"))
}

fn source(
    address: &Address,
    timeout: Duration,
    root: Option<Vec<u8>>,
) -> Result<Source, RedisError> {
    let certificates = root.map(|root| TlsCertificates {
        client_tls: None,
        root_cert: Some(root),
    });
    Ok(match address {
        Address::Server(info) => Source::Server(Box::new(match certificates {
            Some(certificates) => Client::build_with_tls(info.clone(), certificates)?,
            None => Client::open(info.clone())?,
        })),
        Address::Sentinels {
            sentinels,
            name,
            access,
        } => {
            let mut builder = SentinelClientBuilder::new(
                sentinels.iter().cloned(),
                name,
                SentinelServerType::Master,
            )?;
            if matches!(access.addr(), ConnectionAddr::TcpTls { .. }) {
                builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
                if let Some(certificates) = certificates {
                    builder = builder
                        .set_client_to_redis_certificates(certificates.clone())
                        .set_client_to_sentinel_certificates(certificates);
                }
            }
            if let Some(user) = access.redis_settings().username() {
                builder = builder.set_client_to_redis_username(user);
            }
            if let Some(password) = access.redis_settings().password() {
                builder = builder.set_client_to_redis_password(password);
            }
            Source::Sentinels(Box::new(builder.build()?))
        }
        Address::Cluster(nodes) => {
            // A retry could repeat what was carried out already.
            let mut builder = ClusterClientBuilder::new(nodes.iter().cloned())
                .retries(0)
                .connection_timeout(limits::REGISTRY_CONNECT_TIMEOUT)
                .response_timeout(timeout);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Source::Cluster(Box::new(builder.build()?))
        }
    })
}

async fn connect(source: &mut Source, timeout: Duration) -> Result<Connection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limits::REGISTRY_CONNECT_TIMEOUT))
        .set_response_timeout(Some(timeout));
    let client = match source {
        Source::Server(client) => Client::clone(client),
        Source::Sentinels(sentinels) => sentinels.async_get_client().await?,
        Source::Cluster(client) => {
            return Ok(Connection::Cluster(client.get_async_connection().await?));
        }
    };
    let connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    Ok(Connection::Server(connection))
}
