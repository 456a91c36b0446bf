"""The guest kit of sop: write plugins in Python.

A plugin is a program that a host runs in a sandbox, on stores that many plugins share. It has transactions
and nothing else: no files, no network, and a clock and randomness that stand still.

1. Write `def run(request)` and end the module with `WitWorld = json_plugin(run)`. 2. Inside, `transact` runs
a function as one serializable transaction, again on a conflict; `snapshot` only reads. 3. The function opens
stores: `transaction.store(name, keys.text, values.u64)` for typed keys and values,
   `transaction.store(name)` for bytes.

Keys sort like their values (see `keys`), so ranges of numbers, of texts, and of tuples by their first
elements are ranges of the store:

    index = transaction.store("index", keys.tuple_of(keys.text, keys.u64), values.u32)
    index["tree", 7] = 2
    index["tree", 300] = 1
    documents = [number for _, number in index.keys(index.under("tree"))]

In reading order: `transact`, `transaction`, `store`, `keys`, `values`, `ranges`, `plugin`; below them
`engine`, the only one that knows the generated bindings.
"""

from . import errors, keys, limits, values
from .errors import Conflict, Error, Exists, Failed, NotFound, RequestInvalid
from .plugin import json_plugin, plugin
from .ranges import ALL, KeyRange
from .store import Store
from .transact import Committed, snapshot, transact, transact_up_to
from .transaction import CommitInfo, Isolation, Outcome, Transaction, outcome

__all__ = [
    "ALL",
    "CommitInfo",
    "Committed",
    "Conflict",
    "Error",
    "Exists",
    "Failed",
    "Isolation",
    "KeyRange",
    "NotFound",
    "Outcome",
    "RequestInvalid",
    "Store",
    "Transaction",
    "errors",
    "json_plugin",
    "keys",
    "limits",
    "outcome",
    "plugin",
    "snapshot",
    "transact",
    "transact_up_to",
    "values",
]
