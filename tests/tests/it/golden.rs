//! Interleavings of two and three transactions as scripts: the anomalies of Hermitage and what a B-tree adds to them.
//!
//! Each file of `tests/golden` starts on an empty database: in memory, in a directory, and with each transaction on a host
//! of its own over Redis. A prefix names the
//! transaction: `t1: begin`, `t1: get t 1`. `UPDATE_GOLDENFILES=1` writes the outputs anew; read the difference before
//! committing it, because the outputs are the verdicts.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt::Write as _;
use std::path::Path;

use goldenscript::{Argument, Command, Context};
use sop_host::{
    Database, DatabaseBuilder, Direction, Error, Isolation, KeyRange, Store, Transaction,
};
use sop_tests::servers::redis::RedisProcess;

type Answer = Result<String, Box<dyn StdError>>;

/// Runs the commands of a script.
struct Runner {
    runtime: tokio::runtime::Runtime,
    database: Option<Database>,
    /// How the database is opened.
    place: DatabaseBuilder,
    /// Where each transaction has a host of its own: those hosts.
    hosts: Option<BTreeMap<String, Database>>,
    transactions: BTreeMap<String, Transaction>,
    marks: BTreeMap<String, u64>,
}

impl Runner {
    fn new(place: DatabaseBuilder, hosts: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let database = runtime.block_on(place.clone().open()).unwrap();
        Self {
            runtime,
            database: Some(database),
            place,
            hosts: hosts.then(BTreeMap::new),
            transactions: BTreeMap::new(),
            marks: BTreeMap::new(),
        }
    }

    fn database(&self) -> Database {
        self.database.clone().unwrap()
    }

    /// Where a transaction runs. A host of its own is opened once and stays warm.
    async fn host(&mut self, transaction: &str) -> Result<Database, Error> {
        let Some(hosts) = &mut self.hosts else {
            return Ok(self.database());
        };
        if let Some(host) = hosts.get(transaction) {
            return Ok(host.clone());
        }
        let host = self.place.clone().open().await?;
        hosts.insert(transaction.to_owned(), host.clone());
        Ok(host)
    }

    async fn command(&mut self, command: &Command, context: &Context) -> Result<String, Error> {
        let mut args = Vec::new();
        let mut pairs: Vec<(&str, Vec<u8>)> = Vec::new();
        for argument in &command.args {
            match argument {
                Argument::Positional(value) => args.push(value.as_str()),
                Argument::KeyValue(key, value) => pairs.push((key, expand(value))),
                other => panic!("an argument of an unknown kind: {other}"),
            }
        }
        match (context.prefix.clone(), command.name.as_str()) {
            (None, name) => self.outside(name, &args, &pairs).await,
            (Some(tx), "begin") => {
                let host = self.host(&tx).await?;
                let transaction = match args.first() {
                    None => host.begin(Isolation::Serializable).await?,
                    Some(&"snapshot") => host.begin(Isolation::Snapshot).await?,
                    Some(mark) => host.begin_at(self.marks[*mark]).await?,
                };
                self.transactions.insert(tx, transaction);
                Ok(String::new())
            }
            (Some(tx), "commit") => {
                let info = self
                    .transactions
                    .remove(&tx)
                    .expect("begun")
                    .commit()
                    .await?;
                let again = if info.revalidations > 0 {
                    " (validated again)"
                } else {
                    ""
                };
                Ok(format!("committed{again}\n"))
            }
            (Some(tx), "rollback") => self
                .transactions
                .remove(&tx)
                .expect("begun")
                .rollback()
                .await
                .map(|()| String::new()),
            (Some(tx), name) => inside(&self.transactions[&tx], name, &args, &pairs).await,
        }
    }

    /// Commands without a transaction run in one of their own.
    async fn outside(
        &mut self,
        name: &str,
        args: &[&str],
        pairs: &[(&str, Vec<u8>)],
    ) -> Result<String, Error> {
        match name {
            "mark" => {
                let version = self.database().snapshot().await?.version();
                self.marks.insert(args[0].to_owned(), version);
                Ok(String::new())
            }
            "verify" => {
                let report = self.database().verify(|_| ()).await?;
                assert!(report.is_sound(), "{report:?}");
                Ok("sound\n".to_owned())
            }
            _ => {
                let transaction = self.database().begin(Isolation::Serializable).await?;
                let output = inside(&transaction, name, args, pairs).await?;
                transaction.commit().await?;
                Ok(output)
            }
        }
    }
}

/// `x*300` stands for 300 times x, so that scripts can have large values.
fn expand(value: &str) -> Vec<u8> {
    match value
        .split_once('*')
        .and_then(|(text, count)| Some((text, count.parse().ok()?)))
    {
        Some((text, count)) => text.repeat(count).into_bytes(),
        None => value.as_bytes().to_vec(),
    }
}

