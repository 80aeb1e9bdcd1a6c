"""Run other people's statements on an SQLite file as the official scripts do, but harmlessly.

A statement sees what it would see in the official script: the same engine, double quotes that may
mean text, text that is not UTF-8 with the odd bytes left out. Unlike there, the file is open for
reading only, a deadline stops the engine itself, and rows are read no further than they can matter.
A statement that writes runs on a copy in memory that is then thrown away, because the official
script does not keep what it writes either, and takes it for a query without rows.

What is not covered: tables that an official run drops for good, and time inside one call of a
built-in function (see `db.sqlite_read`); `score_pool` ends a process that hangs there.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from quorumsql.db.budget import Budget
from quorumsql.db.sqlite_file import examine, uri_of
from quorumsql.db.sqlite_read import ALLOWED, DENIED_FUNCTIONS
from quorumsql.domain import Failure, Limits, Row
from quorumsql.errors import DatabaseError

__all__ = ["SqliteRunner"]

_LEAVING: Final = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})
_DESCRIBING: Final = frozenset(
    {"foreign_key_list", "index_info", "index_list", "index_xinfo", "table_info", "table_xinfo"}
    | {"table_list", "database_list", "user_version", "encoding"}
)
_STEPS: Final = 20_000
_FIRST_ROWS: Final = 16
_MOST_ROWS_AT_ONCE: Final = 4_096
_BYTES_AT_ONCE: Final = 8 * 1024 * 1024
_LONGEST_CELL: Final = 8 * 1024 * 1024
_HEAP: Final = 256 * 1024 * 1024
_LARGEST_COPY: Final = 256 * 1024 * 1024
_NOT_UTF8: Final = "Could not decode to UTF-8"


class SqliteRunner:
    """One SQLite file, one connection that stays open, one statement at a time.

    From the first of them on, all of SQLite in this process may take 256 MB at most, and SQLite
    lets nobody raise that again: score in a process of its own, as `score_pool` does.
    """

    def __init__(self, path: Path, *, limits: Limits) -> None:
        """Open the file; `limits` are what any one statement may cost.

        Raises:
            DatabaseError: there is no readable SQLite database.
        """
        self._path = path
        self._limits = limits
        self._refused = ""
        self._connection = self._connect()

    def run(
        self, sql: str, *, most: int | None = None, lenient: bool = True
    ) -> list[Row] | Failure:
        """Return the rows of `sql`, or why there are none.

        Args:
            sql: one statement; the text is taken as it is.
            most: stop reading after one row more than this. Without it, a result beyond the
                limits is a failure of kind "cap".
            lenient: leave out bytes that are not UTF-8, as Spider's script does, instead of
                failing, as BIRD's does.

        Raises:
            DatabaseError: the database is locked, damaged or gone.
        """
        found = self._attempt(self._connection, sql, most)
        if isinstance(found, Failure) and lenient and found.message.startswith(_NOT_UTF8):
            self._connection.text_factory = _lenient
            found = self._attempt(self._connection, sql, most)
            self._connection.text_factory = str
        if isinstance(found, Failure) and found.kind == "refused":
            found = self._on_a_copy(sql, most, found)
        return found

    def seconds(self, sql: str) -> float | Failure:
        """Return how long `sql` takes on a connection of its own, as BIRD's R-VES times it.

        From the first statement of the connection to its end: the schema is read anew, and what
        the system has in its memory is not.

        Raises:
            DatabaseError: the database is locked, damaged or gone.
        """
        connection = sqlite3.connect(uri_of(self._path, examine(self._path)), uri=True)
        _restrict(connection)
        connection.execute("PRAGMA query_only = ON").close()
        connection.set_authorizer(self._authorize)
        started = time.perf_counter()
        with closing(connection):
            found = self._attempt(connection, sql, None)
        spent = time.perf_counter() - started
        return found if isinstance(found, Failure) else spent

    def tables(self) -> dict[str, list[str]]:
        """Return the tables and their columns, all names in lower case, views left out."""
        self._connection.set_authorizer(None)
        try:
            found = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            names = [str(name) for (name,) in found]
            return {
                name.lower(): [
                    str(column).lower()
                    for (column,) in self._connection.execute(
                        "SELECT name FROM pragma_table_info(?)", (name,)
                    )
                ]
                for name in names
            }
        except sqlite3.Error as error:
            raise DatabaseError(f"{self._path}: cannot be described: {error}.") from error
        finally:
            self._connection.set_authorizer(self._authorize)

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._connection.close()

    def _connect(self) -> sqlite3.Connection:
        state = examine(self._path)
        try:
            connection = sqlite3.connect(uri_of(self._path, state), uri=True)
            connection.execute(f"PRAGMA hard_heap_limit = {_HEAP}").close()
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").close()
            connection.execute("PRAGMA query_only = ON").close()
        except sqlite3.Error as error:
            raise DatabaseError(f"{self._path}: cannot be read: {error}.") from error
        _restrict(connection)
        connection.set_authorizer(self._authorize)
        return connection

    def _attempt(
        self, connection: sqlite3.Connection, sql: str, most: int | None
    ) -> list[Row] | Failure:
        budget = Budget(limits=self._limits)
        connection.set_progress_handler(budget.spent, _STEPS)
        self._refused = ""
        try:
            with closing(connection.cursor()) as cursor:
                cursor.execute(sql)
                return self._fetch(cursor, most)
        except (sqlite3.Error, sqlite3.Warning) as error:
            return self._failure(error, budget)
        except (UnicodeError, ValueError) as error:
            return Failure(kind="error", message=f"The statement is not valid text: {error}.")
        except MemoryError:
            return Failure(kind="cap", message="The statement needs more memory than it may have.")

    def _fetch(self, cursor: sqlite3.Cursor, most: int | None) -> list[Row] | Failure:
        """Read rows in pieces, so that their size is known before it hurts."""
        wanted = self._limits.rows if most is None else most
        rows: list[Row] = cursor.fetchmany(min(_FIRST_ROWS, wanted + 1))
        piece, size = rows, 0
        while len(piece) and len(rows) <= wanted and (len(rows) >= _FIRST_ROWS):
            size += sum(len(v) if isinstance(v, (str, bytes)) else 8 for row in piece for v in row)
            if size > self._limits.bytes:
                return Failure(kind="cap", message=f"More than {self._limits.bytes:,} bytes.")
            affordable = _BYTES_AT_ONCE * len(rows) // max(1, size)
            count = max(_FIRST_ROWS, min(_MOST_ROWS_AT_ONCE, affordable))
            piece = cursor.fetchmany(min(count, wanted + 1 - len(rows)))
            rows += piece
        if most is None and len(rows) > wanted:
            return Failure(kind="cap", message=f"More than {wanted:,} rows.")
        return rows

    def _failure(self, error: Exception, budget: Budget) -> Failure:
        if self._refused:
            return Failure(kind="refused", message=f"The statement would {self._refused}.")
        if budget.stopped:
            seconds = f"{self._limits.seconds:g} seconds"
            return Failure(kind="timeout", message=f"The statement was stopped after {seconds}.")
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_TOOBIG}:
            return Failure(kind="cap", message=f"{error}.")
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise DatabaseError(f"{self._path}: cannot be read: {error}.") from error
        return Failure(kind="error", message=str(error))

    def _on_a_copy(self, sql: str, most: int | None, refusal: Failure) -> list[Row] | Failure:
        if self._path.stat().st_size > _LARGEST_COPY:
            return refusal
        with closing(sqlite3.connect(":memory:")) as copy:
            self._connection.backup(copy)
            _restrict(copy)
            copy.set_authorizer(self._authorize_copy)
            copy.text_factory = _lenient
            return self._attempt(copy, sql, most)

    def _authorize(
        self, action: int, first: str | None, second: str | None, _db: str | None, _by: str | None
    ) -> int:
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in DENIED_FUNCTIONS:
            self._refused = f"call {second}"
        elif action not in ALLOWED:
            self._refused = self._refused or f"do more than read (action {action} on {first})"
        else:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    def _authorize_copy(
        self, action: int, first: str | None, second: str | None, _db: str | None, _by: str | None
    ) -> int:
        """Allow on a copy in memory what stays in it."""
        leaves = action in _LEAVING or (
            action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in DENIED_FUNCTIONS
        )
        if leaves or (action == sqlite3.SQLITE_PRAGMA and first not in _DESCRIBING):
            self._refused = "leave its database"
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


def _restrict(connection: sqlite3.Connection) -> None:
    """Bound the length of values, and take nothing that the file says for code of ours."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_CELL)
    connection.execute("PRAGMA trusted_schema = OFF").close()


def _lenient(raw: bytes) -> str:
    return raw.decode(errors="ignore")
