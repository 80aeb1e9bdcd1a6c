"""End statements from outside: where SQLite runs straight on, it looks at no clock.

Its progress handler and its interrupts are looked at where a program jumps. Hundreds of columns
that each make megabytes come one after another without any jump. But each value that is made is
held against the limit on lengths, so a thread that takes this limit away ends them, too.

What is not covered: one call of a function that has begun, and functions that give short answers
about a value that is already there; `sqlite_program` keeps both short.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from quorumsql.db.budget import Budget

__all__ = ["watched"]

_LOOK_SECONDS: Final = 0.05


class _Watch:
    """One thread for all connections that run something. It sleeps while none does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[sqlite3.Connection, Budget] = {}
        self._thread: threading.Thread | None = None

    def forget(self) -> None:
        """Begin anew in a forked process: its parent's thread and statements are not there."""
        self._changed = threading.Condition()
        self._running = {}
        self._thread = None

    def begin(self, connection: sqlite3.Connection, budget: Budget) -> None:
        """Look after `connection` until `end`."""
        with self._changed:
            self._running[connection] = budget
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._thread.start()
            elif len(self._running) == 1:
                self._changed.notify()

    def end(self, connection: sqlite3.Connection) -> None:
        """Leave `connection` alone from now on."""
        with self._changed:
            self._running.pop(connection, None)

    def _look(self) -> None:
        while True:
            with self._changed:
                while not self._running:
                    self._changed.wait()
                for connection, budget in self._running.items():
                    if budget.is_over():
                        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1)
                        connection.interrupt()
            time.sleep(_LOOK_SECONDS)


_WATCH: Final = _Watch()
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_WATCH.forget)


@contextmanager
def watched(connection: sqlite3.Connection, budget: Budget) -> Iterator[None]:
    """End what `connection` runs meanwhile as soon as `budget` is spent.

    Afterwards the limit on lengths has to be set anew.
    """
    _WATCH.begin(connection, budget)
    try:
        yield
    finally:
        _WATCH.end(connection)
