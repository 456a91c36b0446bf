//! What a program needs of a database.

use async_trait::async_trait;
use sop_host::Isolation;

/// Why a transaction did not go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It wrote nothing and never will: run it again.
    Aborted,
    /// The same, because what it needs was away for a moment: even a reader may meet this.
    Away,
    /// Whether it was committed is not known.
    Unknown,
}

/// The answer to one step of a transaction. Anything else that goes wrong is a panic of the session.
pub type Attempt<T> = Result<T, Failed>;

/// A client of a database, with at most one transaction open.
#[async_trait]
pub trait Session: Send {
    /// Begins a transaction.
    async fn begin(&mut self, isolation: Isolation) -> Attempt<()>;

    /// Creates a store, empty.
    async fn create(&mut self, store: &str) -> Attempt<()>;

    /// The value of a key.
    async fn get(&mut self, store: &str, key: &str) -> Attempt<Option<String>>;

    /// Adds or replaces an item.
    async fn put(&mut self, store: &str, key: &str, value: &str) -> Attempt<()>;

    /// All items of a store, by growing key.
    async fn scan(&mut self, store: &str) -> Attempt<Vec<(String, String)>>;

    /// Makes the writes durable and visible, or none.
    async fn commit(&mut self) -> Attempt<()>;

    /// Ends the transaction without a trace, if one is open.
    async fn rollback(&mut self);
}

/// A database that sessions can be opened on.
#[async_trait]
pub trait Backend: Send {
    /// A new session.
    async fn session(&self) -> Box<dyn Session>;

    /// Inspects the database and closes it, after its last session.
    async fn close(self: Box<Self>);
}
