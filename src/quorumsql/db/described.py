"""A database whose schema carries descriptions: another `Database` around any other.

What is not covered: where descriptions come from; see `stages.describe`.
"""

from __future__ import annotations

from collections.abc import Callable

from quorumsql.db.wrapped import WrappedDatabase
from quorumsql.domain import Schema
from quorumsql.ports import Database

__all__ = ["DescribedDatabase"]


class DescribedDatabase(WrappedDatabase):
    """Adds to what `database` says of itself; everything else is passed on."""

    def __init__(self, database: Database, describe: Callable[[Schema], Schema]) -> None:
        super().__init__(database)
        self._describe = describe
        self._schema: tuple[Schema, Schema] | None = None

    def schema(self) -> Schema:
        """Describe the database, descriptions included."""
        plain = self._database.schema()
        if self._schema is None or self._schema[0] is not plain:
            self._schema = (plain, self._describe(plain))
        return self._schema[1]
