"""The export of a plugin.

`componentize-py` looks for a class `WitWorld` in the module that it builds:

    WitWorld = json_plugin(run)
"""

from __future__ import annotations

import json
import traceback
from typing import Any, Callable

from .engine import Plugin, conflicted, failed
from .errors import Conflict, Error, RequestInvalid


def plugin(run: Callable[[bytes], bytes]) -> type[Plugin]:
    """Makes a function from bytes to bytes the export of a plugin.

    A `Conflict` lets the host run the plugin again from its start, as long as none of its transactions has
    committed; any other exception ends the run, and its text is the caller's answer. One that is not of the
    kit is a defect of the plugin: its traceback also goes to stderr, which becomes lines of the host's log.
    """

    class WitWorld(Plugin):
        def run(self, request: bytes) -> bytes:
            try:
                return run(request)
            except Conflict:
                conflicted()
            except Error as error:
                failed(str(error))
            except Exception as defect:
                traceback.print_exc()
                failed(f"{type(defect).__name__}: {defect}")

    return WitWorld


def json_plugin(run: Callable[[Any], Any]) -> type[Plugin]:
    """Makes a function from and to what JSON can say the export of a plugin. An empty request is None."""

    def run_json(request: bytes) -> bytes:
        try:
            value = json.loads(request) if request else None
        except ValueError as reason:
            raise RequestInvalid(str(reason)) from None
        return json.dumps(run(value), ensure_ascii=False, separators=(",", ":")).encode()

    return plugin(run_json)
