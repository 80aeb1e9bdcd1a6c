"""The same query by another hand: IN for a join, NOT IN for EXCEPT, max() for ORDER BY.

Our members write joins and set operations where a language model often nests queries. A reader
that has met one style only takes the other for a mistake, so lessons hold both, for right and for
wrong queries alike. Whether a rewriting gives the same rows is for the database to say: duplicates
and NULL can make it differ.

What is not covered: what the query tree has no words for (aliases, queries in FROM, EXISTS).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from quorumsql.domain import ColumnRef
from quorumsql.forms.tree import Call, Condition, Expression, Predicate, Query, Star, Value
from quorumsql.forms.write import path_of
from quorumsql.train.ground import Ground

__all__ = ["restyle", "styles_of"]

Style = Callable[[Query, Ground], Query | None]


def restyle(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    """Return `query` in another style, drawn among those that fit it; None where none does."""
    fitting = styles_of(query, ground)
    return rng.choice(fitting) if fitting else None


def styles_of(query: Query, ground: Ground) -> list[Query]:
    """Return `query` in each style that fits it and changes it."""
    found = (style(query, ground) for style in STYLES)
    return [other for other in found if other is not None and other != query]


def _nested(query: Query, ground: Ground) -> Query | None:
    """A join whose second table only filters: A.key IN (SELECT B.key FROM B WHERE …)."""
    shown = {column.table for column in _outside_where(query)}
    path = path_of(query, ground.graph)
    where = query.where
    if len(shown) != 1 or path is None or len(path.tables) != 2 or where is None:
        return None
    if "or" in where.connectors or any(not isinstance(p.left, ColumnRef) for p in where.predicates):
        return None
    own = next(iter(shown))
    (other,) = set(path.tables) - {own}
    (join,) = path.joins
    if len(join.pairs) != 1:
        return None
    here, there = sorted(join.pairs[0], key=lambda column: column.table != own)
    mine = [p for p in where.predicates if _table(p) == own]
    theirs = [p for p in where.predicates if _table(p) == other]
    if not theirs or len(mine) + len(theirs) != len(where.predicates):
        return None
    inner = Query(select=(there,), tables=(other,), where=_all_of(theirs))
    condition = _all_of([*mine, Predicate(here, "in", (inner,))])
    return replace(query, tables=(own,), via=(), where=condition)


def _outside_where(query: Query) -> list[ColumnRef]:
    return list(replace(query, where=None).columns())


def _table(predicate: Predicate) -> str:
    return predicate.left.table if isinstance(predicate.left, ColumnRef) else ""


def _all_of(predicates: list[Predicate]) -> Condition:
    return Condition(tuple(predicates), ("and",) * (len(predicates) - 1))


def _membership(query: Query, _: Ground) -> Query | None:
    """A INTERSECT B as A.x IN (B), A EXCEPT B as A.x NOT IN (B)."""
    if query.compound is None or len(query.select) != 1 or query.group or query.order:
        return None
    word, other = query.compound
    column = query.select[0]
    if word == "union" or not isinstance(column, ColumnRef) or len(other.select) != 1:
        return None
    if query.where is not None and "or" in query.where.connectors:
        return None
    found = Predicate(column, "in", (other,), negated=word == "except")
    before = list(query.where.predicates) if query.where else []
    return replace(query, where=_all_of([*before, found]), compound=None, distinct=True)


def _set_operation(query: Query, _: Ground) -> Query | None:
    """A.x NOT IN (SELECT x …) as EXCEPT, where the same column is shown."""
    where = query.where
    if where is None or query.compound or len(query.select) != 1 or query.group or query.order:
        return None
    last = where.predicates[-1]
    inner = last.right[0] if last.right else None
    fits = last.operator == "in" and isinstance(inner, Query) and last.left == query.select[0]
    if not fits or not isinstance(inner, Query) or "or" in where.connectors or inner.limit:
        return None
    before = list(where.predicates[:-1])
    word = "except" if last.negated else "intersect"
    rest = _all_of(before) if before else None
    return replace(query, where=rest, compound=(word, inner), distinct=False)


def _extreme(query: Query, _: Ground) -> Query | None:
    """ORDER BY x LIMIT 1 as x = (SELECT max(x) …) under the same conditions."""
    limit = query.limit
    if not isinstance(limit, Value) or limit.text != "1" or len(query.order) != 1 or query.group:
        return None
    first = query.order[0]
    if not isinstance(first.expression, ColumnRef) or any(
        isinstance(e, Call) for e in query.select
    ):
        return None
    if query.where is not None and "or" in query.where.connectors:
        return None
    call = Call("max" if first.descending else "min", first.expression)
    inner = Query(select=(call,), tables=query.tables, via=query.via, where=query.where)
    before = list(query.where.predicates) if query.where else []
    found = Predicate(first.expression, "=", (inner,))
    return replace(query, where=_all_of([*before, found]), order=(), limit=None)


def _count(query: Query, ground: Ground) -> Query | None:
    """COUNT(*) as COUNT of a key, and back."""
    path = path_of(query, ground.graph)
    if path is None or not path.tables:
        return None
    table = ground.schema.table(path.tables[0])
    key = next((c.name for c in table.columns if c.primary_key), None) if table else None

    def swap(shown: Expression) -> Expression:
        if not isinstance(shown, Call) or shown.function != "count" or shown.distinct:
            return shown
        if isinstance(shown.argument, Star):
            named = ColumnRef(table=path.tables[0], column=key) if key else shown.argument
            return replace(shown, argument=named)
        return replace(shown, argument=Star())

    select = tuple(swap(e) for e in query.select)
    order = tuple(replace(o, expression=swap(o.expression)) for o in query.order)
    return replace(query, select=select, order=order, tables=path.tables)


STYLES: tuple[Style, ...] = (_nested, _membership, _set_operation, _extreme, _count)
