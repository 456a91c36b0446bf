//! Where a command writes: stdout for its answer, stderr for everything else.
//!
//! Every write answers an error instead of panicking, so that `sop scan … | head` ends quietly.

use std::io::{BufWriter, IsTerminal, Stdout, Write};

use super::failure::{Failure, Outcome};
use super::progress::Progress;

/// Bytes that are collected before they are written to stdout.
const BUFFER_BYTES: usize = 64 << 10;

/// The two outputs of a command, and how the user wants them.
#[derive(Debug)]
pub(crate) struct Console {
    stdout: BufWriter<Stdout>,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    json: bool,
    quiet: bool,
}

impl Console {
    /// The console of this process.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self {
            stdout: BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout()),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            json,
            quiet,
        }
    }

    /// Whether answers are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at stdout.
    pub(crate) fn is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Writes one line of an answer.
    pub(crate) fn line(&mut self, text: &str) -> Outcome {
        writeln!(self.stdout, "{text}")?;
        Ok(())
    }

    /// Writes bytes of an answer as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Outcome {
        self.stdout.write_all(bytes)?;
        Ok(())
    }

    /// Writes one line of JSON.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Outcome {
        serde_json::to_writer(&mut self.stdout, value)
            .map_err(|error| Failure::from(std::io::Error::from(error)))?;
        self.stdout.write_all(b"\n")?;
        Ok(())
    }

    /// Writes an answer: JSON if that is wanted, else this text unless `--quiet`.
    pub(crate) fn answer(
        &mut self,
        json: &impl serde::Serialize,
        text: impl FnOnce() -> String,
    ) -> Outcome {
        match (self.json, self.quiet) {
            (true, _) => self.json(json),
            (false, true) => Ok(()),
            (false, false) => self.line(&text()),
        }
    }

    /// Tells people what happened, beside the answer.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            // Nobody can be told that stderr is gone.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Hands everything on to the operating system.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.stdout.flush()?;
        Ok(())
    }

    /// A progress bar on stderr; it shows nothing unless a person looks at it.
    pub(crate) fn progress(&self) -> Progress {
        Progress::new(self.stderr_is_terminal && !self.quiet)
    }

    /// Reports the failure of a command: a sentence on stderr, and with `--json` an object on stdout.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        if failure.is_broken_pipe() {
            return;
        }
        if self.json {
            let error =
                serde_json::json!({"error": {"kind": failure.kind, "message": failure.message}});
            // The sentence on stderr follows in any case.
            let _ = self.json(&error);
        }
        let _ = self.flush();
        let _ = writeln!(std::io::stderr(), "sop: {}", failure.message);
    }
}
