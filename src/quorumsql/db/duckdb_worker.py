"""Run DuckDB in a process of its own: this file is that process's whole program.

DuckDB cannot stop in the middle of one call of a function (`levenshtein` of two long texts runs
for minutes), and its memory limit does not count the texts that a statement builds. So each
connection lives in a process that whoever started it can kill, and whose memory the operating
system limits. It talks in pickled tuples over stdin and stdout, and imports nothing of ours:
starting it costs little more than starting Python.

    setup      {"sys_path", "path", "scratch", "read_only", "config", "statements", "most_memory"}
    ← ("ready",)
    → ("run", sql, reads_only, explain, rows, bytes, hashed) | ("stop",) | ("progress",)
    ← ("rows", columns, rows, truncated) | ("cap",) | ("refused", kind of statement)
      ("error", class, text) | ("broken", class, text) | ("foreign", first bytes)
      ("progress", percent)

Where a result is cut short and up to `hashed` more rows are wanted, these come in parts:

    ← ("kept", columns, rows), then several ("left", rows), then ("hashed", whether all came)
    → ("taken",) after each part that was left: no more than a few are ever on their way

They are hashed by the caller: hashes of texts and of None are others in every process.

When `reads_only`, DuckDB's own parser must find exactly one SELECT: the engine's word on what
the statement is, whatever was thought of it before. The file is let go of when nothing is asked
for a second, so that writers can have it.

What is not covered: the limit of memory where the operating system knows none (Windows), a
result that is being sent when the time is up: the process is then killed, and hashes of results
with a row among those left that alone is larger than the limit.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

_IDLE_SECONDS = 1.0
_AT_ONCE = 256
"""Rows that are fetched at once: with rows of megabytes, thousands would not fit."""

_PART_ROWS, _PART_BYTES, _PARTS = 4_096, 1 << 20, 4
"""How large the parts of a long result are, and how many may be on their way."""


class Session:
    """One connection, opened when it is needed, and the statement it runs."""

    def __init__(self, setup: dict[str, Any]) -> None:
        import duckdb

        self._duckdb = duckdb
        self._setup = setup
        self._connection: Any = None
        self._running = threading.Event()

    def open(self) -> Any:
        """Return the connection, opened and locked."""
        if self._connection is None:
            if self._setup["read_only"]:
                _check_sign(self._setup["path"])
            connection = self._duckdb.connect(
                self._setup["path"],
                read_only=self._setup["read_only"],
                config=self._setup["config"],
            )
            for statement in self._setup["statements"]:
                connection.execute(statement)
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def run(
        self,
        request: tuple[str, bool, bool, int, int, int | None],
        send: Callable[[tuple[Any, ...]], None],
    ) -> tuple[Any, ...]:
        """Run one request and return the reply; `send` takes parts of it that come before."""
        sql, reads_only, explain, rows, most, hashed = request
        try:
            connection = self.open()
        except _NotDuckDb as error:
            return ("foreign", error.header)
        except (self._duckdb.Error, OSError) as error:
            return ("broken", type(error).__name__, str(error))
        try:
            statement: Any = sql
            if reads_only:
                kind, statement = self._only_select(connection, sql)
                if kind:
                    return ("refused", kind)
            if explain:
                statement = "EXPLAIN (FORMAT json) " + statement.query
            connection.execute(statement)
            return _collect(connection, rows, most, hashed, send)
        except (self._duckdb.Error, ValueError, OverflowError) as error:
            return ("error", type(error).__name__, str(error))
        except MemoryError:
            return ("error", "OutOfMemoryException", "")
        finally:
            _abort(connection)

    def _only_select(self, connection: Any, sql: str) -> tuple[str, Any]:
        """Return "" and the one SELECT in `sql`, or what else is there."""
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            return (f"{len(statements)} statements" if statements else "nothing", None)
        try:
            kind = statements[0].type
        except ValueError:  # a kind that this version of the Python client does not know
            return ("a statement that is no SELECT", None)
        if kind == self._duckdb.StatementType.SELECT:
            return ("", statements[0])
        return (kind.name, None)

    def stop(self, done: threading.Event) -> None:
        """Interrupt what runs until it is done: an interrupt may come before the start."""
        while not done.wait(0.02):
            if self._connection is not None:
                self._connection.interrupt()

    def progress(self) -> float:
        """Return how much of the running statement is done, in percent; below 0 when unknown."""
        connection = self._connection
        return -1.0 if connection is None else float(connection.query_progress())


class _NotDuckDb(Exception):
    """A file begins like no DuckDB database."""

    def __init__(self, header: bytes) -> None:
        super().__init__()
        self.header = header


def _check_sign(path: str) -> None:
    """Look at the first bytes, here and not in the caller's process.

    When a process closes a file, it loses its locks on that file, however often it has it open:
    looking there would take the lock away from a connection of the caller's own.
    """
    with open(path, "rb") as file:
        header = file.read(100)
    if header[8:12] != b"DUCK":
        raise _NotDuckDb(header)


def _collect(
    connection: Any,
    rows: int,
    most: int,
    hashed: int | None,
    send: Callable[[tuple[Any, ...]], None],
) -> tuple[Any, ...]:
    columns = tuple(str(described[0]) for described in connection.description or ())
    found: list[tuple[Any, ...]] = []
    size = 0
    fetched = _fetched(connection, rows + 1)
    for row in fetched:
        size += _size(row)
        if len(found) >= rows or (size > most and found):
            if hashed is None:
                return ("rows", columns, found, True)
            send(("kept", columns, found))
            return ("hashed", _send_left(chain((row,), fetched), most, hashed, send))
        if size > most:
            return ("cap",)
        found.append(row)
    return ("rows", columns, found, False)


def _fetched(connection: Any, first: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows; of the first so many none is fetched before it may be needed."""
    count = 0
    while chunk := connection.fetchmany(
        _AT_ONCE if count >= first else min(_AT_ONCE, first - count)
    ):
        count += len(chunk)
        yield from chunk


