"""Counts: the smallest plugin. The same requests, responses and store as the counter in Rust (`../counter`).

Request `{"key": "visits", "times": 10}` -> response `{"value": 10, "tries": 10}`: the value after the last
increment, and how many runs of the transaction it took. `key` is `count` and `times` is 1 if they are not
given.

Store `counters`: name (text) -> count (u64).
"""

from typing import Any

from sop_guest import RequestInvalid, Store, Transaction, json_plugin, keys, limits, transact_up_to, values


def run(request: Any) -> dict[str, int]:
    """Increments a key some times, each in a transaction of its own."""
    key, times = understood(request)

    def increment(transaction: Transaction) -> int:
        counters: Store[str, int] = transaction.store("counters", keys.text, values.u64)
        return counters.modify(key, lambda count: count + 1, 0)

    response = {"value": 0, "tries": 0}
    for _ in range(times):
        committed = transact_up_to(limits.TRIES_MAX, increment)
        response["value"] = committed.value
        response["tries"] += committed.tries
    return response


def understood(request: Any) -> tuple[str, int]:
    """The members of a request, or their defaults."""
    if not isinstance(request, dict):
        raise RequestInvalid("it is no JSON object")
    key, times = request.get("key", "count"), request.get("times", 1)
    if not isinstance(key, str) or type(times) is not int or times < 0:
        raise RequestInvalid("`key` has to be a text and `times` a number from 0")
    return key, times


WitWorld = json_plugin(run)
