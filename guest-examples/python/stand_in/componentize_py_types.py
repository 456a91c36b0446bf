"""Stands in for what `componentize-py` generates: how an error of an interface is raised."""

from dataclasses import dataclass
from typing import Generic, TypeVar

E = TypeVar("E")


@dataclass(frozen=True)
class Err(Generic[E], Exception):
    """The error of a call."""

    value: E
