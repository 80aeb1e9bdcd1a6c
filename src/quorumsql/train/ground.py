"""What queries are modified on: a schema, its joins and its values.

What is not covered: what is done with them; see `modify` and `restyle`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quorumsql.domain import ColumnRef, Schema
from quorumsql.forms.tree import Query
from quorumsql.forms.write import path_of
from quorumsql.joins import JoinGraph

__all__ = ["Ground"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The schema that modified queries are about, and a source of stored values."""

    schema: Schema
    graph: JoinGraph
    values: Callable[[ColumnRef], Sequence[object]]

    def columns(self, query: Query, *, kind: str | None = None) -> list[ColumnRef]:
        """Columns of the tables that `query` reads, of one kind or any."""
        path = path_of(query, self.graph)
        return [
            ColumnRef(table=table.name, column=column.name)
            for table in self.schema.tables
            if path is not None and table.name in path.tables
            for column in table.columns
            if kind is None or column.kind == kind
        ]

    def kind(self, ref: ColumnRef) -> str:
        """The kind of a column."""
        table = self.schema.table(ref.table)
        column = table.column(ref.column) if table else None
        return column.kind if column else "other"
