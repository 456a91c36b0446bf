//! Running a transaction until it commits.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::core::DatabaseCore;
use super::data::{CommitInfo, Isolation};
use super::transaction::Transaction;
use crate::error::{Error, Result};
use crate::limits;
use crate::runtime::Runtime;

/// How [`Database::transact_with`](crate::Database::transact_with) runs its body.
#[derive(Clone, Debug)]
pub struct TransactOptions {
    /// What the transaction promises.
    pub isolation: Isolation,
    /// Most times the body runs before the conflict is answered to the caller. At least 1.
    pub attempts_max: u32,
    /// The first wait after a conflict; it doubles with every further one, with jitter.
    pub backoff_base: Duration,
    /// The longest wait after a conflict.
    pub backoff_max: Duration,
}

impl Default for TransactOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::Serializable,
            attempts_max: limits::TRANSACT_ATTEMPTS_MAX,
            backoff_base: limits::BACKOFF_BASE,
            backoff_max: limits::BACKOFF_MAX,
        }
    }
}

/// What a body answered, and how its transaction went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transacted<T> {
    /// What the body answered in the run that committed.
    pub value: T,
    /// How the transaction came to its end; `None` if the body itself committed it or rolled it back.
    pub commit: Option<CommitInfo>,
    /// How often the body was run again after a conflict.
    pub retries: u32,
}

pub(super) async fn transact<T, F, Fut>(
    database: &Arc<DatabaseCore>,
    options: &TransactOptions,
    mut body: F,
) -> Result<Transacted<T>>
where
    F: FnMut(Transaction) -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut retries = 0;
    loop {
        let transaction = Transaction::begin(database, options.isolation, retries).await?;
        let core = Arc::clone(transaction.core());
        let answer = match body(transaction.lent()).await {
            Err(error) => Err(error),
            Ok(value) if core.is_ended() && !core.is_conflicted() => {
                return Ok(Transacted {
                    value,
                    commit: None,
                    retries,
                });
            }
            Ok(value) => core.commit().await.map(|commit| (value, commit)),
        };
        match answer {
            Ok((value, commit)) => {
                return Ok(Transacted {
                    value,
                    commit: Some(commit),
                    retries,
                });
            }
            // A registry that lost its state has no older versions: that too is answered by beginning again.
            Err(error)
                if (core.is_conflicted() || matches!(error, Error::SnapshotExpired(_)))
                    && retries + 1 < options.attempts_max =>
            {
                drop(transaction);
                let pause = backoff(database.runtime.as_ref(), options, retries);
                database.runtime.sleep(pause).await;
                retries += 1;
                database.activity.retried();
            }
            Err(error) => return Err(error),
        }
    }
}

/// The wait before another attempt: doubling, with full jitter in its upper half.
pub(crate) fn backoff(runtime: &dyn Runtime, options: &TransactOptions, retries: u32) -> Duration {
    let ceiling = options
        .backoff_base
        .saturating_mul(1 << retries.min(16))
        .min(options.backoff_max);
    let half = ceiling / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(runtime.random() % micros.max(1))
}
