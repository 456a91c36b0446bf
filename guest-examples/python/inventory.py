"""Keeps stock: tuple keys, scans of ranges in both directions, two stores in one transaction.

The same requests, responses and stores as the inventories in Rust (`../inventory`) and JavaScript
(`../javascript`).

| `op` | other members | response |
|---|---|---|
| `move` | `"place": "Kiel", "article": "bolt", "change": 5` | `{"amount": 5, "number": 0}` |
| `stock` | `"place": "Kiel", "beginning": "b"` | `{"articles": [["bolt", 5]]}` |
| `history` | `"place": "Kiel", "limit": 10` | `{"movements": [[0, "bolt", 5]]}` |

A movement answers what is there now, and its number. The stock is by name, of the articles that begin like
this. The history has the newest movement first.

Stores `stock`: (place, article) -> amount (u64), and `movements`: (place, number as u64) -> (article, change
as i64).
"""

from typing import Any

from sop_guest import (
    Failed,
    RequestInvalid,
    Store,
    Transaction,
    json_plugin,
    keys,
    snapshot,
    transact,
    values,
)

AMOUNT_MAX = (1 << 53) - 1
"""The greatest integer that JSON carries safely between all languages."""
HISTORY_MAX = 1_000
"""Most movements of one response."""


def run(request: Any) -> dict[str, Any]:
    """Performs one request."""
    match {"beginning": "", "limit": 10, **request} if isinstance(request, dict) else request:
        case {"op": "move", "place": str(place), "article": str(article), "change": int(change)}:
            return transact(lambda transaction: move(transaction, place, article, change))
        case {"op": "stock", "place": str(place), "beginning": str(beginning)}:
            return snapshot(lambda transaction: stock(transaction, place, beginning))
        case {"op": "history", "place": str(place), "limit": int(limit)} if 0 <= limit <= HISTORY_MAX:
            return snapshot(lambda transaction: history(transaction, place, limit))
    raise RequestInvalid("it is no `move`, `stock` or `history` with the members that these need")


def move(transaction: Transaction, place: str, article: str, change: int) -> dict[str, int]:
    """Changes an amount and writes down that it did."""
    amounts, movements = stores(transaction)
    amount = amounts.get((place, article), 0) + change
    if not 0 <= amount <= AMOUNT_MAX:
        raise Failed(f"there are only {amount - change} of {article} at {place}")
    if amount:
        amounts[place, article] = amount
    else:
        amounts.remove((place, article))
    newest = movements.scan(movements.under(place), 1, reverse=True)
    number = newest[0][0][1] + 1 if newest else 0
    movements.insert((place, number), (article, change))
    return {"amount": amount, "number": number}


def stock(transaction: Transaction, place: str, beginning: str) -> dict[str, Any]:
    """What is at a place."""
    amounts, _ = stores(transaction)
    items = amounts.items(amounts.beginning((place, beginning)))
    return {"articles": [[article, amount] for (_, article), amount in items]}


def history(transaction: Transaction, place: str, limit: int) -> dict[str, Any]:
    """What happened last at a place."""
    _, movements = stores(transaction)
    found = movements.scan(movements.under(place), limit, reverse=True)
    return {"movements": [[number, article, change] for (_, number), (article, change) in found]}


def stores(transaction: Transaction) -> tuple[Store[Any, Any], Store[Any, Any]]:
    """Amounts and movements."""
    return (
        transaction.store("stock", keys.tuple_of(keys.text, keys.text), values.u64),
        transaction.store(
            "movements", keys.tuple_of(keys.text, keys.u64), values.tuple_of(values.text, values.i64)
        ),
    )


WitWorld = json_plugin(run)
