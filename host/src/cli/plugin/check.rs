//! `sop plugin check`: what a component wants, and what it would get.

use std::path::PathBuf;

use serde::Serialize;
use sop_host::{ImportKind, component_imports};

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::manifest::Manifest;
use crate::cli::{Global, quantity, run};

/// Explain what a component wants and what it would get, and compile it
///
/// Lists its imports, and for each whether a plugin gets it; then the grants and limits of the plugin.toml beside it. Runs
/// nothing and opens no database.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  sop plugin check indexer.wasm\n  \
        sop plugin check --json indexer.wasm        {\"fit\":true,\"imports\":[…],\"grants\":[…],…}")]
pub(super) struct Check {
    /// The component; a file named .wat may have its text
    plugin: PathBuf,
    /// The manifest [default: the plugin.toml beside the component, if there is one]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Report {
    fit: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    bytes: usize,
    imports: Vec<Import>,
    manifest: Option<PathBuf>,
    grants: Vec<String>,
    limits: Limits,
}

#[derive(Debug, Serialize)]
struct Import {
    name: String,
    gets: &'static str,
}

#[derive(Debug, Serialize)]
struct Limits {
    memory_bytes: u64,
    timeout_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
    call_bytes: u64,
    response_bytes: u64,
    output_bytes: u64,
}

impl Check {
    pub(super) async fn run(self, _: &Global, console: &mut Console) -> Outcome<Exit> {
        let bytes = run::read(&self.plugin)?;
        let manifest = match &self.manifest {
            Some(path) => Manifest::read(path)?,
            None => Manifest::beside(&self.plugin)?,
        };
        let named = |failure: Failure| failure.after(&self.plugin.display().to_string());
        let imports = component_imports(&bytes).map_err(|error| named(error.into()))?;
        let loaded = sop_host::Plugin::load(bytes.clone()).await;
        let limits = &manifest.limits;
        let report = Report {
            fit: loaded.is_ok(),
            reason: loaded.err().map(|error| Failure::from(error).message),
            bytes: bytes.len(),
            imports: imports.into_iter().map(import).collect(),
            manifest: manifest.path,
            grants: manifest
                .grants
                .into_iter()
                .map(|grant| grant.text)
                .collect(),
            limits: Limits {
                memory_bytes: limits.memory_bytes,
                timeout_ms: u64::try_from(limits.wall.as_millis()).unwrap_or(u64::MAX),
                fuel: limits.fuel,
                call_bytes: limits.call_bytes,
                response_bytes: limits.response_bytes,
                output_bytes: limits.output_bytes,
            },
        };
        if console.is_json() {
            console.json(&report)?;
        } else {
            report.print(console)?;
        }
        Ok(if report.fit {
            Exit::Success
        } else {
            Exit::Plugin
        })
    }
}

fn import(name: String) -> Import {
    let gets = match ImportKind::of(&name) {
        ImportKind::Transactions => "transactions on the stores it is granted",
        ImportKind::Inert => "an interface that reaches nothing",
        ImportKind::Refused => "nothing: a plugin with this import is refused",
    };
    Import { name, gets }
}

impl Report {
    fn print(&self, console: &mut Console) -> Outcome {
        let fit = if self.fit {
            "it can run"
        } else {
            "it cannot run"
        };
        console.line(&format!(
            "{fit}: a component of {}",
            quantity::bytes(self.bytes as u64)
        ))?;
        if let Some(reason) = &self.reason {
            console.line(&format!("  {reason}"))?;
        }
        console.line("it imports")?;
        for import in &self.imports {
            let name = crate::cli::escape::encode(import.name.as_bytes());
            console.line(&format!("  {name:<42} {}", import.gets))?;
        }
        if self.imports.is_empty() {
            console.line("  nothing")?;
        }
        match &self.manifest {
            Some(path) => console.line(&format!("by {} it may use", path.display()))?,
            None => {
                console.line("without a plugin.toml beside it and without --grant it may use")?
            }
        }
        for grant in &self.grants {
            console.line(&format!(
                "  {}",
                crate::cli::escape::encode(grant.as_bytes())
            ))?;
        }
        if self.grants.is_empty() {
            console.line("  no store")?;
        }
        let limits = &self.limits;
        let fuel = limits.fuel.map_or_else(String::new, |fuel| {
            format!("{} units of fuel, ", quantity::count(fuel))
        });
        console.line(&format!(
            "a run may take {} ms, {fuel}{} of memory, {} of calls, {} of answer and {} of output",
            quantity::count(limits.timeout_ms),
            quantity::bytes(limits.memory_bytes),
            quantity::bytes(limits.call_bytes),
            quantity::bytes(limits.response_bytes),
            quantity::bytes(limits.output_bytes),
        ))
    }
}
