#!/usr/bin/env python3
"""Proves that plugins of all languages work on one database, and measures what each language costs.

`make plugins` builds what it needs and calls it. It starts a Redis of its own on a free port, so that several
processes share the database, and leaves nothing behind. Options: `--help`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RUST = HERE / "target/wasm32-unknown-unknown/release"
OTHERS = HERE / "target/languages"
LANGUAGES = {
    "Rust": lambda plugin: RUST / f"{plugin}.wasm",
    "Python": lambda plugin: OTHERS / f"python-{plugin}.wasm",
    "JavaScript": lambda plugin: OTHERS / f"javascript-{plugin}.wasm",
    "C": lambda plugin: OTHERS / f"c/{plugin}.wasm",
}

PARALLEL = 3
"""Runs at one time in each process."""
START_SECONDS_MAX = 30
"""How long a server may take to start."""
RUNS = 30
"""Runs of which the fastest is the time of a run."""
OPERATIONS = 1_000
"""Transactions in one run of which the time of one is taken."""
PLACE = "K\0öln 🐜"
"""A text that every codec has to take care with: a zero, two bytes in UTF-8, a surrogate pair in UTF-16."""


class Sop:
    """The binary `sop`, on one database."""

    def __init__(self, binary: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.command = [str(binary), *options]
        self.environment = {**os.environ, **(environment or {})}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command."""
        return subprocess.Popen(
            [*self.command, *arguments], env=self.environment, stdout=subprocess.PIPE, text=True
        )

    def run(self, component: Path, request: Any, *options: str) -> list[dict[str, Any]]:
        """Runs a plugin and answers what is told of each run."""
        started = self.start_run(component, request, *options)
        return finished(component, started)

    def start_run(self, component: Path, request: Any, *options: str) -> subprocess.Popen[str]:
        """Starts runs of a plugin."""
        return self.start(
            "--json", "--quiet", "run", str(component), "--grant", "*:create", "--input", json.dumps(request),
            "--timeout", "60s", *options,
        )  # fmt: skip


