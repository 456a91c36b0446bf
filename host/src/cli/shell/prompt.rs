//! The prompt for people: history, completion, tables; without a terminal, the same commands line by line.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};
use tokio::sync::mpsc;

use super::answer::{Answer, Refusal, Reply};
use super::program::{Interrupts, lines};
use super::request::{Operation, Request};
use super::session::Session;
use super::words::{self, COMMANDS, Input};
use super::{render, request::Start};
use crate::cli::console::Console;
use crate::cli::escape;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::lines::Line;

/// Serves a person, or a script of the same commands.
pub(super) async fn serve(session: &mut Session, console: &mut Console) -> Outcome<Exit> {
    use std::io::IsTerminal;
    let mut conversation = Conversation {
        session,
        current: None,
        failed: false,
    };
    if std::io::stdin().is_terminal() && console.is_terminal() {
        conversation.prompt(console).await
    } else {
        conversation.script(console).await
    }
}

/// A session and the transaction that commands belong to.
struct Conversation<'a> {
    session: &'a mut Session,
    current: Option<String>,
    /// A command of a script failed.
    failed: bool,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    Leave,
}

impl Conversation<'_> {
    async fn prompt(&mut self, console: &mut Console) -> Outcome<Exit> {
        console.note("Type `help` for the commands, `exit` or Ctrl-D to leave.");
        let stores = Arc::new(Mutex::new(Vec::new()));
        let mut editor = Some(editor(Arc::clone(&stores))?);
        let history = history();
        if let (Some(editor), Some(path)) = (&mut editor, &history) {
            // There is none the first time.
            let _ = editor.load_history(path);
        }
        loop {
            *stores.lock() = self.stores().await;
            let prompt = match &self.current {
                Some(name) => format!("sop {name}> "),
                None => "sop> ".to_owned(),
            };
            let Some(mut lent) = editor.take() else {
                return Ok(Exit::Success);
            };
            // Waiting for a person blocks a thread, so it is not one of those that carry requests out.
            let waiting = tokio::task::spawn_blocking(move || {
                let line = lent.readline(&prompt);
                (lent, line)
            });
            let (mut back, line) = waiting
                .await
                .map_err(|error| Failure::new("internal", format!("the prompt failed: {error}")))?;
            let next = match line {
                Ok(line) => {
                    // A history that cannot grow is no reason to stop.
                    let _ = back.add_history_entry(&line);
                    self.carry_out(&line, console).await?
                }
                Err(ReadlineError::Interrupted) => Next::Continue,
                Err(ReadlineError::Eof) => Next::Leave,
                Err(error) => {
                    return Err(Failure::new(
                        "file",
                        format!("cannot read the prompt: {error}"),
                    ));
                }
            };
            if let Some(path) = &history {
                let _ = back.append_history(path);
            }
            editor = Some(back);
            if next == Next::Leave {
                return Ok(Exit::Success);
            }
        }
    }

    async fn script(&mut self, console: &mut Console) -> Outcome<Exit> {
        let mut interrupts = Interrupts::new()?;
        let mut lines: mpsc::Receiver<_> = lines();
        loop {
            let line = tokio::select! {
                biased;
                () = interrupts.wait() => return Ok(Exit::Interrupted),
                line = lines.recv() => line,
            };
            let line = match line
                .transpose()
                .map_err(|error| Failure::file("stdin".as_ref(), &error))?
            {
                None => break,
                Some(Line::Whole(line)) => {
                    String::from_utf8(line).map_err(|_| Failure::usage("a line is not UTF-8"))?
                }
                Some(Line::TooLong) => return Err(Failure::usage("a line is too long")),
            };
            if self.carry_out(&line, console).await? == Next::Leave {
                break;
            }
        }
        Ok(if self.failed {
            Exit::Failure
        } else {
            Exit::Success
        })
    }

    async fn carry_out(&mut self, line: &str, console: &mut Console) -> Outcome<Next> {
        let answer = match words::parse(line, self.current.as_deref()) {
            Err(why) => Err(Refusal::invalid(why)),
            Ok(Input::Exit) => return Ok(Next::Leave),
            Ok(input) => self.answer(input).await,
        };
        match answer {
            Ok(text) if text.is_empty() => {}
            Ok(text) => console.line(&text)?,
            Err(refusal) => {
                self.failed = true;
                console.flush()?;
                console.note(&format!("{}: {}", refusal.kind, refusal.message));
            }
        }
        console.flush()?;
        // However it ended, the current transaction may be over.
        self.current.take_if(|name| !self.session.is_open(name));
        Ok(Next::Continue)
    }

    async fn answer(&mut self, input: Input) -> Result<String, Refusal> {
        match input {
            Input::Blank | Input::Exit => Ok(String::new()),
            Input::Help => Ok(help()),
            Input::Transactions => Ok(self
                .session
                .names()
                .map(escape_name)
                .collect::<Vec<_>>()
                .join("\n")),
            Input::Use(name) => {
                if let Some(name) = &name
                    && !self.session.is_open(name)
                {
                    return Err(Refusal::new(
                        "not-found",
                        format!("no transaction `{name}` is open: begin it first"),
                    ));
                }
                self.current = name;
                Ok(String::new())
            }
            Input::Begin(name, start) => self.begin(name, start).await,
            Input::Request(request) => {
                let limit = match &request.operation {
                    Operation::Store(_, super::request::StoreOperation::Scan(.., limit)) => *limit,
                    _ => None,
                };
                let reply = self.session.execute(request).await?;
                Ok(render::reply(&reply) + &more(&reply, limit))
            }
        }
    }

    async fn begin(&mut self, name: Option<String>, start: Start) -> Result<String, Refusal> {
        let name = name.unwrap_or_else(|| self.free_name());
        let request = Request {
            transaction: Some(name.clone()),
            operation: Operation::Begin(start),
        };
        let reply = self.session.execute(request).await?;
        self.current = Some(name);
        Ok(render::reply(&reply))
    }

    fn free_name(&self) -> String {
        let mut number = 1_u32;
        loop {
            let name = format!("t{number}");
            if !self.session.is_open(&name) {
                return name;
            }
            number += 1;
        }
    }

    /// The names that completion offers; none when they cannot be read.
    async fn stores(&mut self) -> Vec<String> {
        let request = Request {
            transaction: None,
            operation: Operation::Stores,
        };
        match self.session.execute(request).await {
            Ok(Reply {
                answer: Answer::Stores(stores),
                ..
            }) => stores,
            _ => Vec::new(),
        }
    }
}

