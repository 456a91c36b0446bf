"""A database in memory that stands in for the engine, so that plugins are tested in plain CPython.

A transaction works on a copy of everything. What it read it reads again at commit, on the newest version: if
one read sees something else, that is a conflict. Then its writes are repeated there. `fail_commits` makes
commits fail by script.

Put this folder on `PYTHONPATH`, call `reset` before each test, and run plain unit tests. Not here: grants and
limits.
"""

from __future__ import annotations

import copy
from enum import Enum, auto
from typing import Any, Callable, Iterable, Optional, Self

from componentize_py_types import Err
from wit_world.imports import types

Items = dict[bytes, bytes]
Stores = dict[str, Items]


class CommitFault(Enum):
    """What goes wrong with a commit."""

    CONFLICT = auto()
    """Another transaction came first."""
    REPLY_LOST_AFTER = auto()
    """It happened, and its answer was lost."""
    REPLY_LOST_BEFORE = auto()
    """It did not happen, and that answer was lost."""
    UNAVAILABLE = auto()
    """The storage did not answer; the transaction goes on."""
    EXPIRED = auto()
    """The registry lost its state: the read point is gone."""


class _Database:
    def __init__(self) -> None:
        self.versions: list[Stores] = [{}]
        self.faults: list[CommitFault] = []
        self.outcomes: dict[tuple[int, int], Any] = {}
        self.outcome_replies: list[Any] = []


_database = _Database()


def reset() -> None:
    """Begins with an empty database, and no faults."""
    global _database
    _database = _Database()


def fail_commits(faults: Iterable[CommitFault]) -> None:
    """The next commits fail like this, one after another."""
    _database.faults = list(faults)


def answer_outcomes(replies: Iterable[Any]) -> None:
    """The next questions for an outcome are answered like this: with an outcome or an error."""
    _database.outcome_replies = list(replies)


class Transaction:
    """The resource `transaction`."""

    def __init__(self, version: int, writable: bool) -> None:
        self.at = version
        self.writable = writable
        self.stores = copy.deepcopy(_database.versions[version])
        self.reads: list[tuple[str, Callable[[Items], Any], Any]] = []
        self.writes: list[Callable[[Stores], Any]] = []
        self.savepoints: dict[str, tuple[Stores, int]] = {}
        self.over = False

    @classmethod
    def begin(cls, isolation: types.Isolation) -> Self:
        return cls(len(_database.versions) - 1, isolation is types.Isolation.SERIALIZABLE)

    @classmethod
    def begin_at(cls, version: int) -> Self:
        if version >= len(_database.versions):
            raise Err(types.Error_Invalid("a version of the future"))
        return cls(version, False)

    def version(self) -> int:
        self.live()
        return self.at

    def create_store(self, name: str) -> Store:
        if self.has(name):
            raise Err(types.Error_Exists(f"the store `{name}`"))
        return self.open_or_create_store(name)

    def open_store(self, name: str) -> Store:
        if not self.has(name):
            raise Err(types.Error_NotFound(f"the store `{name}`"))
        return Store(self, name)

    def open_or_create_store(self, name: str) -> Store:
        if not self.has(name):
            self.write(lambda stores: stores.setdefault(name, {}))
        return Store(self, name)

    def drop_store(self, name: str) -> None:
        if not self.has(name):
            raise Err(types.Error_NotFound(f"the store `{name}`"))
        self.write(lambda stores: stores.pop(name, None))

    def list_stores(self) -> list[types.StoreInfo]:
        self.live()
        return [types.StoreInfo(name, number) for number, name in enumerate(sorted(self.stores))]

    def savepoint(self, name: str) -> None:
        self.live()
        self.savepoints[name] = (copy.deepcopy(self.stores), len(self.writes))

    def rollback_to(self, name: str) -> None:
        self.live()
        if name not in self.savepoints:
            raise Err(types.Error_NotFound(f"the savepoint `{name}`"))
        stores, count = self.savepoints[name]
        self.stores = copy.deepcopy(stores)
        del self.writes[count:]

    def commit(self) -> types.CommitInfo:
        self.live()
        fault = _database.faults.pop(0) if _database.faults else None
        if fault is CommitFault.UNAVAILABLE:
            raise Err(types.Error_Unavailable("nobody is there"))
        self.over = True
        if fault is CommitFault.CONFLICT:
            raise Err(types.Error_Conflict([types.ConflictingKey("another", b"key")]))
        if fault is CommitFault.EXPIRED:
            raise Err(types.Error_SnapshotExpired(len(_database.versions)))
        if fault is CommitFault.REPLY_LOST_BEFORE:
            raise Err(types.Error_UnknownOutcome(_remembered(types.TransactionOutcome_Aborted())))
        if self.writes:
            self.validate()
            newest = copy.deepcopy(_database.versions[-1])
            for write in self.writes:
                write(newest)
            _database.versions.append(newest)
            self.at = len(_database.versions) - 1
        if fault is CommitFault.REPLY_LOST_AFTER:
            raise Err(types.Error_UnknownOutcome(_remembered(types.TransactionOutcome_Committed(self.at))))
        return types.CommitInfo(self.at, 0)

    def rollback(self) -> None:
        self.live()
        self.over = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.over = True

    def live(self) -> None:
        """Only a transaction that is not over answers."""
        if self.over:
            raise Err(types.Error_Ended())

    def has(self, name: str) -> bool:
        """Whether there is a store of that name."""
        self.live()
        return name in self.stores

    def validate(self) -> None:
        """Reads everything again."""
        newest = _database.versions[-1]
        for name, read, seen in self.reads:
            if read(newest.get(name, {})) != seen:
                raise Err(types.Error_Conflict([types.ConflictingKey(name, b"")]))

    def write(self, change: Callable[[Stores], Any]) -> None:
        """Changes the copy now and the newest version at commit."""
        self.live()
        if not self.writable:
            raise Err(types.Error_ReadOnly())
        change(self.stores)
        self.writes.append(change)


