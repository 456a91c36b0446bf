"""Stores, as one transaction sees them."""

from __future__ import annotations

from itertools import islice
from typing import (
    Any,
    Callable,
    Generic,
    Iterable,
    Iterator,
    Optional,
    TypeVar,
    overload,
)

from . import keys, values
from .engine import answering, bounds, direction, transactions, types
from .errors import KeyAbsent
from .limits import BATCH_ITEMS_FIRST, BATCH_ITEMS_LAST, BATCH_ITEMS_MAX
from .ranges import ALL, KeyRange

K = TypeVar("K")
V = TypeVar("V")


class Store(Generic[K, V]):
    """A map from keys to values in the order of the keys, with the forms it was opened with.

    Much of it is written like a dictionary: `store[key]`, `store[key] = value`, `del store[key]`, `key in
    store`, `for key in store`, `store.items()`. It has no `len`: Python asks for the length in passing
    (`list(store)`, `if store`), and to have read the number of items is to conflict with every insert.
    `count()` asks on purpose.
    """

    def __init__(self, store: transactions.Store, key: keys.Form[K], value: values.Form[V]) -> None:
        self._store = store
        self.key = key
        self.value = value

    @overload
    def get(self, key: K) -> Optional[V]: ...

    @overload
    def get(self, key: K, default: V) -> V: ...

    @answering
    def get(self, key: K, default: Optional[V] = None) -> Optional[V]:
        """The value of a key, or the default if it is absent."""
        found = self._store.get(self.key.encode(key))
        return default if found is None else self.value.decode(found)

    @answering
    def get_many(self, wanted: Iterable[K]) -> list[Optional[V]]:
        """The values of several keys, index-aligned; None = absent."""
        found: list[Optional[V]] = []
        encoded = map(self.key.encode, wanted)
        while batch := list(islice(encoded, BATCH_ITEMS_MAX)):
            answer = self._store.get_many(batch)
            found.extend(None if value is None else self.value.decode(value) for value in answer)
        return found

    @answering
    def contains(self, key: K) -> bool:
        """Whether a key is present."""
        return self._store.contains(self.key.encode(key))

    @answering
    def insert(self, key: K, value: V) -> None:
        """Adds an item: `Exists` if the key is present."""
        self._store.insert(self.key.encode(key), self.value.encode(value))

    @answering
    def put(self, key: K, value: V) -> None:
        """Adds or replaces an item. Two transactions that put the same key do not conflict: one overwrites
        the other."""
        self._store.put(self.key.encode(key), self.value.encode(value))

    @answering
    def put_many(self, items: Iterable[tuple[K, V]]) -> None:
        """Adds or replaces several items, in order."""
        encoded = (types.Item(self.key.encode(key), self.value.encode(value)) for key, value in items)
        while batch := list(islice(encoded, BATCH_ITEMS_MAX)):
            self._store.put_many(batch)

    @answering
    def update(self, key: K, value: V) -> None:
        """Replaces the value of a key: `NotFound` if the key is absent."""
        self._store.update(self.key.encode(key), self.value.encode(value))

    def modify(self, key: K, change: Callable[[V], V], default: V) -> V:
        """Reads the value of a key (the default if it is absent), changes it, writes it back and answers
        it."""
        found = self.get(key)
        value = change(default if found is None else found)
        self.put(key, value)
        return value

    @answering
    def remove(self, key: K) -> bool:
        """Removes a key. Answers whether it was present."""
        return self._store.remove(self.key.encode(key))

    @answering
    def remove_range(self, within: KeyRange) -> int:
        """Removes all items of a range and answers how many there were."""
        return self._store.remove_range(bounds(within))

    @answering
    def count(self) -> int:
        """The number of items. A read of all inserts and removals of the store."""
        return self._store.count()

    @answering
    def first(self) -> Optional[tuple[K, V]]:
        """The item with the smallest key."""
        return self._item(self._store.first())

    @answering
    def last(self) -> Optional[tuple[K, V]]:
        """The item with the greatest key."""
        return self._item(self._store.last())

    @answering
    def scan(self, within: KeyRange, limit: int, *, reverse: bool = False) -> list[tuple[K, V]]:
        """Up to `limit` items of a range, in one call. A transaction conflicts over what it saw, not over the
        rest."""
        found = self._store.scan(bounds(within), direction(reverse), limit)
        return [(self.key.decode(item.key), self.value.decode(item.value)) for item in found]

    def items(self, within: KeyRange = ALL, *, reverse: bool = False) -> Iterator[tuple[K, V]]:
        """The items of a range one after another, however many there are.

        They are fetched in growing batches and show the transaction's writes as they are at that moment.
        """
        for item in self._batched(within, reverse):
            yield self.key.decode(item.key), self.value.decode(item.value)

    def keys(self, within: KeyRange = ALL, *, reverse: bool = False) -> Iterator[K]:
        """The keys of a range one after another."""
        for item in self._batched(within, reverse):
            yield self.key.decode(item.key)

    def values(self, within: KeyRange = ALL, *, reverse: bool = False) -> Iterator[V]:
        """The values of a range one after another, by their keys."""
        for item in self._batched(within, reverse):
            yield self.value.decode(item.value)

    def between(
        self, lower: Optional[K] = None, upper: Optional[K] = None, *, upper_included: bool = False
    ) -> KeyRange:
        """The range from one key to another, which is outside unless `upper_included`; None = open on that
        side."""
        encoded = [None if key is None else self.key.encode(key) for key in (lower, upper)]
        return KeyRange(encoded[0], encoded[1], upper_included=upper_included)

    def under(self, *elements: Any) -> KeyRange:
        """The range of the tuple keys whose first elements are these."""
        return KeyRange.prefix(self.key.encode_under(elements))

    def beginning(self, key: Any) -> KeyRange:
        """The range of the keys whose text, or whose last given element, begins like this one."""
        return KeyRange.prefix(self.key.encode_beginning(key))

    def __getitem__(self, key: K) -> V:
        found = self.get(key)
        if found is None:
            raise KeyAbsent(f"an item of the key {key!r}")
        return found

    def __setitem__(self, key: K, value: V) -> None:
        self.put(key, value)

    def __delitem__(self, key: K) -> None:
        if not self.remove(key):
            raise KeyAbsent(f"an item of the key {key!r}")

    def __contains__(self, key: K) -> bool:
        return self.contains(key)

    def __iter__(self) -> Iterator[K]:
        return self.keys()

    def __reversed__(self) -> Iterator[K]:
        return self.keys(reverse=True)

    def _item(self, found: Optional[types.Item]) -> Optional[tuple[K, V]]:
        return None if found is None else (self.key.decode(found.key), self.value.decode(found.value))

    def _batched(self, within: KeyRange, reverse: bool) -> Iterator[types.Item]:
        size = BATCH_ITEMS_FIRST
        with self._open_cursor(within, reverse) as cursor:
            while batch := _next(cursor, size):
                yield from batch
                size = min(size * 2, BATCH_ITEMS_LAST)

    @answering
    def _open_cursor(self, within: KeyRange, reverse: bool) -> transactions.Cursor:
        return self._store.open_cursor(bounds(within), direction(reverse))


@answering
def _next(cursor: transactions.Cursor, size: int) -> list[types.Item]:
    return cursor.next(size)
