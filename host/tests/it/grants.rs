//! Tenant isolation: what the grants say is what a plugin can do, and nothing of another store ever reaches it.

use sop_host::{Database, Error, Grant, Grants, Mode, Plugin, RunOptions};

use crate::memory;
use crate::wat_plugin::{reader, writer};

const CANARY: &[u8] = b"CANARY-7f3a91";

async fn with_canary() -> Database {
    let db = memory().await;
    db.transact(async |tx| {
        tx.create_store("tenant-b")
            .await?
            .put("key", CANARY)
            .await?;
        tx.create_store("tenant-a").await?.put("key", "mine").await
    })
    .await
    .unwrap();
    db
}

fn options(grants: impl IntoIterator<Item = Grant>) -> RunOptions {
    RunOptions {
        grants: grants.into_iter().collect::<Grants>(),
        ..RunOptions::default()
    }
}

fn error_case(error: &Error) -> char {
    let Error::PluginFailed(case) = error else {
        panic!("{error}")
    };
    case.chars().next().unwrap()
}

const DENIED: char = '4';
const NOT_FOUND: char = '9';

#[tokio::test]
async fn a_plugin_reads_what_it_is_granted_and_nothing_else() {
    let db = with_canary().await;
    let reader = Plugin::load(reader()).await.unwrap();
    let own = options([Grant::exact("tenant-a", Mode::Read)]);
    assert_eq!(
        reader.run(&db, b"tenant-a", &own).await.unwrap().response,
        b"mine"
    );
    for name in [
        "tenant-b",
        "tenant-",
        "TENANT-B",
        "tenant-b\0",
        "../tenant-b",
        "tenant-a/../tenant-b",
        "*",
        "",
    ] {
        let error = reader.run(&db, name.as_bytes(), &own).await.unwrap_err();
        assert!(!format!("{error:?}").contains("CANARY"), "{error:?}");
        // A store that is out of reach looks the same whether it exists or not, or the name is refused for itself.
        assert!(
            [DENIED, NOT_FOUND, 'c'].contains(&error_case(&error)),
            "{name:?}: {error}"
        );
    }
    let none = options([]);
    assert!([DENIED, NOT_FOUND].contains(&error_case(
        &reader.run(&db, b"tenant-a", &none).await.unwrap_err()
    )));
    let prefix = options([Grant::prefix("tenant-", Mode::Read)]);
    assert_eq!(
        reader
            .run(&db, b"tenant-b", &prefix)
            .await
            .unwrap()
            .response,
        CANARY
    );
}

#[tokio::test]
async fn modes_bound_what_is_written_and_created() {
    let db = with_canary().await;
    let writer = Plugin::load(writer(true, "(call $ok (i32.const 0) (i32.const 0))"))
        .await
        .unwrap();
    let run = async |store: &str, grant: Grant| {
        writer.run(&db, store.as_bytes(), &options([grant])).await
    };
    assert_eq!(
        error_case(
            &run("tenant-a", Grant::exact("tenant-a", Mode::Read))
                .await
                .unwrap_err()
        ),
        DENIED
    );
    run("tenant-a", Grant::exact("tenant-a", Mode::Write))
        .await
        .unwrap();
    // The right to write is not the right to create.
    assert_eq!(
        error_case(
            &run("new", Grant::exact("new", Mode::Write))
                .await
                .unwrap_err()
        ),
        DENIED
    );
    run("new", Grant::exact("new", Mode::Create)).await.unwrap();
    run("scratch-1", Grant::prefix("scratch-", Mode::Create))
        .await
        .unwrap();
    let snapshot = db.snapshot().await.unwrap();
    assert_eq!(
        snapshot
            .open_store("tenant-b")
            .await
            .unwrap()
            .get("key")
            .await
            .unwrap()
            .unwrap(),
        CANARY
    );
    for store in ["tenant-a", "new", "scratch-1"] {
        assert_eq!(
            snapshot
                .open_store(store)
                .await
                .unwrap()
                .get("key")
                .await
                .unwrap()
                .unwrap(),
            b"value"
        );
    }
}

