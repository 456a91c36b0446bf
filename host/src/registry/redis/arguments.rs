//! The arguments of one script call.

use redis::Cmd;

use super::scripts::Script;

/// A call of a script on one database.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) script: &'static Script,
    command: Cmd,
}

impl Arguments {
    /// Every script knows the root key, the epoch, and the counter of the highest version seen.
    pub(super) fn new(script: &'static Script, root: &str, epoch: u32, seen: u64) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.hash).arg(1).arg(root);
        command.arg(epoch).arg(seen);
        Self { script, command }
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.command.arg(bytes);
        self
    }

    pub(super) fn number(mut self, number: impl redis::ToSingleRedisArg) -> Self {
        self.command.arg(number);
        self
    }

    pub(super) fn all<B: AsRef<[u8]>>(mut self, items: impl IntoIterator<Item = B>) -> Self {
        for item in items {
            self.command.arg(item.as_ref());
        }
        self
    }

    /// The call by hash.
    pub(super) fn by_hash(&self) -> &Cmd {
        &self.command
    }

    /// The same call with the source, for a server that does not know the script yet.
    pub(super) fn by_source(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.script.source);
        for argument in self.command.args_iter().skip(2) {
            if let redis::Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }
}
