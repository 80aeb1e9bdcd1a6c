"""DuckDB as a `Database`: described through its own catalogue, read in a process of its own.

The order of defence: `guard` on the statement's tree; DuckDB's own parser, which must find one
SELECT; a file opened read-only, external access off, settings locked; a process whose memory
the operating system limits and that is killed when it does not stop. No byte of the user's file
changes, and DuckDB's lock on it is given back a second after the last statement.

What is not covered: databases of several files (ATTACH), encrypted ones, and types that only an
extension knows (GEOMETRY).
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

from quorumsql import guard
from quorumsql.db.budget import Budget, Running, stopped
from quorumsql.db.duckdb_describe import describe, kind_of_type
from quorumsql.db.duckdb_failure import database_error, failure, is_locked, is_of_database
from quorumsql.db.duckdb_read import Place, Pool, Reply, Request
from quorumsql.db.foreign_keys import infer_foreign_keys
from quorumsql.db.look import regular_file, what_it_is
from quorumsql.db.plan import Plan, duckdb_plan, within_plan
from quorumsql.db.sample import SAMPLED_BYTES, SAMPLED_ROWS, named_column, with_examples
from quorumsql.domain import Column, Execution, Failure, Limits, Row, Rows, Schema, Table
from quorumsql.errors import DatabaseError
from quorumsql.sql import quote, quote_table

__all__ = ["DuckDbDatabase"]

_LOCK_SECONDS: Final = 2.0
_LOCK_POLL_SECONDS: Final = 0.05
_SAMPLE_SECONDS: Final = 1.0
"""A view may compute for minutes before its first row; then it has no examples."""

_VALUES_SECONDS: Final = 3.0
_VALUES_ROWS: Final = 100_000
"""How many rows are read for their values where reading all would take too long."""


class DuckDbDatabase:
    """A DuckDB file, read and never written. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        *,
        limits: Limits | None = None,
        name: str | None = None,
        readable: tuple[Path, ...] = (),
        functions: Collection[str] = (),
    ) -> None:
        """Open the file at `path`.

        Args:
            path: an existing database.
            limits: what a statement may cost unless `execute` is told otherwise.
            name: what people call it; the file's name without its ending when absent.
            readable: files outside the database that its views read.
            functions: names of macros that statements may call.

        Raises:
            DatabaseError: there is no readable DuckDB database.
            MissingExtra: DuckDB is not installed.
        """
        regular_file(path, engine="a DuckDB")
        self._path = path
        self._name = name or path.stem
        self._limits = limits or Limits()
        self._functions = tuple(functions)
        self._describing = threading.Lock()
        self._running = Running()
        self._schema: Schema | None = None
        self._scratch = tempfile.TemporaryDirectory(prefix="quorumsql-", ignore_cleanup_errors=True)
        self._pool = Pool(
            Place(path=path.resolve(), scratch=Path(self._scratch.name), readable=readable)
        )
        try:
            self._read(Request(sql="SELECT 1", trusted=True), Limits(seconds=60))
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self._name

    @property
    def dialect(self) -> str:
        """`duckdb`."""
        return "duckdb"

    def schema(self) -> Schema:
        """Describe tables, views, keys (declared or implied) and example values; cached.

        Raises:
            DatabaseError: the database cannot be read.
        """
        with self._describing:
            if self._schema is None:
                schema = self._described()
                tables = tuple(self._with_examples(table) for table in schema.tables)
                schema = replace(schema, tables=tables)
                keys = (*schema.foreign_keys, *infer_foreign_keys(schema))
                self._schema = replace(schema, foreign_keys=keys)
            return self._schema

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement within `limits`.

        Raises:
            DatabaseError: the database is locked, damaged, gone or closed.
        """
        refusal = guard.check(sql, dialect=self.dialect, functions=self._functions)
        if refusal is not None:
            return refusal
        given = limits or self._limits
        return within_plan(
            given, lambda: self._plan(sql), lambda: self._run(Request(sql=sql), given)
        )

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return up to `limit` distinct values, not NULL, in the order of the stored rows.

        Of a column too long to be read in a few seconds only the first rows are read.

        Raises:
            UnknownName: there is no such table or column.
            DatabaseError: the database cannot be read.
        """
        found, named = named_column(self.schema(), table, column)
        rows: Execution = Rows(columns=(), rows=())
        for most in ("", f" LIMIT {_VALUES_ROWS}"):
            limits = replace(self._limits, seconds=_VALUES_SECONDS, rows=max(1, limit))
            rows = self._run(
                Request(sql=_distinct(found, named, limit, most), trusted=True), limits
            )
            if isinstance(rows, Rows):
                return tuple(row[0] for row in rows.rows)
        return ()

    def cancel(self) -> None:
        """Stop all statements that are running, from any thread; each becomes a `Failure`."""
        self._running.cancel()

    def close(self) -> None:
        """Stop what is running and end all processes; safe to call twice."""
        self._running.close()
        self._pool.close()
        self._scratch.cleanup()

    def _plan(self, sql: str) -> Plan | Failure:
        found = self._run(Request(sql=sql, explain=True), self._limits)
        return found if isinstance(found, Failure) else duckdb_plan(found.rows)

    def _run(self, request: Request, limits: Limits) -> Execution:
        """Execute without the guard: what protects now is DuckDB itself."""
        reply, budget = self._read(request, limits)
        match reply:
            case None:
                return stopped(budget)
            case ("rows", columns, rows, truncated, *digests):
                digest = digests[0] if digests else None
                return Rows(columns=columns, rows=tuple(rows), truncated=truncated, digest=digest)
            case ("cap",):
                budget.stopped = "bytes"
                return stopped(budget)
            case ("refused", what):
                return Failure(
                    kind="refused", message=f"Refused: to DuckDB this is {what}, not one SELECT."
                )
            case ("error", kind, text):
                return failure(kind, text)
            case _:
                return Failure(
                    kind="cap", message="The statement ended DuckDB's process: too much memory?"
                )

    def _read(self, request: Request, limits: Limits) -> tuple[Reply | None, Budget]:
        """Ask a process, again while a writer has the file.

        Raises:
            DatabaseError: the lock stays, or the database cannot be read.
        """
        patience = time.monotonic() + min(_LOCK_SECONDS, limits.seconds)
        while True:
            # The clock runs from when there is a process: starting one is no fault of the SQL.
            with (
                self._pool.worker() as worker,
                self._running.including(Budget(limits=limits)) as budget,
            ):
                reply = worker.ask(request, budget, when_slow=self._pool.prepare)
            match reply:
                case ("broken", _, text):
                    regular_file(self._path, engine="a DuckDB")
                    if not is_locked(text) or time.monotonic() >= patience or budget.cancelled:
                        raise database_error(text, self._path)
                    time.sleep(_LOCK_POLL_SECONDS)
                case ("foreign", header):
                    raise DatabaseError(
                        f"{self._path} is not a DuckDB database: {what_it_is(header)}."
                    )
                case ("error", kind, text) if is_of_database(kind, text):
                    raise database_error(text, self._path)
                case _:
                    return reply, budget

    def _described(self) -> Schema:
        return describe(self._catalogue, name=self.name)

    def _catalogue(self, sql: str) -> list[Row]:
        limits = Limits(seconds=60, rows=10_000_000, bytes=1024**3)
        found = self._run(Request(sql=sql, trusted=True), limits)
        if isinstance(found, Failure):
            raise DatabaseError(f"The catalogue of {self._path} cannot be read: {found.message}")
        return list(found.rows)

    def _with_examples(self, table: Table) -> Table:
        if not table.columns:
            return table
        # Binary and nested columns give no examples, and reading them may cost megabytes.
        names = ", ".join(
            "NULL" if c.kind == "other" else quote(c.name, "duckdb") for c in table.columns
        )
        sql = f"SELECT {names} FROM {quote_table(table, 'duckdb')} LIMIT {SAMPLED_ROWS}"
        limits = Limits(seconds=_SAMPLE_SECONDS, rows=SAMPLED_ROWS, bytes=SAMPLED_BYTES)
        found = self._run(Request(sql=sql, trusted=True), limits)
        shown = with_examples(table, found.rows if isinstance(found, Rows) else ())
        # Types are exact here, and SQL is held to them: a text of digits cannot be added up.
        columns = (replace(column, kind=kind_of_type(column.type)) for column in shown.columns)
        return replace(shown, columns=tuple(columns))


def _distinct(table: Table, column: Column, limit: int, most: str) -> str:
    """SQL for the distinct values of a column, ordered by the row that first has them."""
    name = quote(column.name, "duckdb")
    numbered = (
        f"SELECT {name} AS v, row_number() OVER () AS n FROM {quote_table(table, 'duckdb')}{most}"
    )
    return (
        f"SELECT v FROM ({numbered}) WHERE v IS NOT NULL GROUP BY v "
        f"ORDER BY min(n) LIMIT {max(0, limit)}"
    )