def finished(component: Path, started: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What is told of each run, when all have ended well."""
    output, _ = started.communicate()
    demand(started.returncode == 0, f"{component.name} failed with exit code {started.returncode}: {output}")
    return [json.loads(line) for line in output.splitlines()]


def demand(holds: bool, message: str) -> None:
    """Ends the program unless it holds."""
    if not holds:
        sys.exit(f"FAILED: {message}")


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A registry of its own on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--maxmemory-policy", "noeviction"]
    try:
        server = subprocess.Popen(["redis-server", *options, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        sys.exit(
            "redis-server is missing, through which processes share a database: `make servers` installs it"
        )
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                demand(time.monotonic() < deadline and server.poll() is None, "redis-server did not start")
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def prove_counters(sop: Sop, increments: int) -> None:
    """All languages increment one counter at the same time, each in processes of its own."""
    options = ["--repeat", str(increments), "--parallel", str(PARALLEL), "--retries", "10000"]
    started = {
        language: (component("counter"), sop.start_run(component("counter"), {"key": PLACE}, *options))
        for language, component in LANGUAGES.items()
    }
    seen: list[int] = []
    for language, (component, process) in started.items():
        runs = finished(component, process)
        responses = [json.loads(run["response"]) for run in runs]
        seen += [response["value"] for response in responses]
        again = sum(response["tries"] - 1 for response in responses) + sum(run["retries"] for run in runs)
        print(f"  {language:<10} {len(runs)} increments, {again} more tries after conflicts")
    total = len(LANGUAGES) * increments
    demand(sorted(seen) == list(range(1, total + 1)), "two increments gave the same value, or one is missing")
    for expected, (language, component) in enumerate(LANGUAGES.items(), total + 1):
        (run,) = sop.run(component("counter"), {"key": PLACE})
        value = json.loads(run["response"])["value"]
        demand(value == expected, f"{language} reads {value - 1} where {expected - 1} increments were made")
    print(f"  every language reads all {total} increments, each counted once")


def prove_inventory(sop: Sop) -> None:
    """Each language writes items under tuple keys; all read the same bytes back."""
    changes = {language: 300 * number for number, language in enumerate(LANGUAGES, 1)}
    for language, change in changes.items():
        for article, signed in ((f"ünit-{language}", change), ("shared", change), ("shared", -1)):
            request = {"op": "move", "place": PLACE, "article": article, "change": signed}
            sop.run(LANGUAGES[language]("inventory"), request)
    own = [[f"ünit-{language}", change] for language, change in sorted(changes.items())]
    shared = ["shared", sum(changes.values()) - len(changes)]
    movements = [
        [3 * index + offset, article, change]
        for index, language in enumerate(LANGUAGES)
        for offset, (article, change) in enumerate(
            [(f"ünit-{language}", changes[language]), ("shared", changes[language]), ("shared", -1)]
        )
    ]
    expected = [
        ({"op": "stock", "place": PLACE}, {"articles": [shared, *own]}),
        ({"op": "stock", "place": PLACE, "beginning": "ü"}, {"articles": own}),
        ({"op": "history", "place": PLACE, "limit": 100}, {"movements": movements[::-1]}),
    ]
    for language, component in LANGUAGES.items():
        for request, response in expected:
            (run,) = sop.run(component("inventory"), request)
            wanted = json.dumps(response, ensure_ascii=False, separators=(",", ":"))
            demand(run["response"] == wanted, f"{language} answers {run['response']}, not {wanted}")
    print(f"  every language reads what each wrote: {len(movements)} movements, {len(own) + 1} articles")


def measured(sop: Sop, component: Path) -> list[str]:
    """A row of the table."""
    idle, busy = {"times": 0}, {"times": OPERATIONS}
    first_seconds, processor_seconds = timed(sop, component)
    cached_seconds = min(timed(sop, component)[0] for _ in range(3))
    runs = sop.run(component, idle, "--repeat", str(RUNS))
    run_us = min(run["duration_us"] for run in runs)
    busy_us = min(sop.run(component, busy)[0]["duration_us"] for _ in range(3))
    return [
        f"{component.stat().st_size / 1e6:.2f} MB",
        f"{first_seconds:.1f} s ({processor_seconds:.1f} s)",
        f"{cached_seconds:.2f} s",
        f"{run_us / 1e3:.2f} ms",
        f"{max(busy_us - run_us, 0) / OPERATIONS:.0f} us",
        f"{max(run['memory_bytes'] for run in runs) / 1e6:.1f} MB",
    ]


def timed(sop: Sop, component: Path) -> tuple[float, float]:
    """The seconds of a whole process that runs a plugin once, and those of them on a processor."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    sop.run(component, {"times": 0})
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show(rows: list[list[str]]) -> None:
    """Prints a table that Markdown understands."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")


def main() -> None:
    """The proof, then the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sop", type=Path, default=HERE.parent / "target/debug/sop", help="the binary")
    options.add_argument("--increments", type=int, default=100, help="by each language [default: 100]")
    options.add_argument("--skip-table", action="store_true", help="prove, do not measure")
    chosen = options.parse_args()
    for needed in [
        chosen.sop,
        *(component(name) for component in LANGUAGES.values() for name in ("counter", "inventory")),
    ]:
        demand(needed.exists(), f"{needed} is not built: `make plugins` builds it")
    with tempfile.TemporaryDirectory(prefix="sop-languages-") as folder, redis(Path(folder)) as registry:
        sop = Sop(chosen.sop, "--database", f"dir:{folder}/database", "--registry", registry)
        # Compiling all at once would only make the first runs wait for each other.
        print("==> one store, one process for each language, through a shared registry")
        sop.run(LANGUAGES["Rust"]("counter"), {"times": 0})
        prove_counters(sop, chosen.increments)
        prove_inventory(sop)
        if not chosen.skip_table:
            print("==> what each language costs (the counter, on a database in memory)")
            environment = {"XDG_CACHE_HOME": f"{folder}/cache"}
            memory = Sop(chosen.sop, "--database", "memory:", environment=environment)
            head = ["language", "component", "first start (processor)", "cached start", "run", "transaction", "memory"]
            rows = [
                [language, *measured(memory, component("counter"))]
                for language, component in LANGUAGES.items()
            ]
            show([head, *rows])
    print("==> plugins of all languages: proved")


if __name__ == "__main__":
    main()
