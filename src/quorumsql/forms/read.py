"""Read SQL into the query tree: what training learns from.

What is not covered: see `tree`; such SQL raises `Unreadable` and is left out of training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp

from quorumsql.domain import ColumnRef, Schema
from quorumsql.forms.tree import (
    Arithmetic,
    Call,
    Condition,
    Expression,
    Operand,
    Ordering,
    Predicate,
    Query,
    Star,
    Value,
)
from quorumsql.joins import JoinGraph, JoinPath

__all__ = ["Unreadable", "read"]

AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
}
ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.GT: ">",
    exp.LT: "<",
    exp.GTE: ">=",
    exp.LTE: "<=",
}
COMPOUNDS: dict[type[exp.Expr], str] = {
    exp.Union: "union",
    exp.Intersect: "intersect",
    exp.Except: "except",
}


class Unreadable(ValueError):
    """The SQL uses something the tree has no place for."""


@dataclass(frozen=True, slots=True)
class _Scope:
    schema: Schema
    graph: JoinGraph
    names: dict[str, str]
    """Alias or table name in lower case → table name of the schema."""


def read(sql: str, schema: Schema) -> Query:
    """Return the tree of one SELECT.

    `tables` of each query are exactly the tables of its FROM; `via` is filled where the
    joins differ from those that the join graph would choose by itself.

    Raises:
        Unreadable: it does not parse, names something that is not in the schema, or uses
            what the tree does not cover.
    """
    try:
        root = sqlglot.parse_one(sql, dialect="sqlite")
    except sqlglot.errors.SqlglotError as error:
        raise Unreadable(f"does not parse: {error}") from error
    return _query(root, schema, JoinGraph(schema))


def _query(node: exp.Expr, schema: Schema, graph: JoinGraph) -> Query:
    for kind, name in COMPOUNDS.items():
        if isinstance(node, kind):
            left = _query(node.this, schema, graph)
            right = _query(node.expression, schema, graph)
            if left.compound or node.args.get("order") or node.args.get("limit"):
                raise Unreadable("a set operation of a set operation, or ordered")
            return replace(left, compound=(name, right))
    if isinstance(node, exp.Subquery):
        return _query(node.this, schema, graph)
    if not isinstance(node, exp.Select):
        raise Unreadable(f"not a SELECT: {type(node).__name__}")
    scope = _scope(node, schema, graph)
    tables = tuple(scope.names[_alias(table)] for table in _from_tables(node))
    where, having = node.args.get("where"), node.args.get("having")
    order, limit = node.args.get("order"), node.args.get("limit")
    group = node.args.get("group")
    return Query(
        select=tuple(_expression(item.unalias(), scope) for item in node.expressions),
        distinct=bool(node.args.get("distinct")),
        tables=tables,
        via=_via(node, tables, scope),
        where=_condition(where.this, scope) if where else None,
        group=tuple(_column(item, scope) for item in group.expressions) if group else (),
        having=_condition(having.this, scope) if having else None,
        order=tuple(_ordering(item, scope) for item in order.expressions) if order else (),
        limit=_value(limit.expression) if limit else None,
    )


def _from_tables(node: exp.Select) -> list[exp.Table]:
    source = node.args.get("from_") or node.args.get("from")
    if source is None:
        raise Unreadable("no FROM")
    items = [source.this, *(join.this for join in node.args.get("joins") or ())]
    for item in items:
        if not isinstance(item, exp.Table):
            raise Unreadable("a query in FROM")
    return items


def _alias(table: exp.Table) -> str:
    return table.alias_or_name.lower()


def _scope(node: exp.Select, schema: Schema, graph: JoinGraph) -> _Scope:
    names: dict[str, str] = {}
    for table in _from_tables(node):
        found = schema.table(table.name)
        if found is None:
            raise Unreadable(f"no table {table.name!r}")
        if found.name in names.values():
            raise Unreadable("a table joined with itself")
        names[_alias(table)] = found.name
    return _Scope(schema=schema, graph=graph, names=names)


def _via(node: exp.Select, tables: tuple[str, ...], scope: _Scope) -> tuple[ColumnRef, ...]:
    """Key columns of the written joins that the join graph would not have chosen."""
    written: set[frozenset[ColumnRef]] = set()
    for join in node.args.get("joins") or ():
        if join.side:
            raise Unreadable("an outer join")
        condition = join.args.get("on")
        for pair in condition.find_all(exp.EQ) if condition else ():
            if isinstance(pair.this, exp.Column) and isinstance(pair.expression, exp.Column):
                ends = (_column(pair.this, scope), _column(pair.expression, scope))
                written.add(frozenset(ends))
    derived = _pairs(scope.graph.path(tables))
    if not written or written == derived:
        return ()
    via = tuple(
        column
        for pair in sorted(written - derived, key=str)
        for key in scope.schema.foreign_keys
        for column in sorted(pair, key=str)
        if key.table == column.table and column.column in key.columns
    )
    return tuple(dict.fromkeys(via))


def _pairs(path: JoinPath | None) -> set[frozenset[ColumnRef]]:
    return {frozenset(pair) for join in path.joins for pair in join.pairs} if path else set()


def _column(node: exp.Expr, scope: _Scope) -> ColumnRef:
    if not isinstance(node, exp.Column):
        raise Unreadable(f"expected a column: {node.sql()}")
    if node.table:
        owner = scope.names.get(node.table.lower())
        candidates = [owner] if owner else []
    else:
        candidates = list(scope.names.values())
    for name in candidates:
        table = scope.schema.table(name)
        column = table.column(node.name) if table else None
        if table and column:
            return ColumnRef(table=table.name, column=column.name)
    raise Unreadable(f"no column {node.sql()!r}")


def _expression(node: exp.Expr, scope: _Scope) -> Expression:
    match node:
        case exp.Star():
            return Star()
        case exp.Column(this=exp.Star()):
            return Star()
        case exp.Column():
            return _column(node, scope)
        case exp.Paren():
            return _expression(node.this, scope)
    if type(node) in AGGREGATES:
        argument, distinct = node.this, False
        if isinstance(argument, exp.Distinct):
            argument, distinct = argument.expressions[0], True
        return Call(AGGREGATES[type(node)], _expression(argument, scope), distinct)
    if type(node) in ARITHMETIC:
        left, right = _expression(node.this, scope), _expression(node.expression, scope)
        return Arithmetic(ARITHMETIC[type(node)], left, right)
    raise Unreadable(f"expression {type(node).__name__}")


def _condition(node: exp.Expr, scope: _Scope) -> Condition:
    if isinstance(node, exp.Paren):
        return _condition(node.this, scope)
    if isinstance(node, exp.And | exp.Or):
        for side in (node.this, node.expression):
            inner = side.unnest()
            if (
                isinstance(node, exp.And)
                and isinstance(side, exp.Paren)
                and isinstance(inner, exp.Or)
            ):
                raise Unreadable("OR inside AND")
        left, right = _condition(node.this, scope), _condition(node.expression, scope)
        word = "and" if isinstance(node, exp.And) else "or"
        return Condition(
            left.predicates + right.predicates, (*left.connectors, word, *right.connectors)
        )
    return Condition((_predicate(node, scope),))


def _predicate(node: exp.Expr, scope: _Scope, negated: bool = False) -> Predicate:
    match node:
        case exp.Not():
            return _predicate(node.this.unnest(), scope, not negated)
        case exp.Between():
            ends = (_operand(node.args["low"], scope), _operand(node.args["high"], scope))
            return Predicate(_expression(node.this, scope), "between", ends, negated)
        case exp.In():
            query = node.args.get("query")
            if query is None:
                raise Unreadable("a list in IN")
            inner = _query(query, scope.schema, scope.graph)
            return Predicate(_expression(node.this, scope), "in", (inner,), negated)
        case exp.Is() if isinstance(node.expression, exp.Null):
            return Predicate(_expression(node.this, scope), "null", (), negated)
        case exp.Like():
            operator, value = _pattern(_value(node.expression))
            negated = negated != bool(node.args.get("negate"))  # sqlglot's NOT LIKE
            return Predicate(_expression(node.this, scope), operator, (value,), negated)
    if type(node) in COMPARISONS:
        right = _operand(node.expression, scope)
        return Predicate(_expression(node.this, scope), COMPARISONS[type(node)], (right,), negated)
    raise Unreadable(f"condition {type(node).__name__}")


def _pattern(value: Value) -> tuple[str, Value]:
    text = value.text
    bare = text.strip("%")
    if "%" in bare or not bare:
        raise Unreadable(f"pattern {text!r}")
    if text.startswith("%") and text.endswith("%"):
        return "contains", Value(bare)
    if text.endswith("%"):
        return "starts", Value(bare)
    return ("ends", Value(bare)) if text.startswith("%") else ("contains", Value(bare))


def _operand(node: exp.Expr, scope: _Scope) -> Operand:
    if isinstance(node, exp.Subquery | exp.Select):
        return _query(node, scope.schema, scope.graph)
    # SQLite reads a double-quoted name that is no column as a string, and Spider relies on it.
    if isinstance(node, exp.Column) and node.this.args.get("quoted") and not node.table:
        return Value(node.name)
    if isinstance(node, exp.Literal | exp.Neg | exp.Boolean):
        return _value(node)
    return _expression(node, scope)


def _value(node: exp.Expr) -> Value:
    match node:
        case exp.Literal():
            return Value(node.name, number=not node.is_string)
        case exp.Neg(this=exp.Literal()):
            return Value("-" + node.this.name, number=True)
        case exp.Boolean():
            return Value("1" if node.this else "0", number=True)
        case exp.Column() if node.this.args.get("quoted"):
            return Value(node.name)
    raise Unreadable(f"value {node.sql()!r}")


def _ordering(node: exp.Expr, scope: _Scope) -> Ordering:
    if not isinstance(node, exp.Ordered):
        raise Unreadable("ORDER BY")
    return Ordering(_expression(node.this, scope), bool(node.args.get("desc")))
