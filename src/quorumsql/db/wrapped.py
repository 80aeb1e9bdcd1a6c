"""A database around another one, which passes on what it does not change.

What is not covered: `cancel` and what else only some databases can.
"""

from __future__ import annotations

from quorumsql.domain import Execution, Limits, Schema
from quorumsql.ports import Database

__all__ = ["WrappedDatabase"]


class WrappedDatabase:
    """Passes everything on to `database`."""

    def __init__(self, database: Database) -> None:
        """Take an open database, which is closed with this."""
        self._database = database

    @property
    def name(self) -> str:
        """The name of the database."""
        return self._database.name

    @property
    def dialect(self) -> str:
        """Name of the SQL it speaks, as sqlglot calls it."""
        return self._database.dialect

    def schema(self) -> Schema:
        """Describe the database."""
        return self._database.schema()

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement."""
        return self._database.execute(sql, limits=limits)

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return distinct values of a column."""
        return self._database.values(table, column, limit=limit)

    def close(self) -> None:
        """Give back the database."""
        self._database.close()
