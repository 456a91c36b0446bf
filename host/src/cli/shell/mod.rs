//! `sop shell`: many transactions at once, for people and for programs.
//!
//! ```text
//!  a person's line ──words──┐                            ┌──render──> text, tables
//!                           ├──> Request ──> Session ──> Answer
//!  a program's line ─JSON───┘      one after another     └──json────> one line of JSON
//! ```
//!
//! Invariants:
//! - requests are carried out one after another, in the order of their lines: a script decides
//!   every interleaving;
//! - each line of a program gets exactly one line of answer, a bad line included, and the session goes on;
//! - a name is free again after its transaction ended, however it ended;
//! - when the input ends, or SIGINT or SIGTERM comes, what is open is rolled back and the database is closed.
//!
//! It is not a server: one process, one user, one database.

mod answer;
mod program;
mod prompt;
mod render;
mod request;
mod session;
mod words;

use super::Global;
use super::console::Console;
use super::exit::Exit;
use super::failure::Outcome;
use super::open::{Purpose, close, open};
use session::Session;

/// Most transactions that a session holds open.
const TRANSACTIONS_MAX: usize = 500;
/// Most bytes of keys and values in one answer to `scan` without a limit.
const ANSWER_BYTES_MAX: usize = 64 << 20;

const HELP: &str = r#"Examples:
  sop shell
  sop shell --read-only
  echo 'get fruit apple' | sop shell
  sop shell --json < requests.jsonl

For programs (--json), one request on a line, one answer on a line, in order:
  {"op":"begin","txn":"t1"}                                    {"ok":{"version":…}}
  {"op":"put","txn":"t1","store":"s","key":"k","value":"v"}    {"ok":{}}
  {"op":"get","txn":"t1","store":"s","key":"k"}                {"ok":{"value":"v"}}
  {"op":"commit","txn":"t1"}                                   {"ok":{"version":…,"revalidations":0}}

  begin          txn; isolation: "serializable" (default) or "snapshot"; at: a past version (implies snapshot)
  get, contains  store, key                    {"value":"v"}, null if absent; {"contains":true}
  get_many       store, keys                   {"values":["v",null,…]}
  put            store, key, value             {}
  insert, update store, key, value             {}; error `exists` / `not-found`
  remove         store, key                    {"removed":true}
  remove_range   store and a range             {"removed":3}
  scan           store and a range; limit, reverse    {"entries":[["k","v"],…]}
  first, last    store                         {"entry":["k","v"]}, null if empty
  count          store                         {"count":3}
  create_store, drop_store   store             {}
  stores                                       {"stores":["s",…]}
  savepoint, rollback_to     name              {}
  commit                                       {"version":…,"revalidations":…}; error `conflict` with its keys
  rollback                                     {}
  outcome        commit: the id of an unknown outcome     {"outcome":"committed"|"aborted"|"undecided"|"unknown"}
  stat, verify, checkpoint

  A range: from (belongs to it unless from_inclusive is false), to (does not, unless to_inclusive is true), or prefix.
  Text keys and values are strings, other bytes {"base64":"…"}. A member `id` comes back in the answer.
  Without `txn` a request is a transaction of its own, run again after a conflict; a write then answers its version.
  Failures are {"error":{"kind":…,"message":…}}: kinds are conflict, not-found, exists, invalid, limit, read-only,
  snapshot-expired, unavailable, unknown-outcome (with the id `commit`), corrupt, denied, fenced, ended, internal."#;

/// Work with many transactions at once: a prompt for people, a session for programs with --json
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// Open the database without claiming or changing anything
    #[arg(long)]
    read_only: bool,
}

impl Arguments {
    pub(crate) async fn run(self, global: &Global, console: &mut Console) -> Outcome<Exit> {
        let purpose = if self.read_only {
            Purpose::Read
        } else {
            Purpose::Create
        };
        let database = open(global, purpose).await?;
        let mut session = Session::new(database.clone());
        let answer = match console.is_json() {
            true => program::serve(&mut session, console).await,
            false => prompt::serve(&mut session, console).await,
        };
        session.roll_back_all().await;
        close(database, answer).await
    }
}
