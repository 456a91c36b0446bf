//! What a person types, as a request.
//!
//! A line is words with spaces between them. A word in double quotes may have spaces; in single
//! quotes it is taken as it is; elsewhere the escapes of [`crate::cli::escape`] stand for bytes.

use sop_host::{Direction, Isolation, KeyRange};

use super::request::{Operation, Request, Start, StoreOperation, parse_commit};
use crate::cli::escape;
use crate::cli::input::bound;

/// Items that a person's scan shows unless it says otherwise.
pub(super) const SCAN_ITEMS_DEFAULT: u64 = 100;

/// Every command with its words and what it does, in the order of `help`.
pub(super) const COMMANDS: [(&str, &str, &str); 28] = [
    ("get", "STORE KEY…", "print values"),
    ("put", "STORE KEY VALUE", "add or replace an item"),
    (
        "insert",
        "STORE KEY VALUE",
        "add an item; fails if the key is there",
    ),
    (
        "update",
        "STORE KEY VALUE",
        "replace a value; fails if the key is not there",
    ),
    ("rm", "STORE KEY", "remove an item"),
    (
        "rm-range",
        "STORE from KEY to KEY",
        "remove a range: from, after, to, through, prefix; or all",
    ),
    ("contains", "STORE KEY", "whether a key is there"),
    (
        "scan",
        "STORE [from KEY] [to KEY]",
        "print a range: from, after, to, through, prefix, limit N, reverse",
    ),
    ("first", "STORE", "print the first item"),
    ("last", "STORE", "print the last item"),
    ("count", "STORE", "print the number of items"),
    ("stores", "", "list the stores"),
    ("create", "STORE", "create a store"),
    ("drop", "STORE", "drop a store with all its items"),
    (
        "begin",
        "[NAME] [snapshot | at VERSION]",
        "begin a transaction; the next commands are part of it",
    ),
    (
        "use",
        "[NAME]",
        "go on in that open transaction; without a name, in none",
    ),
    ("transactions", "", "list the open transactions"),
    ("savepoint", "NAME", "mark a point to come back to"),
    ("rollback-to", "NAME", "forget the writes since that point"),
    (
        "commit",
        "",
        "make the writes of the transaction durable and visible",
    ),
    ("rollback", "", "forget the transaction"),
    ("outcome", "ID", "ask what became of a commit"),
    ("stat", "", "figures of this session"),
    ("verify", "", "check every page and value"),
    ("checkpoint", "", "write a checkpoint"),
    ("help", "", "this list"),
    ("exit", "", "leave; open transactions are rolled back"),
    ("quit", "", "the same"),
];

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing.
    Blank,
    /// Something of the session.
    Request(Request),
    /// To begin; without a name, under the next free one.
    Begin(Option<String>, Start),
    /// The list of commands.
    Help,
    /// The list of open transactions.
    Transactions,
    /// To go on in another transaction.
    Use(Option<String>),
    /// To leave.
    Exit,
}

/// Reads a line. `current` is the transaction that commands belong to; `@NAME` before a command
/// names another one.
pub(super) fn parse(line: &str, current: Option<&str>) -> Result<Input, String> {
    let mut words = Words {
        words: split(line)?.into_iter(),
    };
    let Some(mut command) = words.words.next() else {
        return Ok(Input::Blank);
    };
    let mut transaction = current.map(str::to_owned);
    if let Some(name) = command.strip_prefix(b"@") {
        transaction = Some(text(name.to_vec())?);
        command = words.needed("a command")?;
    }
    let command = text(command)?;
    let input = match command.as_str() {
        "help" | "?" => Input::Help,
        "exit" | "quit" => Input::Exit,
        "transactions" => Input::Transactions,
        "use" => Input::Use(words.optional_text()?),
        "begin" => words.begin()?,
        "commit" | "rollback" if transaction.is_none() => {
            return Err(format!("`{command}`: no transaction is open"));
        }
        _ => Input::Request(Request {
            transaction,
            operation: words.operation(&command)?,
        }),
    };
    match words.words.next() {
        None => Ok(input),
        Some(word) => Err(format!(
            "`{}` is one word too many; `help` shows what `{command}` takes",
            escape::encode(&word)
        )),
    }
}

/// The words of a line that were not read yet.
struct Words {
    words: std::vec::IntoIter<Vec<u8>>,
}

impl Words {
    fn needed(&mut self, what: &str) -> Result<Vec<u8>, String> {
        self.words
            .next()
            .ok_or_else(|| format!("{what} is missing; `help` shows what a command takes"))
    }

    fn needed_text(&mut self, what: &str) -> Result<String, String> {
        text(self.needed(what)?)
    }

    fn optional_text(&mut self) -> Result<Option<String>, String> {
        self.words.next().map(text).transpose()
    }

    fn begin(&mut self) -> Result<Input, String> {
        let mut name = None;
        let mut start = Start::Fresh(Isolation::Serializable);
        while let Some(word) = self.optional_text()? {
            match word.as_str() {
                "snapshot" => start = Start::Fresh(Isolation::Snapshot),
                "at" => {
                    let version = self.needed_text("a version")?;
                    start = Start::At(
                        version
                            .parse()
                            .map_err(|_| format!("`{version}` is not a version"))?,
                    );
                }
                _ if name.is_none() => name = Some(word),
                _ => {
                    return Err(format!(
                        "`{word}`: write begin [NAME] [snapshot | at VERSION]"
                    ));
                }
            }
        }
        Ok(Input::Begin(name, start))
    }

