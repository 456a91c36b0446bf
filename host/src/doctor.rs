//! Whether the parts of a database can be relied on: what `sop doctor` says.
//!
//! Nothing here changes the database. The object store is probed under a name of its own, which is removed again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::blob::objects::Objects;
use crate::blob::objects::probe::probe;
use crate::config::{Backends, Url};
use crate::database::connect_objects;
use crate::error::Result;
use crate::recovery::epoch::{EpochError, EpochStore};
use crate::runtime::{Runtime, TokioRuntime};

/// Times that a call is repeated to measure it.
const ROUNDS: usize = 9;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As it must be.
    Fine,
    /// It works, and could be better.
    Warning,
    /// The database cannot be relied on like this, or not at all.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Which part: `object store`, `registry`, `database`.
    pub part: &'static str,
    /// What was looked at.
    pub subject: String,
    /// What was found, and what to do about it.
    pub message: String,
    /// How good that is.
    pub grade: Grade,
}

/// Collects findings about one part.
#[derive(Debug)]
struct Chart {
    part: &'static str,
    findings: Vec<Finding>,
}

impl Chart {
    fn new(part: &'static str) -> Self {
        Self {
            part,
            findings: Vec::new(),
        }
    }

    fn note(&mut self, grade: Grade, subject: &str, message: impl Into<String>) {
        self.findings.push(Finding {
            part: self.part,
            subject: subject.to_owned(),
            message: message.into(),
            grade,
        });
    }
}

/// Looks at the parts of the database at a URL.
///
/// # Errors
/// Only where nothing can be looked at, as for a URL that makes no sense; what is wrong with a part is a finding.
pub async fn examine(url: &Url, backends: &Backends) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if *url == Url::Memory || (matches!(url, Url::Directory(_)) && backends.registry.is_none()) {
        let mut chart = Chart::new("database");
        chart.note(
            Grade::Fine,
            "form",
            "it lives in one process and needs no server; `sop verify` looks at its contents",
        );
        return Ok(chart.findings);
    }
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let objects = connect_objects(url, backends, false)?;
    findings.extend(examine_objects(objects.as_ref(), runtime.as_ref()).await);
    findings.extend(examine_epochs(objects, runtime).await);
    if backends.registry.is_none() {
        let mut chart = Chart::new("registry");
        chart.note(
            Grade::Fine,
            "form",
            "none: the newest process that opens this database for writing is its only writer",
        );
        findings.extend(chart.findings);
    }
    Ok(findings)
}

async fn examine_objects(objects: &dyn Objects, runtime: &dyn Runtime) -> Vec<Finding> {
    let mut chart = Chart::new("object store");
    let begun = Instant::now();
    match probe(objects, runtime).await {
        Ok(()) => chart.note(
            Grade::Fine,
            "conditional put",
            "one after the other and racing, exactly one put of a name wins",
        ),
        Err(error) => {
            chart.note(Grade::Problem, "conditional put", error.to_string());
            return chart.findings;
        }
    }
    tracing::debug!(elapsed = ?begun.elapsed(), "probed");
    let name = format!("probe/{:016x}-latency", runtime.random());
    let body = bytes::Bytes::from(vec![7; 8 << 10]);
    let put = measure(async || objects.put(&name, body.clone()).await.is_ok()).await;
    let get = measure(async || matches!(objects.get(&name).await, Ok(Some(_)))).await;
    let missing = format!("{name}-missing");
    let head = measure(async || objects.exists(&missing).await.is_ok()).await;
    // Leaving a small object behind under `probe/` harms nobody.
    let _ = objects.delete(&name).await;
    for (subject, time) in [
        ("put of 8 KiB", put),
        ("get of 8 KiB", get),
        ("look-up", head),
    ] {
        match time {
            Some(time) => chart.note(Grade::Fine, subject, format!("{time:.1?} (median)")),
            None => chart.note(Grade::Problem, subject, "failed"),
        }
    }
    if let (Some(put), Some(head)) = (put, head) {
        let message = format!("about {:.1?}: one put and one look-up", put + head);
        chart.note(Grade::Fine, "expected commit", message);
    }
    chart.findings
}

async fn examine_epochs(objects: Arc<dyn Objects>, runtime: Arc<dyn Runtime>) -> Vec<Finding> {
    let mut chart = Chart::new("database");
    let epochs = match EpochStore::open(objects, runtime, false).await {
        Ok(epochs) => epochs,
        Err(EpochError::Missing) => {
            let message = "there is none yet: the first command that writes creates it";
            chart.note(Grade::Warning, "identity", message);
            return chart.findings;
        }
        Err(error) => {
            chart.note(Grade::Problem, "identity", error.to_string());
            return chart.findings;
        }
    };
    chart.note(Grade::Fine, "identity", format!("{:016x}", epochs.seed()));
    match epochs.survey().await {
        Ok(survey) => {
            let message = format!(
                "{} claimed, {} began; {} segments ({} bytes) since the last checkpoint would be replayed",
                survey.newest, survey.real, survey.segments, survey.bytes
            );
            let undecided = survey.newest > survey.real;
            let grade = if undecided {
                Grade::Warning
            } else {
                Grade::Fine
            };
            chart.note(grade, "epochs", message);
        }
        Err(error) => chart.note(Grade::Problem, "epochs", error.to_string()),
    }
    chart.findings
}

/// The median time of a call; `None` = it failed.
async fn measure(call: impl AsyncFn() -> bool) -> Option<Duration> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        if !call().await {
            return None;
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times.get(ROUNDS / 2).copied()
}
