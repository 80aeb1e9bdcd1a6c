"""The fault server of the tests, as a process of its own for benchmarks.

    with serving(plan) as server:
        server.url, server.counts()

What is not covered: measuring; `llm_faults.py` and `llm_overhead.py` do.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fault_server import FAULTS, FaultServer, Reply

__all__ = ["FAULTS", "Plan", "Reply", "Served", "serving"]

Plan = Callable[[int, dict[str, Any]], Reply]


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    pipe: Connection

    def counts(self) -> dict[str, Any]:
        """How many requests came, how many were answered by kind, how many at once."""
        self.pipe.send("counts")
        found: dict[str, Any] = self.pipe.recv()
        return found


def _serve(plan: Plan, pipe: Connection) -> None:
    with FaultServer(plan) as server:
        pipe.send(server.url)
        while pipe.recv() == "counts":
            pipe.send(
                {
                    "requests": len(server.bodies),
                    "answered": dict(server.answered),
                    "most_at_once": server.most_at_once,
                }
            )


@contextmanager
def serving(plan: Plan) -> Iterator[Served]:
    """Run a server with `plan`, a function of a module, while the block runs."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(plan, theirs), daemon=True)
    process.start()
    try:
        yield Served(url=ours.recv(), pipe=ours)
    finally:
        ours.send("stop")
        process.join(5)
        process.terminate()
