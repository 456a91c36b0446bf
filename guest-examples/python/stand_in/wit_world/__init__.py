"""Stands in for the bindings of the world `plugin` that `componentize-py` generates."""

from dataclasses import dataclass
from typing import Protocol


@dataclass
class RunError_Conflict:
    """The run ended in a conflict."""


@dataclass
class RunError_Failed:
    """The run failed, in words."""

    value: str


class WitWorld(Protocol):
    """What a plugin exports."""

    def run(self, request: bytes) -> bytes:
        """One piece of work."""
        raise NotImplementedError
