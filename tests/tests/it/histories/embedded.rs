//! Sessions in this process: tasks that share a database.

use async_trait::async_trait;
use sop_host::{Database, Direction, Error, Isolation, KeyRange, Store, Transaction};

use super::session::{Attempt, Backend, Failed, Session};

/// A database of this process.
pub struct Embedded(Database);

struct EmbeddedSession {
    database: Database,
    transaction: Option<Transaction>,
}

impl Embedded {
    /// Opens it.
    pub async fn open(url: &str) -> Box<dyn Backend> {
        Box::new(Self(Database::open(url).await.unwrap()))
    }
}

impl From<Database> for Embedded {
    fn from(database: Database) -> Self {
        Self(database)
    }
}

#[async_trait]
impl Backend for Embedded {
    async fn session(&self) -> Box<dyn Session> {
        Box::new(EmbeddedSession {
            database: self.0.clone(),
            transaction: None,
        })
    }

    async fn close(self: Box<Self>) {
        let report = self.0.verify(|_| ()).await.unwrap();
        assert!(report.is_sound(), "{report:?}");
        self.0.close().await.unwrap();
    }
}

/// Nothing that is not written here may go wrong.
fn failed(error: Error) -> Failed {
    match error {
        Error::Conflict(_) | Error::Unavailable(_) => Failed::Aborted,
        Error::UnknownOutcome(_) => Failed::Unknown,
        other => panic!("{other}"),
    }
}

impl EmbeddedSession {
    /// A store, after others had a chance: calls of a database in memory hardly ever wait by themselves.
    async fn store(&self, name: &str) -> Attempt<Store> {
        tokio::task::yield_now().await;
        let transaction = self.transaction.as_ref().expect("a transaction is open");
        transaction.open_store(name).await.map_err(failed)
    }
}

#[async_trait]
impl Session for EmbeddedSession {
    async fn begin(&mut self, isolation: Isolation) -> Attempt<()> {
        let transaction = self.database.begin(isolation).await.map_err(failed)?;
        self.transaction = Some(transaction);
        Ok(())
    }

    async fn create(&mut self, store: &str) -> Attempt<()> {
        let transaction = self.transaction.as_ref().expect("a transaction is open");
        transaction.create_store(store).await.map_err(failed)?;
        Ok(())
    }

    async fn get(&mut self, store: &str, key: &str) -> Attempt<Option<String>> {
        let value = self.store(store).await?.get(key).await.map_err(failed)?;
        Ok(value.map(text))
    }

    async fn put(&mut self, store: &str, key: &str, value: &str) -> Attempt<()> {
        let store = self.store(store).await?;
        store.put(key, value).await.map_err(failed)
    }

    async fn scan(&mut self, store: &str) -> Attempt<Vec<(String, String)>> {
        let store = self.store(store).await?;
        let mut scan = store
            .stream(KeyRange::from(..), Direction::Ascending)
            .await
            .map_err(failed)?;
        let mut items = Vec::new();
        while let Some(item) = scan.next().await.map_err(failed)? {
            items.push((text(item.key), text(item.value)));
        }
        Ok(items)
    }

    async fn commit(&mut self) -> Attempt<()> {
        let transaction = self.transaction.take().expect("a transaction is open");
        transaction.commit().await.map_err(failed)?;
        Ok(())
    }

    async fn rollback(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            // A conflict in the middle has ended it already.
            let _ = transaction.rollback().await;
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("only text was written")
}
