//! What a plugin says on stdout and stderr, and what it was denied: lines of the log, with the plugin and the run they came
//! from.
//!
//! A run may say so many bytes; what it says beyond that is counted and dropped. Lines are shown with their control characters
//! escaped, so that nobody who reads the log on a terminal obeys them.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::limits;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// The output of one run. Dropping it ends an unfinished line.
#[derive(Debug)]
pub(crate) struct Output {
    plugin: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Tells the runs of a process apart.
    run: u64,
    /// Bytes that may still be said.
    left: u64,
    dropped: u64,
    /// Denials of which there is a record.
    audited: u32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl State {
    fn new(bytes_max: u64) -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(1);
        Self {
            run: RUNS.fetch_add(1, Ordering::Relaxed),
            left: bytes_max,
            dropped: 0,
            audited: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    fn line(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

impl Output {
    /// Of a run of this plugin that may say so much.
    pub(crate) fn new(plugin: &str, bytes_max: u64) -> Self {
        Self {
            plugin: plugin.to_owned(),
            state: Mutex::new(State::new(bytes_max)),
        }
    }

    /// Of what cannot speak.
    pub(crate) fn silent() -> Self {
        Self::new("", 0)
    }

    /// Another run begins: ends unfinished lines.
    pub(super) fn begin_again(&self, bytes_max: u64) {
        let mut state = self.state.lock();
        let ended = std::mem::replace(&mut *state, State::new(bytes_max));
        drop(state);
        self.end(&ended);
    }

    fn end(&self, state: &State) {
        for (stream, line) in [
            (Stream::Stdout, &state.stdout),
            (Stream::Stderr, &state.stderr),
        ] {
            if !line.is_empty() {
                self.say(stream, state.run, line);
            }
        }
    }

    /// Bytes that were dropped because there were too many.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }

    /// A record that something was denied. There is an end to them: a run that is denied again and again must not flood the log.
    pub(super) fn audit(&self, refusal: &dyn std::fmt::Display) {
        let (run, audited) = {
            let mut state = self.state.lock();
            state.audited = state.audited.saturating_add(1);
            (state.run, state.audited)
        };
        if audited <= limits::AUDIT_RECORDS_MAX {
            let refusal = readable(refusal.to_string().as_bytes());
            let (plugin, last) = (&self.plugin, audited == limits::AUDIT_RECORDS_MAX);
            tracing::warn!(target: "sop_host::audit", plugin, run, last, "{refusal}");
        }
    }

    pub(super) fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state.lock();
        let room = usize::try_from(state.left).unwrap_or(usize::MAX);
        let (taken, rest) = bytes.split_at(bytes.len().min(room));
        state.left -= taken.len() as u64;
        if !rest.is_empty() && state.dropped == 0 {
            tracing::warn!(
                target: "sop_host::plugin::output",
                plugin = self.plugin,
                run = state.run,
                "the run says more than it may: the rest is dropped"
            );
        }
        state.dropped += rest.len() as u64;
        let run = state.run;
        for piece in taken.split_inclusive(|byte| *byte == b'\n') {
            let line = state.line(stream);
            line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || line.len() >= limits::OUTPUT_LINE_BYTES_MAX {
                let line = std::mem::take(line);
                self.say(stream, run, &line);
            }
        }
    }

    fn say(&self, stream: Stream, run: u64, line: &[u8]) {
        let text = readable(line);
        let plugin = &self.plugin;
        match stream {
            Stream::Stdout => {
                tracing::info!(target: "sop_host::plugin::output", plugin, run, "{text}");
            }
            Stream::Stderr => {
                tracing::warn!(target: "sop_host::plugin::output", plugin, run, "{text}");
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let state = std::mem::replace(self.state.get_mut(), State::new(0));
        self.end(&state);
    }
}

/// A line without its end, with control characters escaped.
fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown = String::with_capacity(text.len());
    for character in text.trim_end_matches(['\n', '\r']).chars() {
        match character {
            '\t' => shown.push(character),
            _ if character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_driven_by_what_is_said() {
        assert_eq!(readable(b"a\tb\x1b[2J\r\n"), "a\tb\\u{1b}[2J");
        assert_eq!(readable(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn what_is_too_much_is_dropped_and_counted() {
        let output = Output::new("loud", 10);
        for _ in 0..1_000 {
            output.write(Stream::Stdout, b"1234567\n");
        }
        assert_eq!(output.dropped(), 8_000 - 10);
        assert_eq!(output.state.lock().stdout, b"12");
    }
}
