//! Where the server is: one URL for all modes.
//!
//! ```text
//!   redis://[user:password@]host[:6379][/db]                      one server
//!   rediss://…                                                    with TLS
//!   unix:///path                                                  over a socket
//!   redis+sentinel://[user:password@]host[:26379],host…/NAME      whoever the Sentinels say is master of NAME
//!   redis+cluster://[user:password@]host[:6379],host…             a Redis Cluster
//!   rediss+sentinel://, rediss+cluster://                         with TLS
//! ```

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};

use crate::registry::RegistryError;

/// What a URL says.
#[derive(Debug)]
pub(super) enum Address {
    Server(ConnectionInfo),
    Sentinels {
        sentinels: Vec<ConnectionAddr>,
        name: String,
        /// Access to the master.
        access: ConnectionInfo,
    },
    Cluster(Vec<ConnectionInfo>),
}

fn invalid(reason: impl std::fmt::Display) -> RegistryError {
    RegistryError::Invalid(format!("the address of the registry: {reason}"))
}

fn parsed(url: &str) -> Result<ConnectionInfo, RegistryError> {
    url.into_connection_info()
        .map_err(|error: RedisError| invalid(error))
}

/// The URL of each host of a list, with the same scheme and user.
fn hosts(scheme: &str, authority: &str, port: u16) -> Vec<String> {
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let hosts = hosts.split(',').filter(|host| !host.is_empty());
    let url = |host: &str| {
        let bare = host.rsplit(']').next().unwrap_or(host);
        if bare.contains(':') {
            format!("{scheme}://{user}{host}")
        } else {
            format!("{scheme}://{user}{host}:{port}")
        }
    };
    hosts.map(url).collect()
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, RegistryError> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| invalid("expected redis://host"))?;
        let Some((base, mode)) = scheme.split_once('+') else {
            return Ok(Self::Server(parsed(url)?));
        };
        if base != "redis" && base != "rediss" {
            return Err(invalid("expected redis:// or rediss://"));
        }
        match mode {
            "unix" => Ok(Self::Server(parsed(url)?)),
            "sentinel" => Self::sentinels(base, rest),
            "cluster" => {
                let authority = rest.trim_end_matches('/');
                let nodes = hosts(base, authority, 6379);
                let nodes: Result<Vec<_>, _> = nodes.iter().map(|node| parsed(node)).collect();
                let nodes = nodes?;
                if nodes.is_empty() {
                    return Err(invalid("expected redis+cluster://host,host"));
                }
                Ok(Self::Cluster(nodes))
            }
            _ => Err(invalid("expected +sentinel or +cluster")),
        }
    }

    fn sentinels(scheme: &str, rest: &str) -> Result<Self, RegistryError> {
        let expected = || invalid("expected redis+sentinel://host,host/NAME");
        let (authority, name) = rest.split_once('/').ok_or_else(expected)?;
        let name = name.trim_end_matches('/').to_owned();
        let urls = hosts(scheme, authority, 26379);
        let mut infos = Vec::with_capacity(urls.len());
        for url in &urls {
            infos.push(parsed(url)?);
        }
        let access = infos.first().cloned().ok_or_else(expected)?;
        if name.is_empty() || name.contains('/') {
            return Err(expected());
        }
        let sentinels = infos.iter().map(|info| info.addr().clone()).collect();
        Ok(Self::Sentinels {
            sentinels,
            name,
            access,
        })
    }
}

/// Where a server is, without secrets.
impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(info) => write!(formatter, "{}", info.addr()),
            Self::Sentinels {
                sentinels, name, ..
            } => {
                write!(formatter, "master {name} of the Sentinels")?;
                sentinels
                    .iter()
                    .try_for_each(|sentinel| write!(formatter, " {sentinel}"))
            }
            Self::Cluster(nodes) => {
                write!(formatter, "cluster")?;
                nodes
                    .iter()
                    .try_for_each(|node| write!(formatter, " {}", node.addr()))
            }
        }
    }
}
