//! Goal: whatever becomes of commits, every document is indexed exactly once and all counts are
//! those of a plain recount. Method: several agents take turns on the kit's database in memory,
//! under scripted faults.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at a broken assumption"
)]

use std::collections::BTreeMap;

use super::*;
use crate::queue::Text;
use crate::work::{Order, Report};
use sop_guest::testing::{CommitFault, fail_commits, reset};
use sop_guest::{Error, snapshot};

const WORDS: [&str; 7] = ["the", "Tree", "übung", "x1", "LEAF", "the", "ant"];

fn texts(number: u64) -> Vec<Text> {
    let text = |id: u64| {
        let words = (0..id % 40 + 1)
            .map(|word| WORDS[usize::try_from((id * 5 + word * word) % 7).unwrap_or(0)]);
        Text {
            id: id * 3,
            path: format!("{id}.md"),
            text: words.collect::<Vec<_>>().join(", "),
        }
    };
    (0..number).map(text).collect()
}

fn order(agent: u64) -> Order {
    Order {
        agent,
        turn: 0,
        documents: 4,
        shards: 3,
        lanes: 8,
        span: 200,
        tries: 64,
    }
}

fn worked(order: Order) -> Result<Report> {
    match run(Request::Work(order))? {
        Response::Worked(report) => Ok(report),
        other => panic!("another answer: {other:?}"),
    }
}

/// Occurrences by term and document, the slow and plain way.
fn recount(texts: &[Text]) -> BTreeMap<(String, u64), u32> {
    let mut recount = BTreeMap::new();
    for text in texts {
        for word in text.text.split(", ") {
            *recount.entry((word.to_lowercase(), text.id)).or_default() += 1;
        }
    }
    recount
}

fn check(texts: &[Text], reports: &[Report]) -> Result<()> {
    let expected = recount(texts);
    let mut indexed: Vec<u64> = reports
        .iter()
        .flat_map(|report| report.documents.clone())
        .collect();
    indexed.sort_unstable();
    assert_eq!(
        indexed,
        texts.iter().map(|text| text.id).collect::<Vec<_>>()
    );
    snapshot(|transaction| {
        let stores = Stores::open(transaction)?;
        assert_eq!(stores.queue.count()?, 0);
        let documents = stores.documents.range(..)?.collect::<Result<Vec<_>>>()?;
        assert_eq!(
            documents.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            indexed
        );
        let index = stores.index.range(..)?.collect::<Result<Vec<_>>>()?;
        let found: BTreeMap<_, _> = index
            .iter()
            .map(|((_, term, id), count)| ((term.clone(), *id), *count))
            .collect();
        assert_eq!((index.len(), &found), (expected.len(), &expected));
        let mut terms: BTreeMap<String, Count> = BTreeMap::new();
        for ((term, _), count) in &expected {
            for key in [term.clone(), TOTALS] {
                terms.entry(key).or_default().occurrences += u64::from(*count);
            }
            terms.entry(term.clone()).or_default().documents += 1;
        }
        terms.entry(TOTALS).or_default().documents = texts.len() as u64;
        let mut counted: BTreeMap<String, Count> = BTreeMap::new();
        for item in stores.terms.range(..)? {
            let ((_, term), count) = item?;
            let sum = counted.entry(term).or_default();
            sum.documents += count.documents;
            sum.occurrences += count.occurrences;
        }
        assert_eq!(counted, terms);
        Ok(())
    })
}

#[test]
fn every_document_is_indexed_once_and_all_counts_are_right_under_faults() -> Result<()> {
    reset();
    let texts = texts(60);
    let enqueued = run(Request::Enqueue { documents: texts });
    assert_eq!(enqueued, Ok(Response::Enqueued { enqueued: 60 }));
    let mut reports = Vec::new();
    for turn in 0..40 {
        let faults = [
            CommitFault::Conflict,
            CommitFault::ReplyLostAfter,
            CommitFault::ReplyLostBefore,
        ];
        fail_commits(faults.into_iter().cycle().take(turn % 4));
        reports.push(worked(order(turn as u64 % 5))?);
    }
    assert!(reports.last().is_some_and(|report| report.empty));
    assert!(reports.iter().map(|report| report.conflicts).sum::<u64>() > 10);
    check(&self::texts(60), &reports)
}

