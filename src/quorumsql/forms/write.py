"""Write the query tree as SQL: aliases, joins and quoting follow from the schema.

What is not covered: other dialects than SQLite's; sqlglot transpiles what comes out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from quorumsql.domain import ColumnRef, Schema
from quorumsql.forms.tree import (
    Arithmetic,
    Call,
    Condition,
    Expression,
    Operand,
    Predicate,
    Query,
    SpanRef,
    Star,
    Value,
    map_queries,
)
from quorumsql.joins import JoinGraph, JoinPath
from quorumsql.sql import quote

__all__ = ["Unwritable", "implicit", "path_of", "write"]

PATTERNS = {"contains": "%{}%", "starts": "{}%", "ends": "%{}"}


class Unwritable(ValueError):
    """The tables that the tree needs cannot be joined."""


def path_of(query: Query, graph: JoinGraph) -> JoinPath | None:
    """The joins of this SELECT: the given tables, those of its columns, and bridges."""
    return graph.path(_needed(query), via=query.via)


def _needed(query: Query) -> tuple[str, ...]:
    own = (column.table for column in query.columns())
    return tuple(dict.fromkeys((*own, *query.tables)))


def implicit(query: Query, graph: JoinGraph) -> Query:
    """Return `query` without the tables that follow from its columns, subqueries included."""
    return map_queries(query, partial(_without_implied, graph=graph))


def _without_implied(query: Query, graph: JoinGraph) -> Query:
    extras: tuple[str, ...] = ()
    for table in query.tables:
        path = path_of(replace(query, tables=extras), graph)
        if path is None or table not in path.tables:
            extras = (*extras, table)
    return replace(query, tables=extras)


def write(query: Query, schema: Schema, graph: JoinGraph) -> str:
    """Return SQLite SQL for the tree.

    Raises:
        Unwritable: no chain of foreign keys connects the tables it needs.
    """
    return _Writer(schema, graph).query(query)


class _Writer:
    def __init__(self, schema: Schema, graph: JoinGraph) -> None:
        self._schema, self._graph = schema, graph

    def query(self, query: Query) -> str:
        path = path_of(query, self._graph)
        if path is None:
            raise Unwritable(f"no join connects {', '.join(_needed(query)) or 'no table'}")
        alone = not path.joins
        parts = [
            "SELECT "
            + "DISTINCT " * query.distinct
            + ", ".join(self.expression(e, alone) for e in query.select),
            "FROM " + self.joins(path),
        ]
        if query.where:
            parts.append("WHERE " + self.condition(query.where, alone))
        if query.group:
            parts.append("GROUP BY " + ", ".join(self.column(c, alone) for c in query.group))
        if query.having:
            parts.append("HAVING " + self.condition(query.having, alone))
        if query.order:
            items = (
                self.expression(o.expression, alone) + " DESC" * o.descending for o in query.order
            )
            parts.append("ORDER BY " + ", ".join(items))
        if query.limit:
            parts.append("LIMIT " + self.operand(query.limit, alone))
        if query.compound:
            word, other = query.compound
            parts.append(f"{word.upper()} {self.query(other)}")
        return " ".join(parts)

    def joins(self, path: JoinPath) -> str:
        text = quote(path.first, "sqlite")
        for join in path.joins:
            on = " AND ".join(
                f"{self.column(left, False)} = {self.column(right, False)}"
                for left, right in join.pairs
            )
            text += f" JOIN {quote(join.table, 'sqlite')} ON {on}"
        return text

    def column(self, column: ColumnRef, alone: bool) -> str:
        name = quote(column.column, "sqlite")
        return name if alone else f"{quote(column.table, 'sqlite')}.{name}"

    def expression(self, expression: Expression, alone: bool) -> str:
        match expression:
            case ColumnRef():
                return self.column(expression, alone)
            case Star():
                return "*"
            case Call(function, argument, distinct):
                inner = self.expression(argument, alone)
                return f"{function.upper()}({'DISTINCT ' * distinct}{inner})"
            case Arithmetic(operator, left, right):
                sides = (
                    f"({text})" if isinstance(side, Arithmetic) else text
                    for side, text in ((s, self.expression(s, alone)) for s in (left, right))
                )
                return f" {operator} ".join(sides)

    def condition(self, condition: Condition, alone: bool) -> str:
        text = self.predicate(condition.predicates[0], alone)
        for word, predicate in zip(condition.connectors, condition.predicates[1:], strict=True):
            text += f" {word.upper()} {self.predicate(predicate, alone)}"
        return text

    def predicate(self, predicate: Predicate, alone: bool) -> str:
        left = self.expression(predicate.left, alone)
        maybe_not = "NOT " * predicate.negated
        match predicate.operator:
            case "null":
                return f"{left} IS {maybe_not}NULL"
            case "between":
                low, high = (self.operand(o, alone) for o in predicate.right)
                return f"{left} {maybe_not}BETWEEN {low} AND {high}"
            case "in":
                return f"{left} {maybe_not}IN {self.operand(predicate.right[0], alone)}"
            case "contains" | "starts" | "ends" as pattern:
                value = predicate.right[0]
                text = value.text if isinstance(value, Value) else ""
                return f"{left} {maybe_not}LIKE {_text(PATTERNS[pattern].format(text))}"
            case operator:
                return f"{maybe_not}{left} {operator} {self.operand(predicate.right[0], alone)}"

    def operand(self, operand: Operand, alone: bool) -> str:
        match operand:
            case Value():
                return _literal(operand)
            case Query():
                return f"({self.query(operand)})"
            case SpanRef():
                raise Unwritable("a value is still a span")
        return self.expression(operand, alone)


def _literal(value: Value) -> str:
    return value.text if value.number else _text(value.text)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
