"""The query tree that generators write: SQL without aliases and join conditions.

It is what a small model has to decide: columns, functions, conditions, values, nesting.
Tables' aliases, join conditions and quoting follow from the schema when SQL is written.

What is not covered: queries in FROM, CASE, window functions, correlated subqueries,
LEFT JOIN, and joining a table with itself. `read` refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from quorumsql.domain import ColumnRef

__all__ = [
    "Arithmetic",
    "Call",
    "Condition",
    "Expression",
    "Operand",
    "Ordering",
    "Predicate",
    "Query",
    "SpanRef",
    "Star",
    "Value",
    "columns_of",
    "map_predicates",
    "map_queries",
    "map_values",
]


@dataclass(frozen=True, slots=True)
class Star:
    """All columns, or in COUNT all rows."""


@dataclass(frozen=True, slots=True)
class Value:
    """A literal. `guessed` when nothing in the question says it."""

    text: str
    number: bool = False
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class SpanRef:
    """A value still to be read from the span of this number in the question."""

    number: int


@dataclass(frozen=True, slots=True)
class Call:
    """An aggregate: count, sum, avg, min or max of one argument."""

    function: str
    argument: Expression
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two expressions and one of + - * /."""

    operator: str
    left: Expression
    right: Expression


Expression: TypeAlias = ColumnRef | Star | Call | Arithmetic


@dataclass(frozen=True, slots=True)
class Predicate:
    """A comparison. `operator` is one of grammar.OPERATORS, `right` its operands (0 to 2)."""

    left: Expression
    operator: str
    right: tuple[Operand, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """Predicates joined by "and" and "or", AND binding first as in SQL."""

    predicates: tuple[Predicate, ...]
    connectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ordering:
    """One ORDER BY item."""

    expression: Expression
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT, with what a set operation adds behind it.

    `tables` are the tables of FROM that do not follow from the columns, or all of them,
    depending on the form; `via` are key columns to join through where several would do.
    """

    select: tuple[Expression, ...]
    distinct: bool = False
    tables: tuple[str, ...] = ()
    via: tuple[ColumnRef, ...] = ()
    where: Condition | None = None
    group: tuple[ColumnRef, ...] = ()
    having: Condition | None = None
    order: tuple[Ordering, ...] = ()
    limit: Value | SpanRef | None = None
    compound: tuple[str, Query] | None = None

    def parts(self) -> Iterator[Query]:
        """SELECTs directly below this one: those of conditions, then that of a set operation."""
        for condition in (self.where, self.having):
            for predicate in condition.predicates if condition else ():
                yield from (operand for operand in predicate.right if isinstance(operand, Query))
        if self.compound:
            yield self.compound[1]

    def columns(self) -> Iterator[ColumnRef]:
        """Columns of this SELECT in the order in which they are written, without subqueries."""
        for expression in self.select:
            yield from columns_of(expression)
        for condition in (self.where, self.having):
            for predicate in condition.predicates if condition else ():
                yield from columns_of(predicate.left)
                for operand in predicate.right:
                    if not isinstance(operand, Value | SpanRef | Query):
                        yield from columns_of(operand)
        yield from self.group
        for ordering in self.order:
            yield from columns_of(ordering.expression)


Operand: TypeAlias = Value | SpanRef | Query | Expression
Literal: TypeAlias = Value | SpanRef


def columns_of(expression: Expression) -> Iterator[ColumnRef]:
    """Columns inside one expression."""
    match expression:
        case ColumnRef():
            yield expression
        case Call(argument=argument):
            yield from columns_of(argument)
        case Arithmetic(left=left, right=right):
            yield from columns_of(left)
            yield from columns_of(right)
        case Star():
            return


def map_values(query: Query, change: Callable[[Predicate | None, Literal], Literal]) -> Query:
    """Return `query` with every value changed; `change` sees its predicate, None for LIMIT."""

    def of_predicate(predicate: Predicate) -> Predicate:
        right = (
            change(predicate, o) if isinstance(o, Value | SpanRef) else o for o in predicate.right
        )
        return replace(predicate, right=tuple(right))

    def of_limit(query: Query) -> Query:
        return replace(query, limit=change(None, query.limit)) if query.limit else query

    return map_queries(map_predicates(query, of_predicate), of_limit)


def map_predicates(query: Query, change: Callable[[Predicate], Predicate]) -> Query:
    """Return `query` with every predicate changed, those of subqueries too."""

    def of_condition(condition: Condition | None) -> Condition | None:
        if condition is None:
            return None
        return replace(condition, predicates=tuple(map(change, condition.predicates)))

    def of_query(query: Query) -> Query:
        return replace(query, where=of_condition(query.where), having=of_condition(query.having))

    return map_queries(query, of_query)


def map_queries(query: Query, change: Callable[[Query], Query]) -> Query:
    """Change `query` and every query inside it, the inner ones first."""

    def of_condition(condition: Condition | None) -> Condition | None:
        if condition is None:
            return None
        return replace(condition, predicates=tuple(map(of_predicate, condition.predicates)))

    def of_predicate(predicate: Predicate) -> Predicate:
        right = (map_queries(o, change) if isinstance(o, Query) else o for o in predicate.right)
        return replace(predicate, right=tuple(right))

    compound = query.compound
    return change(
        replace(
            query,
            where=of_condition(query.where),
            having=of_condition(query.having),
            compound=(compound[0], map_queries(compound[1], change)) if compound else None,
        )
    )
