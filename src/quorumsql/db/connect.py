"""Open a database by URL or path.

What is not covered: engines other than SQLite, which are to be added to `_OPENERS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import unquote

from quorumsql.db.sqlite import DEFAULT_LIMITS, SqliteDatabase
from quorumsql.domain import Limits
from quorumsql.errors import DatabaseError, UsageError
from quorumsql.ports import Database

__all__ = ["open_database"]

_Opener: TypeAlias = Callable[[str, Limits], Database]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.\-]*)(\+[A-Za-z0-9_]+)?://")
_SUPPORTED = "Supported so far: an SQLite file, as a path or as sqlite:///PATH."


def open_database(url_or_path: str, *, limits: Limits = DEFAULT_LIMITS) -> Database:
    """Open an existing database for reading.

    Args:
        url_or_path: `sqlite:///relative.db`, `sqlite:////absolute.db`, or just a path, with `~`
            and any characters in it.
        limits: what a statement may cost unless `execute` is told otherwise.

    Raises:
        UsageError: what is given names no database of a supported engine.
        DatabaseError: there is no readable database there.
    """
    text = url_or_path.strip()
    if not text:
        raise UsageError(f"No database is named: the URL is empty. {_SUPPORTED}")
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _open_sqlite(url_or_path if _exists(url_or_path) else text, limits)
    opener = _OPENERS.get(scheme[1].lower())
    if opener is None:
        # Only the scheme is repeated: the rest may hold a password.
        raise UsageError(f"Cannot open a {scheme[1]}:// database. {_SUPPORTED}")
    return opener(text[scheme.end() :], limits)


def _open_sqlite_url(rest: str, limits: Limits) -> Database:
    """Open what follows `sqlite://`: nothing, or a slash and then the path."""
    if not rest.strip("/"):
        return _open_sqlite(":memory:", limits)
    if not rest.startswith("/"):
        raise UsageError(
            f"sqlite://{rest} has two slashes where three belong: write sqlite:///{rest}."
        )
    path = rest[1:]
    # A path may hold any character, so it is first taken as it stands, then as a URL.
    readings = (path, unquote(path), path.partition("?")[0], unquote(path.partition("?")[0]))
    return _open_sqlite(next((p for p in readings if _exists(p)), path), limits)


def _open_sqlite(path: str, limits: Limits) -> Database:
    if path.startswith((":memory:", "file::memory:")):
        raise DatabaseError(
            "An in-memory database is always empty for a reader: name a file that exists."
        )
    if path.startswith("file:") and not _exists(path):
        raise UsageError(f"SQLite's own file: URIs are not taken: {path!r}. {_SUPPORTED}")
    return SqliteDatabase(_expanded(path), limits=limits)


def _exists(path: str) -> bool:
    try:
        return _expanded(path).exists()
    except (OSError, ValueError):
        return False


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DatabaseError(f"Cannot find the home folder in {path!r}: {error}.") from error


_OPENERS: Final[Mapping[str, _Opener]] = MappingProxyType({"sqlite": _open_sqlite_url})
