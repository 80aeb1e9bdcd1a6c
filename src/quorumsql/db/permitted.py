"""A database as far as a person may read it: another `Database` around any other.

Statements are rewritten before they reach the engine (`guard.restrict`), the schema, its examples
and the values that an index is built from show only what is left.

What is not covered: the engine's own permissions, which hold besides.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from dataclasses import replace

from quorumsql.db.sample import SAMPLED_ROWS, named_column, with_examples
from quorumsql.db.wrapped import WrappedDatabase
from quorumsql.domain import Execution, Failure, Limits, Rows, Schema, Table
from quorumsql.guard.access import Filter, access
from quorumsql.guard.restrict import restrict
from quorumsql.permissions import Permissions
from quorumsql.ports import Audit, Database
from quorumsql.sql import quote

__all__ = ["PermittedDatabase"]


class PermittedDatabase(WrappedDatabase):
    """Shows of `database` what `permissions` allow."""

    def __init__(
        self,
        database: Database,
        permissions: Permissions,
        *,
        functions: Collection[str] = (),
        audit: Audit | None = None,
    ) -> None:
        """Read the schema, to learn what the permissions mean for it.

        Args:
            database: the database itself.
            permissions: what may be read of it.
            functions: names of functions that the user vouches for.
            audit: told of statements that are refused here, before they reach the database.

        Raises:
            ConfigError: the permissions name what does not exist.
            DatabaseError: the database cannot be read.
        """
        super().__init__(database)
        self._functions = tuple(functions)
        self._audit = audit
        self._access = access(database.schema(), permissions)
        self._hidden = self._access.hidden_names()
        self._describing = threading.Lock()
        self._schema: Schema | None = None

    def schema(self) -> Schema:
        """Describe what may be read; examples come from rows that may be read."""
        with self._describing:
            if self._schema is None:
                shown = self._access.visible()
                by_name = {one.table.name: one for one in self._access.filters}
                tables = (self._sampled(t, by_name[t.name]) for t in shown.tables)
                self._schema = replace(shown, tables=tuple(tables))
            return self._schema

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement, restricted; what goes wrong with it is a `Failure`."""
        allowed = restrict(sql, self._access, functions=self._functions)
        if isinstance(allowed, Failure):
            if self._audit is not None:
                self._audit.ended(self._audit.began(sql), allowed, seconds=0.0)
            return allowed
        found = self._database.execute(allowed, limits=limits)
        return self._discreet(found, sql) if isinstance(found, Failure) else found

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return up to `limit` distinct values that may be read, not NULL.

        Raises:
            UnknownName: there is no such table or column that may be read.
        """
        found, named = named_column(self._access.visible(), table, column)
        one = next(f for f in self._access.filters if f.table.name == found.name)
        if one.is_open or not (one.rows or one.inside or named.name in one.masks):
            return self._database.values(table, column, limit=limit)
        name = quote(named.name, self.dialect)
        rows = self._read(f"SELECT DISTINCT {name}", found, f"WHERE {name} IS NOT NULL", limit)
        return tuple(row[0] for row in rows)

    def _sampled(self, table: Table, one: Filter) -> Table:
        """`table` with examples, where its own rows were sampled without a filter."""
        if one.is_open or not (one.rows or one.inside or one.masks) or not table.columns:
            return table
        names = ", ".join(quote(column.name, self.dialect) for column in table.columns)
        rows = self._read(f"SELECT {names}", table, "", SAMPLED_ROWS)
        return with_examples(table, rows)

    def _read(
        self, select: str, table: Table, where: str, limit: int
    ) -> tuple[tuple[object, ...], ...]:
        """Read rows of a table as the person would; none when that fails."""
        place = quote(table.bare_name, self.dialect)
        if table.schema is not None:
            place = f"{quote(table.schema, self.dialect)}.{place}"
        found = self.execute(f"{select} FROM {place} {where} LIMIT {max(0, limit)}")
        return found.rows if isinstance(found, Rows) else ()

    def _discreet(self, failure: Failure, sql: str) -> Failure:
        """A failure that names nothing which may not be read, nor how it was restricted."""
        words = {word.lower() for word in re.findall(r"\w+", failure.message)}
        known = {word.lower() for word in re.findall(r"\w+", sql)}
        told = "quorum_scan" in words or "quorum_view" in words
        if not told and not (self._hidden & (words - known)):
            return failure
        return replace(failure, message=_WITHOUT_DETAILS)


_WITHOUT_DETAILS = "The statement failed; the details name what may not be read."