def _send_left(
    left: Iterable[tuple[Any, ...]],
    most: int,
    hashed: int,
    send: Callable[[tuple[Any, ...]], None],
) -> bool:
    """Send up to `hashed` rows in parts; whether none of them was larger than `most`."""
    part: list[tuple[Any, ...]] = []
    size = 0
    for row in islice(left, hashed):
        more = _size(row)
        if more > most:
            return False
        if len(part) >= _PART_ROWS or (part and size + more > _PART_BYTES):
            send(("left", part))
            part, size = [], 0
        part.append(row)
        size += more
    send(("left", part))
    return True


def _size(value: object) -> int:
    """Return about how many bytes a value takes when it is sent."""
    match value:
        case str() | bytes():
            return len(value)
        case tuple() | list():
            return sum([_size(item) for item in value])
        case dict():
            return sum([_size(key) + _size(item) for key, item in value.items()])
        case _:
            return 8


def _abort(connection: Any) -> None:
    """End a result that was not read to its end (DuckDB 2.0 streams results)."""
    if hasattr(connection, "abort"):
        connection.abort()


def _limit_memory(most: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kind = getattr(resource, "RLIMIT_DATA", resource.RLIMIT_AS)
    hard = resource.getrlimit(kind)[1]
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (soft, hard))


def _listen(
    session: Session,
    requests: BinaryIO,
    scratch: str,
    work: queue.SimpleQueue[tuple[tuple[Any, ...], threading.Event]],
    reply: Any,
    room: threading.Semaphore,
) -> None:
    """Read requests until there is nobody left who could ask."""
    done = threading.Event()
    while True:
        try:
            request = pickle.load(requests)
        except (EOFError, OSError, pickle.UnpicklingError):
            shutil.rmtree(scratch, ignore_errors=True)  # nobody else is left to do it
            os._exit(0)  # a running statement would keep the process alive
        match request[0]:
            case "run":
                done = threading.Event()
                work.put((request[1:], done))
            case "stop":
                threading.Thread(target=session.stop, args=(done,), daemon=True).start()
            case "taken":
                room.release()
            case "progress":
                reply(("progress", session.progress()))


def main() -> None:
    """Serve one caller over stdin and stdout."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing but replies reaches the caller
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    setup = pickle.load(requests)
    sys.path[:] = setup["sys_path"]
    _limit_memory(setup["most_memory"])
    session = Session(setup)
    writing, room = threading.Lock(), threading.Semaphore(_PARTS)

    def reply(message: tuple[Any, ...]) -> None:
        with writing:
            pickle.dump(message, replies, protocol=pickle.HIGHEST_PROTOCOL)
            replies.flush()

    def send(part: tuple[Any, ...]) -> None:
        if part[0] == "left":
            room.acquire()
        reply(part)

    reply(("ready",))
    work: queue.SimpleQueue[tuple[tuple[Any, ...], threading.Event]] = queue.SimpleQueue()
    threading.Thread(
        target=_listen, args=(session, requests, setup["scratch"], work, reply, room), daemon=True
    ).start()
    while True:
        try:
            request, done = work.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            session.close()
            continue
        answer = session.run(request, send)
        done.set()
        reply(answer)


if __name__ == "__main__":
    main()
