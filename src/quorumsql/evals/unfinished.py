"""Keep what is done on disk as it is done, so that interrupted work goes on where it stopped.

The first line of such a file says what is being done, every other line is one result. A process
that was killed leaves at most one torn last line, which is cut off.

What is not covered: what the results are (`batch`, `score`); runs have a file of their own shape
(`predictions`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from quorumsql.disk import encodable, write_atomically
from quorumsql.errors import ConfigError, UsageError

__all__ = ["appending", "begun", "locked"]


def begun(path: Path, config: Mapping[str, object]) -> list[dict[str, Any]]:
    """Return the results that are in the file; begin it where there is none.

    Args:
        path: the file.
        config: what identifies the work, as plain JSON.

    Raises:
        ConfigError: the file holds other work, or a line of it is broken.
        UsageError: it cannot be read or written.
    """
    head = encodable(json.dumps({"config": config}, ensure_ascii=False, default=str)) + "\n"
    try:
        raw = path.read_bytes() if path.exists() else b""
        complete = raw.rfind(b"\n") + 1
        if not complete:
            write_atomically(path, [head])
            return []
        if complete < len(raw):
            os.truncate(path, complete)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    first, *lines = raw[:complete].split(b"\n")[:-1]
    if first.decode("utf-8", "replace") + "\n" != head:
        raise ConfigError(
            f"{path} is unfinished work with other questions or settings: remove it to start "
            "over, or choose another --out."
        )
    return [_result(path, number, line) for number, line in enumerate(lines, start=2)]


@contextmanager
def appending(path: Path) -> Iterator[IO[str]]:
    """Open the file for more results, for this process alone.

    Raises:
        UsageError: it cannot be written, or another process is writing it.
    """
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            locked(file, path)
            yield file
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from error


def locked(file: IO[str], work: Path) -> None:
    """Keep other processes from `work`, where the system can, until the file closes.

    Raises:
        UsageError: another process has it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(
            f"{work}: another process is writing this run; wait for it, or choose another --out."
        ) from error


def _result(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}:{number}: is no result; remove the line to have it made again.")
    return found
