//! Answers for people.

use sop_host::{CommitInfo, Item, Outcome, Statistics};

use super::answer::{Answer, Reply, outcome_name};
use crate::cli::{escape, quantity, table};

/// An answer as lines of text.
pub(super) fn reply(reply: &Reply) -> String {
    let text = answer(&reply.answer);
    match reply.version {
        Some(version) => format!("{text} (version {version})"),
        None => text,
    }
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Done => "done".to_owned(),
        Answer::Begun(version) => format!("begun at version {version}"),
        Answer::Value(value) => optional(value.as_deref()),
        Answer::Values(values) => values
            .iter()
            .map(|value| optional(value.as_deref()))
            .collect::<Vec<_>>()
            .join("\n"),
        Answer::Contains(true) => "yes".to_owned(),
        Answer::Contains(false) => "no".to_owned(),
        Answer::Count(count) => count.to_string(),
        Answer::Entry(None) => "(empty)".to_owned(),
        Answer::Entry(Some(item)) => items(std::slice::from_ref(item)),
        Answer::Entries(entries) if entries.is_empty() => "(nothing)".to_owned(),
        Answer::Entries(entries) => items(entries),
        Answer::Removed(true) => "removed".to_owned(),
        Answer::Removed(false) => "it was not there".to_owned(),
        Answer::RemovedRange(removed) => format!("removed {removed}"),
        Answer::Stores(stores) if stores.is_empty() => "(no stores)".to_owned(),
        Answer::Stores(stores) => stores
            .iter()
            .map(|store| escape::encode(store.as_bytes()))
            .collect::<Vec<_>>()
            .join("\n"),
        Answer::Committed(info) => committed(*info),
        Answer::Outcome(Outcome::Committed(version)) => format!("committed at version {version}"),
        Answer::Outcome(outcome) => outcome_name(*outcome).to_owned(),
        Answer::Statistics(figures) => statistics(figures),
        Answer::Report(report) => {
            let verdict = if report.is_sound() {
                "sound"
            } else {
                "DAMAGED"
            };
            let damages = report.damages.iter().map(|damage| {
                let store = escape::encode(damage.store.as_bytes());
                format!(
                    "\ndamaged: store `{store}`, node {}: {}",
                    damage.node, damage.message
                )
            });
            format!(
                "{verdict}: {} nodes at version {}",
                report.nodes, report.version
            ) + &damages.collect::<String>()
        }
    }
}

fn optional(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), escape::encode)
}

fn items(items: &[Item]) -> String {
    let mut rows = table::table(&["key", "value"]);
    for item in items {
        rows.add_row([escape::encode(&item.key), escape::encode(&item.value)]);
    }
    rows.to_string()
}

fn committed(info: CommitInfo) -> String {
    match info.revalidations {
        0 => format!("committed at version {}", info.version),
        times => format!(
            "committed at version {}, after validating again {times} times",
            info.version
        ),
    }
}

fn statistics(figures: &Statistics) -> String {
    let mut rows = table::table(&["this session", ""]);
    let counts = [
        ("transactions", figures.transactions),
        ("commits", figures.commits),
        ("conflicts", figures.conflicts),
        ("re-validated commits", figures.revalidated),
        ("rollbacks", figures.rollbacks),
        ("commit p50, µs", figures.storage.commit_p50_us),
        ("commit p99, µs", figures.storage.commit_p99_us),
    ];
    for (name, count) in counts {
        rows.add_row([
            comfy_table::Cell::new(name),
            table::number(quantity::count(count)),
        ]);
    }
    rows.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: Answer) -> String {
        reply(&Reply {
            answer,
            version: None,
        })
    }

    #[test]
    fn no_stored_byte_reaches_the_terminal_as_it_is() {
        let item = Item {
            key: b"k\x1b[2J".to_vec(),
            value: b"v\n".to_vec(),
        };
        let shown = text(Answer::Entries(vec![item]));
        assert!(
            shown.contains(r"k\u{1b}[2J") && shown.contains(r"v\n"),
            "{shown}"
        );
        assert_eq!(text(Answer::Value(Some(b"\x07".to_vec()))), r"\u{7}");
        assert_eq!(text(Answer::Value(None)), "(absent)");
    }

    #[test]
    fn a_write_of_its_own_tells_its_version() {
        assert_eq!(
            reply(&Reply {
                answer: Answer::Done,
                version: Some(9)
            }),
            "done (version 9)"
        );
    }
}