/// The reverse, for outputs.
fn shown(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let first = text.chars().next().unwrap_or_default();
    if text.len() > 40 && text.chars().all(|char| char == first) {
        return format!("{first}*{}", text.len());
    }
    if text.is_empty() {
        "''".to_owned()
    } else {
        text.into_owned()
    }
}

fn range(args: &[&str]) -> KeyRange {
    match args {
        [_, from, to, ..] => KeyRange::from((*from)..(*to)),
        _ => KeyRange::from(..),
    }
}

async fn inside(
    transaction: &Transaction,
    name: &str,
    args: &[&str],
    pairs: &[(&str, Vec<u8>)],
) -> Result<String, Error> {
    let mut output = String::new();
    match name {
        "create" => {
            let store = transaction.create_store(args[0]).await?;
            for (key, value) in pairs {
                store.put(key, value).await?;
            }
        }
        "drop" => transaction.drop_store(args[0]).await?,
        "stores" => {
            for store in transaction.stores().await? {
                writeln!(output, "{}", store.name).expect("a string");
            }
        }
        "savepoint" => transaction.savepoint(args[0]).await?,
        "rollback_to" => transaction.rollback_to(args[0]).await?,
        _ => return on_store(&transaction.open_store(args[0]).await?, name, args, pairs).await,
    }
    Ok(output)
}

async fn on_store(
    store: &Store,
    name: &str,
    args: &[&str],
    pairs: &[(&str, Vec<u8>)],
) -> Result<String, Error> {
    let mut output = String::new();
    match name {
        "get" => {
            for key in &args[1..] {
                let value = store.get(key).await?;
                let value = value.map_or_else(|| "none".to_owned(), |value| shown(&value));
                writeln!(output, "{key} = {value}").expect("a string");
            }
        }
        "put" | "insert" | "update" => {
            for (key, value) in pairs {
                match name {
                    "put" => store.put(key, value).await?,
                    "insert" => store.insert(key, value).await?,
                    _ => store.update(key, value).await?,
                }
            }
        }
        "fill" => {
            // fill STORE PREFIX COUNT: so many items, enough to split leaves.
            for number in 0..args[2].parse::<u32>().expect("a number") {
                store
                    .put(format!("{}{number:04}", args[1]), "filler ".repeat(8))
                    .await?;
            }
        }
        "remove" => {
            for key in &args[1..] {
                let present = store.remove(key).await?;
                writeln!(
                    output,
                    "{key} {}",
                    if present { "removed" } else { "absent" }
                )
                .expect("a string");
            }
        }
        "remove_range" => writeln!(output, "{} removed", store.remove_range(range(args)).await?)
            .expect("a string"),
        "count" => writeln!(output, "{}", store.count().await?).expect("a string"),
        "scan" | "back" => {
            let direction = if name == "scan" {
                Direction::Ascending
            } else {
                Direction::Descending
            };
            let limit = args
                .get(3)
                .map_or(1_000, |limit| limit.parse().expect("a number"));
            for item in store.scan(range(args), direction, limit).await? {
                writeln!(output, "{} = {}", shown(&item.key), shown(&item.value))
                    .expect("a string");
            }
        }
        other => panic!("no such command: {other}"),
    }
    Ok(output)
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Answer {
        let runtime = self.runtime.handle().clone();
        match runtime.block_on(self.command(command, context)) {
            Ok(output) => Ok(output),
            Err(error) => Ok(format!("{}\n", error.kind())),
        }
    }

    fn end_script(&mut self) -> Result<(), Box<dyn StdError>> {
        self.transactions.clear();
        let database = self.database.take().unwrap();
        self.runtime.block_on(async {
            let report = database.verify(|_| ()).await?;
            assert!(report.is_sound(), "{report:?}");
            for host in self.hosts.take().into_iter().flatten() {
                host.1.close().await?;
            }
            database.close().await
        })?;
        Ok(())
    }
}

fn run_all(hosts: bool, place: impl Fn(&Path) -> DatabaseBuilder) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut scripts: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 20, "the scripts are there");
    for script in scripts {
        println!("{}", script.display());
        goldenscript::run(&mut Runner::new(place(&script), hosts), &script).unwrap();
    }
}

/// A directory of its own for each script.
fn directory(folder: &tempfile::TempDir, script: &Path) -> DatabaseBuilder {
    let name = script.file_name().unwrap().to_string_lossy().into_owned();
    Database::builder().url(format!("dir:{}", folder.path().join(name).display()))
}

#[test]
fn interleavings_in_memory() {
    run_all(false, |_| Database::builder());
}

#[test]
fn interleavings_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    run_all(false, |script| directory(&folder, script));
}

/// Each transaction on a host of its own, with its own caches: the verdicts are the same.
#[test]
fn interleavings_of_hosts_over_redis() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisProcess::start();
    run_all(true, |script| {
        directory(&folder, script).registry(redis.url())
    });
}
