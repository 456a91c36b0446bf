//! The agent's work: claim a document, index it, commit; so many times.

use serde::{Deserialize, Serialize};
use sop_guest::{Error, Result, Transaction, transact_up_to};

use crate::queue::{claim, start};
use crate::token::terms;
use crate::{Count, Document, Stores, TOTALS};

/// What an agent is asked to do.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Order {
    /// Which agent this is; agents of different numbers draw different shards and lanes.
    pub agent: u64,
    /// Which run of this agent it is, so that its runs draw differently too.
    #[serde(default)]
    pub turn: u64,
    /// Documents to index, at most.
    #[serde(default = "one")]
    pub documents: u64,
    /// Separate sets of counts.
    #[serde(default = "default_shards")]
    pub shards: u16,
    /// Points at which a search for a document may start.
    #[serde(default = "default_lanes")]
    pub lanes: u64,
    /// The points are spread over the ids below this one.
    #[serde(default)]
    pub span: u64,
    /// Runs of the transaction of one document, at most.
    #[serde(default = "default_tries")]
    pub tries: u32,
}

const fn one() -> u64 {
    1
}

const fn default_shards() -> u16 {
    16
}

const fn default_lanes() -> u64 {
    16
}

const fn default_tries() -> u32 {
    64
}

/// What an agent has done.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    pub agent: u64,
    /// The documents it indexed, in order.
    pub documents: Vec<u64>,
    /// Tokens of these.
    pub tokens: u64,
    /// Entries it added to the index.
    pub postings: u64,
    /// Runs of transactions that ended in a conflict.
    pub conflicts: u64,
    /// Commits that validated their reads again, and went through.
    pub revalidated: u64,
    /// How often they did, together.
    pub revalidations: u64,
    /// The queue was empty.
    pub empty: bool,
    /// The tries for a document were used up; it is still in the queue.
    pub gave_up: bool,
}

/// A document that was indexed.
struct Indexed {
    id: u64,
    tokens: u64,
    postings: u64,
}

/// Indexes documents until there are none or enough.
pub(crate) fn work(order: &Order) -> Result<Report> {
    let mut report = Report {
        agent: order.agent,
        ..Report::default()
    };
    let mut draw = Draw::of(order.agent, order.turn);
    for _ in 0..order.documents {
        // The draws go on from try to try, so that a try after a conflict looks elsewhere.
        let committed = transact_up_to(order.tries, |transaction| {
            attempt(transaction, order, &mut draw)
        });
        let committed = match committed {
            Err(Error::Conflict(_)) if !report.documents.is_empty() => {
                report.conflicts += u64::from(order.tries);
                report.gave_up = true;
                return Ok(report);
            }
            other => other?,
        };
        report.conflicts += u64::from(committed.tries.saturating_sub(1));
        let Some(indexed) = committed.value else {
            report.empty = true;
            return Ok(report);
        };
        report.documents.push(indexed.id);
        report.tokens += indexed.tokens;
        report.postings += indexed.postings;
        report.revalidated += u64::from(committed.revalidations > 0);
        report.revalidations += u64::from(committed.revalidations);
    }
    Ok(report)
}

/// One run of the transaction of one document; none = the queue is empty.
fn attempt(transaction: &Transaction, order: &Order, draw: &mut Draw) -> Result<Option<Indexed>> {
    let stores = Stores::open(transaction)?;
    let Some(claimed) = claim(&stores.queue, start(draw.next(), order.lanes, order.span))? else {
        return Ok(None);
    };
    let text = stores.texts.get(&sop_guest::Key::encoded(&claimed.id))?;
    let text =
        text.ok_or_else(|| Error::NotFound(format!("the text of document {}", claimed.id)))?;
    let terms = terms(&String::from_utf8_lossy(&text));
    let tokens = terms.values().map(|count| u64::from(*count)).sum();
    let shard = u16::try_from(draw.next() % u64::from(order.shards.max(1))).unwrap_or(0);

    count(&stores, shard, &terms, tokens)?;
    let postings: Vec<_> = terms
        .iter()
        .map(|(term, count)| ((shard, term.clone(), claimed.id), *count))
        .collect();
    stores
        .index
        .put_many(postings.iter().map(|(key, count)| (key, count)))?;
    let document = Document {
        path: claimed.path,
        bytes: text.len() as u64,
        tokens,
        terms: u32::try_from(terms.len()).unwrap_or(u32::MAX),
        shard,
        agent: order.agent,
    };
    stores.documents.insert(&claimed.id, &document)?;
    Ok(Some(Indexed {
        id: claimed.id,
        tokens,
        postings: terms.len() as u64,
    }))
}

/// Adds a document's terms to the counts of a shard.
fn count(
    stores: &Stores,
    shard: u16,
    terms: &std::collections::BTreeMap<String, u32>,
    tokens: u64,
) -> Result<()> {
    let totals = (TOTALS, tokens);
    let changes = std::iter::once(totals).chain(
        terms
            .iter()
            .map(|(term, occurrences)| (term.clone(), u64::from(*occurrences))),
    );
    let (keys, added): (Vec<_>, Vec<_>) = changes
        .map(|(term, occurrences)| ((shard, term), occurrences))
        .unzip();
    let known = stores.terms.get_many(&keys)?;
    let counts: Vec<Count> = known
        .into_iter()
        .zip(added)
        .map(|(count, occurrences)| {
            let count = count.unwrap_or_default();
            Count {
                documents: count.documents + 1,
                occurrences: count.occurrences + occurrences,
            }
        })
        .collect();
    stores.terms.put_many(keys.iter().zip(&counts))
}

/// Numbers that only the agent and its turn decide (splitmix64): a plugin has no randomness.
struct Draw(u64);

impl Draw {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Agents of neighbouring numbers begin far apart in the sequence.
    fn of(agent: u64, turn: u64) -> Self {
        Self(Self::mixed(
            Self::mixed(agent.wrapping_add(1)) ^ turn.wrapping_mul(Self::STEP),
        ))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        Self::mixed(self.0)
    }

    const fn mixed(mut bits: u64) -> u64 {
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}
