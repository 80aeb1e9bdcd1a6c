"""Ask DuckDB in a process of its own, within a budget, and kill it when it does not stop.

`Place` says what is opened and how it is locked: read-only, no files but those named, no
network, no extensions, no settings that SQL could change, memory and threads limited. `Worker`
is one such process (`duckdb_worker`); a pool keeps those that are idle.

What is not covered: a Python that cannot start another Python (frozen applications), and
memory on Windows, where only DuckDB's own limit holds.
"""

from __future__ import annotations

import importlib.util
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias, cast

from quorumsql.db.budget import Budget
from quorumsql.domain import Row
from quorumsql.errors import DatabaseError, MissingExtra, QuorumError
from quorumsql.results import Digester

__all__ = ["Place", "Pool", "Reply", "Request", "Worker", "text_literal"]

Reply: TypeAlias = tuple[Any, ...]
Tell: TypeAlias = Callable[[float], None]
"""Is told how much of a long statement is done, in percent."""

_PROGRAM: Final = Path(__file__).with_name("duckdb_worker.py")
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02
_TELL_SECONDS: Final = 0.2
_GRACE_SECONDS: Final = 0.25
"""How long a statement may take to notice that it was interrupted."""

_MEMORY: Final = 1024**3
_MEMORY_BESIDE: Final = 1024**3
"""For what DuckDB does not count itself: texts being built, Python's copies of rows."""

_SLOW_SECONDS: Final = 0.1
"""A statement that runs this long may have to be killed: the next process is started already."""

