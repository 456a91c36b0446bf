//! Reading the index out of the database, by the documented bytes and without the plugin's code.
//!
//! ```text
//!   documents   document (8 bytes, big-endian)                           postcard: path, bytes, tokens, …
//!   index       shard (2, BE), term, 0x00 0x01, document (8, BE)         postcard: occurrences
//!   terms       shard (2, BE), term, 0x00 0x01                           postcard: documents, occurrences
//! ```

use serde::Deserialize;
use sop_host::{Database, Direction};

use super::documents::Index;
use crate::cli::failure::{Failure, Outcome};

/// The end of a string in a key.
const STRING_END: [u8; 2] = [0, 1];

/// The beginning of what the indexer keeps of a document.
#[derive(Deserialize)]
struct Stored {
    _path: String,
    _bytes: u64,
    tokens: u64,
}

/// What is in the database at one version: the index, and how many documents are waiting.
pub(super) async fn read(database: &Database) -> Outcome<(Index, u64)> {
    let transaction = database.snapshot().await?;
    let mut index = Index::default();
    let mut shards_tokens = 0;
    let mut shards_documents = 0;
    let documents = transaction.open_store("documents").await?;
    let mut scan = documents.stream(.., Direction::Ascending).await?;
    while let Some(item) = scan.next().await? {
        let id = item
            .key
            .first_chunk()
            .copied()
            .map(u64::from_be_bytes)
            .ok_or_else(unreadable)?;
        let stored: Stored = postcard::from_bytes(&item.value).map_err(|_| unreadable())?;
        index.tokens += stored.tokens;
        index.documents.insert(id, stored.tokens);
    }
    let terms = transaction.open_store("terms").await?;
    let mut scan = terms.stream(.., Direction::Ascending).await?;
    while let Some(item) = scan.next().await? {
        let term = term_of(&item.key, STRING_END.len())?;
        let (documents, occurrences): (u64, u64) =
            postcard::from_bytes(&item.value).map_err(|_| unreadable())?;
        if term.is_empty() {
            shards_tokens += occurrences;
            shards_documents += documents;
            continue;
        }
        let counts = index.terms.entry(term).or_default();
        counts.0 += documents;
        counts.1 += occurrences;
    }
    let postings = transaction.open_store("index").await?;
    let mut scan = postings.stream(.., Direction::Ascending).await?;
    while let Some(item) = scan.next().await? {
        let id = item
            .key
            .last_chunk()
            .copied()
            .map(u64::from_be_bytes)
            .ok_or_else(unreadable)?;
        let term = term_of(&item.key, STRING_END.len() + size_of_val(&id))?;
        let occurrences: u64 = postcard::from_bytes(&item.value).map_err(|_| unreadable())?;
        index.postings.insert((term, id), occurrences);
    }
    if (shards_documents, shards_tokens) != (index.documents.len() as u64, index.tokens) {
        let message = format!(
            "the totals say {shards_documents} documents of {shards_tokens} words, the documents are {} of {}",
            index.documents.len(),
            index.tokens
        );
        return Err(Failure::new("unverified", message));
    }
    let pending = transaction.open_store("queue").await?.count().await?;
    transaction.rollback().await?;
    Ok((index, pending))
}

/// The term between the shard and the rest of a key.
fn term_of(key: &[u8], rest_bytes: usize) -> Outcome<String> {
    let end = key.len().checked_sub(rest_bytes).ok_or_else(unreadable)?;
    let term = key.get(2..end).ok_or_else(unreadable)?;
    String::from_utf8(term.to_vec()).map_err(|_| unreadable())
}

fn unreadable() -> Failure {
    Failure::new(
        "unverified",
        "an item of the index is not what the indexer documents",
    )
}
