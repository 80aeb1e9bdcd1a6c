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
import stat
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal

from quorumsql.errors import DatabaseError

__all__ = ["FileState", "examine", "uri_of"]

MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_SIGNATURES: Final = (
    (b"PAR1", 0, "a Parquet file"),
    (b"DUCK", 8, "a DuckDB database"),
    (b"PK\x03\x04", 0, "a ZIP archive (or a spreadsheet): unpack or export it first"),
    (b"\x1f\x8b", 0, "a gzip archive: unpack it first"),
    (b"** This file contains an SQLite 2", 0, "an SQLite 2 database: convert it first"),
)


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
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DatabaseError(_no_file(path, found.st_mode))
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError as error:
        raise DatabaseError(_missing(path)) from error
    except PermissionError as error:
        raise DatabaseError(
            f"Cannot read {path}: permission denied. Ask its owner, or run chmod +r on it."
        ) from error
    except (OSError, ValueError) as error:
        raise DatabaseError(f"Cannot open {str(path)!r}: {_reason(error)}.") from error
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
        raise DatabaseError(f"{path} is not an SQLite database: {_what_it_is(header)}.")
    size = int.from_bytes(header[16:18], "big")
    if len(header) < _HEADER_BYTES or (size != 1 and (size < 512 or size & (size - 1))):
        raise DatabaseError(
            f"{path} is damaged: its header is not a valid SQLite header. "
            "Restore it from a copy, or it was encrypted or cut short."
        )


def _what_it_is(header: bytes) -> str:
    for signature, offset, name in _SIGNATURES:
        if header[offset:].startswith(signature):
            return f"it is {name}"
    try:
        header[:-3].decode("utf-8")  # the last character may be cut
    except UnicodeDecodeError:
        return "its header is another one. If it is encrypted, decrypt it first"
    if b"\x00" in header:
        return "its header is another one"
    return "it holds text. An SQL script becomes a database with: sqlite3 NEW.db < SCRIPT"


def _missing(path: Path) -> str:
    message = f"No database at {path}: the file does not exist."
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return f"{message} Its folder cannot be listed either: check the path."
    close = get_close_matches(path.name, names, n=1)
    return f"{message} Did you mean {close[0]!r}?" if close else f"{message} Check the path."


def _no_file(path: Path, mode: int) -> str:
    if stat.S_ISDIR(mode):
        return f"{path} is a folder, not a database: name the file inside it."
    return f"{path} is not a regular file, so it cannot be an SQLite database."


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
