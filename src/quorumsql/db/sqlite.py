"""SQLite as a `Database`: described through SQLAlchemy, read through a guarded connection.

The order of defence: `guard` on the statement's tree, a file opened read-only, the authorizer,
limits on lengths, and a budget of time, rows and bytes. No byte of the user's file changes and
no file appears beside it.

What is not covered: see `sqlite_read` for what cannot be interrupted. Writers are not blocked
for longer than a statement runs, but that long they may be.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from quorumsql import guard
from quorumsql.db.budget import Budget, Running, collect, size_of, stopped
from quorumsql.db.foreign_keys import infer_foreign_keys
from quorumsql.db.introspect import Scope, reflect
from quorumsql.db.plan import Plan, sqlite_plan, within_plan
from quorumsql.db.sample import SAMPLED_BYTES, SAMPLED_ROWS, named_column, with_examples
from quorumsql.db.sqlite_failure import (
    database_error,
    failure,
    is_busy,
    is_of_database,
    is_too_long,
)
from quorumsql.db.sqlite_file import FileState, examine
from quorumsql.db.sqlite_read import Reader, connect
from quorumsql.domain import Execution, Failure, Limits, Row, Schema, Table
from quorumsql.errors import DatabaseError

__all__ = ["DEFAULT_LIMITS", "SqliteDatabase"]

DEFAULT_LIMITS: Final = Limits()

_T = TypeVar("_T")

_LOCK_SECONDS: Final = 2.0
_LOCK_POLL_SECONDS: Final = 0.02
"""We wait for locks ourselves: inside SQLite's own wait neither Ctrl-C nor a cancel is seen."""

_SAMPLE_STEPS: Final = 2_000_000
_VALUES_STEPS: Final = 20_000_000
"""Steps of SQLite's virtual machine, about 20 million per second: the same on any machine."""


class SqliteDatabase:
    """An SQLite file, read and never written. Safe to use from several threads."""

    def __init__(self, path: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
        """Open the file at `path`.

        Raises:
            DatabaseError: there is no readable SQLite database.
        """
        self._shown = path
        self._limits = limits
        examine(path)
        self._file = path.resolve()
        self._lock = threading.Lock()
        self._describing = threading.Lock()
        self._idle: list[Reader] = []
        self._running = Running()
        self._closed = False
        self._schema: Schema | None = None
        self._views: Mapping[str, str] = {}
        self._read(Budget(limits=limits), lambda _: None)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self._shown.stem

    @property
    def dialect(self) -> str:
        """`sqlite`."""
        return "sqlite"

    def schema(self) -> Schema:
        """Describe tables, views, keys (declared or implied) and example values; cached.

        Raises:
            DatabaseError: the database cannot be read.
        """
        with self._describing:
            if self._schema is None:
                budget = Budget(limits=replace(self._limits, seconds=float("inf")))
                self._schema = self._read(budget, self._describe)
                self._views = {
                    t.name.lower(): t.definition for t in self._schema.tables if t.is_view
                }
            return self._schema

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement within `limits`.

        Raises:
            DatabaseError: the database is locked, damaged, gone or closed.
        """
        refusal = guard.check(sql, dialect=self.dialect, views=self._views)
        if refusal is not None:
            return refusal
        given = limits or self._limits
        return within_plan(given, lambda: self._plan(sql), lambda: self._run(sql, given))

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return up to `limit` distinct values, not NULL, in the order of the stored rows.

        A column too long to be scanned within the budget gives the values found so far.

        Raises:
            UnknownName: there is no such table or column.
            DatabaseError: the database cannot be read.
        """
        found, named = named_column(self.schema(), table, column)
        name = _quoted(named.name)
        sql = (
            f"SELECT DISTINCT {name} FROM {_quoted(found.name)} WHERE {name} IS NOT NULL "
            f"LIMIT {max(0, limit)}"
        )
        budget = Budget(limits=self._limits, steps=_VALUES_STEPS)

        def collect(reader: Reader) -> tuple[object, ...]:
            rows = _rows_until(reader, sql, budget, most=self._limits.bytes)
            return tuple(row[0] for row in rows)

        return self._read(budget, collect)

    def cancel(self) -> None:
        """Stop all statements that are running, from any thread; each becomes a `Failure`."""
        self._running.cancel()

    def close(self) -> None:
        """Stop what is running and close all connections; safe to call twice."""
        self._running.close()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()

    def _plan(self, sql: str) -> Plan | Failure:
        found = self._run(f"EXPLAIN QUERY PLAN {sql}", self._limits)
        return found if isinstance(found, Failure) else sqlite_plan(found.rows)

    def _run(self, sql: str, limits: Limits) -> Execution:
        """Execute without the guard: what protects now is SQLite itself."""
        budget = Budget(limits=limits)
        return self._read(budget, lambda reader: _execute(reader, sql, budget, self._schema))

    def _read(self, budget: Budget, read: Callable[[Reader], _T]) -> _T:
        """Call `read` with a connection, again while a lock or a writer gets in its way.

        Raises:
            DatabaseError: the lock stays, or the database cannot be read.
        """
        patience = time.monotonic() + min(_LOCK_SECONDS, budget.limits.seconds)
        with self._running.including(budget):
            while True:
                state = self._examine()
                try:
                    with self._reader(state) as reader:
                        result = read(reader)
                    if state == self._examine():
                        return result
                    trouble = DatabaseError(
                        f"The database {self._shown} is being rewritten by another process: "
                        "wait until it has finished, then try again."
                    )
                except sqlite3.Error as error:
                    trouble = database_error(error, self._shown)
                    if not is_busy(error) and state == self._examine():
                        raise trouble from error
                if time.monotonic() >= patience or budget.cancelled:
                    raise trouble
                time.sleep(_LOCK_POLL_SECONDS)

    def _examine(self) -> FileState:
        """Look at the file again: it may have been replaced, removed or written."""
        if self._closed:
            raise DatabaseError(f"The database {self._shown} was closed: open it again.")
        return examine(self._file)

    @contextmanager
    def _reader(self, state: FileState) -> Iterator[Reader]:
        """Lend a connection for `state` to this thread alone, and keep it for the next."""
        with self._lock:
            stale = [r for r in self._idle if r.state != state]
            fresh = [r for r in self._idle if r.state == state]
            reader = fresh.pop() if fresh else None
            self._idle = fresh
        for old in stale:
            old.close()
        reader = reader or Reader(self._file, state)
        try:
            yield reader
        finally:
            with self._lock:
                kept = not self._closed
                if kept:
                    self._idle.append(reader)
            if not kept:
                reader.close()

    def _describe(self, reader: Reader) -> Schema:
        schema = self._reflect(reader.state)
        tables = tuple(with_examples(t, self._sample(reader, t)) for t in schema.tables)
        schema = replace(schema, tables=tables)
        return replace(schema, foreign_keys=(*schema.foreign_keys, *infer_foreign_keys(schema)))

    def _reflect(self, state: FileState) -> Schema:
        engine = create_engine(
            "sqlite://", creator=partial(connect, self._file, state), poolclass=NullPool
        )
        try:
            with engine.connect() as connection:
                # One transaction: a writer cannot change the catalogue while it is read.
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1")
                return reflect(
                    connection,
                    name=self.name,
                    dialect=self.dialect,
                    declared=partial(_declared_types, connection),
                    scope=Scope(hidden=_shadow_tables(connection)),
                )
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error):
                raise error.orig from error
            raise

    def _sample(self, reader: Reader, table: Table) -> list[Row]:
        """Read the first rows of `table`, as far as that is cheap."""
        if not table.columns:
            return []
        # Binary columns give no examples, and reading them may cost megabytes.
        names = ", ".join("NULL" if c.kind == "other" else _quoted(c.name) for c in table.columns)
        sql = f"SELECT {names} FROM {_quoted(table.name)} LIMIT {SAMPLED_ROWS}"
        budget = Budget(limits=self._limits, steps=_SAMPLE_STEPS)
        rows: list[Row] = []
        try:
            rows.extend(_rows_until(reader, sql, budget, most=SAMPLED_BYTES))
        except sqlite3.Error as error:
            # A damaged table has no examples; saying so is left to the statement that needs it.
            if is_busy(error):
                raise
        return rows


