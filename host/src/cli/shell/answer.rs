//! What a session answers, and how a program reads it.

use serde_json::{Value, json};
use sop_host::{
    CommitInfo, ConflictingKey, Error, Item, Outcome, Statistics, VerifyReport, Version,
};

use crate::cli::json::BytesRef;

/// A request that was carried out.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing to tell.
    Done,
    /// A transaction began, at this version.
    Begun(Version),
    /// A value, or that there is none.
    Value(Option<Vec<u8>>),
    /// Values, index-aligned with the keys.
    Values(Vec<Option<Vec<u8>>>),
    /// Whether a key is present.
    Contains(bool),
    /// How many items there are.
    Count(u64),
    /// An item, or that there is none.
    Entry(Option<Item>),
    /// Items.
    Entries(Vec<Item>),
    /// Whether a key was removed.
    Removed(bool),
    /// How many keys were removed.
    RemovedRange(u64),
    /// The names of the stores.
    Stores(Vec<String>),
    /// The transaction committed.
    Committed(CommitInfo),
    /// What became of a commit.
    Outcome(Outcome),
    /// Figures of this process.
    Statistics(Box<Statistics>),
    /// What an inspection saw.
    Report(VerifyReport),
}

/// An answer, and the version of the transaction that the request was.
#[derive(Debug)]
pub(super) struct Reply {
    /// The answer.
    pub(super) answer: Answer,
    /// Set when the request was a transaction of its own that wrote.
    pub(super) version: Option<Version>,
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The case as a word.
    pub(super) kind: &'static str,
    /// What happened and what to do.
    pub(super) message: String,
    /// With `conflict`: what changed.
    keys: Option<Vec<ConflictingKey>>,
    /// With `unknown-outcome`: the id to ask by, in hexadecimal.
    commit: Option<String>,
}

impl Refusal {
    /// A failure of this kind.
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            keys: None,
            commit: None,
        }
    }

    /// The line or request makes no sense.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid", message)
    }

    /// What follows `error` in the answer.
    pub(super) fn json(&self) -> Value {
        let mut error = json!({"kind": self.kind, "message": self.message});
        if let Some(keys) = &self.keys {
            let keys = keys
                .iter()
                .map(|key| json!({"store": key.store, "key": BytesRef(&key.key)}));
            set(&mut error, "keys", keys.collect());
        }
        if let Some(commit) = &self.commit {
            set(&mut error, "commit", json!(commit));
        }
        error
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let refusal = Self::new(error.kind(), error.to_string());
        match error {
            Error::Conflict(keys) => Self {
                keys: Some(keys),
                ..refusal
            },
            Error::UnknownOutcome(id) => Self {
                commit: Some(format!("{:016x}{:016x}", id.high, id.low)),
                ..refusal
            },
            _ => refusal,
        }
    }
}

impl Reply {
    /// What follows `ok` in the answer.
    pub(super) fn json(&self) -> Value {
        let mut ok = self.answer.json();
        if let Some(version) = self.version {
            set(&mut ok, "version", json!(version));
        }
        ok
    }
}

impl Answer {
    fn json(&self) -> Value {
        match self {
            Self::Done => json!({}),
            Self::Begun(version) => json!({"version": version}),
            Self::Value(value) => json!({"value": value.as_deref().map(BytesRef)}),
            Self::Values(values) => {
                let values: Vec<_> = values
                    .iter()
                    .map(|value| value.as_deref().map(BytesRef))
                    .collect();
                json!({"values": values})
            }
            Self::Contains(contains) => json!({"contains": contains}),
            Self::Count(count) => json!({"count": count}),
            Self::Entry(item) => json!({"entry": item.as_ref().map(entry)}),
            Self::Entries(items) => json!({"entries": items.iter().map(entry).collect::<Vec<_>>()}),
            Self::Removed(removed) => json!({"removed": removed}),
            Self::RemovedRange(removed) => json!({"removed": removed}),
            Self::Stores(stores) => json!({"stores": stores}),
            Self::Committed(info) => {
                json!({"version": info.version, "revalidations": info.revalidations})
            }
            Self::Outcome(outcome) => {
                let mut answer = json!({"outcome": outcome_name(*outcome)});
                if let Outcome::Committed(version) = outcome {
                    set(&mut answer, "version", json!(version));
                }
                answer
            }
            Self::Statistics(statistics) => json!(statistics),
            Self::Report(report) => crate::cli::verify::json(report),
        }
    }
}