/// The capability layer by itself: an instance of the engine is not needed to guess ids.
mod guesses {
    use super::*;
    use sop_host::capability::HostState;
    use sop_host::engine_pool::bindings::sop::storage::{
        blobs::Host as _, registry, registry::Host as _, types,
    };

    async fn store_id(db: &Database, name: &str) -> u64 {
        let stores = db.snapshot().await.unwrap().stores().await.unwrap();
        stores
            .into_iter()
            .find(|store| store.name == name)
            .unwrap()
            .id
    }

    fn state(db: &Database, grants: impl IntoIterator<Item = Grant>) -> HostState {
        db.host_state(Some(grants.into_iter().collect()))
    }

    fn denied<T>(answer: Result<T, sop_host::capability::Refusal>) -> bool {
        use sop_host::capability::Refusal;
        matches!(
            answer,
            Err(Refusal::Answer(sop_engine::storage::StorageError::Denied(
                _
            )))
        )
    }

    fn root(store: u64) -> types::LogicalId {
        types::LogicalId { store, node: 1 }
    }

    #[tokio::test]
    async fn guessed_logical_ids_are_denied_before_any_look_up() {
        let db = with_canary().await;
        let (a, b) = (
            store_id(&db, "tenant-a").await,
            store_id(&db, "tenant-b").await,
        );
        let mut state = state(&db, [Grant::exact("tenant-a", Mode::Write)]);
        let at = state.now(None).await.unwrap().version;
        assert!(state.resolve(vec![root(a), root(0)], at).await.is_ok());
        for ids in [vec![root(b)], vec![root(a), root(b)], vec![root(0xdead)]] {
            assert!(denied(state.resolve(ids.clone(), at).await));
            assert!(denied(state.counters(ids, at).await));
        }
        let change = |store| registry::Change {
            id: root(store),
            kind: registry::ChangeKind::Remove,
        };
        let seen = |store| registry::Observation {
            id: root(store),
            version: 0,
        };
        assert!(denied(state.commit(vec![seen(b)], vec![], 0).await));
        assert!(denied(state.commit(vec![], vec![change(b)], 0).await));
        // The catalog may be read by all and written by none but those that may create.
        assert!(denied(
            state.commit(vec![seen(0)], vec![change(0)], 0).await
        ));
        assert!(denied(state.spill(root(b), vec![1]).await));
        assert!(denied(state.allocate_store(b"tenant-c".to_vec())));
    }

    #[tokio::test]
    async fn guessed_physical_ids_are_denied() {
        let db = with_canary().await;
        let b = store_id(&db, "tenant-b").await;
        let mut trusted = db.host_state(None);
        let at = trusted.now(None).await.unwrap().version;
        let handle = trusted
            .resolve(vec![root(b)], at)
            .await
            .unwrap()
            .remove(0)
            .unwrap();
        let body = trusted.get(handle.chain.clone()).await.unwrap().remove(0);
        assert!(body.windows(CANARY.len()).any(|window| window == CANARY));
        // The same physical id, in the hands of somebody it was not given to.
        let mut other = state(&db, [Grant::exact("tenant-a", Mode::Create)]);
        assert!(denied(other.get(handle.chain.clone()).await));
        let mut granted = state(&db, [Grant::exact("tenant-b", Mode::Read)]);
        assert!(denied(granted.get(handle.chain.clone()).await));
        granted.resolve(vec![root(b)], at).await.unwrap();
        assert_eq!(granted.get(handle.chain).await.unwrap(), [body]);
    }

    #[tokio::test]
    async fn a_created_store_is_bound_to_its_name_for_its_creator_only() {
        let db = with_canary().await;
        let mut creator = state(&db, [Grant::prefix("tmp-", Mode::Create)]);
        let id = creator.allocate_store(b"tmp-1".to_vec()).unwrap();
        let at = creator.now(None).await.unwrap().version;
        assert!(creator.resolve(vec![root(id)], at).await.is_ok());
        let mut other = state(&db, [Grant::prefix("tmp-", Mode::Create)]);
        assert!(denied(other.resolve(vec![root(id)], at).await));
    }
}
