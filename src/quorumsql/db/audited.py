"""A database whose every statement is recorded: another `Database` around any other.

A statement is recorded before it runs, so that one that kills the process leaves a trace too, and
what came of it when it has ended.

What is not covered: reading the catalogue, of which only the beginning is recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from quorumsql.db.wrapped import WrappedDatabase
from quorumsql.domain import Execution, Limits, Rows, Schema
from quorumsql.ports import Audit, Database
from quorumsql.sql import quote

__all__ = ["AuditedDatabase"]

_T = TypeVar("_T")


class AuditedDatabase(WrappedDatabase):
    """Tells `audit` of all that is asked of `database`."""

    def __init__(self, database: Database, audit: Audit) -> None:
        super().__init__(database)
        self._audit = audit
        self._describing = threading.Lock()
        self._names: frozenset[str] = frozenset()

    def schema(self) -> Schema:
        """Describe the database; the first time is recorded."""
        with self._describing:
            if self._names:
                return self._database.schema()
            schema = self._recorded("-- reading the schema", self._database.schema, _of_schema)
            columns = (c.name for t in schema.tables for c in t.columns)
            self._names = frozenset((*columns, *(t.bare_name for t in schema.tables), ""))
            return schema

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement and record it."""
        return self._recorded(sql, lambda: self._database.execute(sql, limits=limits), _itself)

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return distinct values of a column and record that they were read."""
        name, place = quote(column, self.dialect), quote(table, self.dialect)
        return self._recorded(
            f"SELECT DISTINCT {name} FROM {place} LIMIT {limit}",
            lambda: self._database.values(table, column, limit=limit),
            _of_values,
        )

    def _recorded(self, sql: str, run: Callable[[], _T], told: Callable[[_T], Execution]) -> _T:
        started = time.perf_counter()
        statement = self._audit.began(sql, names=self._names)
        execution: Execution | None = None
        try:
            result = run()
            execution = told(result)
        finally:
            seconds = time.perf_counter() - started
            self._audit.ended(statement, execution, seconds=seconds)
        return result


def _itself(execution: Execution) -> Execution:
    return execution


def _of_schema(schema: Schema) -> Execution:
    return Rows(columns=("table",), rows=tuple((table.name,) for table in schema.tables))


def _of_values(values: tuple[object, ...]) -> Execution:
    return Rows(columns=("value",), rows=tuple((value,) for value in values))
