"""Look at a file before any engine does: is there one, and what is it by its first bytes?

What is not covered: what follows the first bytes. Damage beyond them only reading finds.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from quorumsql.errors import DatabaseError

__all__ = [
    "DUCKDB",
    "HEADER_BYTES",
    "explained",
    "first_bytes",
    "missing",
    "regular_file",
    "what_it_is",
]

HEADER_BYTES: Final = 100
DUCKDB: Final = (b"DUCK", 8)
"""The sign of a DuckDB file, and where it stands."""

_SIGNATURES: Final = (
    (b"PAR1", 0, "a Parquet file: name it with the ending .parquet"),
    (b"SQLite format 3\x00", 0, "an SQLite database: name it as sqlite:///PATH"),
    (*DUCKDB, "a DuckDB database: name it as duckdb:///PATH"),
    (b"PK\x03\x04", 0, "a ZIP archive (or a spreadsheet): unpack or export it first"),
    (b"\x1f\x8b", 0, "a gzip archive: unpack it first"),
    (b"** This file contains an SQLite 2", 0, "an SQLite 2 database: convert it first"),
)


def first_bytes(path: Path, *, engine: str) -> tuple[os.stat_result, bytes]:
    """Return what the system says about the file at `path`, and its first bytes.

    Raises:
        DatabaseError: there is no file that may be read.
    """
    found = regular_file(path, engine=engine)
    with explained(path), path.open("rb") as file:
        return found, file.read(HEADER_BYTES)


def regular_file(path: Path, *, engine: str) -> os.stat_result:
    """Return what the system says about the file at `path`, which is not opened.

    Raises:
        DatabaseError: there is no regular file.
    """
    with explained(path):
        found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise DatabaseError(_no_file(path, found.st_mode, engine))
    return found


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say in our words why the file at `path` cannot be read.

    Raises:
        DatabaseError: inside, the system refused it.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DatabaseError(missing(path)) from error
    except PermissionError as error:
        raise DatabaseError(
            f"Cannot read {path}: permission denied. Ask its owner, or run chmod +r on it."
        ) from error
    except (OSError, ValueError) as error:
        raise DatabaseError(f"Cannot open {str(path)!r}: {_reason(error)}.") from error


def what_it_is(header: bytes) -> str:
    """Say what a file is that is not what it was taken for."""
    for signature, offset, name in _SIGNATURES:
        if header[offset:].startswith(signature):
            return f"it is {name}"
    try:
        header[:-3].decode("utf-8")  # the last character may be cut
    except UnicodeDecodeError:
        return "its header is another one. If it is encrypted, decrypt it first"
    if b"\x00" in header:
        return "its header is another one"
    return (
        "it holds text. A table of values needs the ending .csv, .tsv or .json; an SQL script "
        "becomes a database with: sqlite3 NEW.db < SCRIPT"
    )


def missing(path: Path) -> str:
    """Say that there is no file at `path`, and what may be meant."""
    message = f"No database at {path}: the file does not exist."
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return f"{message} Its folder cannot be listed either: check the path."
    close = get_close_matches(path.name, names, n=1)
    return f"{message} Did you mean {close[0]!r}?" if close else f"{message} Check the path."


def _no_file(path: Path, mode: int, engine: str) -> str:
    if stat.S_ISDIR(mode):
        return f"{path} is a folder, not a database: name the file inside it."
    return f"{path} is not a regular file, so it cannot be {engine} database."


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
