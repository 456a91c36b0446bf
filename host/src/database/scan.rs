//! A scan that fetches its items in batches.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;
use futures::future::BoxFuture;
use wasmtime::component::ResourceAny;

use super::call::TransactionCore;
use super::convert;
use super::data::Item;
use crate::error::Result;
use crate::limits;

/// A running scan: a [`Stream`] of items, or call [`Scan::next`] in a loop.
///
/// ```no_run
/// # async fn example(store: sop_host::Store) -> sop_host::Result<()> {
/// let mut users = store.stream(sop_host::KeyRange::prefix("user/"), sop_host::Direction::Ascending).await?;
/// while let Some(item) = users.next().await? {
///     println!("{:?} has {} bytes", item.key, item.value.len());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Scan {
    core: Arc<TransactionCore>,
    cursor: ResourceAny,
    ready: VecDeque<Item>,
    /// The batch that is being fetched for the [`Stream`].
    fetching: Option<BoxFuture<'static, Result<Vec<Item>>>>,
    done: bool,
}

impl Scan {
    pub(super) fn new(core: &Arc<TransactionCore>, cursor: ResourceAny) -> Self {
        core.own_cursor(cursor);
        Self {
            core: Arc::clone(core),
            cursor,
            ready: VecDeque::new(),
            fetching: None,
            done: false,
        }
    }

    /// The next item; `None` = the end.
    pub async fn next(&mut self) -> Result<Option<Item>> {
        futures::future::poll_fn(|context| self.poll_item(context))
            .await
            .transpose()
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Item>>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            if self.done {
                return Poll::Ready(None);
            }
            let (core, cursor) = (&self.core, self.cursor);
            let fetching = self
                .fetching
                .get_or_insert_with(|| Box::pin(batch(Arc::clone(core), cursor)));
            let answer = ready!(fetching.as_mut().poll(context));
            self.fetching = None;
            match answer {
                Ok(items) => {
                    self.done = items.is_empty();
                    self.ready.extend(items);
                }
                Err(error) => {
                    self.done = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

/// Fetches the next batch of a cursor.
async fn batch(core: Arc<TransactionCore>, cursor: ResourceAny) -> Result<Vec<Item>> {
    let mut call = core.enter().await?;
    let (store, transactions) = call.parts();
    let answer = transactions
        .cursor()
        .call_next(store, cursor, limits::SCAN_BATCH_ITEMS)
        .await;
    Ok(call
        .leave(answer)
        .await?
        .into_iter()
        .map(convert::item)
        .collect())
}

impl Stream for Scan {
    type Item = Result<Item>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(context)
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.core.abandon_cursor(self.cursor);
    }
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Scan")
            .field("cursor", &self.cursor)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
