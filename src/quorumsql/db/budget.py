"""What one statement may still cost: time, steps, bytes. One definition for every engine.

What is not covered: how an engine is stopped. Each adapter looks at the budget while it waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Literal

from quorumsql.domain import Digest, Execution, Failure, Limits, Row, Rows
from quorumsql.results import Digester, size_of

__all__ = ["STEPS_PER_TICK", "Budget", "Running", "collect", "size_of", "stopped"]

STEPS_PER_TICK = 1_000

_WIRE_FACTOR, _WIRE_EXTRA = 2, 64 * 1024
"""On the wire a value may take twice its size (bytes as hexadecimals), and messages have heads."""


@dataclass(slots=True, kw_only=True, eq=False)
class Budget:
    """What one statement may still cost, and what ended it.

    `steps` counts SQLite's virtual machine instead of seconds: the same on every machine.
    `received` counts bytes that a server has sent since the last whole row, or since the last
    `together` rows where they may come together.
    """

    limits: Limits
    together: int = 1
    steps: int | None = None
    received: int = 0
    stopped: Literal["", "deadline", "steps", "cancelled", "bytes"] = ""
    cancelled: bool = False
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._deadline = time.monotonic() + self.limits.seconds

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def too_large(self) -> bool:
        """Whether more was received than a row within the limits takes."""
        return self.received > self.limits.bytes * _WIRE_FACTOR + _WIRE_EXTRA

    def spent(self) -> bool:
        """Whether to stop now; remembers why. SQLite calls it every thousand steps."""
        if self.steps is not None:
            self.steps -= STEPS_PER_TICK
        return self.is_over()

    def is_over(self) -> bool:
        """Whether to stop now, without counting steps; remembers why."""
        if self.cancelled:
            self.stopped = "cancelled"
        elif self.steps is not None and self.steps <= 0:
            self.stopped = "steps"
        elif self.too_large:
            self.stopped = "bytes"
        elif time.monotonic() >= self._deadline:
            self.stopped = "deadline"
        return bool(self.stopped)


class Running:
    """The budgets of a database's statements that are running. Safe to use from several threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._budgets: set[Budget] = set()
        self._closed = False

    @contextmanager
    def including(self, budget: Budget) -> Iterator[Budget]:
        """Count `budget` among those that run, so that `cancel` reaches it."""
        with self._lock:
            self._budgets.add(budget)
            budget.cancelled = budget.cancelled or self._closed
        try:
            yield budget
        finally:
            with self._lock:
                self._budgets.discard(budget)

    def cancel(self) -> None:
        """Ask all that run to stop."""
        with self._lock:
            for budget in self._budgets:
                budget.cancelled = True

    def close(self) -> None:
        """Ask all that run to stop, and all that begin later: some may be about to."""
        with self._lock:
            self._closed = True
        self.cancel()


def stopped(budget: Budget) -> Failure:
    """Return the failure of a statement that its budget stopped."""
    if budget.stopped == "cancelled":
        return Failure(kind="timeout", message="The statement was cancelled.")
    if budget.stopped == "bytes":
        return _too_large(budget.limits)
    return Failure(
        kind="timeout",
        message=f"The statement was stopped after {budget.limits.seconds:g} seconds.",
    )


def collect(columns: tuple[str, ...], found: Iterable[Row], limits: Limits) -> Execution:
    """Read rows until they end or a cap cuts them short; then, if asked, hash what is left."""
    rows: list[Row] = []
    size = 0
    left = iter(found)
    for row in left:
        size += size_of(row)
        if len(rows) >= limits.rows or (size > limits.bytes and rows):
            digest = None if limits.hashed is None else _digest(rows, row, left, limits.hashed)
            return Rows(columns=columns, rows=tuple(rows), truncated=True, digest=digest)
        if size > limits.bytes:
            return _too_large(limits)
        rows.append(row)
    return Rows(columns=columns, rows=tuple(rows))


def _digest(kept: Sequence[Row], row: Row, left: Iterable[Row], most: int) -> Digest:
    """What stands for the rows kept and up to `most` more, of which `row` is the first."""
    digester = Digester(len(row))
    for one in chain(kept, islice(chain((row,), left), most)):
        digester.add(one)
    return digester.digest()


def _too_large(limits: Limits) -> Failure:
    return Failure(
        kind="cap",
        message=f"One row is larger than {limits.bytes:,} bytes, the limit on a result.",
    )
