"""A database whose schema carries descriptions: another `Database` around any other.

What is not covered: where descriptions come from; see `stages.describe`.
"""

from __future__ import annotations

from collections.abc import Callable

from quorumsql.domain import Execution, Limits, Schema
from quorumsql.ports import Database

__all__ = ["DescribedDatabase"]


class DescribedDatabase:
    """Adds to what `database` says of itself; everything else is passed on."""

    def __init__(self, database: Database, describe: Callable[[Schema], Schema]) -> None:
        self._database = database
        self._describe = describe
        self._schema: tuple[Schema, Schema] | None = None

    @property
    def name(self) -> str:
        """The name of the database."""
        return self._database.name

    @property
    def dialect(self) -> str:
        """Name of the SQL it speaks, as sqlglot calls it."""
        return self._database.dialect

    def schema(self) -> Schema:
        """Describe the database, descriptions included."""
        plain = self._database.schema()
        if self._schema is None or self._schema[0] is not plain:
            self._schema = (plain, self._describe(plain))
        return self._schema[1]

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement."""
        return self._database.execute(sql, limits=limits)

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return distinct values of a column."""
        return self._database.values(table, column, limit=limit)

    def close(self) -> None:
        """Give back the database."""
        self._database.close()