class Store:
    """The resource `store`."""

    def __init__(self, transaction: Transaction, name: str) -> None:
        self.transaction = transaction
        self.name = name

    def get(self, key: bytes) -> Optional[bytes]:
        return self.read(lambda items: items.get(key))

    def get_many(self, keys: list[bytes]) -> list[Optional[bytes]]:
        return self.read(lambda items: [items.get(key) for key in keys])

    def contains(self, key: bytes) -> bool:
        return self.read(lambda items: key in items)

    def insert(self, key: bytes, value: bytes) -> None:
        if self.contains(key):
            raise Err(types.Error_Exists("the key"))
        self.put(key, value)

    def put(self, key: bytes, value: bytes) -> None:
        if not 1 <= len(key) <= 1024:
            raise Err(types.Error_Invalid("a key of no bytes, or too many"))
        self.transaction.write(lambda stores: stores.setdefault(self.name, {}).update({key: value}))

    def put_many(self, items: list[types.Item]) -> None:
        for item in items:
            self.put(item.key, item.value)

    def update(self, key: bytes, value: bytes) -> None:
        if not self.contains(key):
            raise Err(types.Error_NotFound("the key"))
        self.put(key, value)

    def remove(self, key: bytes) -> bool:
        present = self.contains(key)
        self.transaction.write(lambda stores: stores.get(self.name, {}).pop(key, None))
        return present

    def remove_range(self, range: types.Range) -> int:
        found = self.scan(range, types.Direction.ASCENDING, 1 << 32)
        for item in found:
            self.remove(item.key)
        return len(found)

    def count(self) -> int:
        return self.read(len)

    def first(self) -> Optional[types.Item]:
        return self.end(types.Direction.ASCENDING)

    def last(self) -> Optional[types.Item]:
        return self.end(types.Direction.DESCENDING)

    def scan(self, range: types.Range, direction: types.Direction, limit: int) -> list[types.Item]:
        return self.read(lambda items: _within(items, range, direction)[:limit])

    def open_cursor(self, range: types.Range, direction: types.Direction) -> Cursor:
        self.transaction.live()
        return Cursor(self, range, direction)

    def read(self, read: Callable[[Items], Any]) -> Any:
        """Reads the copy, and notes what it saw among the committed items."""
        self.transaction.live()
        committed = _database.versions[self.transaction.at].get(self.name, {})
        self.transaction.reads.append((self.name, read, read(committed)))
        return read(self.transaction.stores.get(self.name, {}))

    def end(self, direction: types.Direction) -> Optional[types.Item]:
        """The item at one end."""
        everything = types.Range(types.Bound_Unbounded(), types.Bound_Unbounded())
        return next(iter(self.scan(everything, direction, 1)), None)


class Cursor:
    """The resource `cursor`."""

    open_count = 0
    """Cursors that were opened and not released."""

    def __init__(self, store: Store, range: types.Range, direction: types.Direction) -> None:
        self.store = store
        self.range = range
        self.direction = direction
        Cursor.open_count += 1

    def next(self, max: int) -> list[types.Item]:
        found = self.store.scan(self.range, self.direction, max)
        if found:
            passed = types.Bound_Excluded(found[-1].key)
            if self.direction is types.Direction.ASCENDING:
                self.range = types.Range(passed, self.range.upper)
            else:
                self.range = types.Range(self.range.lower, passed)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        Cursor.open_count -= 1


def outcome(id: types.TransactionId) -> Any:
    """What became of a commit."""
    if _database.outcome_replies:
        reply = _database.outcome_replies.pop(0)
        if type(reply).__name__.startswith("Error_"):
            raise Err(reply)
        return reply
    return _database.outcomes.get((id.high, id.low), types.TransactionOutcome_Unknown())


def _remembered(became: Any) -> types.TransactionId:
    id = types.TransactionId((1 << 64) - 1, len(_database.outcomes))
    _database.outcomes[id.high, id.low] = became
    return id


def _within(items: Items, range: types.Range, direction: types.Direction) -> list[types.Item]:
    descending = direction is types.Direction.DESCENDING
    keys = sorted((key for key in items if _contains(range, key)), reverse=descending)
    return [types.Item(key, items[key]) for key in keys]


def _contains(range: types.Range, key: bytes) -> bool:
    match range.lower:
        case types.Bound_Included(value) if key < value:
            return False
        case types.Bound_Excluded(value) if key <= value:
            return False
    match range.upper:
        case types.Bound_Included(value) if key > value:
            return False
        case types.Bound_Excluded(value) if key >= value:
            return False
    return True
