//! The session of a program: one JSON object on a line in, one on a line out, in order.

use std::io::BufReader;

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::answer::{self, Refusal, Reply};
use super::request;
use super::session::Session;
use crate::cli::batches::reason;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::lines::{LINE_BYTES_MAX, Line, Lines};

/// Lines that are read ahead of the one being carried out.
const LINES_AHEAD: usize = 4;
/// Bytes of the input buffer.
const BUFFER_BYTES: usize = 64 << 10;

/// Answers line by line until the input ends, the reader of the answers is gone, or a signal comes.
pub(super) async fn serve(session: &mut Session, console: &mut Console) -> Outcome<Exit> {
    let mut interrupts = Interrupts::new()?;
    let mut lines = lines();
    loop {
        let line = tokio::select! {
            biased;
            () = interrupts.wait() => return Ok(Exit::Interrupted),
            line = lines.recv() => line,
        };
        let Some(line) = line else {
            return Ok(Exit::Success);
        };
        let line = line.map_err(|error| Failure::file(std::path::Path::new("stdin"), &error))?;
        let (id, answer) = answer(session, line).await;
        console.json(&answer::line(&answer, id))?;
        console.flush()?;
    }
}

/// Carries one line out. Also answers the `id` that the line has, if it can be read.
async fn answer(session: &mut Session, line: Line) -> (Option<Value>, Result<Reply, Refusal>) {
    let line: Value = match parse(line) {
        Ok(line) => line,
        Err(why) => return (None, Err(Refusal::invalid(why))),
    };
    let id = line.get("id").cloned();
    let answer = match request::parse(line) {
        Ok(request) => session.execute(request).await,
        Err(why) => Err(Refusal::invalid(why)),
    };
    (id, answer)
}

fn parse(line: Line) -> Result<Value, String> {
    match line {
        Line::TooLong => Err(format!("a line is longer than {LINE_BYTES_MAX} bytes")),
        Line::Whole(line) => {
            serde_json::from_slice(&line).map_err(|error| format!("not JSON: {}", reason(&error)))
        }
    }
}

/// The lines of stdin, read by a thread of its own: waiting for one must not keep a signal waiting.
pub(super) fn lines() -> mpsc::Receiver<std::io::Result<Line>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut lines = Lines::new(
            BufReader::with_capacity(BUFFER_BYTES, std::io::stdin()),
            LINE_BYTES_MAX,
        );
        while let Some(line) = lines.next().transpose() {
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// SIGINT and SIGTERM, from now on.
#[derive(Debug)]
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Takes the signals over from the operating system's defaults.
    pub(super) fn new() -> Outcome<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new("unavailable", format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Until one of them comes.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    #[test]
    fn bad_lines_are_named() {
        let parse = |text: &str| parse(Line::Whole(text.as_bytes().to_vec()));
        assert!(parse("").unwrap_err().starts_with("not JSON: "));
        assert!(parse("{\"op\":").unwrap_err().starts_with("not JSON: "));
        assert!(super::parse(Line::Whole(vec![0xff])).is_err());
        assert!(
            super::parse(Line::TooLong)
                .unwrap_err()
                .contains("longer than")
        );
        assert!(parse("{\"op\":\"stores\"}").is_ok());
    }
}
