"""Look at an SQLite file before SQLite does: is it one, and how can it be read untouched?

Opening with `mode=ro` is not enough to leave a folder alone. A database in WAL mode makes
SQLite create `-wal` and `-shm` files beside it even for a reader, and fail where it cannot.
So there are three ways to read:

- `shared`: with SQLite's locks. Right for a rollback journal, and for a WAL in use.
- `immutable`: without locks and without a WAL. Right for a WAL database at rest.
- `alone`: with the WAL but without locks or `-shm` (https://www.sqlite.org/wal.html#noshm).
  Right for a WAL that a program left behind, also on a disk that is read-only.

The last two see no writer coming, so the reader compares `FileState` before and after.

What is not covered: network file systems whose locks or clocks lie.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from quorumsql.db.look import HEADER_BYTES, first_bytes, what_it_is
from quorumsql.errors import DatabaseError

__all__ = ["FileState", "examine", "uri_of"]

MAGIC: Final = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """What decides how a file can be read, and whether it is still the same.

    `version` changes when the database or its WAL is written; it is empty for `shared`,
    where SQLite itself keeps track.
    """

    way: Literal["shared", "immutable", "alone"]
    identity: tuple[int, int]
    version: tuple[int, ...] = ()


def examine(path: Path) -> FileState:
    """Return how the SQLite file at `path` can be read now.

    Raises:
        DatabaseError: nothing there can be read as an SQLite database: what, where, what to do.
    """
    found, header = first_bytes(path, engine="an SQLite")
    _check_header(path, header)
    return _state(path, found, header)


def uri_of(path: Path, state: FileState) -> str:
    """Return the `file:` URI that opens `path` in the way of `state`, always read-only."""
    extra = {"shared": "", "immutable": "&immutable=1", "alone": "&vfs=unix-none"}[state.way]
    return f"{path.absolute().as_uri()}?mode=ro{extra}"


def _state(path: Path, found: os.stat_result, header: bytes) -> FileState:
    identity = (found.st_dev, found.st_ino)
    # Byte 19 is the read version: 2 means that a WAL has to be looked for.
    if len(header) < 20 or header[19] != 2:
        return FileState(way="shared", identity=identity)
    wal = _stat(Path(f"{path}-wal"))
    version: tuple[int, ...] = (found.st_size, found.st_mtime_ns)
    if wal is None or wal.st_size == 0:
        return FileState(way="immutable", identity=identity, version=version)
    if _stat(Path(f"{path}-shm")) is None and os.name == "posix":
        version = (*version, wal.st_size, wal.st_mtime_ns)
        return FileState(way="alone", identity=identity, version=version)
    return FileState(way="shared", identity=identity)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _check_header(path: Path, header: bytes) -> None:
    if not header:  # an empty file is an empty database
        return
    if not header.startswith(MAGIC):
        raise DatabaseError(f"{path} is not an SQLite database: {what_it_is(header)}.")
    size = int.from_bytes(header[16:18], "big")
    if len(header) < HEADER_BYTES or (size != 1 and (size < 512 or size & (size - 1))):
        raise DatabaseError(
            f"{path} is damaged: its header is not a valid SQLite header. "
            "Restore it from a copy, or it was encrypted or cut short."
        )
