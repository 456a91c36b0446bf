//! Stores in a transaction: create, open, drop, list.

use super::{OpenStore, Pending, Transaction};
use crate::catalog::{self, Entry};
use crate::error::{Error, Result};
use crate::limits;
use crate::storage::Storage;
use crate::tree::Direction;
use crate::types::{Access, LogicalId};

/// A store as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: u64,
}

impl<S: Storage> Transaction<S> {
    /// Creates a store and answers its id.
    pub fn create_store(&mut self, name: &str) -> Result<u64> {
        self.create_store_with(name, limits::PAGE_BYTES_DEFAULT)
    }

    /// Creates a store whose pages split at another size than the default; small pages make deep trees.
    pub fn create_store_with(&mut self, name: &str, page_bytes: usize) -> Result<u64> {
        self.check_writable()?;
        catalog::check_name(name)?;
        if !(limits::PAGE_BYTES_MIN..=limits::PAGE_BYTES_MAX).contains(&page_bytes) {
            return Err(Error::Invalid(format!(
                "a page size is {} to {} bytes",
                limits::PAGE_BYTES_MIN,
                limits::PAGE_BYTES_MAX
            )));
        }
        let access = self.access(name);
        if !access.create {
            return Err(Error::Denied(format!(
                "creating store {name:?} is not granted"
            )));
        }
        if self.catalog_has(name)? {
            return Err(Error::Exists(format!("store {name:?}")));
        }
        let id = self.engine.storage.allocate_store(name.as_bytes())?;
        let entry = Entry {
            id,
            page_bytes: u32::try_from(page_bytes).unwrap_or(u32::MAX),
        };
        self.set_catalog(name.as_bytes(), Pending::Put(entry.encode().into()))?;
        self.stores.insert(
            id,
            OpenStore {
                name: name.into(),
                entry,
                access,
                created: true,
            },
        );
        Ok(id)
    }

    /// Opens a store and answers its id.
    pub fn open_store(&mut self, name: &str) -> Result<u64> {
        self.version()?;
        catalog::check_name(name)?;
        if let Some((id, _)) = self.stores.iter().find(|(_, store)| &*store.name == name) {
            return Ok(*id);
        }
        let access = self.access(name);
        if !access.read && !access.write {
            return Err(Error::Denied(format!("store {name:?} is not granted")));
        }
        let entry = self.catalog_entry(name)?.ok_or_else(|| missing(name))?;
        let created = self
            .buffer
            .get(LogicalId::CATALOG, name.as_bytes())
            .is_some();
        self.stores.insert(
            entry.id,
            OpenStore {
                name: name.into(),
                entry,
                access,
                created,
            },
        );
        Ok(entry.id)
    }

    /// Opens a store, creating it if there is none of that name.
    pub fn open_or_create_store(&mut self, name: &str) -> Result<u64> {
        match self.open_store(name) {
            Err(Error::NotFound(_)) => self.create_store(name),
            other => other,
        }
    }

    /// Drops a store with all its items. Its nodes are removed later, by `maintenance.reclaim`.
    pub fn drop_store(&mut self, name: &str) -> Result<()> {
        self.check_writable()?;
        catalog::check_name(name)?;
        if !self.access(name).create {
            return Err(Error::Denied(format!(
                "dropping store {name:?} is not granted"
            )));
        }
        let entry = self.catalog_entry(name)?.ok_or_else(|| missing(name))?;
        let created = self
            .stores
            .get(&entry.id)
            .is_some_and(|store| store.created);
        self.set_catalog(name.as_bytes(), Pending::Remove)?;
        if !created {
            self.set_catalog(
                &catalog::dropped_key(entry.id),
                Pending::Put(entry.encode().into()),
            )?;
        }
        self.buffer.clear(entry.id);
        self.close(entry.id);
        Ok(())
    }

    /// The stores that may be read, by name.
    pub fn list_stores(&mut self) -> Result<Vec<StoreInfo>> {
        let entries = self.catalog_entries()?.into_iter();
        let mut stores: Vec<_> = entries
            .map(|(name, entry)| StoreInfo { name, id: entry.id })
            .collect();
        let names: Vec<_> = stores.iter().map(|store| store.name.as_bytes()).collect();
        let mut granted = self.engine.storage.granted(&names).into_iter();
        stores.retain(|_| granted.next().is_some_and(|access| access.read));
        Ok(stores)
    }

    /// All stores with their entries, whatever is granted.
    pub(crate) fn catalog_entries(&mut self) -> Result<Vec<(String, Entry)>> {
        let items = self.catalog_items(catalog::NAMES.into())?;
        let named = items
            .into_iter()
            .map(|(key, value)| Ok((name_of(key)?, Entry::decode(&value)?)));
        named.collect()
    }

    /// The dropped stores whose nodes are still there.
    pub fn dropped_stores(&mut self) -> Result<Vec<Entry>> {
        let items = self.catalog_items(catalog::DROPPED_STORES.into())?;
        items
            .iter()
            .map(|(_, value)| Entry::decode(value))
            .collect()
    }

    fn catalog_items(&mut self, range: super::Range<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let items = self.collect(
            catalog::TREE,
            "",
            range,
            Direction::Ascending,
            usize::MAX,
            usize::MAX,
        )?;
        let mut pairs = Vec::with_capacity(items.len());
        items.visit(|key, value| pairs.push((key.to_vec(), value.to_vec())));
        Ok(pairs)
    }

    fn catalog_entry(&mut self, name: &str) -> Result<Option<Entry>> {
        let found = self.value_of(catalog::TREE, "", name.as_bytes())?;
        found
            .map(|value| Entry::decode(value.as_slice()))
            .transpose()
    }

    fn catalog_has(&mut self, name: &str) -> Result<bool> {
        self.presence_of(catalog::TREE, "", name.as_bytes())
    }

    pub(super) fn set_catalog(&mut self, key: &[u8], pending: Pending<S::Spilled>) -> Result<()> {
        self.buffer.set(LogicalId::CATALOG, key, pending)
    }

    fn access(&self, name: &str) -> Access {
        let granted = self.engine.storage.granted(&[name.as_bytes()]);
        granted.into_iter().next().unwrap_or_default()
    }
}

fn name_of(key: Vec<u8>) -> Result<String> {
    String::from_utf8(key)
        .map_err(|_| Error::Corrupt("a store name in the catalog is not UTF-8".to_owned()))
}

fn missing(name: &str) -> Error {
    Error::NotFound(format!("there is no store {name:?}"))
}
