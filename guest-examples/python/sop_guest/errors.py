"""Why something failed: one exception for each case of the interface, and those of the kit itself.

Each says what to do. Unless it says otherwise, the transaction goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence


@dataclass(frozen=True)
class ConflictingKey:
    """A key whose observation no longer held at commit."""

    store: str
    """The store; empty for the list of stores itself."""
    key: bytes
    """The key, or the first key of the range that changed; empty where the item count changed."""


@dataclass(frozen=True)
class TransactionId:
    """Identifies a commit whose outcome is to be asked."""

    high: int
    low: int

    def __str__(self) -> str:
        return f"{self.high:016x}{self.low:016x}"


class Error(Exception):
    """What every exception of the kit is."""


class Conflict(Error):
    """Something this transaction observed was changed by another: run it again. `transact` does."""

    def __init__(self, keys: Sequence[ConflictingKey] = ()) -> None:
        super().__init__("another transaction changed what this one had read; run it again")
        self.keys = tuple(keys)


class Unavailable(Error):
    """The storage did not answer. Nothing was written."""

    def __init__(self, message: str) -> None:
        super().__init__(f"the storage did not answer; retry later: {message}")


class UnknownOutcome(Error):
    """The commit may or may not have happened. Ask `outcome` before running it again."""

    def __init__(self, id: TransactionId) -> None:
        super().__init__(f"the outcome of the commit {id} is unknown; ask for it before running it again")
        self.id = id


class Corrupt(Error):
    """Stored bytes are damaged."""

    def __init__(self, message: str) -> None:
        super().__init__(f"stored bytes are damaged: {message}")


class Denied(Error):
    """The grants of this plugin do not cover this."""

    def __init__(self, message: str) -> None:
        super().__init__(f"not granted: {message}")


class LimitExceeded(Error):
    """A declared limit was exceeded; ask for less."""

    def __init__(self, name: str, maximum: int) -> None:
        super().__init__(f"over the limit of {maximum} {name}")
        self.name = name
        self.maximum = maximum


class SnapshotExpired(Error):
    """The version read at is older than the history kept."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"that version is no longer kept; the oldest is {oldest}")
        self.oldest = oldest


class Fenced(Error):
    """Another host took over the database. The transaction is ended."""

    def __init__(self) -> None:
        super().__init__("another host took over the database; reopen it")


class Ended(Error):
    """The transaction is over."""

    def __init__(self) -> None:
        super().__init__("the transaction is over; begin another")


class NotFound(Error, LookupError):
    """There is no such store, key to update, or savepoint."""

    def __init__(self, message: str) -> None:
        super().__init__(f"not found: {message}")
        self.message = message


class KeyAbsent(NotFound, KeyError):
    """There is no item of this key: what `store[key]` and `del store[key]` raise."""

    def __str__(self) -> str:
        # A KeyError shows its argument quoted, as if the sentence were the key.
        return str(self.args[0])


class Exists(Error):
    """There already is such a store or key."""

    def __init__(self, message: str) -> None:
        super().__init__(f"exists already: {message}")


class ReadOnly(Error):
    """A snapshot transaction cannot write."""

    def __init__(self) -> None:
        super().__init__("a snapshot transaction cannot write; use a serializable one")


class Invalid(Error, ValueError):
    """The call makes no sense."""


class KeyMismatch(Error, ValueError):
    """Stored bytes are not a key of the store's form. Was the store written with another?"""


class ValueMismatch(Error, ValueError):
    """Stored bytes are not a value of the store's form. Was it written by another program?"""


class RequestInvalid(Error, ValueError):
    """The request is not what it should be."""

    def __init__(self, message: str) -> None:
        super().__init__(f"the request is not understood: {message}")


class Failed(Error):
    """A failure of the plugin's own, in words."""
