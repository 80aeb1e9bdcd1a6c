"""Which stored column a name inside one SELECT means.

What is not covered: aliases of tables, columns of subqueries in FROM, and correlated names. The
embedded members write none of them; what is not found stays as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from quorumsql.domain import Column, Schema, Table

__all__ = ["Sources"]


class Sources:
    """The tables that one SELECT reads, and the nodes that are its own."""

    def __init__(self, select: exp.Select, schema: Schema) -> None:
        self._select = select
        self.tables = [(node, _table(node, schema)) for node in self._read()]

    @property
    def complete(self) -> bool:
        """Whether all that it reads is known."""
        nested = any(isinstance(node, exp.Subquery) for node in self._froms())
        return bool(self.tables) and not nested and all(table for _, table in self.tables)

    def own(self, *types: type[exp.Expr]) -> Iterator[exp.Expr]:
        """Yield the nodes of these types that belong to this SELECT, not to one inside it.

        A subquery itself belongs to the SELECT around it.
        """
        for node in self._select.walk(prune=lambda n: n is not self._select and _is_query(n)):
            if isinstance(node, types) and (not _is_query(node) or node is not self._select):
                yield node

    def column(self, node: exp.Expr | None) -> tuple[Table, Column] | None:
        """Return the table and the column that `node` names, if it names one."""
        if not isinstance(node, exp.Column):
            return None
        for _, table in self.tables:
            if table is None or (node.table and node.table.lower() != table.name.lower()):
                continue
            column = table.column(node.name)
            if column is not None:
                return table, column
        return None

    def names(self, name: str) -> bool:
        """Whether `name` is that of a column, or of an expression of this SELECT."""
        aliases = {e.alias.lower() for e in self._select.expressions if e.alias}
        return name.lower() in aliases or any(t and t.column(name) for _, t in self.tables)

    def _froms(self) -> Iterator[exp.Expr]:
        source = self._select.args.get("from_")
        if source is not None:
            yield source.this
        for join in self._select.args.get("joins") or ():
            yield join.this

    def _read(self) -> Iterator[exp.Table]:
        return (node for node in self._froms() if isinstance(node, exp.Table))


def _is_query(node: exp.Expr) -> bool:
    return isinstance(node, (exp.Select, exp.SetOperation))


def _table(node: exp.Table, schema: Schema) -> Table | None:
    if node.alias:
        return None
    found = schema.table(node.name)
    return found or (schema.table(f"{node.db}.{node.name}") if node.db else None)
