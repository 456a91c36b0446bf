//! The table at the end.

use std::path::Path;

use serde::Serialize;
use sop_host::{Database, StorageStatistics};

use super::agents::Tally;
use super::proof::Proof;
use crate::cli::Global;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::quantity;
use crate::cli::stat::Disk;
use crate::cli::table;

/// Share of commits that must have been validated again, in percent: else the agents were not in each other's way, and the
/// demo shows nothing.
const REVALIDATED_PERCENT_MIN: f64 = 1.0;

/// What the demo came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    verified: bool,
    documents: u64,
    terms: u64,
    postings: u64,
    words: u64,
    transactions_per_second: f64,
    conflicts: u64,
    revalidated: u64,
    revalidated_percent: f64,
    retries: u64,
    cache_hit_percent: f64,
    blob_reads: u64,
    bytes_written: u64,
    commit_p50_us: u64,
    commit_p99_us: u64,
    disk_bytes: u64,
    live_bytes: u64,
    space_amplification: f64,
    memory_peak_bytes: u64,
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

/// The most memory this process ever had; 0 where the system does not tell.
fn memory_peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}

impl Report {
    /// Puts the figures of both rounds together. Latencies and caches are those of the first round, which ran in one
    /// process from its start to its end.
    pub(super) fn new(
        first: Tally,
        second: Tally,
        statistics: &StorageStatistics,
        database: &Database,
        proof: &Proof,
        directory: &Path,
    ) -> Self {
        let both = first.plus(second);
        let disk = Disk::of(&format!("dir:{}", directory.display()));
        let live_bytes = proof
            .report
            .stores
            .iter()
            .map(|store| store.page_bytes + store.value_bytes)
            .sum();
        Self {
            verified: true,
            documents: proof.index.documents.len() as u64,
            terms: proof.index.terms.len() as u64,
            postings: proof.index.postings.len() as u64,
            words: proof.index.tokens,
            transactions_per_second: percent(both.documents, 1)
                / 100.0
                / both.elapsed.as_secs_f64().max(f64::EPSILON),
            conflicts: both.conflicts,
            revalidated: both.revalidated,
            revalidated_percent: percent(both.revalidated, both.documents),
            retries: both.retries,
            cache_hit_percent: percent(
                statistics.cache_hits,
                statistics.cache_hits + statistics.cache_misses,
            ),
            blob_reads: statistics.blob_reads,
            bytes_written: statistics.bytes_written + database.statistics().storage.bytes_written,
            commit_p50_us: statistics.commit_p50_us,
            commit_p99_us: statistics.commit_p99_us,
            disk_bytes: disk.bytes,
            live_bytes,
            space_amplification: percent(disk.bytes, live_bytes) / 100.0,
            memory_peak_bytes: memory_peak_bytes(),
        }
    }

    /// Prints the table, and `verified` as its last line.
    pub(super) fn print(&self, global: &Global, console: &mut Console) -> Outcome {
        if global.json {
            return console.json(self);
        }
        let mut table = table::table(&["what", "figure"]);
        let rows = [
            (
                "documents indexed, each in one transaction",
                quantity::count(self.documents),
            ),
            (
                "terms, postings, words",
                format!(
                    "{}, {}, {}",
                    quantity::count(self.terms),
                    quantity::count(self.postings),
                    quantity::count(self.words)
                ),
            ),
            (
                "transactions per second",
                format!("{:.0}", self.transactions_per_second),
            ),
            ("conflicts, run again", quantity::count(self.conflicts)),
            (
                "commits validated again",
                format!("{} ({:.1} %)", self.revalidated, self.revalidated_percent),
            ),
            ("runs repeated by the host", quantity::count(self.retries)),
            ("L1 hit rate", format!("{:.1} %", self.cache_hit_percent)),
            ("blob reads", quantity::count(self.blob_reads)),
            ("bytes written", quantity::bytes(self.bytes_written)),
            (
                "commit p50, p99",
                format!("{} us, {} us", self.commit_p50_us, self.commit_p99_us),
            ),
            (
                "disk, live, amplification",
                format!(
                    "{}, {}, {:.2}",
                    quantity::bytes(self.disk_bytes),
                    quantity::bytes(self.live_bytes),
                    self.space_amplification
                ),
            ),
            (
                "memory at its peak",
                quantity::bytes(self.memory_peak_bytes),
            ),
        ];
        for (what, figure) in rows {
            table.add_row(vec![what.into(), table::number(figure)]);
        }
        console.line(&table.to_string())?;
        console.line("verified")
    }

    /// Fails if the agents were hardly in each other's way.
    pub(super) fn check_contention(&self) -> Outcome {
        if self.revalidated_percent >= REVALIDATED_PERCENT_MIN && self.conflicts > 0 {
            return Ok(());
        }
        let message = format!(
            "the agents were hardly in each other's way ({:.1} % of commits validated again, {} conflicts): take more \
             agents or fewer shards",
            self.revalidated_percent, self.conflicts
        );
        Err(Failure::new("unverified", message))
    }
}
