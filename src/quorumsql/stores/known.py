"""The file that holds what we know of one database: profiles, stored values, the index on them.

One SQLite file per database, in WAL mode: any number of processes read it while one writes.
Files of keys lie beside it, never changed once written; those that it does not name are leftovers.
A writer holds a lock of its own for as long as it works; the system gives it back if the
writer dies. What a writer has not finished is never seen by a reader and is thrown away by the
next writer, so an interruption, a full disk or a crash costs work, never correctness.

Values of the database lie in these files, so only their owner may read what is made here.

What is not covered: network file systems on which SQLite's locks do not work, and files and folders
that are there already: they keep the mode that they have.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quorumsql.errors import UsageError
from quorumsql.stores.values_segment import key_files

__all__ = ["Known", "Source", "reading", "remove", "writing"]

FORMAT: Final = 2
"""Raised when the file's layout or the meaning of its keys changes: older files are made anew."""

_TABLES: Final = """
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE source (
    id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, shape TEXT NOT NULL,
    stamp TEXT NOT NULL, profile TEXT NOT NULL, state TEXT NOT NULL
);
CREATE TABLE part (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, column_name TEXT NOT NULL,
    size INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX part_of_source ON part (source);
CREATE TABLE block (
    id INTEGER PRIMARY KEY AUTOINCREMENT, part INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX block_of_part ON block (part);
CREATE TABLE segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL, size INTEGER NOT NULL,
    words INTEGER NOT NULL, letters TEXT NOT NULL
);
"""
_POLL_SECONDS: Final = 0.2
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One table as it was read. `stamp` tells whether it has changed since, `shape` its columns.

    `state` is `filling` while it is read, `stored` until its values can be found, then `ready`.
    """

    id: int
    table: str
    shape: str
    stamp: str
    state: str


class Known:
    """An open file. Methods that change it are for the one process that `writing` lets in."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self.connection.close()

    def sources(self) -> tuple[Source, ...]:
        """Every table that was read to its end, the oldest reading first."""
        rows = self.connection.execute(
            "SELECT id, table_name, shape, stamp, state FROM source "
            "WHERE state != 'filling' ORDER BY id"
        )
        return tuple(Source(id=i, table=t, shape=s, stamp=m, state=e) for i, t, s, m, e in rows)

    def profiles(self) -> dict[str, Any]:
        """The newest profile of each table, by its name."""
        rows = self.connection.execute(
            "SELECT table_name, profile FROM source WHERE state != 'filling' ORDER BY id"
        )
        return {table: json.loads(text) for table, text in rows}

    def parts(self) -> dict[int, tuple[str, str, int]]:
        """Table, column and number of values of each part whose values can be found."""
        rows = self.connection.execute(
            "SELECT part.id, table_name, column_name, size FROM part "
            "JOIN source ON source.id = source WHERE state = 'ready'"
        )
        return {number: (table, column, size) for number, table, column, size in rows}

    def note(self, name: str) -> str:
        """What was noted under `name`; empty when nothing was."""
        row = self.connection.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def write_note(self, name: str, value: str) -> None:
        """Note `value` under `name`."""
        self.connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything in the block take effect together, or not at all."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def begin(self, table: str, shape: str, columns: Iterable[str]) -> tuple[int, list[int]]:
        """Start to take in a table; return the number of its source and those of its parts."""
        run = self.connection.execute
        row = run(
            "INSERT INTO source (table_name, shape, stamp, profile, state) "
            "VALUES (?, ?, '', '', 'filling') RETURNING id",
            (table, shape),
        ).fetchone()
        insert = "INSERT INTO part (source, column_name) VALUES (?, ?) RETURNING id"
        return row[0], [run(insert, (row[0], column)).fetchone()[0] for column in columns]

    def finish(
        self, source: int, *, stamp: str, profile: Mapping[str, Any], sizes: Mapping[int, int]
    ) -> None:
        """Declare a table complete; its values are found after the next `values_file.seal`."""
        self.connection.executemany(
            "UPDATE part SET size = ? WHERE id = ?", [(size, part) for part, size in sizes.items()]
        )
        self.connection.execute(
            "UPDATE source SET stamp = ?, profile = ?, state = 'stored' WHERE id = ?",
            (stamp, json.dumps(profile, ensure_ascii=False), source),
        )

    def publish(self, tables: Iterable[str]) -> None:
        """Show what is stored to readers; drop older readings, and tables not among `tables`."""
        newest = {source.table: source.id for source in self.sources()}
        wanted = set(tables)
        keep = {number for table, number in newest.items() if table in wanted}
        self.drop(source.id for source in self.sources() if source.id not in keep)
        self.connection.execute("UPDATE source SET state = 'ready' WHERE state = 'stored'")

    def drop(self, sources: Iterable[int]) -> None:
        """Forget these readings of tables."""
        for number in list(sources):
            run = self.connection.execute
            run("DELETE FROM block WHERE part IN (SELECT id FROM part WHERE source = ?)", (number,))
            run("DELETE FROM part WHERE source = ?", (number,))
            run("DELETE FROM source WHERE id = ?", (number,))

    def drop_unfinished(self) -> None:
        """Forget tables whose reading was interrupted."""
        rows = self.connection.execute("SELECT id FROM source WHERE state = 'filling'").fetchall()
        self.drop(number for (number,) in rows)

    def tidy(self) -> None:
        """Delete files of keys that do not count: older ones, and those of an interrupted writer.

        Readers that have them open keep them until they close.
        """
        rows = self.connection.execute("SELECT file FROM segment").fetchall()
        counting = {name for (name,) in rows}
        for file in key_files(self.path):
            if file.name not in counting:
                with suppress(OSError):  # some systems keep what is open
                    file.unlink()


