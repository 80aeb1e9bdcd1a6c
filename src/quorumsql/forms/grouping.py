"""Columns beside aggregates, for engines that are stricter about them than SQLite.

SQLite takes any column beside an aggregate. Such a column is, in this order:

1. determined by the grouped ones, through the key of its table or an equality of a join: it is
   grouped too, which changes no group;
2. beside the only MIN or MAX: the value of that very row (https://www.sqlite.org/lang_select.html,
   "bare columns in an aggregate query");
3. otherwise any value of the group, and here the least one.

What is not covered: the second rule inside groups on MySQL, which picks any row.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from quorumsql.domain import Table
from quorumsql.forms.sources import Sources

__all__ = ["regroup"]

_STRICT = frozenset({"postgres", "duckdb"})


def regroup(select: exp.Select, sources: Sources, dialect: str) -> None:
    """Rewrite `select` in place so that `dialect` accepts its columns beside aggregates."""
    aggregates = list(sources.own(exp.AggFunc))
    group = select.args.get("group")
    if group is None and not aggregates:
        if dialect in _STRICT and select.args.get("distinct"):
            _order_distinct(select)
        return
    bare = [c for c in sources.own(exp.Column) if _is_bare(c, select)]
    grouped = {_key(e, sources) for e in (group.expressions if group else ())}
    bare = [c for c in bare if _key(c, sources) not in grouped]
    if not bare:
        return
    extreme = aggregates[0] if len(aggregates) == 1 else None
    if not isinstance(extreme, (exp.Min, exp.Max)):
        extreme = None
    if group is None and extreme is not None and _only_in_select(extreme, select):
        _row_of_extreme(select, extreme)
    elif dialect in _STRICT:
        _regroup_strictly(select, sources, dialect, bare, grouped, extreme)


def _regroup_strictly(
    select: exp.Select,
    sources: Sources,
    dialect: str,
    bare: Iterable[exp.Expr],
    grouped: set[str],
    extreme: exp.Expr | None,
) -> None:
    determined, accepted = _determined(sources, grouped), _accepted(sources, grouped)
    group = select.args.get("group")
    for column in bare:
        key = _key(column, sources)
        if dialect == "postgres" and key in accepted:
            continue
        if group is not None and key in determined:
            if key not in grouped:
                group.append("expressions", column.copy())
                grouped.add(key)
        elif extreme is not None:
            column.replace(_beside(column, extreme, dialect))
        else:
            column.replace(exp.Min(this=column.copy()))


def _is_bare(column: exp.Expr, select: exp.Select) -> bool:
    """Whether a column of SELECT, HAVING or ORDER BY stands outside every aggregate."""
    node = column
    while node.parent is not None and node.parent is not select:
        if isinstance(node.parent, exp.AggFunc):
            return False
        node = node.parent
    return node.arg_key in {"expressions", "having", "order"}


def _key(node: exp.Expr, sources: Sources) -> str:
    """What makes two spellings of a column equal."""
    found = sources.column(node)
    return f"{found[0].name}\n{found[1].name}" if found else node.sql()


def _determined(sources: Sources, grouped: set[str]) -> set[str]:
    """The columns whose values follow from those that are grouped."""
    known = set(grouped)
    equal = [
        {_key(e.this, sources), _key(e.expression, sources)}
        for e in sources.own(exp.EQ)
        if sources.column(e.this) and sources.column(e.expression)
        and e.find_ancestor(exp.Join, exp.Where)
    ]  # fmt: skip
    while True:
        more = {key for pair in equal if pair & known for key in pair} | _accepted(sources, known)
        if more <= known:
            return known
        known |= more


def _accepted(sources: Sources, known: set[str]) -> set[str]:
    """All columns of the tables whose whole key is known: PostgreSQL sees that by itself."""
    found: set[str] = set()
    for _, table in sources.tables:
        keys = _primary(table) if table else []
        if table and keys and all(f"{table.name}\n{name}" in known for name in keys):
            found |= {f"{table.name}\n{column.name}" for column in table.columns}
    return found


def _primary(table: Table) -> list[str]:
    return [c.name for c in table.columns if c.primary_key] if not table.is_view else []


def _only_in_select(extreme: exp.Expr, select: exp.Select) -> bool:
    others = any(select.args.get(part) for part in ("having", "order", "limit"))
    return extreme.parent is select and not others


def _row_of_extreme(select: exp.Select, extreme: exp.Expr) -> None:
    """`SELECT name, MAX(age)` is the row of the greatest age."""
    value = extreme.this
    extreme.replace(value.copy())
    ordered = exp.Ordered(
        this=value.copy(), desc=isinstance(extreme, exp.Max) or None, nulls_first=False
    )
    select.order_by(ordered, copy=False)
    select.limit(1, copy=False)


def _beside(column: exp.Expr, extreme: exp.Expr, dialect: str) -> exp.Expr:
    """The value of `column` in the row of the group's least or greatest value."""
    greatest = isinstance(extreme, exp.Max)
    if dialect == "duckdb":
        name = "ARG_MAX" if greatest else "ARG_MIN"
        return exp.func(name, column.copy(), extreme.this.copy(), dialect="duckdb")
    ordered = exp.Ordered(this=extreme.this.copy(), desc=greatest or None, nulls_first=False)
    order = exp.Order(this=column.copy(), expressions=[ordered])
    values = exp.Paren(this=exp.ArrayAgg(this=order))
    return exp.Bracket(this=values, expressions=[exp.Literal.number(1)], offset=1)


def _order_distinct(select: exp.Select) -> None:
    """Order by what is not selected: the groups of equal rows are ordered by their least value."""
    order = select.args.get("order")
    shown = {e.unalias().sql() for e in select.expressions} | {e.alias for e in select.expressions}
    if order is None or any(isinstance(e, exp.Star) for e in select.expressions):
        return
    hidden = [o for o in order.expressions if o.this.sql() not in shown]
    if not hidden:
        return
    for ordered in hidden:
        least = exp.Max if ordered.args.get("desc") else exp.Min
        ordered.set("this", least(this=ordered.this.copy()))
    select.set("distinct", None)
    select.set("group", exp.Group(expressions=[e.unalias().copy() for e in select.expressions]))