def _execute(reader: Reader, sql: str, budget: Budget, schema: Schema | None) -> Execution:
    """Run `sql` and collect its rows within the budget; errors of the database are raised."""
    try:
        return _tried(reader, sql, budget, schema)
    except (UnicodeError, ValueError) as error:
        return Failure(kind="error", message=f"The statement is not valid text: {error}.")
    except MemoryError:
        return Failure(kind="cap", message="The statement needs more memory than there is.")


def _tried(reader: Reader, sql: str, budget: Budget, schema: Schema | None) -> Execution:
    try:
        return _collected(reader, sql, budget)
    except sqlite3.Error as error:
        if is_of_database(error):
            raise
        failed = failure(error, budget, reader.refused, schema, reader.longest)
        helps = is_too_long(error) and not budget.stopped and reader.could_be_longer
    return (_again(reader, sql, budget) if helps else None) or failed


def _collected(reader: Reader, sql: str, budget: Budget, *, bounded: bool = False) -> Execution:
    with reader.reading(sql, budget, bounded=bounded) as cursor:
        if cursor.description is None:
            return Failure(kind="error", message="There is no statement to run.")
        columns = tuple(str(described[0]) for described in cursor.description)
        found = collect(columns, cursor, budget.limits)
    # When the time is up, some functions give NULL for what became too long.
    return stopped(budget) if budget.stopped else found


def _again(reader: Reader, sql: str, budget: Budget) -> Execution | None:
    """Run a statement whose values were too long for SQLite's own functions; None if it cannot."""
    try:
        return _collected(reader, sql, budget, bounded=True)
    except sqlite3.Error as error:
        if is_of_database(error) and "unsafe use" not in str(error):
            raise
        if is_too_long(error) or budget.stopped:
            return failure(error, budget, reader.refused, None, reader.longest)
        return None  # views and generated columns may use SQLite's own functions alone


def _rows_until(reader: Reader, sql: str, budget: Budget, *, most: int) -> Iterator[Row]:
    """Yield rows until they end, have made `most` bytes, or exhaust the budget."""
    left = most
    try:
        with reader.reading(sql, budget) as cursor:
            for row in cursor:
                yield row
                left -= size_of(row)
                if left < 0:
                    return
    except sqlite3.Error as error:
        if is_of_database(error):
            raise
        failure(error, budget, reader.refused, None)  # brings back a swallowed Ctrl-C
    except MemoryError:
        return  # a view whose program would be too long: it shows no rows here


def _declared_types(connection: Connection, table: str) -> Mapping[str, str]:
    """Return the types of `table` as its CREATE statement spells them."""
    found = connection.exec_driver_sql("SELECT name, type FROM pragma_table_xinfo(?)", (table,))
    return {str(name): str(type_ or "") for name, type_ in found}


def _shadow_tables(connection: Connection) -> frozenset[tuple[str | None, str]]:
    """Return the tables in which full-text and other virtual tables keep their own data."""
    try:
        found = connection.exec_driver_sql(
            "SELECT name FROM pragma_table_list WHERE type = 'shadow'"
        )
        return frozenset((None, str(name)) for (name,) in found)
    except DBAPIError:  # SQLite before 3.37 cannot tell
        return frozenset()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
