//! A hook before every step that changes the directory, so that tests can stop a program between any two of them.

use std::fmt;
use std::io;
use std::sync::Arc;

/// What a test does at a step: go on, or fail as if the program or the disk had ended there.
type Hook = dyn Fn(&'static str) -> io::Result<()> + Send + Sync;

/// Called before every step that changes the directory. Does nothing unless a test says so.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<Hook>>);

impl Steps {
    /// Steps that ask `hook` first.
    pub fn new(hook: impl Fn(&'static str) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Announces a step.
    pub(crate) fn at(&self, step: &'static str) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(step))
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() {
            "Steps(hooked)"
        } else {
            "Steps"
        })
    }
}
