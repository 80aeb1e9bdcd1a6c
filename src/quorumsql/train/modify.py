"""Controlled modifications of a right query: what a generator could have written instead.

Each modification changes one decision of the query tree: a column shown, an aggregate, a
comparison, a condition, a group, an order, a table. Running both says whether the change
matters; what still gives the same rows teaches that other SQL can be right, too.
Negatives of this kind train selectors in XiYan-SQL (arXiv 2507.04701, section V).

What is not covered: changes that the query tree has no words for, but for LEFT JOIN.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from quorumsql.domain import ColumnRef
from quorumsql.forms.tree import (
    Call,
    Condition,
    Expression,
    Ordering,
    Predicate,
    Query,
    Star,
    Value,
    columns_of,
    map_queries,
)
from quorumsql.forms.write import Unwritable, path_of, write
from quorumsql.train.ground import Ground
from quorumsql.train.restyle import restyle, styles_of

__all__ = ["modify", "rewritten"]

NUMERIC = ("sum", "avg", "min", "max")
COMPARISONS = ("=", "!=", ">", "<", ">=", "<=")
NEAR = {">": ">=", "<": "<=", ">=": ">", "<=": "<"}
TWICE = 0.25
"""How often a second change follows the first."""
RESTYLED = 0.35
"""How often a changed query is written in another style, where one fits."""


Change = Callable[[Query, Ground, random.Random], Query | None]


def modify(query: Query, ground: Ground, rng: random.Random, *, count: int) -> list[str]:
    """Return up to `count` different SQL texts near `query`; the query itself may be among them."""
    found: dict[str, None] = {}
    for _ in range(count * 4):
        if len(found) >= count:
            break
        changed = _changed(query, ground, rng)
        if changed is not None and rng.random() < TWICE:
            changed = _changed(changed, ground, rng) or changed
        if changed is not None and rng.random() < RESTYLED:
            changed = restyle(changed, ground, rng) or changed
        if changed is None or not (texts := _written([changed], ground)):
            continue
        (sql,) = texts
        if rng.random() < 0.1:
            sql = sql.replace(" JOIN ", " LEFT JOIN ")
        found[sql] = None
    return list(found)


def rewritten(query: Query, ground: Ground) -> list[str]:
    """Return the SQL of `query` itself, and of the styles in which it could be written."""
    return _written([query, *styles_of(query, ground)], ground)


def _written(queries: Iterable[Query], ground: Ground) -> list[str]:
    found: list[str] = []
    for query in queries:
        with suppress(Unwritable, ValueError):
            found.append(write(query, ground.schema, ground.graph))
    return found


def _changed(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    """One change somewhere in `query`, mostly outside its subqueries."""
    change = rng.choices(CHANGES, ODDS)[0]
    if not ground.columns(query):
        return None
    if rng.random() < 0.75:
        return _differs(query, change(query, ground, rng))
    inner: list[Query] = []

    def see(one: Query) -> Query:
        inner.append(one)
        return one

    map_queries(query, see)
    target = rng.choice([one for one in inner if ground.columns(one)])

    def swap(one: Query) -> Query:
        return (change(one, ground, rng) or one) if one == target else one

    return _differs(query, map_queries(query, swap))


def _differs(before: Query, after: Query | None) -> Query | None:
    return after if after is not None and after != before else None


def _show_less(query: Query, _: Ground, rng: random.Random) -> Query | None:
    if len(query.select) < 2:
        return None
    left = list(query.select)
    left.pop(rng.randrange(len(left)))
    return replace(query, select=tuple(left))


def _show_more(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    extra: list[Expression] = list(ground.columns(query))
    extra += [o.expression for o in query.order] * 3
    if query.group or any(isinstance(e, Call) for e in query.select):
        extra += [Call("count", Star())] * 3
        extra += list(query.group) * 3
    extra = [e for e in extra if e not in query.select]
    if not extra:
        return None
    place = rng.choice((0, len(query.select)))
    added = rng.choice(extra)
    return replace(query, select=(*query.select[:place], added, *query.select[place:]))


def _show_other(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    place = rng.randrange(len(query.select))
    shown = query.select[place]
    used = list(columns_of(shown))
    if not used:
        return None
    near = [c for c in ground.columns(query, kind=ground.kind(used[0])) if c not in query.select]
    if not near:
        return None
    other = _instead(shown, used[0], rng.choice(near))
    return replace(query, select=(*query.select[:place], other, *query.select[place + 1 :]))


def _instead(expression: Expression, old: ColumnRef, new: ColumnRef) -> Expression:
    match expression:
        case ColumnRef():
            return new if expression == old else expression
        case Call():
            return replace(expression, argument=_instead(expression.argument, old, new))
        case Star():
            return expression
    return replace(
        expression,
        left=_instead(expression.left, old, new),
        right=_instead(expression.right, old, new),
    )


def _aggregate(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    calls = [n for n, e in enumerate(query.select) if isinstance(e, Call)]
    if not calls:
        return None
    place = rng.choice(calls)
    call = query.select[place]
    assert isinstance(call, Call)
    changed: Expression
    if call.function == "count":
        options: list[Expression] = [
            Call("count", c, distinct=rng.random() < 0.7) for c in ground.columns(query)
        ]
        options += [Call("count", Star())] if call != Call("count", Star()) else []
        if not isinstance(call.argument, Star):
            options += [replace(call, distinct=not call.distinct)] * len(options)
            options += [call.argument]
        changed = rng.choice(options)
    else:
        changed = replace(call, function=rng.choice([f for f in NUMERIC if f != call.function]))
    return replace(query, select=(*query.select[:place], changed, *query.select[place + 1 :]))


def _distinct(query: Query, _: Ground, __: random.Random) -> Query | None:
    return replace(query, distinct=not query.distinct)


def _condition(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    """Change one predicate of WHERE or HAVING, or drop it, or the word before it."""
    where = query.where is not None and (query.having is None or rng.random() < 0.7)
    condition = query.where if where else query.having
    if condition is None:
        return None
    place = rng.randrange(len(condition.predicates))
    roll = rng.random()
    changed: Condition | None
    if roll < 0.3:
        changed = _without(condition, place)
    elif roll < 0.4 and condition.connectors:
        flipped = ["or" if word == "and" else "and" for word in condition.connectors]
        changed = replace(condition, connectors=tuple(flipped))
    else:
        predicate = _predicate(condition.predicates[place], query, ground, rng)
        if predicate is None:
            return None
        parts = condition.predicates
        changed = replace(condition, predicates=(*parts[:place], predicate, *parts[place + 1 :]))
    return replace(query, where=changed) if where else replace(query, having=changed)


def _without(condition: Condition, place: int) -> Condition | None:
    predicates = condition.predicates[:place] + condition.predicates[place + 1 :]
    if not predicates:
        return None
    gone = max(place - 1, 0)
    return Condition(predicates, condition.connectors[:gone] + condition.connectors[gone + 1 :])


def _predicate(
    predicate: Predicate, query: Query, ground: Ground, rng: random.Random
) -> Predicate | None:
    roll = rng.random()
    if roll < 0.3 and isinstance(predicate.left, ColumnRef):
        near = ground.columns(query, kind=ground.kind(predicate.left))
        return replace(predicate, left=rng.choice(near)) if near else None
    if roll < 0.5 and predicate.operator in COMPARISONS:
        near_one = NEAR.get(predicate.operator)
        other = near_one if near_one and rng.random() < 0.6 else rng.choice(COMPARISONS)
        return replace(predicate, operator=other)
    if roll < 0.6 and predicate.operator in {"in", "=", "contains"}:
        return replace(predicate, negated=not predicate.negated)
    value = predicate.right[0] if predicate.right else None
    if not isinstance(value, Value):
        return None
    if not value.number and roll < 0.7 and predicate.operator in {"=", "contains"}:
        return replace(predicate, operator="contains" if predicate.operator == "=" else "=")
    return replace(predicate, right=(_value(predicate, value, ground, rng), *predicate.right[1:]))


def _value(predicate: Predicate, value: Value, ground: Ground, rng: random.Random) -> Value:
    if value.number:
        number = float(value.text) + rng.choice((-1, 1, 10))
        return replace(value, text=f"{number:g}")
    if isinstance(predicate.left, ColumnRef) and rng.random() < 0.6:
        stored = [v for v in ground.values(predicate.left) if isinstance(v, str)]
        if stored:
            return replace(value, text=rng.choice(stored))
    return replace(value, text=value.text.swapcase() if rng.random() < 0.5 else value.text.lower())


def _group(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    if not query.group:
        return None
    roll = rng.random()
    if roll < 0.3 and query.having:
        return replace(query, having=None)
    if roll < 0.4:
        return replace(query, group=(), having=None)
    return replace(query, group=(rng.choice(ground.columns(query)), *query.group[1:]))


def _order(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    if not query.order:
        return None
    first, rest = query.order[0], query.order[1:]
    roll = rng.random()
    if roll < 0.3:
        return replace(query, order=(replace(first, descending=not first.descending), *rest))
    if roll < 0.45:
        return replace(query, limit=None)
    if roll < 0.55 and query.limit:
        return replace(query, limit=Value(str(rng.choice((1, 2, 3, 5))), number=True))
    if roll < 0.65:
        return replace(query, order=(), limit=query.limit)
    if roll < 0.85:
        return _extreme(query, first)
    column = rng.choice(ground.columns(query))
    return replace(query, order=(replace(first, expression=column), *rest))


def _extreme(query: Query, first: Ordering) -> Query | None:
    """ORDER BY x LIMIT 1 as x = (SELECT max(x)): other rows where several are largest."""
    if not isinstance(first.expression, ColumnRef) or query.where or query.group:
        return None
    function = "max" if first.descending else "min"
    inner = Query(select=(Call(function, first.expression),))
    where = Condition((Predicate(first.expression, "=", (inner,)),))
    return replace(query, where=where, order=(), limit=None)


def _compound(query: Query, _: Ground, rng: random.Random) -> Query | None:
    if query.compound is None:
        return None
    word, other = query.compound
    roll = rng.random()
    if roll < 0.3:
        return replace(query, compound=None)
    if roll < 0.4:
        return replace(other, compound=None)
    if roll < 0.7 and other.where and query.where:
        predicates = query.where.predicates + other.where.predicates
        words = (*query.where.connectors, "and", *other.where.connectors)
        return replace(query, where=Condition(predicates, words), compound=None)
    others = [w for w in ("union", "intersect", "except") if w != word]
    return replace(query, compound=(rng.choice(others), other))


def _tables(query: Query, ground: Ground, rng: random.Random) -> Query | None:
    """Join one table more, or one less."""
    if query.tables and rng.random() < 0.5:
        left = list(query.tables)
        left.pop(rng.randrange(len(left)))
        return replace(query, tables=tuple(left)) if left else None
    path = path_of(query, ground.graph)
    if path is None:
        return None
    near = [
        table
        for key in ground.schema.foreign_keys
        for table in (key.table, key.referred_table)
        if {key.table, key.referred_table} & set(path.tables) and table not in path.tables
    ]
    return replace(query, tables=(*query.tables, rng.choice(near))) if near else None


CHANGES: tuple[Change, ...] = (
    *(_show_less, _show_more, _show_other, _aggregate, _distinct, _condition, _group, _order),
    *(_compound, _tables),
)
ODDS = (1.0, 1.2, 1.8, 1.2, 0.7, 4.0, 1.2, 2.0, 1.5, 0.8)
