//! `plugin.toml`: what a plugin is granted, what a run may use up, and what it is given.
//!
//! ```toml
//! component = "indexer.wasm"    # only where one folder has several components
//!
//! [grants]
//! queue = "rw"                  # ro, rw or create
//! "index/*" = "create"          # all stores whose names begin so
//!
//! [limits]
//! memory-bytes = "64MiB"        # a number, or text with a unit
//! timeout = "5s"
//! fuel = 100000000              # instructions; counted only if they are limited
//! call-bytes = "1GiB"
//! response-bytes = "1MiB"
//! output-bytes = "64KiB"
//! retries = 8
//!
//! [input]
//! text = "next"                 # or json = {…}, or file = "request.json", relative to this file
//! ```
//!
//! The file speaks for whoever runs the plugin, not for whoever wrote it: what it grants is granted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sop_host::{Grant, RunLimits};

use super::failure::{Failure, Outcome};
use super::quantity;

/// The name that is looked for beside a component.
pub(super) const FILE: &str = "plugin.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Contents {
    component: Option<PathBuf>,
    #[serde(default)]
    grants: BTreeMap<String, Mode>,
    #[serde(default)]
    limits: Limits,
    input: Option<Input>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Ro,
    Rw,
    Create,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Limits {
    memory_bytes: Option<Bytes>,
    timeout: Option<Time>,
    fuel: Option<u64>,
    call_bytes: Option<Bytes>,
    response_bytes: Option<Bytes>,
    output_bytes: Option<Bytes>,
    retries: Option<u32>,
}

/// A number, or text with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Quantity {
    Number(u64),
    Text(String),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Quantity")]
struct Bytes(u64);

impl TryFrom<Quantity> for Bytes {
    type Error = String;

