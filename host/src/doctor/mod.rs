//! Whether the parts of a database can be relied on: what `sop doctor` says.
//!
//! Nothing here changes the database. The object store is probed under a name of its own, the registry under a key of its
//! own; both are removed again.

mod objects;
mod registry;

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Backends, Url};
use crate::database::connect_objects;
use crate::error::Result;
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

/// How long a call took, of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Latency {
    /// The shortest, in microseconds.
    pub least_us: u64,
    /// The one in the middle, in microseconds.
    pub median_us: u64,
    /// How many were made.
    pub calls: usize,
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let microseconds = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Some(Self {
            least_us: times.first().map(microseconds)?,
            median_us: times.get(times.len() / 2).map(microseconds)?,
            calls: times.len(),
        })
    }
}

impl std::fmt::Display for Latency {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [least, median] = [self.least_us, self.median_us].map(Duration::from_micros);
        write!(
            formatter,
            "{median:.1?} (median of {}, least {least:.1?})",
            self.calls
        )
    }
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
    /// How long it took, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
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
            latency: None,
        });
    }

    fn fine(&mut self, subject: &str, message: impl Into<String>) {
        self.note(Grade::Fine, subject, message);
    }

    fn warn(&mut self, subject: &str, message: impl Into<String>) {
        self.note(Grade::Warning, subject, message);
    }

    fn problem(&mut self, subject: &str, message: impl Into<String>) {
        self.note(Grade::Problem, subject, message);
    }

    /// Notes how long a call took, and what that means.
    fn time(&mut self, grade: Grade, subject: &str, latency: Latency, meaning: &str) {
        let message = format!("{latency}{meaning}");
        self.note(grade, subject, message);
        if let Some(finding) = self.findings.last_mut() {
            finding.latency = Some(latency);
        }
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
        chart.fine(
            "form",
            "it lives in one process and needs no server; `sop verify` looks at its contents",
        );
        return Ok(chart.findings);
    }
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let objects = connect_objects(url, backends, false)?;
    findings.extend(objects::examine(objects.as_ref(), runtime.as_ref()).await);
    let (epochs, standing) = objects::epochs(objects, runtime).await;
    findings.extend(epochs);
    findings.extend(match &backends.registry {
        Some(address) => registry::examine(address, &standing).await,
        None => {
            let mut chart = Chart::new("registry");
            chart.fine(
                "form",
                "none: the newest process that opens this database for writing is its only writer",
            );
            chart.findings
        }
    });
    Ok(findings)
}
