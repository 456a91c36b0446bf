"""Goal: the example plugins answer as the others do, and the export turns every failure into the right
answer.

Method: their exports are called as the host calls them, on the database in memory.
"""

import contextlib
import io
import json
import unittest
from typing import Any, Callable

import sop_stand_in
from componentize_py_types import Err
from sop_stand_in import CommitFault
from wit_world import RunError_Conflict, RunError_Failed

import counter
import inventory
from sop_guest import Failed, errors, plugin, transact


def answer(world: Any, request: Any) -> Any:
    """The response to a JSON request."""
    return json.loads(world.WitWorld().run(json.dumps(request).encode()))


class Plugins(unittest.TestCase):
    def setUp(self) -> None:
        sop_stand_in.reset()

    def test_every_increment_counts_once_whatever_becomes_of_the_commits(self) -> None:
        faults = [CommitFault.CONFLICT, CommitFault.REPLY_LOST_AFTER, CommitFault.REPLY_LOST_BEFORE]
        sop_stand_in.fail_commits(faults)
        self.assertEqual(answer(counter, {"times": 5}), {"value": 5, "tries": 7})
        stored = transact(lambda transaction: transaction.store("counters").first())
        self.assertEqual(stored, (b"count\x00\x01", b"\x05"))

    def test_an_inventory_keeps_stock_and_its_history(self) -> None:
        moves = [("Kiel", "bolt", 5), ("Kiel", "nut", 300), ("Kiel", "bolt", -2), ("Bonn", "bolt", 1)]
        answers = [
            answer(inventory, {"op": "move", "place": place, "article": article, "change": change})
            for place, article, change in moves
        ]
        self.assertEqual([found["amount"] for found in answers], [5, 300, 3, 1])
        self.assertEqual([found["number"] for found in answers], [0, 1, 2, 0])
        self.assertEqual(
            answer(inventory, {"op": "stock", "place": "Kiel"}), {"articles": [["bolt", 3], ["nut", 300]]}
        )
        found = answer(inventory, {"op": "stock", "place": "Kiel", "beginning": "n"})
        self.assertEqual(found, {"articles": [["nut", 300]]})
        found = answer(inventory, {"op": "history", "place": "Kiel", "limit": 2})
        self.assertEqual(found, {"movements": [[2, "bolt", -2], [1, "nut", 300]]})
        with self.assertRaises(Err) as raised:
            answer(inventory, {"op": "move", "place": "Kiel", "article": "bolt", "change": -4})
        self.assertEqual(raised.exception.value, RunError_Failed("there are only 3 of bolt at Kiel"))
        answer(inventory, {"op": "move", "place": "Bonn", "article": "bolt", "change": -1})
        self.assertEqual(answer(inventory, {"op": "stock", "place": "Bonn"}), {"articles": []})

    def test_a_bad_request_says_what_is_wrong_with_it(self) -> None:
        for world in (counter, inventory):
            for request in (b"", b"[]", b"{", b'{"op": "fly", "times": -1}', b"\xff"):
                with self.subTest(request=request), self.assertRaises(Err) as raised:
                    world.WitWorld().run(request)
                self.assertIn("the request is not understood", raised.exception.value.value)

    def test_the_export_turns_failures_into_answers(self) -> None:
        def raising(error: Exception) -> Callable[[bytes], bytes]:
            def run(request: bytes) -> bytes:
                raise error

            return run

        cases = [
            (errors.Conflict(), RunError_Conflict()),
            (Failed("enough"), RunError_Failed("enough")),
            (
                errors.ReadOnly(),
                RunError_Failed("a snapshot transaction cannot write; use a serializable one"),
            ),
            (ZeroDivisionError("division by zero"), RunError_Failed("ZeroDivisionError: division by zero")),
        ]
        for error, expected in cases:
            log = io.StringIO()
            with self.subTest(error), contextlib.redirect_stderr(log), self.assertRaises(Err) as raised:
                plugin(raising(error))().run(b"")
            self.assertEqual(raised.exception.value, expected)
            self.assertEqual("Traceback" in log.getvalue(), isinstance(error, ZeroDivisionError))
