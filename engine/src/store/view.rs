//! The state of a database at one version, as far as a transaction has looked at it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::Engine;
use crate::error::{Error, Result};
use crate::limits;
use crate::page::{self, Page};
use crate::storage::{Storage, StorageError};
use crate::tree::Source;
use crate::types::{Counter, Handle, LogicalId, Observation, Version};

/// Pages held by one view before it lets go of them; the page cache still has the hot ones.
const PAGES_MAX: usize = 2_048;
/// How often a body that moved away is resolved afresh before that counts as damage.
const RELOCATIONS_MAX: u32 = 4;

/// What is known of one logical id at the version of the view.
#[derive(Clone, Debug)]
struct Node {
    version: Version,
    page: Option<Page>,
}

/// A value as stored: inline values are copied out of their page, blobs are shared with the body they came in.
#[derive(Clone, Debug)]
pub struct Body {
    bytes: Rc<Vec<u8>>,
    range: Range<usize>,
}

impl Body {
    /// The value in the body of this value blob.
    pub fn decode(id: LogicalId, body: Vec<u8>) -> Result<Self> {
        let range = page::decode_value(id, &body).map_err(|error| error.corrupt(id))?;
        Ok(Self {
            bytes: Rc::new(body),
            range,
        })
    }

    /// The bytes of the value.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }

    /// The bytes of the value, without a copy where this is the only owner.
    pub fn into_vec(self) -> Vec<u8> {
        let mut bytes = Rc::unwrap_or_clone(self.bytes);
        bytes.truncate(self.range.end);
        bytes.drain(..self.range.start.min(bytes.len()));
        bytes
    }
}

/// A database at one version. Drop releases the version.
#[derive(Debug)]
pub struct View<S: Storage> {
    engine: Rc<Engine<S>>,
    version: Version,
    nodes: BTreeMap<LogicalId, Node>,
    pages: usize,
    touched: Vec<LogicalId>,
    fresh: BTreeMap<u64, Fresh>,
}

/// Ids that were allocated for a store and the number of those in use.
#[derive(Clone, Debug, Default)]
struct Fresh {
    ids: Vec<LogicalId>,
    used: usize,
}

impl<S: Storage> View<S> {
    /// The view at a version that [`Storage::now`] gave; the view owes the release.
    pub fn new(engine: Rc<Engine<S>>, version: Version) -> Self {
        Self {
            engine,
            version,
            nodes: BTreeMap::new(),
            pages: 0,
            touched: Vec::new(),
            fresh: BTreeMap::new(),
        }
    }

    /// The version it shows.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The engine it reads through.
    pub fn engine(&self) -> &Rc<Engine<S>> {
        &self.engine
    }

    /// Starts a new list of touched leaves and values: what a logical read or a change depends on.
    pub fn start_touching(&mut self) {
        self.touched.clear();
    }

    /// The leaves and absent nodes that were looked at since [`View::start_touching`], ascending, each once.
    ///
    /// Branches are not among them. A leaf carries the fences of its key range, so a leaf that is unchanged still is the
    /// leaf of that range, whatever happened to the way that leads there.
    pub fn touched(&mut self) -> Vec<LogicalId> {
        self.touched.sort_unstable();
        self.touched.dedup();
        std::mem::take(&mut self.touched)
    }

    /// The observation of an id this view has answered for.
    pub fn observation(&self, id: LogicalId) -> Option<Observation> {
        self.nodes.get(&id).map(|node| Observation {
            id,
            version: node.version,
        })
    }

    /// The version of an id this view has answered for; 0 if absent or never asked.
    pub fn version_of(&self, id: LogicalId) -> Version {
        self.nodes.get(&id).map_or(0, |node| node.version)
    }

    /// The page of a leaf or absence this view has already answered, if it still holds it.
    pub fn held_page(&self, id: LogicalId) -> Option<&Page> {
        self.nodes.get(&id).and_then(|node| node.page.as_ref())
    }

    /// Asks which of these ids differ from what `older` saw, and takes over what does not.
    pub fn adopt(&mut self, older: &Self, ids: &[LogicalId]) -> Result<Vec<LogicalId>> {
        let mut changed = Vec::new();
        for chunk in ids.chunks(limits::CALL_IDS_MAX) {
            let handles = self.resolve(chunk)?;
            for (id, handle) in chunk.iter().zip(handles) {
                let version = handle.map_or(0, |handle| handle.version);
                match older.nodes.get(id) {
                    Some(node) if node.version == version => self.keep(*id, node.clone()),
                    _ => changed.push(*id),
                }
            }
        }
        Ok(changed)
    }

    /// Takes over the unused ids that an older view of the same transaction allocated.
    pub fn adopt_fresh(&mut self, older: &mut Self) {
        self.fresh = std::mem::take(&mut older.fresh);
        self.reuse_fresh();
    }

    /// All allocated ids count as unused again: the plan they were taken for was not committed.
    pub fn reuse_fresh(&mut self) {
        for fresh in self.fresh.values_mut() {
            fresh.used = 0;
        }
    }

