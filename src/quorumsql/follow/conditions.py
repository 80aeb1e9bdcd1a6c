"""Rules for which rows are kept: a time range, a number above or below, a stored value.

A condition on a column that is compared already takes the place of the one before: after "in
2023", "what about 2024?" means 2024 alone.

What is not covered: conditions joined by "or", but for several values of one column.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date

import sqlglot
from sqlglot import exp

from quorumsql.domain import Column, Hit
from quorumsql.follow.dates import Period
from quorumsql.follow.dates import period as period_of
from quorumsql.follow.scope import Scope, plain
from quorumsql.follow.words import Comparison, comparison

__all__ = ["number", "period", "value"]

_NOT = re.compile(r"^(?:only )?(?:not|without|except|excluding|but not|all but)\b")
_AROUND = frozenset(
    "only just not without except excluding but all those these the ones from in of at for with "
    "whose where is are was were and or which that a an by to who have has had placed sold made "
    "living live lives based rows".split()
)
_LEAST = 0.8
_COMPARED: dict[str, type[exp.Binary]] = {
    ">": exp.GT, ">=": exp.GTE, "<": exp.LT, "<=": exp.LTE, "=": exp.EQ,
}  # fmt: skip
_AGAIN = {
    "sqlite": ("STRFTIME('%m', {})", "STRFTIME('%w', {})", "1234560"),
    "postgres": ("EXTRACT(MONTH FROM {})", "EXTRACT(ISODOW FROM {})", "1234567"),
    "duckdb": ("MONTH({})", "ISODOW({})", "1234567"),
    "mysql": ("MONTH({})", "WEEKDAY({})", "0123456"),
}
"""The month and the day of the week of a date, and how the days from Monday on are numbered."""


def period(scope: Scope, words: str) -> exp.Select | None:
    """A time range."""
    bounds = period_of(words, scope.today)
    if bounds is None:
        return None
    day = scope.day(born=scope.of_birth)
    if bounds.months or bounds.weekdays:
        return None if day is None else _again(scope, day, bounds)
    if day is not None:
        _forget(scope, day, bounds)
        if bounds.first:
            _keep(scope, exp.GTE(this=day.copy(), expression=_day(bounds.first)))
        if bounds.end:
            _keep(scope, exp.LT(this=day.copy(), expression=_day(bounds.end)))
        return scope.tree
    return _years(scope, bounds)


def number(scope: Scope, words: str) -> exp.Select | None:
    """A number that something shown, or a column, is above or below."""
    said = comparison(words)
    if said is None:
        return None
    key = _compared(scope, said)
    if key is None:
        return _born(scope, said)
    condition: exp.Expr
    if said.second is not None:
        condition = exp.Between(this=key, low=_literal(said.number), high=_literal(said.second))
    else:
        condition = _COMPARED[said.operator](this=key, expression=_literal(said.number))
    if key.find(exp.AggFunc):
        return scope.tree.having(condition, copy=False) if scope.tree.args.get("group") else None
    return _keep(scope, condition)


def value(scope: Scope, words: str) -> exp.Select | None:
    """A stored value that is meant, or is not."""
    chosen = _chosen(scope)
    if not chosen or not _says_no_more(scope, [hit for hit, _ in chosen]):
        return None
    negative = bool(_NOT.match(words))
    by_column: dict[str, tuple[exp.Column, list[exp.Expr]]] = {}
    for hit, column in chosen:
        _, values = by_column.setdefault(column.sql(), (column, []))
        values.append(exp.convert(hit.value))
    for column, values in by_column.values():
        if not negative:
            _forget(scope, column)
        _keep(scope, _is(column, values, negative=negative))
    return scope.tree


def _is(column: exp.Expr, values: Sequence[exp.Expr], *, negative: bool) -> exp.Expr:
    if len(values) > 1:
        among = exp.In(this=column, expressions=list(values))
        return exp.Not(this=among) if negative else among
    kind = exp.NEQ if negative else exp.EQ
    return kind(this=column, expression=values[0])


def _chosen(scope: Scope) -> list[tuple[Hit, exp.Column]]:
    """For each part of the text that is a stored value, where it most likely stands."""
    found: list[tuple[Hit, exp.Column]] = []
    here = {stored.name.lower() for _, stored in scope.tables()}
    ranked = sorted(
        (hit for hit in scope.hits if hit.score >= _LEAST),
        key=lambda hit: (hit.start - hit.end, hit.table.lower() not in here, -hit.score),
    )
    for hit in ranked:
        if any(hit.start < other.end and other.start < hit.end for other, _ in found):
            continue
        column = scope.place_of(hit)
        if column is not None:
            found.append((hit, column))
    return found


def _says_no_more(scope: Scope, hits: Sequence[Hit]) -> bool:
    """Whether the text names values and little else: "why is Lisbon so large" asks for more."""
    left, place = "", 0
    for hit in sorted(hits, key=lambda one: one.start):
        left += f"{scope.text[place : hit.start]} "
        place = hit.end
    left += scope.text[place:]
    leading = {"and", "now", "then", "ok", "please", "what", "how", "about", "show", "me", "same"}
    names = scope.names()
    return all(
        word in _AROUND or word in leading or plain(word) in names
        for word in re.findall(r"[^\W_]+", left.lower())
    )


def _compared(scope: Scope, said: Comparison) -> exp.Expr | None:
    """What a number is compared with."""
    if said.name:
        counted = any(scope.aggregates()) and plain(said.name) in scope.table_names()
        if counted:  # "more than five orders"
            return scope.measure()
        return scope.shown(said.name) or scope.column(said.name, _is_number)
    hints = {"older": ("age",), "younger": ("age",), "cheaper": ("price", "cost"),
             "heavier": ("weight",), "lighter": ("weight",), "longer": ("length", "duration"),
             "more": ("price", "cost") if said.hint == "more expensive" else ()}  # fmt: skip
    for name in hints.get(said.hint, ()):
        if column := scope.column(name, _is_number):
            return column
    if said.hint in {"older", "younger"}:
        return None
    if scope.tree.args.get("group"):
        return scope.measure()
    shown = None if any(scope.aggregates()) else scope.measure()
    return shown or _ordered_number(scope) or scope.column("age", _is_number) or scope.only_number()


def _ordered_number(scope: Scope) -> exp.Expr | None:
    """The number that rows are sorted by."""
    order = scope.tree.args.get("order")
    key = order.expressions[0].this if order else None
    if isinstance(key, exp.Column):
        return scope.column(key.name, _is_number)
    return None


def _born(scope: Scope, said: Comparison) -> exp.Select | None:
    """Older or younger than a number of years, where only days of birth are known."""
    day = scope.day(born=True)
    if said.name or day is None or (any(scope.aggregates()) and scope.tree.args.get("group")):
        return None
    if said.second is not None or not 0 < said.number < 150 or said.operator == "=":
        return None
    years = int(said.number) + (said.operator == ">")
    year, month = scope.today.year - years, scope.today.month
    edge = date(year, month, min(scope.today.day, monthrange(year, month)[1]))
    kind = exp.LTE if said.operator.startswith(">") else exp.GT
    return _keep(scope, kind(this=day, expression=_day(edge)))


def _years(scope: Scope, bounds: Period) -> exp.Select | None:
    """A time range of whole years, over a column of years."""
    year = scope.year()
    ends = [end for end in (bounds.first, bounds.end) if end is not None]
    if year is None or any((end.month, end.day) != (1, 1) for end in ends):
        return None
    _forget(scope, year, bounds)
    first, end = bounds.first, bounds.end
    if first and end and end.year == first.year + 1:
        return _keep(scope, exp.EQ(this=year, expression=exp.Literal.number(first.year)))
    if first:
        _keep(scope, exp.GTE(this=year.copy(), expression=exp.Literal.number(first.year)))
    if end:
        _keep(scope, exp.LT(this=year.copy(), expression=exp.Literal.number(end.year)))
    return scope.tree


def _again(scope: Scope, day: exp.Column, bounds: Period) -> exp.Select:
    """Months of every year, or days of every week; those said before are forgotten."""
    dialect = scope.dialect if scope.dialect in _AGAIN else "sqlite"
    month, weekday, days = _AGAIN[dialect]
    form = (month if bounds.months else weekday).format(day.sql(dialect=scope.dialect))
    part = sqlglot.parse_one(form, read=scope.dialect)
    found = [f"{n:02}" for n in bounds.months] or [days[n - 1] for n in bounds.weekdays]
    texts = dialect == "sqlite"  # its parts of dates are texts
    values = [exp.Literal.string(one) if texts else _literal(int(one)) for one in found]
    said = [one for one in _parts(scope.tree) if _bare(one.this) != _bare(part)]
    scope.tree.set("where", exp.Where(this=exp.and_(*said, copy=False)) if said else None)
    return _keep(scope, _is(part, values, negative=False))


def _bare(part: exp.Expr | None) -> str:
    """A part of a date as it is read, whatever is quoted and whether its table is named."""
    if part is None:
        return ""
    bare = part.copy()
    for column in bare.find_all(exp.Column):
        column.set("table", None)
    for name in bare.find_all(exp.Identifier):
        name.set("quoted", False)
    return bare.sql().lower()


def _keep(scope: Scope, condition: exp.Expr) -> exp.Select:
    parts = [*_parts(scope.tree), condition]
    scope.tree.set("where", exp.Where(this=exp.and_(*parts, copy=False)))
    return scope.tree


def _parts(tree: exp.Select) -> list[exp.Expr]:
    """What must hold of a row, also where parentheses hold some of it together."""
    where = tree.args.get("where")
    found: list[exp.Expr] = []
    waiting = [] if where is None else [where.this]
    while waiting:
        part = waiting.pop()
        inner = part.unnest()
        if isinstance(inner, exp.And):
            waiting += [inner.expression, inner.this]
        else:
            found.append(part)
    return found


def _forget(scope: Scope, column: exp.Column, bounds: Period | None = None) -> None:
    """Drop conditions on a column that the new one takes the place of."""
    parts = _parts(scope.tree)
    kept = [part for part in parts if not _replaced(part, column, bounds)]
    if len(kept) < len(parts):
        fresh = exp.and_(*kept, copy=False) if kept else None
        scope.tree.set("where", exp.Where(this=fresh) if fresh is not None else None)


def _replaced(part: exp.Expr, column: exp.Column, bounds: Period | None) -> bool:
    """Whether a condition says where this column lies, on a side that is said anew."""
    columns = list(part.find_all(exp.Column))
    same = bool(columns) and all(
        one.name.lower() == column.name.lower() and one.table.lower() in {"", column.table.lower()}
        for one in columns
    )
    if not same or part.find(exp.Subquery, exp.Select, exp.Not, exp.NEQ):
        return False
    if bounds is None:
        return isinstance(part, exp.EQ | exp.In | exp.Like | exp.Paren)
    if bounds.first and bounds.end:
        return True
    lower = isinstance(part, exp.GT | exp.GTE)
    return lower if bounds.first else isinstance(part, exp.LT | exp.LTE)


def _is_number(column: Column) -> bool:
    return column.kind == "number"


def _literal(number: float) -> exp.Expr:
    return exp.Literal.number(int(number) if number == int(number) else number)


def _day(day: date) -> exp.Expr:
    return exp.Literal.string(day.isoformat())
