"""Ranges of keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class KeyRange:
    """A range of encoded keys in bytewise order. Empty and inverted ranges are valid and have no items."""

    lower: Optional[bytes] = None
    """Where it starts, whatever the direction of a scan; None = with the first key."""
    upper: Optional[bytes] = None
    """Where it ends; None = with the last key."""
    lower_included: bool = True
    """Whether the key `lower` belongs to it."""
    upper_included: bool = False
    """Whether the key `upper` belongs to it."""

    @staticmethod
    def prefix(beginning: bytes) -> KeyRange:
        """The keys that begin with these bytes."""
        return KeyRange(beginning or None, _successor(beginning))


ALL = KeyRange()
"""All keys."""


def _successor(beginning: bytes) -> Optional[bytes]:
    """The smallest byte string that is greater than all that begin with this one; None if there is no
    such."""
    kept = beginning.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None
