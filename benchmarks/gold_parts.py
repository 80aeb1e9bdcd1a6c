"""What gold queries use of their schema: columns, and string literals with their column.

Read by the benchmarks of value retrieval and of the schema filter.

What is not covered: queries that sqlglot cannot qualify; callers count them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from quorumsql.domain import ColumnRef, Schema

__all__ = ["GoldParts", "gold_parts"]

_COMPARING = (exp.EQ, exp.NEQ, exp.Like, exp.ILike, exp.In, exp.GT, exp.LT, exp.GTE, exp.LTE)


@dataclass(frozen=True, slots=True)
class GoldParts:
    """Columns of a query, those of them that only join tables, and its string literals."""

    columns: frozenset[ColumnRef]
    joining: frozenset[ColumnRef]
    literals: tuple[tuple[ColumnRef, str], ...]


def gold_parts(sql: str, schema: Schema) -> GoldParts | None:
    """Return the parts of `sql`; None where it cannot be qualified."""
    try:
        tree = sqlglot.parse_one(sql, dialect="sqlite")
        _strings(tree, schema)
        names: dict[str, object] = {
            t.name: {c.name: "TEXT" for c in t.columns} for t in schema.tables
        }
        whole: Any = qualify(
            tree,
            schema=names,
            dialect="sqlite",
            expand_stars=False,
            validate_qualify_columns=False,
            quote_identifiers=False,
            identify=False,
        )
        return _parts(whole, schema)
    except SqlglotError:
        return None


def _strings(tree: Any, schema: Schema) -> None:
    """SQLite reads "a word" that names no column as a string."""
    known = {c.name.lower() for t in schema.tables for c in t.columns}
    known |= {alias.alias.lower() for alias in tree.find_all(exp.Alias)}
    for column in list(tree.find_all(exp.Column)):
        own = column.this
        if isinstance(own, exp.Identifier) and own.quoted and not column.table:
            if own.name.lower() not in known:
                column.replace(exp.Literal.string(own.name))


def _parts(tree: Any, schema: Schema) -> GoldParts:
    refs: dict[int, ColumnRef] = {}
    for scope in traverse_scope(tree):
        for column in scope.columns:
            source = scope.sources.get(column.table)
            if isinstance(source, exp.Table):
                table = schema.table(source.name)
                found = table.column(column.name) if table else None
                if table and found:
                    refs[id(column)] = ColumnRef(table=table.name, column=found.name)
    joining: set[ColumnRef] = set()
    used: set[ColumnRef] = set()
    for column in tree.find_all(exp.Column):
        if id(column) in refs:
            equal = column.parent
            joins = isinstance(equal, exp.EQ) and all(
                isinstance(side, exp.Column) for side in (equal.this, equal.expression)
            )
            (joining if joins else used).add(refs[id(column)])
    return GoldParts(
        frozenset(joining | used), frozenset(joining - used), tuple(_literals(tree, refs))
    )


def _literals(tree: Any, refs: dict[int, ColumnRef]) -> list[tuple[ColumnRef, str]]:
    found: list[tuple[ColumnRef, str]] = []
    for node in tree.find_all(*_COMPARING):
        columns = [refs[id(c)] for c in node.find_all(exp.Column) if id(c) in refs]
        own = [side for side in node.iter_expressions() if isinstance(side, exp.Literal)]
        for literal in own:
            if literal.is_string and columns and (columns[0], literal.name) not in found:
                found.append((columns[0], literal.name))
    return found