/// An outcome as a word.
pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Committed(_) => "committed",
        Outcome::Aborted => "aborted",
        Outcome::Undecided => "undecided",
        Outcome::Unknown => "unknown",
    }
}

fn entry(item: &Item) -> [BytesRef<'_>; 2] {
    [BytesRef(&item.key), BytesRef(&item.value)]
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The whole answer to one line.
pub(super) fn line(answer: &Result<Reply, Refusal>, id: Option<Value>) -> Value {
    let mut line = match answer {
        Ok(reply) => json!({"ok": reply.json()}),
        Err(refusal) => json!({"error": refusal.json()}),
    };
    if let Some(id) = id {
        set(&mut line, "id", id);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::json::Bytes;

    fn ok(answer: Answer) -> String {
        line(
            &Ok(Reply {
                answer,
                version: None,
            }),
            None,
        )
        .to_string()
    }

    fn item(key: &[u8], value: &[u8]) -> Item {
        Item {
            key: key.to_vec(),
            value: value.to_vec(),
        }
    }

    #[test]
    fn answers_have_the_documented_forms() {
        assert_eq!(
            ok(Answer::Value(Some(b"v".to_vec()))),
            r#"{"ok":{"value":"v"}}"#
        );
        assert_eq!(ok(Answer::Value(None)), r#"{"ok":{"value":null}}"#);
        assert_eq!(
            ok(Answer::Entry(Some(item(b"k", b"\xff")))),
            r#"{"ok":{"entry":["k",{"base64":"/w=="}]}}"#
        );
        assert_eq!(ok(Answer::Entry(None)), r#"{"ok":{"entry":null}}"#);
        let entries = vec![item(b"a", b"1"), item(b"b", b"2")];
        assert_eq!(
            ok(Answer::Entries(entries)),
            r#"{"ok":{"entries":[["a","1"],["b","2"]]}}"#
        );
        assert_eq!(ok(Answer::Removed(true)), r#"{"ok":{"removed":true}}"#);
        assert_eq!(ok(Answer::RemovedRange(3)), r#"{"ok":{"removed":3}}"#);
        assert_eq!(ok(Answer::Count(3)), r#"{"ok":{"count":3}}"#);
        assert_eq!(ok(Answer::Done), r#"{"ok":{}}"#);
        let info = CommitInfo {
            version: 7,
            revalidations: 1,
        };
        assert_eq!(
            ok(Answer::Committed(info)),
            r#"{"ok":{"revalidations":1,"version":7}}"#
        );
        assert_eq!(
            ok(Answer::Outcome(Outcome::Aborted)),
            r#"{"ok":{"outcome":"aborted"}}"#
        );
    }

    #[test]
    fn a_conflict_names_its_keys_and_the_id_comes_back() {
        let keys = vec![ConflictingKey {
            store: "s".to_owned(),
            key: b"k".to_vec(),
        }];
        let answer = line(&Err(Error::Conflict(keys).into()), Some(json!([1])));
        assert_eq!(answer.pointer("/error/kind"), Some(&json!("conflict")));
        assert_eq!(
            answer.pointer("/error/keys"),
            Some(&json!([{"store":"s","key":"k"}]))
        );
        assert_eq!(answer.pointer("/id"), Some(&json!([1])));
    }

    #[test]
    fn an_unknown_outcome_carries_the_id_to_ask_by() {
        let id = sop_host::CommitId { high: 1, low: 2 };
        let answer = line(&Err(Error::UnknownOutcome(id).into()), None);
        assert_eq!(
            answer.pointer("/error/commit"),
            Some(&json!("00000000000000010000000000000002"))
        );
    }

    #[test]
    fn bytes_that_are_no_text_stay_what_they_are() {
        assert_eq!(json!(Bytes(vec![0xff])), json!({"base64":"/w=="}));
    }
}
