//! The one place where grants are checked.

use std::collections::HashMap;
use std::sync::Arc;

use sop_engine::storage::StorageError;
use sop_engine::types::{Access, LogicalId, Version};

use super::grants::Grants;
use super::names::StoreNames;
use super::refusal::Refusal;
use crate::limits;

/// On whose behalf an instance calls.
#[derive(Debug)]
pub enum Authority {
    /// The host itself: everything.
    Host,
    /// A plugin: what its grants say.
    Plugin(PluginAuthority),
}

/// What a plugin's instance may do.
#[derive(Debug)]
pub struct PluginAuthority {
    grants: Arc<Grants>,
    names: Arc<StoreNames>,
    /// Stores that this instance allocated, with the names they were bound to.
    created: HashMap<u64, Arc<[u8]>>,
}

/// What a call is about to do with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    Write,
}

impl Authority {
    /// A plugin with these grants.
    pub(crate) fn plugin(grants: Arc<Grants>, names: Arc<StoreNames>) -> Self {
        Self::Plugin(PluginAuthority {
            grants,
            names,
            created: HashMap::new(),
        })
    }

    /// Whether this is the host itself.
    pub fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }

    /// Refuses unless every one of these stores may be read, or written. `at` is the version being read at.
    pub(super) async fn check(
        &self,
        stores: impl Iterator<Item = u64> + Send,
        intent: Intent,
        at: Option<Version>,
    ) -> Result<(), Refusal> {
        let Self::Plugin(plugin) = self else {
            return Ok(());
        };
        // Calls go through one tree at a time, so neighbours mostly name the same store.
        let mut last = None;
        for store in stores {
            if last.replace(store) == Some(store) {
                continue;
            }
            let granted = if store == LogicalId::CATALOG {
                intent == Intent::Read || plugin.grants.may_create()
            } else {
                let name = match plugin.created.get(&store) {
                    Some(name) => Some(Arc::clone(name)),
                    None => plugin.names.find(store, at).await?,
                };
                name.is_some_and(|name| allows(plugin.grants.access(&name), intent))
            };
            if !granted {
                // The name stays out of the message: a guess must not learn it.
                return Err(StorageError::Denied(format!(
                    "no grant to {intent} store {store:016x}"
                ))
                .into());
            }
        }
        Ok(())
    }

    /// Whether this store is known to be out of reach. Unknown stores are not.
    pub(super) fn is_known_denied(&self, store: u64) -> bool {
        let Self::Plugin(plugin) = self else {
            return false;
        };
        store != LogicalId::CATALOG
            && !plugin.created.contains_key(&store)
            && plugin
                .names
                .known(store)
                .is_some_and(|name| !plugin.grants.access(&name).read)
    }

    /// What may be done with a store of this name.
    pub(super) fn access(&self, name: &[u8]) -> Access {
        match self {
            Self::Host => Access {
                read: true,
                write: true,
                create: true,
            },
            Self::Plugin(plugin) => plugin.grants.access(name),
        }
    }

    /// Binds a fresh store id to its name for this instance.
    pub(super) fn bind(&mut self, store: u64, name: &[u8]) -> Result<(), Refusal> {
        let Self::Plugin(plugin) = self else {
            return Ok(());
        };
        if plugin.created.len() >= limits::STORES_CREATED_MAX {
            return Err(Refusal::limit(
                "stores created by one run",
                limits::STORES_CREATED_MAX,
            ));
        }
        plugin.created.insert(store, name.into());
        Ok(())
    }
}

fn allows(access: Access, intent: Intent) -> bool {
    match intent {
        Intent::Read => access.read,
        Intent::Write => access.write,
    }
}

impl std::fmt::Display for Intent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}