    fn operation(&mut self, command: &str) -> Result<Operation, String> {
        Ok(match command {
            "commit" => Operation::Commit,
            "rollback" => Operation::Rollback,
            "savepoint" => Operation::Savepoint(self.needed_text("a name")?),
            "rollback-to" => Operation::RollbackTo(self.needed_text("a name")?),
            "create" => Operation::CreateStore(self.needed_text("a store")?),
            "drop" => Operation::DropStore(self.needed_text("a store")?),
            "stores" => Operation::Stores,
            "outcome" => {
                Operation::Outcome(parse_commit(&self.needed_text("the id of a commit")?)?)
            }
            "stat" => Operation::Stat,
            "verify" => Operation::Verify,
            "checkpoint" => Operation::Checkpoint,
            _ if COMMANDS.iter().any(|(name, ..)| *name == command) => {
                Operation::Store(self.needed_text("a store")?, self.store_operation(command)?)
            }
            _ => return Err(format!("no command `{command}`; `help` lists them")),
        })
    }

    fn store_operation(&mut self, command: &str) -> Result<StoreOperation, String> {
        Ok(match command {
            "get" => {
                let key = self.needed("a key")?;
                let more: Vec<_> = self.words.by_ref().collect();
                if more.is_empty() {
                    StoreOperation::Get(key)
                } else {
                    StoreOperation::GetMany(std::iter::once(key).chain(more).collect())
                }
            }
            "put" => StoreOperation::Put(self.needed("a key")?, self.needed("a value")?),
            "insert" => StoreOperation::Insert(self.needed("a key")?, self.needed("a value")?),
            "update" => StoreOperation::Update(self.needed("a key")?, self.needed("a value")?),
            "rm" => StoreOperation::Remove(self.needed("a key")?),
            "rm-range" => {
                let range = self.range("rm-range")?;
                if range.range == KeyRange::from(..) && !range.is_all {
                    return Err("name a range, or `all` for every key of the store".to_owned());
                }
                StoreOperation::RemoveRange(range.range)
            }
            "contains" => StoreOperation::Contains(self.needed("a key")?),
            "first" => StoreOperation::First,
            "last" => StoreOperation::Last,
            "count" => StoreOperation::Count,
            "scan" => {
                let range = self.range("scan")?;
                StoreOperation::Scan(range.range, range.direction, Some(range.limit))
            }
            _ => return Err(format!("no command `{command}`; `help` lists them")),
        })
    }

    fn range(&mut self, command: &str) -> Result<Range, String> {
        let mut range = Range {
            range: KeyRange::from(..),
            direction: Direction::Ascending,
            limit: SCAN_ITEMS_DEFAULT,
            is_all: false,
        };
        while let Some(word) = self.optional_text()? {
            match word.as_str() {
                "from" => range.range.lower = bound(Some(self.needed("a key")?), true),
                "after" => range.range.lower = bound(Some(self.needed("a key")?), false),
                "to" => range.range.upper = bound(Some(self.needed("a key")?), false),
                "through" => range.range.upper = bound(Some(self.needed("a key")?), true),
                "prefix" => range.range = KeyRange::prefix(self.needed("the beginning of a key")?),
                "all" => range.is_all = true,
                "reverse" if command == "scan" => range.direction = Direction::Descending,
                "limit" if command == "scan" => {
                    let limit = self.needed_text("a number of items")?;
                    range.limit = limit
                        .parse()
                        .map_err(|_| format!("`{limit}` is not a number of items"))?;
                }
                _ => {
                    return Err(format!(
                        "`{word}`: write from KEY, after KEY, to KEY, through KEY or prefix KEY"
                    ));
                }
            }
        }
        Ok(range)
    }
}

struct Range {
    range: KeyRange,
    direction: Direction,
    limit: u64,
    is_all: bool,
}

fn text(word: Vec<u8>) -> Result<String, String> {
    String::from_utf8(word)
        .map_err(|error| format!("`{}` is not text", escape::encode(error.as_bytes())))
}

/// The words of a line, escapes resolved.
fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = next_word(rest)?;
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// The first word and what follows it. A word may have quoted parts anywhere.
fn next_word(line: &str) -> Result<(Vec<u8>, &str), String> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        let Some(first) = rest
            .chars()
            .next()
            .filter(|character| !character.is_whitespace())
        else {
            return Ok((word, rest));
        };
        let (part, after) = match first {
            '\'' | '"' => quoted(rest, first)?,
            _ => {
                let end = |(_, character): &(usize, char)| {
                    character.is_whitespace() || matches!(character, '\'' | '"')
                };
                rest.split_at(unescaped(rest, end).unwrap_or(rest.len()))
            }
        };
        match first {
            '\'' => word.extend_from_slice(part.as_bytes()),
            _ => word.extend(escape::decode(part)?),
        }
        rest = after;
    }
}

/// What stands between the quotes at the start of a line, and what follows them.
fn quoted(line: &str, quote: char) -> Result<(&str, &str), String> {
    let inner = line.get(1..).unwrap_or_default();
    let end = match quote {
        '\'' => inner.find(quote),
        _ => unescaped(inner, |(_, character)| *character == quote),
    };
    let end = end.ok_or_else(|| format!("the quote {quote} is not closed"))?;
    Ok((
        inner.get(..end).unwrap_or_default(),
        inner.get(end + 1..).unwrap_or_default(),
    ))
}

/// The first such character that no backslash stands before.
fn unescaped(text: &str, is_end: impl Fn(&(usize, char)) -> bool) -> Option<usize> {
    let mut is_escaped = false;
    for place in text.char_indices() {
        if !is_escaped && is_end(&place) {
            return Some(place.0);
        }
        is_escaped = !is_escaped && place.1 == '\\';
    }
    None
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
