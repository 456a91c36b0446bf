//! Goal: `transact` runs its closure again exactly when that is right, and typed stores give back
//! what they were given. Method: the kit's own database in memory, with commits that fail by
//! script.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, reason = "a test may stop at a broken assumption")]

use std::cell::Cell;

use sop_guest::testing::{CommitFault, fail_commits, reset};
use sop_guest::{
    Direction, Error, Isolation, KeyRange, Result, Transaction, TransactionOutcome, limits,
    outcome, snapshot, transact, transact_up_to,
};

fn increment(transaction: &Transaction) -> Result<u64> {
    transaction
        .typed::<String, u64>("counters")?
        .modify(&"n".to_owned(), |count| *count += 1)
}

fn value() -> Result<Option<u64>> {
    snapshot(|transaction| {
        transaction
            .typed::<String, u64>("counters")?
            .get(&"n".to_owned())
    })
}

#[test]
fn a_conflict_runs_the_closure_again_until_it_commits() {
    reset();
    fail_commits([CommitFault::Conflict; 3]);
    let committed = transact_up_to(16, increment).expect("the fourth run commits");
    assert_eq!(
        (committed.value, committed.tries, committed.version),
        (1, 4, 1)
    );
    assert_eq!(value(), Ok(Some(1)));
}

#[test]
fn the_tries_are_bounded_and_the_last_conflict_is_the_answer() {
    reset();
    let runs = Cell::new(0);
    fail_commits([CommitFault::Conflict; 100]);
    let answer = transact(|transaction| {
        runs.set(runs.get() + 1);
        increment(transaction)
    });
    assert!(answer.is_err_and(|error| error.is_conflict()));
    assert_eq!(runs.get(), limits::TRIES_MAX);
    assert_eq!(
        value().err(),
        Some(Error::NotFound("the store `counters`".to_owned()))
    );
}

#[test]
fn a_lost_reply_counts_once_whether_or_not_the_commit_happened() {
    reset();
    fail_commits([CommitFault::ReplyLostAfter]);
    assert_eq!(
        transact_up_to(16, increment).map(|committed| committed.tries),
        Ok(1)
    );
    fail_commits([CommitFault::ReplyLostBefore]);
    assert_eq!(
        transact_up_to(16, increment).map(|committed| committed.tries),
        Ok(2)
    );
    assert_eq!(value(), Ok(Some(2)));
}

#[test]
fn an_error_of_the_closure_writes_nothing_and_is_not_tried_again() {
    reset();
    let runs = Cell::new(0);
    let answer = transact(|transaction| -> Result<()> {
        runs.set(runs.get() + 1);
        increment(transaction)?;
        Err(Error::Failed("enough".to_owned()))
    });
    assert_eq!(answer, Err(Error::Failed("enough".to_owned())));
    assert_eq!((runs.get(), value().is_err()), (1, true));
}

#[test]
fn a_transaction_that_read_what_another_changed_conflicts_and_a_reader_does_not() -> Result<()> {
    reset();
    transact(increment)?;
    let (writer, reader) = (
        Transaction::begin(Isolation::Serializable)?,
        Transaction::begin(Isolation::Serializable)?,
    );
    let old = Transaction::begin(Isolation::Snapshot)?;
    increment(&writer)?;
    assert_eq!(
        reader
            .typed::<String, u64>("counters")?
            .get(&"n".to_owned()),
        Ok(Some(1))
    );
    transact(increment)?;
    assert!(writer.commit().is_err_and(|error| error.is_conflict()));
    assert_eq!(reader.commit().map(|info| info.version), Ok(1));
    assert_eq!(
        old.typed::<String, u64>("counters")?.get(&"n".to_owned()),
        Ok(Some(1))
    );
    assert_eq!(increment(&old), Err(Error::ReadOnly));
    assert_eq!(value(), Ok(Some(2)));
    let past = Transaction::begin_at(1)?;
    assert_eq!(
        past.typed::<String, u64>("counters")?.get(&"n".to_owned()),
        Ok(Some(1))
    );
    Ok(())
}