def reading(path: Path) -> Known | None:
    """Open the file at `path`; None when there is none, or one of another version.

    Raises:
        UsageError: the file is damaged.
    """
    if not path.is_file():
        return None
    with _explained(path):
        try:
            connection = _connect(f"{path.absolute().as_uri()}?mode=ro")
        except sqlite3.OperationalError:  # no room, or no right, to keep a -shm file
            log = Path(f"{path}-wal")
            if log.exists() and log.stat().st_size:  # without it the file may be half of two states
                raise
            connection = _connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1")
        if connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
            return Known(connection, path)
        connection.close()
        return None


@contextmanager
def writing(path: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[Known]:
    """Open the file at `path` as its only writer, made where there is none or an older one.

    While another process writes, `on_wait` is called once and then this one waits.

    Raises:
        UsageError: the file cannot be written, or is damaged: what, where, what to do.
    """
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(path.with_suffix(".lock"), on_wait):
            with closing(_made(path)) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                made = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if made and version != FORMAT:
                remove(path)
            with closing(_made(path)) as connection:
                known = Known(connection, path)
                _prepare(known)
                yield known


def remove(path: Path) -> None:
    """Delete the file at `path`; it can always be made again."""
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").unlink()
    for file in key_files(path):
        with suppress(OSError):
            file.unlink()


def _made(path: Path) -> sqlite3.Connection:
    """The file at `path`, for writing; where there is none it is made."""
    _touch(path)
    return _connect(f"{path.absolute().as_uri()}?mode=rw")


def _touch(path: Path) -> None:
    """Make an empty file where there is none, readable by its owner alone.

    SQLite would make it readable by everybody; files that it makes beside one are like that one.
    """
    with suppress(FileExistsError):  # not opened then: closing it would end this process's locks
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=30.0, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prepare(known: Known) -> None:
    known.connection.execute("PRAGMA journal_mode = WAL")
    known.connection.execute("PRAGMA synchronous = NORMAL")
    known.connection.execute("PRAGMA secure_delete = OFF")
    if known.connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
        with known.transaction():
            for statement in _TABLES.split(";\n"):
                known.connection.execute(statement)
            known.connection.execute(f"PRAGMA user_version = {FORMAT}")
    with known.transaction():
        known.drop_unfinished()
    known.tidy()


@contextmanager
def _alone(path: Path, on_wait: Callable[[], None] | None) -> Iterator[None]:
    """Hold the lock at `path`: an SQLite file's, since every system gives that back."""
    _touch(path)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as lock:
        waited = False
        while True:
            try:
                lock.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
            if not waited and on_wait:
                on_wait()
            waited = True
            time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite or the system says about our own file into one line for people."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or _kind(error) == "SQLITE_IOERR_SHMSIZE":
            raise _no_room(path) from error
        raise UsageError(f"The index {path} cannot be used: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"The index {path} is damaged ({error}): run quorum index --rebuild."
        ) from error
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(path) from error
        raise UsageError(
            f"Cannot write {error.filename or path}: {error.strerror}. Set QUORUM_HOME to a "
            "folder that can be written."
        ) from error


def _kind(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _no_room(path: Path) -> UsageError:
    return UsageError(
        f"The disk is full: {path.parent} has no room for the index. Free some space, or "
        "set QUORUM_HOME to another disk; what was finished is kept."
    )
