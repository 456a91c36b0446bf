"""The limits of this kit. Those of the engine are in the documentation of `sop:engine/transactions`."""

TRIES_MAX = 16
"""How often `transact` runs its body before it gives up with `Conflict`.

There is no clock to wait by in a plugin; the host, which has one, runs a plugin that ended in a conflict
again after a pause.
"""

OUTCOME_TRIES_MAX = 8
"""How often a commit of unknown outcome is asked for before the caller is told that it is unknown."""

BATCH_ITEMS_MAX = 4_096
"""Keys of one `get_many`, items of one `put_many`: longer lists go in several calls."""

BATCH_ITEMS_FIRST = 16
"""Items that an iteration asks for first; each later batch is twice as large."""

BATCH_ITEMS_LAST = 1_024
"""Items that an iteration asks for at most at a time."""
