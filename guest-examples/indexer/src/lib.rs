//! The agent of the demo: many at once claim documents from a shared queue and maintain one
//! inverted index.
//!
//! ```text
//!   queue --claim--> [ one serializable transaction per document ] --> documents   what was indexed, by whom
//!   texts --read--->                                               --> index       where each term occurs
//!                                                                  --> terms       how often, and the totals
//! ```
//!
//! Taking the document out of the queue and writing all that follows from it is **one**
//! transaction. So a document is indexed exactly once, whatever becomes of the agent, the host or
//! the answer: a document in the queue has left no trace in the index, and one that is not in the
//! queue has left all of it.
//!
//! # Stores
//! Keys are those of `sop_guest::key`, values are postcard unless they are called plain.
//!
//! | store | key | value |
//! |---|---|---|
//! | `queue` | document (u64) | its path, plain UTF-8 |
//! | `texts` | document (u64) | its text, plain UTF-8 |
//! | `documents` | document (u64) | `Document`: path, bytes, tokens, terms, shard, agent |
//! | `index` | (shard: u16, term: string, document: u64) | occurrences (u32) |
//! | `terms` | (shard: u16, term: string) | `Count`: documents, occurrences; under the empty term: the totals of the shard |
//!
//! Whoever fills `queue` and `texts` needs no plugin: plain texts under the id as 8 bytes,
//! big-endian.
//!
//! # Tokens
//! The text is UTF-8 (what is not, is read as U+FFFD, like `String::from_utf8_lossy`). A token is a
//! longest run of characters that are `char::is_alphanumeric`; it is written in lower case
//! character by character (`char::to_lowercase`, so without rules of context), and then cut at the
//! end of the last character that ends within its first 64 bytes. The term of a token is the token.
//!
//! # Contention
//! Agents meet in two places, and a request says how often.
//! - *Claims.* An agent takes the first document of the queue from its starting point on, around
//!   the end if need be. With `lanes` 1 all start at the first document and want the same one; with
//!   more, each try starts at one of so many points over the ids below `span`. A scan observes all
//!   it passed, so two that claim one document conflict, and one of them tries again, at another
//!   point.
//! - *Counts.* `terms` is read, changed and written, and frequent words are in every document. Each
//!   try uses one of `shards` separate sets of counts: with 1 any two transactions at the same time
//!   conflict, with many times the number of agents hardly any. The shard comes first in the keys
//!   of `terms` and `index`, so what one transaction writes lies close together, in few leaves. A
//!   reader adds up the shards.
//!
//! # Requests
//! | request | response |
//! |---|---|
//! | `{"op": "enqueue", "documents": [{"id": 1, "path": "a.md", "text": "…"}]}` | `{"enqueued": 1}` |
//! | `{"op": "work", "agent": 7, "documents": 16, "shards": 32, "lanes": 64, "span": 500, "tries": 64}` | see below |
//! | `{"op": "status"}` | `{"pending": 0, "documents": 1, "tokens": 9, "postings": 5, "shards": 1}` |
//! | `{"op": "lookup", "term": "tree"}` | `{"documents": 3, "occurrences": 8, "hits": [{"document": 1, "path": "a.md", "occurrences": 5}, …]}` |
//!
//! The response to `work`: `{"agent": 7, "documents": [3, 8], "tokens": 900, "postings": 410,
//! "conflicts": 1, "revalidated": 1, "revalidations": 2, "empty": false, "gave_up": false}`: the
//! documents it indexed, their tokens, the entries it added to the index, the runs of transactions
//! that ended in a conflict, the commits that went through after they had validated their reads
//! again, and how often these did.
//!
//! `work` indexes up to `documents` documents (1) and ends early when the queue is empty. Only
//! `agent` is required; `turn` (0) tells the runs of one agent apart, so that they draw differently;
//! without the others `shards` is 16, `lanes` 16, `span` 0 (all start at the first document) and
//! `tries` 64. A document whose `tries` are used up ends the run: with `"gave_up": true` if some
//! were indexed before, as a conflict if none was (then the host runs the plugin again after a
//! pause). The document stays in the queue.

mod queue;
mod search;
mod token;
mod work;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use serde::{Deserialize, Serialize};
use sop_guest::{Result, Store, Transaction, TypedStore, transact};

/// A document that was indexed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Document {
    path: String,
    /// Bytes of the text.
    bytes: u64,
    /// Tokens of the text.
    tokens: u64,
    /// Different terms among them.
    terms: u32,
    /// The shard in which its terms are indexed and counted.
    shard: u16,
    /// The agent that indexed it.
    agent: u64,
}

/// How often a term occurs, in one shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Count {
    /// Documents in which it occurs; under the empty term: all documents of the shard.
    documents: u64,
    /// Occurrences; under the empty term: all tokens of the shard.
    occurrences: u64,
}

/// The key under which the totals of a shard are counted; no token is empty. They lie among the
/// terms of their shard and not in a store of their own, whose single leaf every transaction would
/// have to change.
const TOTALS: String = String::new();

type Documents<'t> = TypedStore<'t, u64, Document>;
type Index<'t> = TypedStore<'t, (u16, String, u64), u32>;
type Terms<'t> = TypedStore<'t, (u16, String), Count>;

/// The five stores, as one transaction sees them.
struct Stores<'t> {
    queue: Store<'t>,
    texts: Store<'t>,
    documents: Documents<'t>,
    index: Index<'t>,
    terms: Terms<'t>,
}

impl<'t> Stores<'t> {
    /// Opens the stores; `NotFound` if nothing was ever enqueued.
    fn open(transaction: &'t Transaction) -> Result<Self> {
        let open = |name| transaction.open_store(name);
        Ok(Self {
            queue: open("queue")?,
            texts: open("texts")?,
            documents: TypedStore::new(open("documents")?),
            index: TypedStore::new(open("index")?),
            terms: TypedStore::new(open("terms")?),
        })
    }

    /// Creates those that are missing.
    fn create(transaction: &Transaction) -> Result<()> {
        ["queue", "texts", "documents", "index", "terms"]
            .iter()
            .try_for_each(|name| transaction.open_or_create_store(name).map(drop))
    }
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Request {
    Enqueue { documents: Vec<queue::Text> },
    Work(work::Order),
    Status,
    Lookup { term: String },
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Response {
    Enqueued { enqueued: usize },
    Worked(work::Report),
    Status(search::Status),
    Found(search::Found),
}

fn run(request: Request) -> Result<Response> {
    Ok(match request {
        Request::Enqueue { documents } => {
            transact(|transaction| queue::enqueue(transaction, &documents))?;
            Response::Enqueued {
                enqueued: documents.len(),
            }
        }
        Request::Work(order) => Response::Worked(work::work(&order)?),
        Request::Status => Response::Status(sop_guest::snapshot(search::status)?),
        Request::Lookup { term } => Response::Found(sop_guest::snapshot(|transaction| {
            search::lookup(transaction, &term)
        })?),
    })
}

sop_guest::plugin!(json: run);