    /// The bodies of value blobs, index-aligned.
    pub fn values(&mut self, ids: &[LogicalId]) -> Result<Vec<Body>> {
        let mut bodies = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(limits::CALL_BLOBS_MAX) {
            let handles = self.value_handles(chunk)?;
            let physical: Vec<_> = handles
                .iter()
                .filter_map(|handle| handle.chain.last().copied())
                .collect();
            let fetched = match self.engine.storage.get(&physical) {
                Err(StorageError::Missing(_)) => None,
                other => Some(other?),
            };
            match fetched {
                Some(fetched) => {
                    for (id, body) in chunk.iter().zip(fetched) {
                        bodies.push(Body::decode(*id, body)?);
                    }
                }
                None => {
                    for id in chunk {
                        let body = self.chain_of(*id)?.and_then(|(_, mut bodies)| bodies.pop());
                        let body = body.ok_or_else(|| gone(*id))?;
                        bodies.push(Body::decode(*id, body)?);
                    }
                }
            }
        }
        Ok(bodies)
    }

    /// How long the bodies of these value blobs are, headers included, index-aligned; they count as looked at.
    pub fn value_bytes(&mut self, ids: &[LogicalId]) -> Result<Vec<usize>> {
        let mut lengths = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(limits::CALL_IDS_MAX) {
            let handles = self.value_handles(chunk)?;
            lengths.extend(handles.iter().map(|handle| {
                handle
                    .chain
                    .iter()
                    .map(|blob| blob.length as usize)
                    .sum::<usize>()
            }));
        }
        Ok(lengths)
    }

    /// The version of a value blob that a leaf refers to; it counts as looked at.
    pub fn look_at_value(&mut self, id: LogicalId) -> Result<Version> {
        if let Some(node) = self.nodes.get(&id) {
            let version = node.version;
            self.touched.push(id);
            return Ok(version);
        }
        if self.observe(id)? {
            Ok(self.version_of(id))
        } else {
            Err(gone(id))
        }
    }

    /// The item counter of a store.
    pub fn counter(&self, store: u64) -> Result<Counter> {
        let counters = self
            .engine
            .storage
            .counters(&[LogicalId::counter(store)], self.version)?;
        let counter = counters.into_iter().next();
        counter.ok_or_else(|| Error::Invalid("the storage answered no counter".to_owned()))
    }

    fn value_handles(&mut self, ids: &[LogicalId]) -> Result<Vec<Handle>> {
        let mut found = Vec::with_capacity(ids.len());
        for (id, handle) in ids.iter().zip(self.resolve(ids)?) {
            let handle = handle.ok_or_else(|| gone(*id))?;
            self.keep(
                *id,
                Node {
                    version: handle.version,
                    page: None,
                },
            );
            self.touched.push(*id);
            found.push(handle);
        }
        Ok(found)
    }

    fn resolve(&self, ids: &[LogicalId]) -> Result<Vec<Option<Handle>>> {
        let handles = self.engine.storage.resolve(ids, self.version)?;
        if handles.len() == ids.len() {
            return Ok(handles);
        }
        Err(Error::Invalid(
            "the storage answered a resolve with the wrong number of handles".to_owned(),
        ))
    }