#[test]
fn a_document_that_cannot_be_claimed_stays_in_the_queue() -> Result<()> {
    reset();
    run(Request::Enqueue {
        documents: texts(3),
    })?;
    fail_commits([CommitFault::Conflict; 64]);
    assert!(matches!(worked(order(1)), Err(Error::Conflict(_))));
    let report = worked(Order {
        documents: 1,
        ..order(1)
    })?;
    fail_commits(
        [CommitFault::ReplyLostAfter]
            .into_iter()
            .chain([CommitFault::Conflict; 64]),
    );
    let second = worked(order(1))?;
    assert!(
        second.gave_up && second.conflicts == 64 && second.documents.len() == 1,
        "{second:?}"
    );
    let third = worked(order(2))?;
    assert!(third.empty && !third.gave_up);
    check(&texts(3), &[report, second, third])
}

#[test]
fn lookups_add_up_the_shards() -> Result<()> {
    reset();
    run(Request::Enqueue {
        documents: texts(30),
    })?;
    for agent in 0..8 {
        worked(order(agent))?;
    }
    let expected: Vec<(u64, u32)> = recount(&texts(30))
        .into_iter()
        .filter(|((term, _), _)| term == "the")
        .map(|((_, id), count)| (id, count))
        .collect();
    let Response::Found(found) = run(Request::Lookup {
        term: " THE".to_owned(),
    })?
    else {
        panic!("another answer");
    };
    assert_eq!(
        found
            .hits
            .iter()
            .map(|hit| (hit.document, hit.occurrences))
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(found.documents, expected.len() as u64);
    assert_eq!(
        found.occurrences,
        expected
            .iter()
            .map(|(_, count)| u64::from(*count))
            .sum::<u64>()
    );
    let Response::Status(status) = run(Request::Status)? else {
        panic!("another answer")
    };
    assert_eq!(
        (status.pending, status.documents, status.shards),
        (0, 30, 3)
    );
    Ok(())
}

#[test]
fn an_id_is_enqueued_once_even_after_it_was_indexed() -> Result<()> {
    reset();
    run(Request::Enqueue {
        documents: texts(1),
    })?;
    worked(order(1))?;
    assert!(matches!(
        run(Request::Enqueue {
            documents: texts(1)
        }),
        Err(Error::Exists(_))
    ));
    assert!(worked(order(1))?.empty);
    Ok(())
}

#[test]
fn requests_are_read_and_answered_as_documented() {
    reset();
    let answer = |request: &str| {
        let response = sop_guest::json_run(request.as_bytes(), run).expect("an answer");
        String::from_utf8(response).expect("JSON")
    };
    let enqueue =
        r#"{"op": "enqueue", "documents": [{"id": 1, "path": "a.md", "text": "A tree, a leaf."}]}"#;
    assert_eq!(answer(enqueue), r#"{"enqueued":1}"#);
    let worked = concat!(
        r#"{"agent":7,"documents":[1],"tokens":4,"postings":3,"conflicts":0,"#,
        r#""revalidated":0,"revalidations":0,"empty":false,"gave_up":false}"#
    );
    assert_eq!(answer(r#"{"op": "work", "agent": 7}"#), worked);
    let status = r#"{"pending":0,"documents":1,"tokens":4,"postings":3,"shards":1}"#;
    assert_eq!(answer(r#"{"op": "status"}"#), status);
    let found =
        r#"{"documents":1,"occurrences":2,"hits":[{"document":1,"path":"a.md","occurrences":2}]}"#;
    assert_eq!(answer(r#"{"op": "lookup", "term": "a"}"#), found);
}

#[test]
fn tokens_follow_the_documented_rule() {
    fn terms(text: &str) -> Vec<(String, u32)> {
        token::terms(text).into_iter().collect()
    }
    assert_eq!(terms(""), []);
    assert_eq!(
        terms("Ant-hill: ANT2!"),
        [("ant".into(), 1), ("ant2".into(), 1), ("hill".into(), 1)]
    );
    // Lower case is taken character by character: a final sigma stays an ordinary one.
    assert_eq!(terms("ΟΔΟΣ"), [("οδοσ".into(), 1)]);
    // 63 bytes, and the next character has two.
    assert_eq!(
        terms(&format!("{}üx", "A".repeat(63))),
        [("a".repeat(63), 1)]
    );
    assert_eq!(terms(&"9".repeat(65)), [("9".repeat(64), 1)]);
}

#[test]
fn starting_points_lie_in_the_span() {
    for draw in [0, 1, 7, 8, u64::MAX] {
        assert_eq!(crate::queue::start(draw, 1, 500), 0);
        assert_eq!(crate::queue::start(draw, 0, 500), 0);
        assert_eq!(crate::queue::start(draw, 8, 0), 0);
        assert!(crate::queue::start(draw, 8, u64::MAX) < u64::MAX);
    }
    assert_eq!(crate::queue::start(3, 8, 800), 300);
}
