//! `sop doctor`: can the parts of this database be relied on?

use sop_host::doctor::{Finding, Grade, examine};

use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::{Global, table};

/// Check the object store and the registry of a database, and explain what is found
///
/// Looks whether conditional puts have exactly one winner, how long calls take, what the registry would do when its memory
/// is full, and where the epochs of the database stand. Changes nothing.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  sop doctor --database s3://bucket/data --registry redis://localhost\n  \
        sop doctor --json        {\"healthy\":true,\"findings\":[{\"part\":…,\"subject\":…,\"message\":…,\"grade\":\"fine\"},…]}"
)]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let url = global.database.parse()?;
        let findings = examine(&url, &global.backends).await?;
        let healthy = findings
            .iter()
            .all(|finding| finding.grade != Grade::Problem);
        let json = serde_json::json!({"healthy": healthy, "findings": findings});
        console.answer(&json, || text(&findings, healthy))?;
        Ok(if healthy {
            Exit::Success
        } else {
            Exit::Failure
        })
    }
}

fn text(findings: &[Finding], healthy: bool) -> String {
    let mut rows = table::table(&["", "part", "subject", "finding"]);
    for finding in findings {
        let mark = match finding.grade {
            Grade::Fine => "ok",
            Grade::Warning => "!",
            Grade::Problem => "PROBLEM",
        };
        rows.add_row([mark, finding.part, &finding.subject, &finding.message]);
    }
    let verdict = if healthy {
        "healthy"
    } else {
        "NOT HEALTHY: see the problems above"
    };
    format!("{rows}\n{verdict}")
}
