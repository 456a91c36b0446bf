//! The open transactions of a shell, by name, and what is done in them.

use std::collections::BTreeMap;

use sop_host::{Database, Direction, Error, Item, KeyRange, Store, TransactOptions, Transaction};

use super::answer::{Answer, Refusal, Reply};
use super::request::{Operation, Request, Start, StoreOperation};
use super::{ANSWER_BYTES_MAX, TRANSACTIONS_MAX};

/// The most items that one call of the engine scans.
const SCAN_ITEMS_MAX: u64 = sop_engine::limits::SCAN_ITEMS_MAX as u64;

/// A database and the transactions open on it.
#[derive(Debug)]
pub(super) struct Session {
    database: Database,
    transactions: BTreeMap<String, Transaction>,
}

impl Session {
    /// A session without transactions.
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            transactions: BTreeMap::new(),
        }
    }

    /// The names of the open transactions.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.transactions.keys().map(String::as_str)
    }

    /// Whether a transaction of this name is open.
    pub(super) fn is_open(&self, name: &str) -> bool {
        self.transactions.contains_key(name)
    }

    /// Carries one request out.
    pub(super) async fn execute(&mut self, request: Request) -> Result<Reply, Refusal> {
        let Request {
            transaction,
            operation,
        } = request;
        match (&operation, transaction) {
            (Operation::Outcome(id), _) => {
                Ok(reply(Answer::Outcome(self.database.outcome(*id).await?)))
            }
            (Operation::Stat, _) => Ok(reply(Answer::Statistics(Box::new(
                self.database.statistics(),
            )))),
            (Operation::Verify, _) => {
                Ok(reply(Answer::Report(self.database.verify(|_| {}).await?)))
            }
            (Operation::Checkpoint, _) => {
                self.database.checkpoint().await?;
                Ok(reply(Answer::Done))
            }
            (_, None) => self.execute_alone(&operation).await,
            (Operation::Begin(start), Some(name)) => self.begin(name, *start).await.map(reply),
            (Operation::Commit, Some(name)) => self.commit(name).await.map(reply),
            (Operation::Rollback, Some(name)) => {
                self.take(&name)?.rollback().await?;
                Ok(reply(Answer::Done))
            }
            (_, Some(name)) => self.execute_in(&name, &operation).await.map(reply),
        }
    }

    /// Rolls back whatever is open.
    pub(super) async fn roll_back_all(&mut self) {
        for (name, transaction) in std::mem::take(&mut self.transactions) {
            if let Err(error) = transaction.rollback().await {
                tracing::debug!(%name, %error, "rolling back at the end of the session");
            }
        }
    }

    async fn begin(&mut self, name: String, start: Start) -> Result<Answer, Refusal> {
        if self.is_open(&name) {
            let message = format!(
                "transaction `{name}` is open: commit it, roll it back, or take another name"
            );
            return Err(Refusal::new("exists", message));
        }
        if self.transactions.len() >= TRANSACTIONS_MAX {
            let message =
                format!("over the limit of {TRANSACTIONS_MAX} open transactions: end one of them");
            return Err(Refusal::new("limit", message));
        }
        let transaction = match start {
            Start::Fresh(isolation) => self.database.begin(isolation).await?,
            Start::At(version) => self.database.begin_at(version).await?,
        };
        let version = transaction.version();
        self.transactions.insert(name, transaction);
        Ok(Answer::Begun(version))
    }

    async fn commit(&mut self, name: String) -> Result<Answer, Refusal> {
        match self.take(&name)?.try_commit().await {
            Ok(info) => Ok(Answer::Committed(info)),
            Err((still_open, error)) => {
                if let Some(transaction) = still_open {
                    self.transactions.insert(name, transaction);
                }
                Err(error.into())
            }
        }
    }

    fn take(&mut self, name: &str) -> Result<Transaction, Refusal> {
        self.transactions.remove(name).ok_or_else(|| unknown(name))
    }

    async fn execute_in(&mut self, name: &str, operation: &Operation) -> Result<Answer, Refusal> {
        let transaction = self.transactions.get(name).ok_or_else(|| unknown(name))?;
        let answer = apply(transaction, operation).await;
        // What ended under its user leaves its name free.
        if matches!(
            answer,
            Err(Error::Ended | Error::Conflict(_) | Error::Fenced | Error::Internal(_))
        ) {
            self.transactions.remove(name);
        }
        Ok(answer?)
    }

    /// Carries a request out in a transaction of its own.
    async fn execute_alone(&self, operation: &Operation) -> Result<Reply, Refusal> {
        if operation.is_read() {
            let transaction = self.database.snapshot().await?;
            let answer = apply(&transaction, operation).await?;
            transaction.rollback().await?;
            return Ok(reply(answer));
        }
        let body = async |transaction: Transaction| apply(&transaction, operation).await;
        let done = self
            .database
            .transact_with(&TransactOptions::default(), body)
            .await?;
        Ok(Reply {
            answer: done.value,
            version: done.commit.map(|commit| commit.version),
        })
    }
}