fn escape_name(name: &str) -> String {
    escape::encode(name.as_bytes())
}

/// A scan that its limit ended says so.
fn more(reply: &Reply, limit: Option<u64>) -> String {
    match (&reply.answer, limit) {
        (Answer::Entries(items), Some(limit)) if limit > 0 && items.len() as u64 == limit => {
            format!("\n(the first {limit}; add `limit N` for more)")
        }
        _ => String::new(),
    }
}

fn help() -> String {
    let lines = COMMANDS
        .iter()
        .map(|(name, takes, does)| format!("  {:<42} {does}", format!("{name} {takes}")));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push_str(
        "\n\nOutside of a transaction each command is one of its own. \
         `@NAME command` works in that transaction.",
    );
    text.push_str(
        "\nWords with spaces stand in quotes; \\xNN, \\n, \\0 and the like stand for bytes.",
    );
    text
}

/// Where the lines of earlier sessions are kept.
fn history() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("SOP_HISTORY") {
        return Some(path.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty());
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| {
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
    })?;
    let folder = state.join("sop");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn editor(stores: Arc<Mutex<Vec<String>>>) -> Outcome<Editor<Completion, DefaultHistory>> {
    let config = rustyline::Config::builder()
        .auto_add_history(false)
        .max_history_size(10_000);
    let config = config
        .map_err(|error| Failure::new("internal", error.to_string()))?
        .build();
    let mut editor = Editor::with_config(config).map_err(|error| {
        Failure::new("unavailable", format!("cannot use the terminal: {error}"))
    })?;
    editor.set_helper(Some(Completion { stores }));
    Ok(editor)
}

/// Completes the command, then the store.
struct Completion {
    stores: Arc<Mutex<Vec<String>>>,
}

impl Helper for Completion {}
impl Highlighter for Completion {}
impl Validator for Completion {}

impl Hinter for Completion {
    type Hint = String;
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete(
            line.get(..position).unwrap_or_default(),
            &self.stores.lock(),
        ))
    }
}

/// Where the word begins that is being typed, and what it may become.
fn complete(line: &str, stores: &[String]) -> (usize, Vec<Pair>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |space| space + 1);
    let (before, word) = line.split_at(start);
    let place = before
        .split_whitespace()
        .filter(|word| !word.starts_with('@'))
        .count();
    let takes_store = |command: &str| {
        COMMANDS
            .iter()
            .any(|(name, takes, _)| *name == command && takes.starts_with("STORE"))
    };
    let command = before
        .split_whitespace()
        .find(|word| !word.starts_with('@'));
    let candidates: Vec<String> = match (place, command) {
        (0, _) => COMMANDS
            .iter()
            .map(|(name, ..)| (*name).to_owned())
            .collect(),
        (1, Some(command)) if takes_store(command) => {
            stores.iter().map(|store| typed(store)).collect()
        }
        _ => Vec::new(),
    };
    let fitting = candidates
        .into_iter()
        .filter(|candidate| candidate.starts_with(word));
    (
        start,
        fitting
            .map(|name| Pair {
                display: name.clone(),
                replacement: name + " ",
            })
            .collect(),
    )
}

/// A name as it has to be typed.
fn typed(name: &str) -> String {
    let escaped = escape::encode(name.as_bytes());
    if escaped.contains([' ', '\'', '"', '@']) {
        format!("\"{}\"", escaped.replace('"', "\\\""))
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(line: &str) -> Vec<String> {
        let stores = [
            "fruit".to_owned(),
            "free text".to_owned(),
            "users".to_owned(),
        ];
        complete(line, &stores)
            .1
            .into_iter()
            .map(|pair| pair.replacement)
            .collect()
    }

    #[test]
    fn the_first_word_completes_to_commands_and_the_second_to_stores() {
        assert_eq!(candidates("sav"), ["savepoint "]);
        assert_eq!(candidates("get fr"), ["fruit "]);
        assert_eq!(candidates("@t1 get u"), ["users "]);
        assert_eq!(candidates("get \"fr"), ["\"free text\" "]);
        assert!(candidates("commit fr").is_empty() && candidates("get fruit u").is_empty());
    }

    #[test]
    fn help_lists_every_command() {
        let text = help();
        assert!(
            COMMANDS
                .iter()
                .all(|(name, ..)| text.contains(&format!("  {name} ")))
        );
    }

    #[test]
    fn a_scan_ended_by_its_limit_says_so() {
        let item = sop_host::Item {
            key: vec![1],
            value: vec![],
        };
        let reply = Reply {
            answer: Answer::Entries(vec![item]),
            version: None,
        };
        assert!(more(&reply, Some(1)).contains("first 1"));
        assert_eq!(more(&reply, Some(2)) + &more(&reply, None), "");
    }
}
