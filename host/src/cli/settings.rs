//! What every command takes: from its flags, the environment, and `sop.toml`, in this order and under the same names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use sop_host::Backends;

use super::failure::{Failure, Outcome};
use super::quantity::parse_bytes;

/// Where the database lives if nobody says otherwise.
const DATABASE: &str = "dir:./sop-data";
/// The file that is read if it is there.
const FILE: &str = "sop.toml";

/// The flags that every command takes.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// The database: dir:PATH, s3://BUCKET/PREFIX (gs://, az://), or memory: for one that is gone when the command ends
    /// [default: dir:./sop-data]
    #[arg(long, short, global = true, env = "SOP_DATABASE", value_name = "URL")]
    #[arg(help_heading = "Global options")]
    database: Option<String>,
    /// The registry that several hosts share: redis://HOST, rediss://, redis+sentinel://, redis+cluster://. Without one
    /// this process is the only writer
    #[arg(long, global = true, env = "SOP_REGISTRY", value_name = "URL")]
    #[arg(help_heading = "Global options")]
    registry: Option<String>,
    /// A setting of the object store, such as aws_endpoint=http://localhost:8333; several times for several. The
    /// environment has the same names in capitals
    #[arg(long = "object-store", global = true, value_name = "NAME=VALUE")]
    #[arg(help_heading = "Global options", value_parser = setting)]
    object_store: Vec<(String, String)>,
    /// A folder on a local disk that keeps blobs of the object store, so that the next command is warm; each database has its
    /// own in it
    #[arg(long, global = true, env = "SOP_DISK_CACHE", value_name = "FOLDER")]
    #[arg(help_heading = "Global options")]
    disk_cache: Option<PathBuf>,
    /// Most bytes of one database in it, such as 512MiB [default: 4GiB]
    #[arg(long, global = true, env = "SOP_DISK_CACHE_BYTES", value_name = "SIZE")]
    #[arg(help_heading = "Global options", value_parser = parse_bytes)]
    disk_cache_bytes: Option<u64>,
    /// A file with `database`, `registry`, `disk-cache`, `disk-cache-bytes` and a table `[object-store]` [default: sop.toml, if it is there]
    #[arg(long, global = true, env = "SOP_CONFIG", value_name = "FILE")]
    #[arg(help_heading = "Global options")]
    config: Option<PathBuf>,
    /// Answer in JSON, one value on a line; failures are {"error":{"kind":…,"message":…}}
    #[arg(long, global = true, help_heading = "Global options")]
    pub(super) json: bool,
    /// Print nothing but the answer that was asked for: no notes, no progress
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(super) quiet: bool,
    /// Log to stderr: -v what happens, -vv details, -vvv everything; SOP_LOG takes filters such as
    /// sop_host=debug
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(super) verbose: u8,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_lowercase(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

/// What every command takes, wherever it was said.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    /// Where the database lives.
    pub(crate) database: String,
    /// How its parts are reached.
    pub(crate) backends: Backends,
    /// Where blobs of an object store are kept on a local disk.
    pub(crate) disk_cache: Option<PathBuf>,
    /// Most bytes of them.
    pub(crate) disk_cache_bytes: Option<u64>,
    /// Whether answers are JSON.
    pub(crate) json: bool,
    /// Whether nothing but answers is wanted.
    pub(crate) quiet: bool,
}

/// The contents of `sop.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    database: Option<String>,
    registry: Option<String>,
    disk_cache: Option<PathBuf>,
    disk_cache_bytes: Option<toml::Value>,
    #[serde(default)]
    object_store: BTreeMap<String, toml::Value>,
}

impl Flags {
    /// Adds what the file says and what goes without saying.
    pub(super) fn complete(&self) -> Outcome<Global> {
        let file = match &self.config {
            Some(path) => read(path)?,
            None if Path::new(FILE).is_file() => read(Path::new(FILE))?,
            None => Settings::default(),
        };
        let text = |value: toml::Value| match value {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        let mut object_store: BTreeMap<String, String> = file
            .object_store
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), text(value)))
            .collect();
        object_store.extend(self.object_store.iter().cloned());
        let disk_cache_bytes = match (self.disk_cache_bytes, file.disk_cache_bytes) {
            (Some(bytes), _) => Some(bytes),
            (None, Some(value)) => {
                let bytes = parse_bytes(&text(value));
                Some(bytes.map_err(|error| Failure::usage(format!("disk-cache-bytes: {error}")))?)
            }
            (None, None) => None,
        };
        Ok(Global {
            database: self
                .database
                .clone()
                .or(file.database)
                .unwrap_or_else(|| DATABASE.to_owned()),
            backends: Backends {
                registry: self.registry.clone().or(file.registry),
                object_store,
            },
            disk_cache: self.disk_cache.clone().or(file.disk_cache),
            disk_cache_bytes,
            json: self.json,
            quiet: self.quiet,
        })
    }
}

impl Global {
    /// The flags that say the same to another process of this program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--database".to_owned(), self.database.clone()];
        if let Some(registry) = &self.backends.registry {
            arguments.extend(["--registry".to_owned(), registry.clone()]);
        }
        for (name, value) in &self.backends.object_store {
            arguments.extend(["--object-store".to_owned(), format!("{name}={value}")]);
        }
        arguments
    }
}

fn read(path: &Path) -> Outcome<Settings> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("{}: {}", path.display(), error.message())).advise(
            "it may hold `database`, `registry`, `disk-cache`, `disk-cache-bytes` and a table \
                 `[object-store]`",
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    fn flags(config: Option<PathBuf>) -> Flags {
        Flags {
            database: None,
            registry: None,
            object_store: Vec::new(),
            disk_cache: None,
            disk_cache_bytes: None,
            config,
            json: false,
            quiet: false,
            verbose: 0,
        }
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sop.toml");
        std::fs::write(
            &path,
            "database = \"s3://a/b\"\nregistry = \"redis://r\"\n\
             disk-cache = \"/warm\"\ndisk-cache-bytes = \"2MiB\"\n\
             [object-store]\naws_region = \"x\"\naws_allow_http = true\n",
        )
        .unwrap();
        let mut flags = flags(Some(path.clone()));
        flags.registry = Some("redis://other".to_owned());
        flags.object_store = vec![setting("AWS_REGION=y").unwrap()];
        let global = flags.complete().unwrap();
        assert_eq!(global.database, "s3://a/b");
        assert_eq!(global.backends.registry.as_deref(), Some("redis://other"));
        let settings = &global.backends.object_store;
        assert_eq!(settings.get("aws_region").unwrap(), "y");
        assert_eq!(settings.get("aws_allow_http").unwrap(), "true");
        assert_eq!(global.disk_cache.unwrap(), Path::new("/warm"));
        assert_eq!(global.disk_cache_bytes, Some(2 << 20));
        flags.disk_cache = Some("/other".into());
        flags.disk_cache_bytes = Some(5);
        let global = flags.complete().unwrap();
        assert_eq!(global.disk_cache.unwrap(), Path::new("/other"));
        assert_eq!(global.disk_cache_bytes, Some(5));
        std::fs::write(&path, "databse = \"x\"").unwrap();
        let failure = flags.complete().unwrap_err();
        assert!(failure.message.contains("databse"), "{}", failure.message);
    }
}