fn reply(answer: Answer) -> Reply {
    Reply {
        answer,
        version: None,
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::new(
        "not-found",
        format!("no transaction `{name}` is open: begin it first"),
    )
}

/// Does one thing in a transaction.
async fn apply(transaction: &Transaction, operation: &Operation) -> Result<Answer, Error> {
    match operation {
        Operation::Savepoint(name) => transaction.savepoint(name).await.map(|()| Answer::Done),
        Operation::RollbackTo(name) => transaction.rollback_to(name).await.map(|()| Answer::Done),
        Operation::CreateStore(name) => transaction.create_store(name).await.map(|_| Answer::Done),
        Operation::DropStore(name) => transaction.drop_store(name).await.map(|()| Answer::Done),
        Operation::Stores => {
            let stores = transaction.stores().await?;
            Ok(Answer::Stores(
                stores.into_iter().map(|store| store.name).collect(),
            ))
        }
        Operation::Store(name, operation) => {
            apply_in_store(&transaction.open_store(name).await?, operation).await
        }
        _ => Err(Error::Internal(format!(
            "{operation:?} is not done inside a transaction"
        ))),
    }
}

async fn apply_in_store(store: &Store, operation: &StoreOperation) -> Result<Answer, Error> {
    Ok(match operation {
        StoreOperation::Get(key) => Answer::Value(store.get(key).await?),
        StoreOperation::GetMany(keys) => Answer::Values(store.get_many(keys).await?),
        StoreOperation::Contains(key) => Answer::Contains(store.contains(key).await?),
        StoreOperation::Put(key, value) => store.put(key, value).await.map(|()| Answer::Done)?,
        StoreOperation::Insert(key, value) => {
            store.insert(key, value).await.map(|()| Answer::Done)?
        }
        StoreOperation::Update(key, value) => {
            store.update(key, value).await.map(|()| Answer::Done)?
        }
        StoreOperation::Remove(key) => Answer::Removed(store.remove(key).await?),
        StoreOperation::RemoveRange(range) => {
            Answer::RemovedRange(store.remove_range(range.clone()).await?)
        }
        StoreOperation::Count => Answer::Count(store.count().await?),
        StoreOperation::First => Answer::Entry(store.first().await?),
        StoreOperation::Last => Answer::Entry(store.last().await?),
        StoreOperation::Scan(range, direction, limit) => {
            Answer::Entries(scan(store, range.clone(), *direction, *limit).await?)
        }
    })
}

/// A scan observes nothing behind its limit; without one it observes the whole range.
async fn scan(
    store: &Store,
    range: KeyRange,
    direction: Direction,
    limit: Option<u64>,
) -> Result<Vec<Item>, Error> {
    if let Some(limit) = limit.filter(|limit| *limit <= SCAN_ITEMS_MAX) {
        return store
            .scan(range, direction, u32::try_from(limit).unwrap_or(u32::MAX))
            .await;
    }
    let limit = limit.unwrap_or(u64::MAX);
    let mut stream = store.stream(range, direction).await?;
    let (mut items, mut bytes) = (Vec::new(), 0_usize);
    while (items.len() as u64) < limit
        && let Some(item) = stream.next().await?
    {
        bytes = bytes.saturating_add(item.key.len() + item.value.len());
        if bytes > ANSWER_BYTES_MAX {
            return Err(Error::limit(
                "bytes of an answer: scan with a limit or a smaller range",
                ANSWER_BYTES_MAX as u64,
            ));
        }
        items.push(item);
    }
    Ok(items)
}
