"""Data files as a `Database`: CSV, JSON, Parquet, workbooks, and folders of them.

What is read is kept in a store, a DuckDB file of ours, and used again while the files are the
same; with a `home` it outlives the process. SQL runs on the store alone, under all the locks of
`duckdb`: the only files it could reach besides are the Parquet files that were opened.

When a file changes, the next question sees it. What is not covered: a file that is written while
it is read, and files so many that looking at their times takes long.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from quorumsql.db.duckdb import DuckDbDatabase
from quorumsql.db.files_find import Source, Stamp, find, is_pattern, name_for, stamp
from quorumsql.db.files_import import Tell, build
from quorumsql.domain import Execution, Limits, Schema
from quorumsql.errors import DatabaseError

__all__ = ["FilesDatabase"]

_FORMAT: Final = 1
"""Counted up when stores are made in another way: the old ones are then made again."""


class FilesDatabase:
    """Files, read and never written. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        *,
        limits: Limits | None = None,
        home: Path | None = None,
        tell: Tell | None = None,
    ) -> None:
        """Open the file or folder at `path`.

        Args:
            path: a data file, a folder of them, or a pattern such as `data/*.csv`.
            limits: what a statement may cost unless `execute` is told otherwise.
            home: a folder of ours for what is to be kept; without one that can be written,
                nothing is.
            tell: is told how far the reading is.

        Raises:
            DatabaseError: a file cannot be read: which, where in it, why.
            MissingExtra: what reads such files is not installed.
        """
        self._path = path
        self._limits = limits or Limits()
        self._tell = tell
        self._lock = threading.RLock()
        self._closed = False
        self._scratch = tempfile.TemporaryDirectory(prefix="quorumsql-", ignore_cleanup_errors=True)
        self._home = self._writable(home)
        self._stamp: Stamp = ()
        self._store: Path | None = None
        self._database: DuckDbDatabase | None = None
        self._users: Counter[DuckDbDatabase] = Counter()
        try:
            self._current()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The name of the file or folder."""
        path = self._path.parent if is_pattern(self._path) else self._path
        return name_for(path.stem or path.resolve().name)

    @property
    def dialect(self) -> str:
        """`duckdb`."""
        return "duckdb"

    def schema(self) -> Schema:
        """Describe tables, keys that their names imply, and example values.

        Raises:
            DatabaseError: the files cannot be read.
        """
        with self._lent() as database:
            return database.schema()

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement within `limits`.

        Raises:
            DatabaseError: the files cannot be read any more.
        """
        with self._lent() as database:
            return database.execute(sql, limits=limits)

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return up to `limit` distinct values, not NULL, in the order of the rows.

        Raises:
            UnknownName: there is no such table or column.
            DatabaseError: the files cannot be read any more.
        """
        with self._lent() as database:
            return database.values(table, column, limit=limit)

    def cancel(self) -> None:
        """Stop all statements that are running, from any thread."""
        for database in list(self._users):  # not behind the lock: files may be being read
            database.cancel()

    def close(self) -> None:
        """Stop what is running and give back what is held; safe to call twice."""
        with self._lock:
            self._closed = True
            for database in {*self._users, *([self._database] if self._database else ())}:
                database.close()
            self._scratch.cleanup()

    @contextlib.contextmanager
    def _lent(self) -> Iterator[DuckDbDatabase]:
        """Lend the store's database; one that has become old is closed by its last user."""
        with self._lock:
            database = self._current()
            self._users[database] += 1
        try:
            yield database
        finally:
            with self._lock:
                self._users[database] -= 1
                if not self._users[database]:
                    del self._users[database]
                    if database is not self._database:
                        database.close()

    def _current(self) -> DuckDbDatabase:
        """Return the store's database, made again if a file has changed."""
        with self._lock:
            if self._closed:
                raise DatabaseError(f"{self._path} was closed: open it again.")
            sources = find(self._path)
            now = stamp(sources)
            lost = self._store is not None and not self._store.exists()
            if self._database is None or now != self._stamp or lost:
                fresh = self._opened(sources, now)
                old, self._database, self._stamp = self._database, fresh, now
                if old is not None and old not in self._users:
                    old.close()
            return self._database

    def _opened(self, sources: Sequence[Source], now: Stamp) -> DuckDbDatabase:
        store = self._home / f"files-{_digest(sources, now)}.duckdb"
        if not store.exists():
            self._build(sources, store)
        views = tuple(path for one in sources if one.form == "parquet" for path in one.paths)
        database = _Tables(store, limits=self._limits, name=self.name, readable=views)
        _forget_others(store)
        self._store = store
        return database

    def _writable(self, home: Path | None) -> Path:
        """Return `home`; where it cannot be written, a folder that lasts as long as we do."""
        if home is None:
            return Path(self._scratch.name)
        try:
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=home):
                return home
        except OSError:
            return Path(self._scratch.name)

    def _build(self, sources: Sequence[Source], store: Path) -> None:
        """Make the store under another name first: a half-made one must not be found."""
        try:
            with tempfile.TemporaryDirectory(dir=self._scratch.name) as scratch:
                made = store.with_name(f"making-{os.getpid()}-{threading.get_ident()}.duckdb")
                try:
                    build(sources, made, Path(scratch), tell=self._tell)
                    made.replace(store)
                finally:
                    for left in (made, made.with_name(made.name + ".wal")):
                        left.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DatabaseError(
                f"Cannot keep what was read in {store.parent}: {reason}."
            ) from error


class _Tables(DuckDbDatabase):
    """A store whose views are files: to people they are tables, and have keys like those."""

    def _described(self) -> Schema:
        schema = super()._described()
        tables = tuple(replace(table, is_view=False) for table in schema.tables)
        return replace(schema, tables=tables)


def _digest(sources: Sequence[Source], now: Stamp) -> str:
    """Name a store after all that decides what it holds."""
    told = json.dumps([_FORMAT, [(s.form, s.name, len(s.paths)) for s in sources], now])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _forget_others(store: Path) -> None:
    """Remove the stores of earlier versions of the same files."""
    for other in store.parent.glob("files-*.duckdb"):
        if other != store:
            with contextlib.suppress(OSError):  # on Windows another process may hold it
                other.unlink()
