//! The second round: a process of its own works on the database and kills itself in the middle.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use rustix::process::{Signal, getpid, kill_process};

use super::agents::Swarm;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::progress::Progress;

/// Works in this process until so many documents are acknowledged, then dies as if the power had failed.
///
/// Each acknowledged document is told on stdout before the next line of the program runs.
pub(super) async fn work_and_die(swarm: &Swarm, kill_after: u64) -> Outcome {
    let tally = swarm
        .work(move |document, count| {
            let mut stdout = std::io::stdout().lock();
            // A parent that is gone reads nothing; the work goes on all the same.
            let _ = writeln!(stdout, "{document}").and_then(|()| stdout.flush());
            if count >= kill_after {
                // The only way not to be killed is not to have a process id.
                let _ = kill_process(getpid(), Signal::KILL);
            }
        })
        .await?;
    Err(Failure::new(
        "internal",
        format!(
            "all {} documents were indexed before the kill",
            tally.documents
        ),
    ))
}

/// Starts this program again as the victim and waits for its death. Answers the documents it acknowledged.
pub(super) async fn run(
    arguments: Vec<String>,
    total: u64,
    progress: Progress,
) -> Outcome<BTreeSet<u64>> {
    let lost =
        |error: std::io::Error| Failure::new("internal", format!("the second process: {error}"));
    let watched = tokio::task::spawn_blocking(move || {
        let program = std::env::current_exe().map_err(lost)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(lost)?;
        let mut acknowledged = BTreeSet::new();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                // The last line may be cut short by the kill; then it was not told.
                if let Ok(Ok(id)) = line.map(|line| line.parse::<u64>()) {
                    acknowledged.insert(id);
                    progress.units(acknowledged.len() as u64, total);
                }
            }
        }
        let status = child.wait().map_err(lost)?;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            return Err(Failure::new(
                "internal",
                format!("the second process was not killed: {status}"),
            ));
        }
        Ok(acknowledged)
    });
    watched
        .await
        .map_err(|error| Failure::new("internal", format!("the second process: {error}")))?
}
