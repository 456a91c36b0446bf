"""Transactions that are run again when they conflict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Generic, TypeVar

from .errors import (
    Conflict,
    Error,
    SnapshotExpired,
    TransactionId,
    Unavailable,
    UnknownOutcome,
)
from .limits import OUTCOME_TRIES_MAX, TRIES_MAX
from .transaction import CommitInfo, Isolation, Outcome, Transaction, outcome

T = TypeVar("T")


@dataclass(frozen=True)
class Committed(Generic[T]):
    """What a transaction gave, and how it went."""

    value: T
    """What the body answered in the run that committed."""
    version: int
    """The version under which its changes are visible."""
    revalidations: int
    """How often the commit validated its reads again because of a conflict on a page."""
    tries: int
    """How often the body ran: 1 = without a conflict."""


def transact(body: Callable[[Transaction], T]) -> T:
    """Runs a serializable transaction: what the body wrote becomes visible all at once, or not at all if it
    raises.

    When another transaction changed something that this one had read, the body is **run again** from its
    start, at most `limits.TRIES_MAX` times; after that `Conflict` is raised, and a plugin that lets it pass
    is run again by the host after a pause. So the body must have no effect outside its transaction.

    It also reads well as a decorator; the name then is what the body answered:

        @transact
        def visits(transaction):
            return transaction.store("visits", keys.text, values.u64).modify(user, lambda count: count + 1, 0)
    """
    return transact_up_to(TRIES_MAX, body).value


def transact_up_to(tries_max: int, body: Callable[[Transaction], T]) -> Committed[T]:
    """`transact` with a chosen number of tries, and with an answer that says how it went."""
    tries = 1
    while True:
        try:
            value, info = _attempt(body)
        except (Conflict, SnapshotExpired):
            # An expired read point is that of a registry that lost its state: begin again as well.
            if tries >= tries_max:
                raise
            tries += 1
        else:
            return Committed(value, info.version, info.revalidations, tries)


def snapshot(body: Callable[[Transaction], T]) -> T:
    """Reads one consistent version. Never conflicts; writing raises `ReadOnly`."""
    with Transaction.begin(Isolation.SNAPSHOT) as transaction:
        return body(transaction)


def _attempt(body: Callable[[Transaction], T]) -> tuple[T, CommitInfo]:
    with Transaction.begin(Isolation.SERIALIZABLE) as transaction:
        value = body(transaction)
        try:
            return value, transaction.commit()
        except UnknownOutcome as unknown:
            return value, _settled(unknown.id)


def _settled(id: TransactionId) -> CommitInfo:
    """What became of a commit whose answer was lost. One that did not happen is like a conflict: run it
    again."""
    for _ in range(OUTCOME_TRIES_MAX):
        try:
            found, version = outcome(id)
        except Unavailable:
            continue
        except Error:
            break
        if found is Outcome.COMMITTED:
            return CommitInfo(version, 0)
        if found is Outcome.ABORTED:
            raise Conflict()
        if found is Outcome.UNKNOWN:
            break
    raise UnknownOutcome(id)
