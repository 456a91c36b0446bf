//! The order in which scans visit leaves, so that what is moved comes to lie as it is read.

use std::collections::HashMap;

use bytes::Bytes;
use sop_engine::page::Page;
use sop_engine::storage::StorageError;
use sop_engine::types::{LogicalId, Version};

use super::Storage;
use crate::limits;

impl Storage {
    /// Puts ids into the order of scans: store after store, leaf after leaf, then what is no leaf. Reads the branch pages
    /// only, one for some hundred leaves. Where a tree cannot be read the order is that of the ids: it is no matter of truth.
    pub(super) async fn sort_by_scan(&self, ids: &mut [LogicalId]) {
        let mut stores: Vec<u64> = ids.iter().map(|id| id.store).collect();
        stores.sort_unstable();
        stores.dedup();
        let mut ranks = HashMap::new();
        if let Err(error) = self.rank_leaves(&stores, &mut ranks).await {
            tracing::debug!(%error, "what is moved is not in the order of scans");
        }
        ids.sort_by_key(|id| {
            (
                id.store,
                ranks.get(id).copied().unwrap_or(u32::MAX),
                id.node,
            )
        });
    }

    async fn rank_leaves(
        &self,
        stores: &[u64],
        ranks: &mut HashMap<LogicalId, u32>,
    ) -> Result<(), StorageError> {
        let at = self.now(None).await?.version;
        let mut ranked = Ok(());
        for store in stores {
            ranked = self.rank_store(*store, at, ranks).await;
            if ranked.is_err() {
                break;
            }
        }
        self.release(at);
        ranked
    }

    async fn rank_store(
        &self,
        store: u64,
        at: Version,
        ranks: &mut HashMap<LogicalId, u32>,
    ) -> Result<(), StorageError> {
        let mut level = vec![LogicalId::new(store, LogicalId::ROOT)];
        // A page says its own level, and a child's is lower by one: so this ends.
        let mut above = u8::MAX;
        while !level.is_empty() {
            let mut below = Vec::new();
            for ids in level.chunks(limits::FETCHES_MAX) {
                for branch in self.branches(ids, at).await? {
                    if branch.level == 0 || branch.level >= above {
                        return Ok(());
                    }
                    if branch.level > 1 {
                        below.extend(branch.children);
                        continue;
                    }
                    for child in branch.children {
                        let next = u32::try_from(ranks.len()).unwrap_or(u32::MAX);
                        ranks.entry(child).or_insert(next);
                    }
                }
            }
            above = above.saturating_sub(1);
            level = below;
        }
        Ok(())
    }

    async fn branches(&self, ids: &[LogicalId], at: Version) -> Result<Vec<Branch>, StorageError> {
        let handles = self.resolve(ids, at).await?;
        let mut branches = Vec::with_capacity(ids.len());
        for (id, handle) in ids.iter().zip(handles) {
            let Some(handle) = handle else { continue };
            let bodies = self.get(&handle.chain).await?;
            branches.push(branch(*id, &bodies)?);
        }
        Ok(branches)
    }
}

/// What a page says of its children.
#[derive(Debug)]
struct Branch {
    /// 0 = a leaf.
    level: u8,
    children: Vec<LogicalId>,
}

fn branch(id: LogicalId, bodies: &[Bytes]) -> Result<Branch, StorageError> {
    let bodies = bodies.iter().map(|body| body.to_vec()).collect();
    let page = Page::parse(id, bodies)
        .map_err(|error| StorageError::Corrupt(format!("page {id}: {error}")))?;
    if page.is_leaf() {
        return Ok(Branch {
            level: 0,
            children: Vec::new(),
        });
    }
    Ok(Branch {
        level: page.level(),
        children: (0..page.len()).map(|slot| page.child(slot)).collect(),
    })
}
