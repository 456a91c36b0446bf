//! Reading the index: how far the work is, and where a term occurs.

use std::ops::Bound;

use serde::Serialize;
use sop_guest::{Direction, Key, KeyRange, Result, Transaction};

use crate::{Stores, TOTALS, Terms, token};

/// How far the work is.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Status {
    /// Documents in the queue.
    pub pending: u64,
    /// Documents indexed.
    pub documents: u64,
    /// Tokens of these.
    pub tokens: u64,
    /// Entries of the index.
    pub postings: u64,
    /// Shards in use.
    pub shards: usize,
}

/// Where a term occurs.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Found {
    /// In how many documents, by the counts.
    pub documents: u64,
    /// How often, by the counts.
    pub occurrences: u64,
    /// In which documents, by the index; by id.
    pub hits: Vec<Hit>,
}

/// A document in which a term occurs.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Hit {
    pub document: u64,
    pub path: String,
    pub occurrences: u32,
}

/// Adds up the totals of all shards.
pub(crate) fn status(transaction: &Transaction) -> Result<Status> {
    let stores = Stores::open(transaction)?;
    let shards = shards(&stores.terms)?;
    let keys: Vec<_> = shards.iter().map(|shard| (*shard, TOTALS)).collect();
    let tokens = stores
        .terms
        .get_many(&keys)?
        .iter()
        .flatten()
        .map(|totals| totals.occurrences)
        .sum();
    Ok(Status {
        pending: stores.queue.count()?,
        documents: stores.documents.count()?,
        tokens,
        postings: stores.index.count()?,
        shards: shards.len(),
    })
}

/// Finds the documents of a word, which is written as tokens are first.
pub(crate) fn lookup(transaction: &Transaction, word: &str) -> Result<Found> {
    let stores = Stores::open(transaction)?;
    let mut found = Found {
        documents: 0,
        occurrences: 0,
        hits: Vec::new(),
    };
    let Some((term, _)) = token::terms(word).pop_first() else {
        return Ok(found);
    };
    for shard in shards(&stores.terms)? {
        let Some(count) = stores.terms.get(&(shard, term.clone()))? else {
            continue;
        };
        found.documents += count.documents;
        found.occurrences += count.occurrences;
        for item in stores.index.under(&(shard, term.clone()))? {
            let ((_, _, document), occurrences) = item?;
            let path = stores
                .documents
                .get(&document)?
                .map(|document| document.path)
                .unwrap_or_default();
            found.hits.push(Hit {
                document,
                path,
                occurrences,
            });
        }
    }
    found.hits.sort_by_key(|hit| hit.document);
    Ok(found)
}

/// The shards in use: from the first key of each, one step to the first of the next.
fn shards(terms: &Terms) -> Result<Vec<u16>> {
    let mut shards = Vec::new();
    let mut range = KeyRange::all();
    while let Some(((shard, _), _)) = terms.scan(&range, Direction::Ascending, 1)?.pop() {
        shards.push(shard);
        let Some(next) = shard.checked_add(1) else {
            break;
        };
        range.lower = Bound::Included(next.encoded());
    }
    Ok(shards)
}
