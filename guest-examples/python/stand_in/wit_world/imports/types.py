"""Stands in for the bindings of `sop:engine/types`: the names that `componentize-py` gives its cases and
records."""

from dataclasses import dataclass, make_dataclass
from enum import Enum


class Isolation(Enum):
    """What a transaction promises."""

    SERIALIZABLE = 0
    SNAPSHOT = 1


class Direction(Enum):
    """The order of a scan."""

    ASCENDING = 0
    DESCENDING = 1


@dataclass(frozen=True)
class TransactionId:
    """Identifies one commit."""

    high: int
    low: int


@dataclass
class LimitExceeded:
    """A declared limit was exceeded."""

    name: str
    maximum: int


@dataclass
class ConflictingKey:
    """A key whose observation no longer held."""

    store: str
    key: bytes


@dataclass
class Item:
    """One item of a store."""

    key: bytes
    value: bytes


@dataclass
class StoreInfo:
    """A store as the catalog knows it."""

    name: str
    id: int


@dataclass
class CommitInfo:
    """How a transaction came to its end."""

    version: int
    revalidations: int


def _case(name: str, *fields: str) -> type:
    return make_dataclass(name, fields)


Bound_Unbounded = _case("Bound_Unbounded")
Bound_Included = _case("Bound_Included", "value")
Bound_Excluded = _case("Bound_Excluded", "value")
Bound = Bound_Unbounded | Bound_Included | Bound_Excluded


@dataclass
class Range:
    """A range of keys."""

    lower: Bound
    upper: Bound


Error_Conflict = _case("Error_Conflict", "value")
Error_Unavailable = _case("Error_Unavailable", "value")
Error_UnknownOutcome = _case("Error_UnknownOutcome", "value")
Error_Corrupt = _case("Error_Corrupt", "value")
Error_Denied = _case("Error_Denied", "value")
Error_Limit = _case("Error_Limit", "value")
Error_SnapshotExpired = _case("Error_SnapshotExpired", "value")
Error_Fenced = _case("Error_Fenced")
Error_Ended = _case("Error_Ended")
Error_NotFound = _case("Error_NotFound", "value")
Error_Exists = _case("Error_Exists", "value")
Error_ReadOnly = _case("Error_ReadOnly")
Error_Invalid = _case("Error_Invalid", "value")

TransactionOutcome_Committed = _case("TransactionOutcome_Committed", "value")
TransactionOutcome_Aborted = _case("TransactionOutcome_Aborted")
TransactionOutcome_Undecided = _case("TransactionOutcome_Undecided")
TransactionOutcome_Unknown = _case("TransactionOutcome_Unknown")
