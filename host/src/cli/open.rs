//! How commands open and close the database.

use std::path::Path;
use std::time::Duration;

use sop_host::{Database, DatabaseBuilder, Error, Url};

use super::Global;
use super::failure::{Failure, Outcome};

/// What a command is going to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Look: claims and syncs nothing.
    Read,
    /// Change what is there.
    Write,
    /// Change what is there, or begin a database. Its parent directory must exist.
    Create,
}

/// Opens the database that the command line names.
pub(crate) async fn open(global: &Global, purpose: Purpose) -> Outcome<Database> {
    open_keeping(global, purpose, None).await
}

/// Opens the database that the command line names, with another retention than the default.
pub(crate) async fn open_keeping(
    global: &Global,
    purpose: Purpose,
    retention: Option<Duration>,
) -> Outcome<Database> {
    let url: Url = global.database.parse()?;
    let place = match &url {
        Url::Directory(path) => path.display().to_string(),
        other => other.to_string(),
    };
    let builder = builder(global, purpose)?;
    let builder = match retention {
        Some(retention) => builder.retention(retention),
        None => builder,
    };
    builder.open().await.map_err(|error| match error {
        Error::MissingDatabase(_) => Failure::new(
            "missing-database",
            format!(
                "no database at {place}: name another with --database, or create it with \
                `sop create STORE`"
            ),
        ),
        other => other.into(),
    })
}

/// The options with which the database is opened for a purpose.
pub(crate) fn builder(global: &Global, purpose: Purpose) -> Outcome<DatabaseBuilder> {
    let url: Url = global.database.parse()?;
    if let Url::Directory(path) = &url
        && purpose == Purpose::Create
    {
        parent_exists(path)?;
    }
    // A memory database is always new: there is nothing that could be left untouched.
    let is_memory = url == Url::Memory;
    let mut builder = Database::builder()
        .url(url.to_string())
        .backends(global.backends.clone())
        .read_only(purpose == Purpose::Read && !is_memory)
        .create(purpose == Purpose::Create || is_memory);
    if let Some(folder) = &global.disk_cache {
        builder = builder.disk_cache(folder);
    }
    if let Some(bytes) = global.disk_cache_bytes {
        builder = builder.disk_cache_bytes(bytes);
    }
    Ok(builder)
}

/// Closes the database and gives the answer on. An earlier failure counts more than one of closing.
pub(crate) async fn close<T>(database: Database, answer: Outcome<T>) -> Outcome<T> {
    let closed = database.close().await;
    let value = answer?;
    closed.map_err(|error| {
        let failure = match error {
            // What is said of a call that failed as a whole does not hold here.
            Error::Unavailable(why) => Failure::new("unavailable", why),
            other => Failure::from(other),
        };
        failure.after("the command was carried out, but the database did not close in order")
    })?;
    Ok(value)
}

/// A mistyped path makes no tree of directories.
fn parent_exists(path: &Path) -> Outcome {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if path.is_dir() || parent.is_dir() {
        return Ok(());
    }
    let (path, parent) = (path.display(), parent.display());
    let message = format!(
        "cannot create a database at {path}: there is no directory {parent}; make it first"
    );
    Err(Failure::new("missing-database", message))
}

/// Advice where a store is missing.
pub(crate) fn advise(error: Error, store: &str) -> Failure {
    let missing = matches!(&error, Error::NotFound(what) if !what.starts_with("key "));
    let failure = Failure::from(error);
    if missing {
        failure.advise(&format!(
            "create it with `sop create {store}`, or see `sop stores`"
        ))
    } else {
        failure
    }
}
