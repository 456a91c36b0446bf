"""The only module that knows the generated bindings: data and errors of the interface become those of the
kit."""

from __future__ import annotations

import functools
from typing import Any, Callable, NoReturn, ParamSpec, TypeVar

import wit_world
from componentize_py_types import Err
from wit_world.imports import transactions, types

from . import errors
from .ranges import KeyRange

P = ParamSpec("P")
R = TypeVar("R")

_ERRORS: dict[type, Callable[[Any], errors.Error]] = {
    types.Error_Conflict: lambda error: errors.Conflict(
        [errors.ConflictingKey(conflicting.store, conflicting.key) for conflicting in error.value]
    ),
    types.Error_Unavailable: lambda error: errors.Unavailable(error.value),
    types.Error_UnknownOutcome: lambda error: errors.UnknownOutcome(
        errors.TransactionId(error.value.high, error.value.low)
    ),
    types.Error_Corrupt: lambda error: errors.Corrupt(error.value),
    types.Error_Denied: lambda error: errors.Denied(error.value),
    types.Error_Limit: lambda error: errors.LimitExceeded(error.value.name, error.value.maximum),
    types.Error_SnapshotExpired: lambda error: errors.SnapshotExpired(error.value),
    types.Error_Fenced: lambda error: errors.Fenced(),
    types.Error_Ended: lambda error: errors.Ended(),
    types.Error_NotFound: lambda error: errors.NotFound(error.value),
    types.Error_Exists: lambda error: errors.Exists(error.value),
    types.Error_ReadOnly: lambda error: errors.ReadOnly(),
    types.Error_Invalid: lambda error: errors.Invalid(error.value),
}


def answering(call: Callable[P, R]) -> Callable[P, R]:
    """Makes the errors of the interface that a function meets exceptions of the kit."""

    @functools.wraps(call)
    def answered(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return call(*arguments, **named)
        except Err as error:
            raise _ERRORS[type(error.value)](error.value) from None

    return answered


def bounds(within: KeyRange) -> types.Range:
    """A range of keys as the interface has it."""
    return types.Range(
        _bound(within.lower, within.lower_included),
        _bound(within.upper, within.upper_included),
    )


def _bound(key: bytes | None, included: bool) -> types.Bound:
    if key is None:
        return types.Bound_Unbounded()
    return types.Bound_Included(key) if included else types.Bound_Excluded(key)


def direction(reverse: bool) -> types.Direction:
    """The order of a scan as the interface has it."""
    return types.Direction.DESCENDING if reverse else types.Direction.ASCENDING


def conflicted() -> NoReturn:
    """Ends a run so that the host may run it again."""
    raise Err(wit_world.RunError_Conflict())


def failed(message: str) -> NoReturn:
    """Ends a run with a text for its caller."""
    raise Err(wit_world.RunError_Failed(message))


Plugin = wit_world.WitWorld

__all__ = ["Plugin", "answering", "bounds", "conflicted", "direction", "failed", "transactions", "types"]