    /// The version and the bodies of a chain, resolved afresh while relocation moves them away.
    fn chain_of(&self, id: LogicalId) -> Result<Option<(Handle, Vec<Vec<u8>>)>> {
        let mut attempt = 0;
        loop {
            let Some(handle) = self.resolve(&[id])?.into_iter().next().flatten() else {
                return Ok(None);
            };
            match self.engine.storage.get(&handle.chain) {
                Ok(bodies) if bodies.len() == handle.chain.len() => {
                    return Ok(Some((handle, bodies)));
                }
                Ok(_) => {
                    return Err(Error::Invalid(
                        "the storage answered a get with the wrong number of blobs".to_owned(),
                    ));
                }
                Err(StorageError::Missing(_)) if attempt < RELOCATIONS_MAX => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Loads the pages of these nodes: from the page cache, the others with one call.
    fn load(&mut self, ids: &[LogicalId], handles: Vec<Option<Handle>>) -> Result<()> {
        let mut absent_here = Vec::new();
        for (id, handle) in ids.iter().zip(handles) {
            let Some(handle) = handle else {
                self.keep(
                    *id,
                    Node {
                        version: 0,
                        page: None,
                    },
                );
                continue;
            };
            let newest = handle.chain.last();
            let newest =
                *newest.ok_or_else(|| Error::Corrupt(format!("{id} has an empty chain")))?;
            let cached = self.engine.pages.borrow_mut().get(newest);
            match cached {
                Some(page) if page.id() == *id => {
                    self.keep(
                        *id,
                        Node {
                            version: handle.version,
                            page: Some(page),
                        },
                    );
                }
                Some(_) => {
                    return Err(Error::Corrupt(format!(
                        "{id} leads to the body of another node"
                    )));
                }
                None => absent_here.push((*id, handle)),
            }
        }
        for chunk in absent_here.chunks(limits::CALL_BLOBS_MAX / (1 + limits::CHAIN_DELTAS_MAX)) {
            self.fetch(chunk)?;
        }
        Ok(())
    }

    fn fetch(&mut self, nodes: &[(LogicalId, Handle)]) -> Result<()> {
        let blobs: Vec<_> = nodes
            .iter()
            .flat_map(|(_, handle)| handle.chain.iter().copied())
            .collect();
        match self.engine.storage.get(&blobs) {
            Ok(bodies) if bodies.len() == blobs.len() => {
                let mut bodies = bodies.into_iter();
                for (id, handle) in nodes {
                    let chain = bodies.by_ref().take(handle.chain.len()).collect();
                    self.parse(*id, handle, chain)?;
                }
                Ok(())
            }
            Ok(_) => Err(Error::Invalid(
                "the storage answered a get with the wrong number of blobs".to_owned(),
            )),
            Err(StorageError::Missing(_)) => {
                for (id, _) in nodes {
                    match self.chain_of(*id)? {
                        Some((handle, chain)) => self.parse(*id, &handle, chain)?,
                        None => self.keep(
                            *id,
                            Node {
                                version: 0,
                                page: None,
                            },
                        ),
                    }
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn parse(&mut self, id: LogicalId, handle: &Handle, bodies: Vec<Vec<u8>>) -> Result<()> {
        let page = Page::parse(id, bodies).map_err(|error| error.corrupt(id))?;
        self.publish(handle, page.clone());
        self.keep(
            id,
            Node {
                version: handle.version,
                page: Some(page),
            },
        );
        Ok(())
    }

    fn keep(&mut self, id: LogicalId, node: Node) {
        if node.page.is_some() {
            self.pages += 1;
            if self.pages > PAGES_MAX {
                self.pages = 1;
                for held in self.nodes.values_mut() {
                    held.page = None;
                }
            }
        }
        self.nodes.insert(id, node);
    }

    /// What this view already knows of a node: a page, or absence.
    fn known(&self, id: LogicalId) -> Option<Option<Page>> {
        let node = self.nodes.get(&id)?;
        match (&node.page, node.version) {
            (Some(page), _) => Some(Some(page.clone())),
            (None, 0) => Some(None),
            (None, _) => None,
        }
    }

    fn touch(&mut self, id: LogicalId, page: Option<&Page>) {
        if page.is_none_or(Page::is_leaf) && self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// Lets go of everything known: for long scans that need no footprint.
    pub fn forget(&mut self) {
        self.nodes.clear();
        self.pages = 0;
    }

    /// How many ids this view has answered for.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing was looked at yet.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Keeps a committed page in the instance's cache.
    pub fn publish(&self, handle: &Handle, page: Page) {
        if let Some(newest) = handle.chain.last() {
            self.engine.pages.borrow_mut().insert(*newest, page);
        }
    }
}

impl<S: Storage> Source for View<S> {
    fn page(&mut self, id: LogicalId) -> Result<Option<Page>> {
        let page = match self.known(id) {
            Some(known) => known,
            None => {
                let handles = self.resolve(&[id])?;
                self.load(&[id], handles)?;
                self.held_page(id).cloned()
            }
        };
        self.touch(id, page.as_ref());
        Ok(page)
    }

    fn pages(&mut self, ids: &[LogicalId]) -> Result<Vec<Option<Page>>> {
        let unknown: Vec<_> = ids
            .iter()
            .copied()
            .filter(|id| self.known(*id).is_none())
            .collect();
        for chunk in unknown.chunks(limits::CALL_IDS_MAX) {
            let handles = self.resolve(chunk)?;
            self.load(chunk, handles)?;
        }
        ids.iter().map(|id| self.page(*id)).collect()
    }

    fn observe(&mut self, id: LogicalId) -> Result<bool> {
        let handle = self.resolve(&[id])?.into_iter().next().flatten();
        let version = handle.map_or(0, |handle| handle.version);
        self.keep(
            id,
            Node {
                version,
                page: None,
            },
        );
        self.touched.push(id);
        Ok(version != 0)
    }

    fn allocate(&mut self, store: u64, count: usize) -> Result<Vec<LogicalId>> {
        let fresh = self.fresh.entry(store).or_default();
        let missing = (fresh.used + count).saturating_sub(fresh.ids.len());
        if missing > 0 {
            if count > limits::IDS_MAX {
                return Err(Error::limit(
                    "changed nodes of a transaction",
                    limits::IDS_MAX,
                ));
            }
            for start in (0..missing).step_by(limits::CALL_IDS_MAX) {
                let some = (missing - start).min(limits::CALL_IDS_MAX);
                let some = u32::try_from(some).unwrap_or(u32::MAX);
                fresh.ids.extend(self.engine.storage.allocate(store, some)?);
            }
        }
        let end = fresh.used + count;
        let ids = fresh.ids.get(fresh.used..end).map(<[_]>::to_vec);
        fresh.used = end;
        ids.ok_or_else(|| Error::Invalid("the storage allocated too few ids".to_owned()))
    }
}

impl<S: Storage> Drop for View<S> {
    fn drop(&mut self) {
        self.engine.storage.release(self.version);
    }
}

fn gone(id: LogicalId) -> Error {
    Error::Corrupt(format!(
        "value blob {id} does not exist although a leaf refers to it"
    ))
}
