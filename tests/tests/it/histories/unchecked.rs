//! A database without isolation: reads see what is there now, commits put what was buffered and check nothing. Each
//! program must find that out; one that does not is no test.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use sop_host::Isolation;

use super::session::{Attempt, Backend, Session};

type Items = BTreeMap<(String, String), String>;

/// The shared map.
#[derive(Default)]
pub struct Unchecked(Arc<Mutex<Items>>);

struct UncheckedSession {
    items: Arc<Mutex<Items>>,
    writes: Items,
}

#[async_trait]
impl Backend for Unchecked {
    async fn session(&self) -> Box<dyn Session> {
        Box::new(UncheckedSession {
            items: Arc::clone(&self.0),
            writes: Items::new(),
        })
    }

    async fn close(self: Box<Self>) {}
}

#[async_trait]
impl Session for UncheckedSession {
    async fn begin(&mut self, _isolation: Isolation) -> Attempt<()> {
        Ok(())
    }

    async fn create(&mut self, _store: &str) -> Attempt<()> {
        Ok(())
    }

    async fn get(&mut self, store: &str, key: &str) -> Attempt<Option<String>> {
        tokio::task::yield_now().await;
        let place = (store.to_owned(), key.to_owned());
        let own = self.writes.get(&place).cloned();
        Ok(own.or_else(|| self.items.lock().get(&place).cloned()))
    }

    async fn put(&mut self, store: &str, key: &str, value: &str) -> Attempt<()> {
        tokio::task::yield_now().await;
        self.writes
            .insert((store.to_owned(), key.to_owned()), value.to_owned());
        Ok(())
    }

    async fn scan(&mut self, store: &str) -> Attempt<Vec<(String, String)>> {
        tokio::task::yield_now().await;
        let mut items = self.items.lock().clone();
        items.extend(self.writes.clone());
        let of_store = items.into_iter().filter(|((name, _), _)| name == store);
        Ok(of_store.map(|((_, key), value)| (key, value)).collect())
    }

    async fn commit(&mut self) -> Attempt<()> {
        tokio::task::yield_now().await;
        self.items.lock().append(&mut self.writes);
        Ok(())
    }

    async fn rollback(&mut self) {
        self.writes.clear();
    }
}