    fn try_from(quantity: Quantity) -> Result<Self, String> {
        match quantity {
            Quantity::Number(bytes) => Ok(Self(bytes)),
            Quantity::Text(text) => quantity::parse_bytes(&text).map(Self),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Quantity")]
struct Time(Duration);

impl TryFrom<Quantity> for Time {
    type Error = String;

    fn try_from(quantity: Quantity) -> Result<Self, String> {
        match quantity {
            Quantity::Number(seconds) => Ok(Self(Duration::from_secs(seconds))),
            Quantity::Text(text) => quantity::parse_duration(&text).map(Self),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Input {
    Text(String),
    Json(toml::Value),
    File(PathBuf),
}

/// A grant, and whether it is one to write.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    /// As it would be written as a flag.
    pub(super) text: String,
    pub(super) grant: Grant,
    pub(super) writes: bool,
}

impl std::str::FromStr for Granted {
    type Err = sop_host::Error;

    fn from_str(text: &str) -> sop_host::Result<Self> {
        Ok(Self {
            text: text.to_owned(),
            grant: text.parse()?,
            writes: text.ends_with(":rw") || text.ends_with(":create"),
        })
    }
}

/// What such a file says.
#[derive(Clone, Debug, Default)]
pub(super) struct Manifest {
    /// Where it was read; none = there is no such file.
    pub(super) path: Option<PathBuf>,
    pub(super) grants: Vec<Granted>,
    pub(super) limits: RunLimits,
    pub(super) retries: Option<u32>,
    pub(super) input: Vec<u8>,
}

impl Manifest {
    /// The file beside a component, if there is one and it is about this component.
    pub(super) fn beside(component: &Path) -> Outcome<Self> {
        let folder = match component.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let contents = contents(&path)?;
        match &contents.component {
            Some(named) if folder.join(named).file_name() != component.file_name() => {
                Ok(Self::default())
            }
            _ => Self::complete(contents, path),
        }
    }

    /// The file at this path.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        Self::complete(contents(path)?, path.to_owned())
    }

    fn complete(contents: Contents, path: PathBuf) -> Outcome<Self> {
        let wrong =
            |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
        let mut grants = Vec::new();
        for (pattern, mode) in &contents.grants {
            let mode = match mode {
                Mode::Ro => "ro",
                Mode::Rw => "rw",
                Mode::Create => "create",
            };
            let granted = format!("{pattern}:{mode}").parse();
            grants.push(granted.map_err(|error: sop_host::Error| wrong(&error))?);
        }
        let input = match contents.input {
            None => Vec::new(),
            Some(Input::Text(text)) => text.into_bytes(),
            Some(Input::Json(value)) => {
                serde_json::to_vec(&value).map_err(|error| wrong(&error))?
            }
            Some(Input::File(file)) => {
                let file = path.parent().unwrap_or(Path::new(".")).join(file);
                std::fs::read(&file).map_err(|error| Failure::file(&file, &error))?
            }
        };
        let (limits, default) = (contents.limits, RunLimits::default());
        let bytes = |given: Option<Bytes>, default| given.map_or(default, |Bytes(bytes)| bytes);
        Ok(Self {
            limits: RunLimits {
                memory_bytes: bytes(limits.memory_bytes, default.memory_bytes),
                wall: limits.timeout.map_or(default.wall, |Time(time)| time),
                fuel: limits.fuel,
                call_bytes: bytes(limits.call_bytes, default.call_bytes),
                response_bytes: bytes(limits.response_bytes, default.response_bytes),
                output_bytes: bytes(limits.output_bytes, default.output_bytes),
                ..default
            },
            retries: limits.retries,
            path: Some(path),
            grants,
            input,
        })
    }
}

fn contents(path: &Path) -> Outcome<Contents> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("{}: {}", path.display(), error.message()))
            .advise("it may hold `component` and the tables [grants], [limits] and [input]")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        folder
    }

    #[test]
    fn everything_that_a_flag_can_say_a_file_can_say() {
        let folder = folder(
            "[grants]\nqueue = \"rw\"\n\"index/*\" = \"create\"\nlog = \"ro\"\n\
             [limits]\nmemory-bytes = \"64MiB\"\ntimeout = \"250ms\"\nfuel = 7\ncall-bytes = 10\nretries = 3\n\
             [input]\njson = { next = [1, 2] }\n",
        );
        let manifest = Manifest::beside(&folder.path().join("a.wasm")).unwrap();
        let texts: Vec<_> = manifest.grants.iter().map(|grant| &*grant.text).collect();
        assert_eq!(texts, ["index/*:create", "log:ro", "queue:rw"]);
        assert_eq!(manifest.limits.memory_bytes, 64 << 20);
        assert_eq!(manifest.limits.wall, Duration::from_millis(250));
        assert_eq!(manifest.limits.fuel, Some(7));
        assert_eq!(manifest.limits.call_bytes, 10);
        assert_eq!(
            manifest.limits.response_bytes,
            RunLimits::default().response_bytes
        );
        assert_eq!(manifest.retries, Some(3));
        assert_eq!(manifest.input, br#"{"next":[1,2]}"#);
    }

    #[test]
    fn a_file_about_another_component_says_nothing() {
        let folder = folder("component = \"b.wasm\"\n[grants]\nqueue = \"rw\"\n");
        let other = Manifest::beside(&folder.path().join("a.wasm")).unwrap();
        assert!(other.path.is_none() && other.grants.is_empty());
        let own = Manifest::beside(&folder.path().join("b.wasm")).unwrap();
        assert!(own.path.is_some() && own.grants.len() == 1);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, named) in [
            ("[grants]\nqueue = \"rx\"", "rx"),
            ("[grants]\n\"\" = \"rw\"", "names no store"),
            ("[limits]\nmemory = 1", "memory"),
            (
                "[limits]\nmemory-bytes = \"a lot\"",
                "whole number of bytes",
            ),
            ("[limits]\ntimeout = -1", ""),
            ("grants = 1", ""),
        ] {
            let folder = folder(text);
            let failure = Manifest::beside(&folder.path().join("a.wasm")).unwrap_err();
            assert!(failure.message.contains(named), "{}", failure.message);
            assert!(failure.message.contains(FILE), "{}", failure.message);
        }
    }
}
