//! The proof: the index in the database is that of a recount, every document exactly once, and every page is sound.

use std::collections::BTreeSet;

use sop_host::VerifyReport;

use super::agents::Swarm;
use super::documents::{Document, Index, recount};
use super::stored;
use crate::cli::failure::{Failure, Outcome};

/// What was proved.
#[derive(Debug)]
pub(super) struct Proof {
    /// What the recount came to.
    pub(super) index: Index,
    /// What the walk over all pages saw.
    pub(super) report: VerifyReport,
}

/// Proves the state of the database.
///
/// All of `documents` were put into the queue. Those in `acknowledged` must be indexed; of the others some may be, if their
/// commit was under way when the process was killed. What is not indexed must still be in the queue.
pub(super) async fn prove(
    swarm: &Swarm,
    documents: &[Document],
    acknowledged: &BTreeSet<u64>,
) -> Outcome<Proof> {
    let (found, pending) = stored::read(&swarm.database).await?;
    if let Some(lost) = acknowledged
        .iter()
        .find(|id| !found.documents.contains_key(id))
    {
        return Err(unverified(format!(
            "document {lost} was acknowledged and is not in the index"
        )));
    }
    if pending + found.documents.len() as u64 != documents.len() as u64 {
        let message = format!(
            "{} documents were handed over, {} are indexed and {pending} are waiting",
            documents.len(),
            found.documents.len()
        );
        return Err(unverified(message));
    }
    let indexed = documents
        .iter()
        .filter(|document| found.documents.contains_key(&document.id));
    let expected = recount(indexed);
    compare(&found, &expected)?;
    let report = swarm.database.verify(|_| ()).await?;
    match report.damages.first() {
        None => Ok(Proof {
            index: expected,
            report,
        }),
        Some(damage) => Err(unverified(format!(
            "{} damages, the first: {damage:?}",
            report.damages.len()
        ))),
    }
}

fn compare(found: &Index, expected: &Index) -> Outcome {
    if found == expected {
        return Ok(());
    }
    let different = expected
        .terms
        .iter()
        .find(|(term, counts)| found.terms.get(*term) != Some(counts));
    let message = match different {
        Some((term, counts)) => {
            format!(
                "{term:?} must have {counts:?} documents and occurrences, the index says {:?}",
                found.terms.get(term)
            )
        }
        None => format!(
            "the recount has {} terms, {} postings, {} words; the index {}, {}, {}",
            expected.terms.len(),
            expected.postings.len(),
            expected.tokens,
            found.terms.len(),
            found.postings.len(),
            found.tokens
        ),
    };
    Err(unverified(message))
}

fn unverified(message: String) -> Failure {
    Failure::new("unverified", message)
}
