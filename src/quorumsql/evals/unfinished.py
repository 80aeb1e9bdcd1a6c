"""Keep what is done on disk as it is done, so that interrupted work goes on where it stopped.

The first line of such a file says what is being done, every other line is one result. A process
that was killed leaves at most one torn last line, which is cut off.

What is not covered: what the results are (`batch`, `score`); runs have a file of their own shape
(`predictions`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from quorumsql.disk import encodable
from quorumsql.errors import ConfigError, UsageError

__all__ = ["appending", "begun", "locked"]


def begun(path: Path, config: Mapping[str, object]) -> list[dict[str, Any]]:
    """Return the results that are in the file; begin it where there is none.

    Args:
        path: the file.
        config: what identifies the work, as plain JSON.

    Raises:
        ConfigError: the file holds something else, which is left as it is, or a line is broken.
        UsageError: it cannot be read or written, or another process is writing it.
    """
    text = json.dumps({"config": config}, ensure_ascii=False, default=str)
    head = encodable(text).encode() + b"\n"
    try:
        with path.open("a+b") as file:
            locked(file, path)  # the line that another process is writing is not cut off
            file.seek(0)
            raw = file.read()
            if head.startswith(raw):  # empty, cut in its first line, or without results
                file.truncate(0)
                file.write(head)
                return []
            if not raw.startswith(head):
                raise ConfigError(
                    f"{path} is unfinished work with other questions or settings: remove it to "
                    "start over, or choose another --out."
                )
            complete = raw.rfind(b"\n") + 1
            file.truncate(complete)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from error
    lines = raw[len(head) : complete].split(b"\n")[:-1]
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


def locked(file: IO[Any], work: Path) -> None:
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