#[test]
fn a_lost_commit_by_hand_can_be_asked_for() -> Result<()> {
    reset();
    for (fault, expected) in [
        (
            CommitFault::ReplyLostAfter,
            TransactionOutcome::Committed(1),
        ),
        (CommitFault::ReplyLostBefore, TransactionOutcome::Aborted),
    ] {
        fail_commits([fault]);
        let transaction = Transaction::begin(Isolation::Serializable)?;
        increment(&transaction)?;
        let Err(Error::UnknownOutcome(id)) = transaction.commit() else {
            return Err(Error::Failed("the reply was not lost".to_owned()));
        };
        assert_eq!(outcome(id), Ok(expected));
    }
    Ok(())
}

#[test]
fn iterations_give_every_item_in_order_in_both_directions() -> Result<()> {
    reset();
    transact(|transaction| {
        let store = transaction.typed::<i32, String>("numbers")?;
        let items: Vec<(i32, String)> = (-3000..3000).map(|n| (n, n.to_string())).collect();
        store.put_many(items.iter().map(|(key, value)| (key, value)))
    })?;
    snapshot(|transaction| {
        let store = transaction.typed::<i32, String>("numbers")?;
        let keys = store
            .range(..)?
            .map(|item| Ok(item?.0))
            .collect::<Result<Vec<_>>>()?;
        assert_eq!(keys, (-3000..3000).collect::<Vec<_>>());
        let falling = store.iterate(&KeyRange::of(-7..=2000), Direction::Descending)?;
        let keys = falling
            .map(|item| Ok(item?.0))
            .collect::<Result<Vec<_>>>()?;
        assert_eq!(keys, (-7..=2000).rev().collect::<Vec<_>>());
        let wanted: Vec<i32> = (2990..3010).collect();
        let found = store.get_many(&wanted)?;
        assert_eq!(found.iter().flatten().count(), 10);
        assert_eq!(found.first(), Some(&Some("2990".to_owned())));
        assert_eq!(store.first()?.map(|(key, _)| key), Some(-3000));
        assert_eq!(store.last()?.map(|(key, _)| key), Some(2999));
        assert_eq!(
            store
                .scan(&KeyRange::of(5..), Direction::Ascending, 2)?
                .len(),
            2
        );
        Ok(())
    })
}

#[test]
fn a_store_read_with_other_types_is_an_error_not_a_wrong_value() -> Result<()> {
    reset();
    transact(|transaction| {
        transaction
            .typed::<u64, (u32, u32)>("pairs")?
            .put(&7, &(1, 2))
    })?;
    snapshot(|transaction| {
        let shorter = transaction.typed::<u64, u32>("pairs")?.get(&7);
        assert!(matches!(shorter, Err(Error::Value(_))), "{shorter:?}");
        let longer = transaction.typed::<u64, (u32, u32, u32)>("pairs")?.get(&7);
        assert!(matches!(longer, Err(Error::Value(_))), "{longer:?}");
        let keys = transaction.typed::<u32, (u32, u32)>("pairs")?.first();
        assert!(matches!(keys, Err(Error::Key(_))), "{keys:?}");
        Ok(())
    })
}

#[test]
fn savepoints_drop_later_writes_only() -> Result<()> {
    reset();
    transact(|transaction| {
        let store = transaction.open_or_create_store("s")?;
        store.put(b"a", b"1")?;
        transaction.savepoint("here")?;
        store.put(b"a", b"2")?;
        assert_eq!(transaction.create_store("late").map(drop), Ok(()));
        transaction.rollback_to("here")?;
        assert_eq!(store.get(b"a")?, Some(b"1".to_vec()));
        assert_eq!(transaction.list_stores()?.len(), 1);
        assert!(matches!(
            transaction.rollback_to("there"),
            Err(Error::NotFound(_))
        ));
        Ok(())
    })
}