_AT_ONCE: Final = 4
"""Processes per database: each may use the memory that one statement may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A DuckDB file, and the files outside it that its views may read.

    `scratch` is a folder of ours for what does not fit into memory. With `writes` nothing is
    locked: only statements of our own may run there.
    """

    path: Path
    scratch: Path
    readable: tuple[Path, ...] = ()
    writes: bool = False

    def setup(self) -> dict[str, object]:
        """Return what the process is told first."""
        return {
            "sys_path": [entry for entry in sys.path if entry],
            "path": str(self.path),
            "scratch": str(self.scratch),
            "read_only": not self.writes,
            "config": {
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "allow_persistent_secrets": False,
                "python_enable_replacements": False,
                "memory_limit": f"{_MEMORY // 1024**2}MiB",
                "max_temp_directory_size": "8GiB",
                "temp_directory": str(self.scratch),
                "threads": 4,
            },
            "statements": [] if self.writes else self._locks(),
            "most_memory": _MEMORY + _MEMORY_BESIDE,
        }

    def _locks(self) -> list[str]:
        paths = ", ".join(text_literal(str(path)) for path in self.readable)
        return [
            f"SET allowed_paths = [{paths}]",
            "SET enable_external_access = false",
            "SET lock_configuration = true",  # the last: no other could follow
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One statement. Unless `trusted`, DuckDB itself must find it to be one SELECT."""

    sql: str
    trusted: bool = False
    explain: bool = False


class Worker:
    """One process with one connection. One request at a time; any thread may ask it to stop."""

    def __init__(self, place: Place) -> None:
        if importlib.util.find_spec("duckdb") is None:
            raise MissingExtra("Reading DuckDB databases and data files", "duckdb")
        self.alive = True
        self._patience = 0.0
        # Isolated from the working directory and the user's variables; setup names the path.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._replies: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._send(place.setup())
        try:
            started = self._replies.get(timeout=_START_SECONDS)
        except queue.Empty:
            started = None
        if started != ("ready",):
            self.close()
            raise DatabaseError(
                f"Cannot read {place.path}: DuckDB's process did not start. "
                "Check with: python -c 'import duckdb'"
            )

    def ask(
        self,
        request: Request,
        budget: Budget,
        *,
        tell: Tell | None = None,
        when_slow: Callable[[], None] | None = None,
    ) -> Reply | None:
        """Return the reply, None when the budget stopped the statement.

        A statement that does not stop when interrupted takes its process with it. A process
        that ended by itself leaves the reply `("died",)`.
        """
        limits = budget.limits
        asked = (request.sql, not request.trusted, request.explain, limits.rows, limits.bytes)
        self._send(("run", *asked, limits.hashed))
        long = _Long()
        began = told = time.monotonic()
        while (reply := self._reply(budget)) is None or reply[0] in {"progress", "kept", "left"}:
            now = time.monotonic()
            if not self.alive:
                return None
            if reply is not None and reply[0] == "progress":
                if tell is not None:
                    tell(reply[1])
            elif reply is not None and long.take(reply):
                self._send(("taken",))
            if tell is not None and now - told >= _TELL_SECONDS:
                self._send(("progress",))
                told = now
            if when_slow is not None and now - began >= _SLOW_SECONDS:
                when_slow()
                when_slow = None
        if reply[:2] in {("died",), ("error", "OutOfMemoryException")}:
            self.close()  # memory that ran out stays full of holes: the next statement would fail
        if reply[0] == "hashed":
            return None if budget.stopped else long.rows(whole=reply[1])
        return None if budget.stopped and reply[0] == "error" else reply

    def _reply(self, budget: Budget) -> Reply | None:
        """Wait a moment for a reply; when the budget is spent, stop the statement or all."""
        try:
            reply = self._replies.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            self._heed(budget)
            return None
        if reply is not None and reply[0] == "left":  # with many of them it is never empty
            self._heed(budget)
        return ("died",) if reply is None else reply

    def _heed(self, budget: Budget) -> None:
        if budget.stopped and time.monotonic() >= self._patience:
            self.close()
        elif not budget.stopped and budget.spent():
            self._send(("stop",))
            self._patience = time.monotonic() + _GRACE_SECONDS

    def close(self) -> None:
        """End the process, whatever it does."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        with suppress(OSError):  # what was not sent yet cannot be sent any more
            cast("BinaryIO", self._process.stdin).close()

    @property
    def lost(self) -> bool:
        """Whether the process has ended, by itself or because somebody killed it."""
        return self._process.poll() is not None

    def _send(self, message: object) -> None:
        pipe = cast("BinaryIO", self._process.stdin)
        try:
            pickle.dump(message, pipe)
            pipe.flush()
        except (BrokenPipeError, OSError, ValueError):
            return  # it died: the next reply says so

    def _listen(self) -> None:
        pipe = cast("BinaryIO", self._process.stdout)
        try:
            while True:
                self._replies.put(pickle.load(pipe))
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self._replies.put(None)
        finally:
            pipe.close()


class _Long:
    """A result that was cut short, and whose rows that are left are hashed as they come."""

    def __init__(self) -> None:
        self._columns: tuple[str, ...] = ()
        self._kept: list[Row] = []
        self._digester = Digester(0)

    def take(self, reply: Reply) -> bool:
        """Take what was kept, or a part of what is left; whether it was the latter."""
        if reply[0] == "kept":
            _, self._columns, self._kept = reply
            self._digester = Digester(len(self._columns))
        rows = self._kept if reply[0] == "kept" else reply[1]
        for row in rows:
            self._digester.add(row)
        return bool(reply[0] == "left")

    def rows(self, *, whole: bool) -> Reply:
        """Return the reply, with a digest if all rows came that were to be hashed."""
        digest = self._digester.digest() if whole else None
        return ("rows", self._columns, self._kept, True, digest)


class Pool:
    """The processes of one place: started when needed, kept while they live."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        self._idle: list[Worker] = []
        self._starting = False
        self._closed = False

    def prepare(self) -> None:
        """Start a process in the background unless one is idle: who is at work may be killed."""
        with self._lock:
            if self._closed or self._starting or self._idle:
                return
            self._starting = True
        threading.Thread(target=self._start, daemon=True).start()

    def _start(self) -> None:
        worker = None
        try:
            worker = Worker(self._place)
        except (QuorumError, OSError):
            return  # whoever needs it will be told
        finally:
            with self._lock:
                self._starting = False
                kept = worker is not None and not self._closed and not self._idle
                if kept and worker is not None:
                    self._idle.append(worker)
            if worker is not None and not kept:
                worker.close()

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Lend a process to this thread alone."""
        with self._free:
            with self._lock:
                if self._closed:
                    raise DatabaseError(
                        f"The database {self._place.path} was closed: open it again."
                    )
                worker = self._left()
            worker = worker or Worker(self._place)
            finished = False
            try:
                yield worker
                finished = True
            finally:
                with self._lock:
                    kept = finished and worker.alive and not self._closed
                    if kept:
                        self._idle.append(worker)
                if not kept:  # after Ctrl-C its statement may still run
                    worker.close()

    def _left(self) -> Worker | None:
        """An idle process; those that were killed while they waited are let go."""
        while self._idle:
            worker = self._idle.pop()
            if not worker.lost:
                return worker
            worker.close()
        return None

    def close(self) -> None:
        """End the idle processes; those at work end with their statement."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()


def text_literal(text: str) -> str:
    """Return `text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
