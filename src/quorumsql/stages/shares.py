"""Work out shares, which embedded generators do not write: "the percentage of cancelled orders".

They write the count of what is cancelled. It is divided by the count of all, in the statement
itself: the one condition moves from WHERE into what is counted; those on dates stay, as they say of
which time all is. Counts and sums per something become their share of the whole.

What is not covered: two conditions, where one may say what the whole is, and other comparisons,
such as ratios of two sums.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from quorumsql.domain import Schema
from quorumsql.follow.scope import is_dated, parts_of
from quorumsql.sql import parsed

__all__ = ["divided", "undivided"]

_PERCENT = re.compile(
    r"\b(?:percentage|percent|share) of\b|\bwhat (?:%|percent) of\b", re.IGNORECASE
)
_PART = re.compile(r"\b(?:fraction|proportion) of\b", re.IGNORECASE)
_NAMES = frozenset("percentage percent pct share fraction proportion ratio rate".split())


def divided(sql: str, question: str, schema: Schema) -> str | None:
    """Return the statement with a share where it has a count or a sum; None where it is unclear."""
    tree = _asked(sql, question, schema)
    if tree is None or any(tree.args.get(p) for p in ("having", "distinct", "limit", "order")):
        return None
    found = [one for one in tree.selects if isinstance(one.unalias(), exp.Count | exp.Sum)]
    if len(found) != 1:
        return None
    measure = found[0].unalias()
    if tree.args.get("group"):
        others = all(isinstance(one, exp.Column) for one in tree.selects if one is not found[0])
        whole = exp.Window(this=exp.Sum(this=measure.copy()))
        return _replaced(tree, found[0], measure, whole, question, schema) if others else None
    if len(tree.selects) != 1:
        return None
    part = _part(tree, measure, schema)
    if part is None:
        return None
    return _replaced(tree, found[0], part, measure.copy(), question, schema)


def undivided(question: str, sql: str, schema: Schema) -> Iterator[str]:
    """Yield what a person should know where a share was asked for and nothing is divided."""
    tree = _asked(sql, question, schema)
    if tree is not None and tree.find(exp.Div, exp.Avg) is None:
        yield "The question asks for a share, but the SQL does not divide."


def _asked(sql: str, question: str, schema: Schema) -> exp.Select | None:
    """The statement, where a share is asked for that no column holds."""
    if not _PERCENT.search(question) and not _PART.search(question):
        return None
    tree = parsed(sql, schema.dialect)
    if tree is None:
        return None
    read = [t for t in map(schema.table, {x.name for x in tree.find_all(exp.Table)}) if t]
    stored = {part for table in read for c in table.columns for part in parts_of(c.name)}
    return tree if isinstance(tree, exp.Select) and not stored & _NAMES else None


def _part(tree: exp.Select, measure: exp.Expr, schema: Schema) -> exp.Expr | None:
    """The measure of what meets the one condition that is not about time, taken from WHERE."""
    where = tree.args.get("where")
    if where is None:
        return None
    parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
    conditions = [one for one in parts if not _is_of_time(one, schema)]
    if len(conditions) != 1:
        return None
    kept = [one.copy() for one in parts if one is not conditions[0]]
    counted = measure.this
    distinct = counted.expressions[0] if isinstance(counted, exp.Distinct) else None
    what = distinct or (exp.Literal.number(1) if isinstance(counted, exp.Star) else counted)
    case = exp.Case().when(conditions[0].unnest().copy(), what.copy())
    tree.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)
    own = exp.Distinct(expressions=[case]) if distinct else case
    return type(measure)(this=own)


def _is_of_time(condition: exp.Expr, schema: Schema) -> bool:
    dated = {c.name.lower() for table in schema.tables for c in table.columns if is_dated(c)}
    columns = [one.name.lower() for one in condition.find_all(exp.Column)]
    return bool(columns) and all(name in dated for name in columns)


def _replaced(
    tree: exp.Select,
    shown: exp.Expr,
    part: exp.Expr,
    whole: exp.Expr,
    question: str,
    schema: Schema,
) -> str:
    """The statement that shows `part` of the `whole`, in percent where that is said."""
    hundred = exp.Literal.number("100.0" if _PERCENT.search(question) else "1.0")
    share = exp.Div(
        this=exp.Mul(this=hundred, expression=part.copy()), expression=whole, safe=True, typed=True
    )
    name = "percent" if _PERCENT.search(question) else "share"
    shown.replace(exp.alias_(share, name))
    return tree.sql(dialect=schema.dialect)
