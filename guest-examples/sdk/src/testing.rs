//! For a plugin's own tests, built for the machine itself: the kit then works on a database in the
//! memory of the thread, and these functions steer it. Not there in a plugin.

use crate::engine::memory;

/// A way in which a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// It answers `conflict`.
    Conflict,
    /// It happens, but its answer is lost.
    ReplyLostAfter,
    /// It does not happen, and its answer is lost.
    ReplyLostBefore,
}

/// Empties the database of this thread.
pub fn reset() {
    memory::reset();
}

/// Makes the next commits of this thread that write something fail like this, one after another.
pub fn fail_commits(faults: impl IntoIterator<Item = CommitFault>) {
    memory::fail_commits(faults);
}
