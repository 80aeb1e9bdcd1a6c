"""Open a database by URL or path: an engine of its own where there is one, else SQLAlchemy's.

What is not covered: what an engine needs to be opened. Its own file says that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import unquote

from quorumsql.db.files_find import engine_of
from quorumsql.db.sqlite import DEFAULT_LIMITS, SqliteDatabase
from quorumsql.domain import Limits
from quorumsql.errors import DatabaseError, MissingExtra, UsageError
from quorumsql.ports import Database
from quorumsql.urls import read_url

__all__ = ["open_database"]

_Opener: TypeAlias = Callable[[str, Limits, Path | None, Collection[str]], Database]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.\-]*)(\+[A-Za-z0-9_]+)?://")
_SUPPORTED = (
    "Supported so far: an SQLite file, as a path or as sqlite:///PATH; a DuckDB file, as a path "
    "or as duckdb:///PATH; CSV, JSON, Parquet and Excel files, and folders of them, as a path; "
    "postgresql://, mysql://, mariadb:// and any other URL that SQLAlchemy has a dialect for."
)


def open_database(
    url_or_path: str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    home: Path | None = None,
    functions: Collection[str] = (),
    tell: Callable[[str, float], None] | None = None,
) -> Database:
    """Open an existing database for reading.

    Args:
        url_or_path: `sqlite:///relative.db`, `sqlite:////absolute.db`, or just a path, with `~`
            and any characters in it: a database, a data file or a folder of those.
        limits: what a statement may cost unless `execute` is told otherwise.
        home: a folder of ours for what is kept: of data files what was read of them, of servers
            the described schema.
        functions: names of the database's own functions that only compute, so that statements
            may call them.
        tell: is told which file is being read, and how much of it is, in percent.

    Raises:
        UsageError: what is given names no database of a supported engine.
        DatabaseError: there is no readable database there.
    """
    text = url_or_path.strip()
    if not text:
        raise UsageError(f"No database is named: the URL is empty. {_SUPPORTED}")
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _open_path(
            url_or_path if _exists(url_or_path) else text, limits, home, functions, tell
        )
    opener = _OPENERS.get(scheme[1].lower())
    if opener is None:
        from quorumsql.db.generic import open_generic

        return open_generic(read_url(text), limits=limits, functions=functions)
    return opener(text, limits, home, functions)


def _open_postgresql(
    url: str, limits: Limits, home: Path | None, functions: Collection[str]
) -> Database:
    if find_spec("psycopg") is None:
        raise MissingExtra("PostgreSQL", "postgres")
    from quorumsql.db.postgresql import PostgreSQL
    from quorumsql.db.server import ServerDatabase

    return ServerDatabase(
        read_url(url), PostgreSQL(), limits=limits, home=home, functions=functions
    )


def _open_mysql(
    url: str, limits: Limits, home: Path | None, functions: Collection[str]
) -> Database:
    if find_spec("pymysql") is None:
        raise MissingExtra("MySQL and MariaDB", "mysql")
    from quorumsql.db.mysql import MySQL
    from quorumsql.db.server import ServerDatabase

    return ServerDatabase(read_url(url), MySQL(), limits=limits, home=home, functions=functions)


def _open_path(
    path: str,
    limits: Limits,
    home: Path | None,
    functions: Collection[str],
    tell: Callable[[str, float], None] | None,
) -> Database:
    """Open a path by what the file is, or by its ending where there is no such file."""
    if not path.startswith((":memory:", "file:")):
        match engine_of(_expanded(path)):
            case "duckdb":
                return _open_duckdb(path, limits, functions)
            case "files":
                from quorumsql.db.files import FilesDatabase

                return FilesDatabase(_expanded(path), limits=limits, home=home, tell=tell)
    return _open_sqlite(path, limits)


def _open_duckdb_url(
    url: str, limits: Limits, _home: Path | None, functions: Collection[str]
) -> Database:
    """Open what follows `duckdb:///`."""
    rest = url.partition("://")[2]
    if not rest.startswith("/") or not rest.strip("/"):
        raise UsageError("A DuckDB file is named with three slashes: duckdb:///PATH.")
    return _open_duckdb(_reading(rest[1:]), limits, functions)


def _open_duckdb(path: str, limits: Limits, functions: Collection[str]) -> Database:
    if path.startswith(":memory:"):
        raise DatabaseError(
            "An in-memory database is always empty for a reader: name a file that exists."
        )
    from quorumsql.db.duckdb import DuckDbDatabase

    return DuckDbDatabase(_expanded(path), limits=limits, functions=functions)


def _open_sqlite_url(
    url: str, limits: Limits, _home: Path | None, _functions: Collection[str]
) -> Database:
    """Open what follows `sqlite://`: nothing, or a slash and then the path."""
    rest = url.partition("://")[2]
    if not rest.strip("/"):
        return _open_sqlite(":memory:", limits)
    if not rest.startswith("/"):
        raise UsageError(
            f"sqlite://{rest} has two slashes where three belong: write sqlite:///{rest}."
        )
    return _open_sqlite(_reading(rest[1:]), limits)


def _reading(path: str) -> str:
    """A path may hold any character, so it is first taken as it stands, then as a URL."""
    readings = (path, unquote(path), path.partition("?")[0], unquote(path.partition("?")[0]))
    return next((p for p in readings if _exists(p)), path)


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


_OPENERS: Final[Mapping[str, _Opener]] = MappingProxyType(
    {
        "sqlite": _open_sqlite_url,
        "duckdb": _open_duckdb_url,
        "postgresql": _open_postgresql,
        "postgres": _open_postgresql,
        "mysql": _open_mysql,
        "mariadb": _open_mysql,
    }
)
