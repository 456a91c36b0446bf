"""Transactions by hand. Most plugins need only `transact` and `snapshot`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Optional, Self

from . import keys, values
from .engine import answering, transactions, types
from .errors import NotFound, ReadOnly, TransactionId
from .store import Store


class Isolation(Enum):
    """What a transaction promises."""

    SERIALIZABLE = types.Isolation.SERIALIZABLE
    """As if the transactions that committed had run one after another. A commit may end in a conflict."""
    SNAPSHOT = types.Isolation.SNAPSHOT
    """Reads one consistent version, never conflicts, cannot write."""


class Transaction:
    """A transaction. Every call sees its own writes; nothing is visible to others before `commit` answers.

    Leaving its `with` block, or dropping it, rolls back what was not committed.
    """

    def __init__(self, transaction: transactions.Transaction) -> None:
        self._transaction = transaction

    @classmethod
    @answering
    def begin(cls, isolation: Isolation = Isolation.SERIALIZABLE) -> Self:
        """Begins at a fresh version: it sees everything that was acknowledged anywhere before this call."""
        return cls(transactions.Transaction.begin(isolation.value))

    @classmethod
    @answering
    def begin_at(cls, version: int) -> Self:
        """Begins a snapshot transaction at a past version: `SnapshotExpired` when its history is gone."""
        return cls(transactions.Transaction.begin_at(version))

    @answering
    def version(self) -> int:
        """The version it reads at."""
        return self._transaction.version()

    def store(
        self, name: str, key: keys.Form[Any] = keys.raw, value: values.Form[Any] = values.raw
    ) -> Store[Any, Any]:
        """Opens a store with the forms of its keys and values, creating it if there is none of that name.

        In a snapshot transaction, which cannot create, `NotFound`. Nothing of the forms is kept or checked: a
        store is of one form by agreement.
        """
        try:
            return self.open_store(name, key, value)
        except NotFound as absent:
            try:
                return self.open_or_create_store(name, key, value)
            except ReadOnly:
                raise absent from None

    @answering
    def open_store(
        self, name: str, key: keys.Form[Any] = keys.raw, value: values.Form[Any] = values.raw
    ) -> Store[Any, Any]:
        """Opens a store: `NotFound` if there is none of that name."""
        return Store(self._transaction.open_store(name), key, value)

    @answering
    def open_or_create_store(
        self, name: str, key: keys.Form[Any] = keys.raw, value: values.Form[Any] = values.raw
    ) -> Store[Any, Any]:
        """Opens a store, creating it if there is none of that name."""
        return Store(self._transaction.open_or_create_store(name), key, value)

    @answering
    def create_store(
        self, name: str, key: keys.Form[Any] = keys.raw, value: values.Form[Any] = values.raw
    ) -> Store[Any, Any]:
        """Creates a store, empty: `Exists` if there is one of that name."""
        return Store(self._transaction.create_store(name), key, value)

    @answering
    def drop_store(self, name: str) -> None:
        """Drops a store with all its items: `NotFound` if there is none of that name."""
        self._transaction.drop_store(name)

    @answering
    def store_names(self) -> list[str]:
        """The names of the stores this plugin may read."""
        return [info.name for info in self._transaction.list_stores()]

    @answering
    def savepoint(self, name: str) -> None:
        """Marks a point to come back to. A name that is in use moves to the new point."""
        self._transaction.savepoint(name)

    @answering
    def rollback_to(self, name: str) -> None:
        """Forgets all writes since the savepoint, which stays. What was read since then still counts at
        commit."""
        self._transaction.rollback_to(name)

    @answering
    def commit(self) -> CommitInfo:
        """Makes all writes durable and visible, or none."""
        info = self._transaction.commit()
        return CommitInfo(info.version, info.revalidations)

    @answering
    def rollback(self) -> None:
        """Ends the transaction without a trace. `Ended` if it was over."""
        self._transaction.rollback()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._transaction.__exit__(kind, error, traceback)


@dataclass(frozen=True)
class CommitInfo:
    """How a transaction came to its end."""

    version: int
    """The version under which its changes are visible, or at which it read if it wrote nothing."""
    revalidations: int
    """How often a conflict on a page made it validate its reads again."""


class Outcome(Enum):
    """What became of a commit that raised `UnknownOutcome`."""

    COMMITTED = "committed"
    """It happened."""
    ABORTED = "aborted"
    """It did not happen and never will."""
    UNDECIDED = "undecided"
    """It cannot be told yet."""
    UNKNOWN = "unknown"
    """No commit of this id is remembered."""


@answering
def outcome(id: TransactionId) -> tuple[Outcome, int]:
    """What became of a commit, and under which version it happened (0 if it did not, or that is no longer
    known)."""
    found = transactions.outcome(types.TransactionId(id.high, id.low))
    match found:
        case types.TransactionOutcome_Committed():
            return Outcome.COMMITTED, found.value
        case types.TransactionOutcome_Aborted():
            return Outcome.ABORTED, 0
        case types.TransactionOutcome_Undecided():
            return Outcome.UNDECIDED, 0
    return Outcome.UNKNOWN, 0
