"""Goal: `transact` runs its body again exactly when that is right, and every error of the interface has its
exception.

Method: the database in memory, with commits that fail by script.
"""

import unittest

import sop_stand_in
from componentize_py_types import Err
from sop_stand_in import CommitFault
from wit_world.imports import types

from sop_guest import (
    Conflict,
    Failed,
    Isolation,
    NotFound,
    Outcome,
    Transaction,
    errors,
    keys,
    limits,
    outcome,
    snapshot,
    transact,
    transact_up_to,
    values,
)
from sop_guest.engine import answering


def increment(transaction: Transaction) -> int:
    """Adds one to the count."""
    return transaction.store("counters", keys.text, values.u64).modify("n", lambda count: count + 1, 0)


def value() -> int:
    """The count."""
    return snapshot(lambda transaction: transaction.store("counters", keys.text, values.u64)["n"])


class Transact(unittest.TestCase):
    def setUp(self) -> None:
        sop_stand_in.reset()

    def test_a_conflict_runs_the_body_again_until_it_commits(self) -> None:
        sop_stand_in.fail_commits([CommitFault.CONFLICT, CommitFault.EXPIRED, CommitFault.CONFLICT])
        committed = transact_up_to(16, increment)
        self.assertEqual((committed.value, committed.tries, committed.version), (1, 4, 1))
        self.assertEqual(value(), 1)

    def test_the_tries_are_bounded_and_the_last_conflict_is_the_answer(self) -> None:
        sop_stand_in.fail_commits([CommitFault.CONFLICT] * 100)
        runs = []
        with self.assertRaises(Conflict) as raised:
            transact(lambda transaction: runs.append(increment(transaction)))
        self.assertEqual(len(runs), limits.TRIES_MAX)
        self.assertEqual(raised.exception.keys, (errors.ConflictingKey("another", b"key"),))
        with self.assertRaises(NotFound):
            value()

    def test_a_lost_reply_counts_once_whether_or_not_the_commit_happened(self) -> None:
        sop_stand_in.fail_commits([CommitFault.REPLY_LOST_AFTER])
        self.assertEqual(transact_up_to(16, increment).tries, 1)
        sop_stand_in.fail_commits([CommitFault.REPLY_LOST_BEFORE])
        self.assertEqual(transact_up_to(16, increment).tries, 2)
        self.assertEqual(value(), 2)

    def test_an_outcome_is_asked_for_a_bounded_number_of_times(self) -> None:
        undecided, away = types.TransactionOutcome_Undecided(), types.Error_Unavailable("away")
        sop_stand_in.fail_commits([CommitFault.REPLY_LOST_AFTER])
        sop_stand_in.answer_outcomes([undecided, away] * (limits.OUTCOME_TRIES_MAX // 2 - 1))
        self.assertEqual(transact_up_to(16, increment).tries, 1)
        for replies in ([undecided] * 100, [types.TransactionOutcome_Unknown()], [types.Error_Fenced()]):
            sop_stand_in.fail_commits([CommitFault.REPLY_LOST_AFTER])
            sop_stand_in.answer_outcomes(replies)
            with self.assertRaises(errors.UnknownOutcome):
                transact(increment)

    def test_an_error_of_the_body_writes_nothing_and_is_not_tried_again(self) -> None:
        runs = []

        def body(transaction: Transaction) -> None:
            runs.append(increment(transaction))
            raise Failed("enough")

        with self.assertRaises(Failed):
            transact(body)
        self.assertEqual(len(runs), 1)
        with self.assertRaises(NotFound):
            value()

    def test_an_error_of_the_storage_is_not_tried_again(self) -> None:
        sop_stand_in.fail_commits([CommitFault.UNAVAILABLE])
        with self.assertRaises(errors.Unavailable):
            transact(increment)

    def test_one_that_read_what_another_changed_conflicts_and_a_reader_does_not(self) -> None:
        transact(increment)
        with Transaction.begin() as writer, Transaction.begin(Isolation.SNAPSHOT) as reader:
            increment(writer)
            transact(increment)
            with self.assertRaises(Conflict):
                writer.commit()
            self.assertEqual(reader.open_store("counters", keys.text, values.u64)["n"], 1)
            with self.assertRaises(errors.ReadOnly):
                increment(reader)
        with Transaction.begin_at(1) as past:
            self.assertEqual(past.open_store("counters", keys.text, values.u64)["n"], 1)
        self.assertEqual(value(), 2)

    def test_a_transaction_that_left_its_block_is_rolled_back(self) -> None:
        with Transaction.begin() as transaction:
            increment(transaction)
        with self.assertRaises(errors.Ended):
            transaction.commit()
        with self.assertRaises(NotFound):
            value()

    def test_a_lost_commit_by_hand_can_be_asked_for(self) -> None:
        for fault, expected in [
            (CommitFault.REPLY_LOST_AFTER, (Outcome.COMMITTED, 1)),
            (CommitFault.REPLY_LOST_BEFORE, (Outcome.ABORTED, 0)),
        ]:
            sop_stand_in.fail_commits([fault])
            with Transaction.begin() as transaction, self.assertRaises(errors.UnknownOutcome) as raised:
                increment(transaction)
                transaction.commit()
            self.assertEqual(outcome(raised.exception.id), expected)
        self.assertEqual(outcome(errors.TransactionId(5, 5)), (Outcome.UNKNOWN, 0))

    def test_savepoints_drop_later_writes_only(self) -> None:
        with Transaction.begin() as transaction:
            store = transaction.store("s")
            store[b"a"] = b"1"
            transaction.savepoint("here")
            store[b"a"] = b"2"
            transaction.create_store("late")
            transaction.rollback_to("here")
            self.assertEqual((store[b"a"], transaction.store_names()), (b"1", ["s"]))
            with self.assertRaises(NotFound):
                transaction.rollback_to("there")

    def test_every_error_of_the_interface_has_its_exception(self) -> None:
        limit = types.LimitExceeded("value bytes", 5)
        id = types.TransactionId(1, 2)
        cases = [
            (types.Error_Conflict([]), errors.Conflict), (types.Error_Unavailable("x"), errors.Unavailable),
            (types.Error_UnknownOutcome(id), errors.UnknownOutcome),
            (types.Error_Corrupt("x"), errors.Corrupt), (types.Error_Denied("x"), errors.Denied),
            (types.Error_Limit(limit), errors.LimitExceeded),
            (types.Error_SnapshotExpired(7), errors.SnapshotExpired), (types.Error_Fenced(), errors.Fenced),
            (types.Error_Ended(), errors.Ended), (types.Error_NotFound("x"), errors.NotFound),
            (types.Error_Exists("x"), errors.Exists), (types.Error_ReadOnly(), errors.ReadOnly),
            (types.Error_Invalid("x"), errors.Invalid),
        ]  # fmt: skip
        self.assertEqual(len(cases), len([name for name in vars(types) if name.startswith("Error_")]))
        for error, expected in cases:

            @answering
            def call() -> None:
                raise Err(error)

            with self.subTest(error), self.assertRaises(expected) as raised:
                call()
            self.assertIs(type(raised.exception), expected)
            self.assertTrue(str(raised.exception))
