"""Give a statement one more condition, in the place of what was written for the same words.

Embedded generators know neither missing values nor flags, and write what they do know: NOT IN,
EXCEPT, a value that nobody named. That goes, the condition comes. Other conditions stay, also those
that had slipped into a subquery over the same table.

What is not covered: statements whose FROM has no such table, UNION and INTERSECT, groups of the
column itself, and subqueries whose conditions are about other tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from quorumsql.domain import Column, Schema, Table
from quorumsql.follow.scope import Scope, plain
from quorumsql.sql import quote
from quorumsql.stages.asked import named, plainly

__all__ = ["Demand", "demanded", "labels", "naming", "outermost", "read_tables"]

_NAME = re.compile(r"(?:first|last|full|sur)?name")
_FEW = re.compile(r"\b(?:\d+|top|bottom|first|last|one|two|three|five|ten)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is demanded of a column: one of these `values`, where None is no value at all.

    Or any other value, where it is not `wanted`.

    `said` are the words of the question that demand it, `rest` are all others. `negative` is
    whether nothing else in the question is denied: what a statement denies then stands for them.
    """

    table: Table
    column: Column
    values: tuple[object, ...]
    said: str
    rest: str
    negative: bool
    wanted: bool = True


def outermost(tree: exp.Expr) -> exp.Select | None:
    """Return the SELECT that says what is shown: of EXCEPT, the first one."""
    while isinstance(tree, exp.Except | exp.Subquery):
        tree = tree.this
    return tree if isinstance(tree, exp.Select) else None


def read_tables(select: exp.Select, schema: Schema, text: str) -> tuple[Table, ...]:
    """Return the tables that are read; of several, those that the question names."""
    found = [stored for _, stored in _scope(select, schema).tables()]
    return tuple([one for one in found if named(one, text)] or found[: len(found) == 1])


def demanded(tree: exp.Expr, demand: Demand, schema: Schema) -> exp.Select | None:
    """Return the outermost SELECT of `tree`, changed; None where it makes no sense here.

    Args:
        tree: the statement; not to be used any more.
        demand: what is missing.
        schema: what the statement is about.
    """
    select = outermost(tree)
    if select is None or (isinstance(tree, exp.Except) and not demand.negative):
        return None
    change = _Change(select, demand, schema)
    if change.written is None or change.is_grouped():
        return None
    rest = [tree.expression] if isinstance(tree, exp.Except) else []
    where = select.args.get("where")
    parts = [] if where is None else _flat(where.this)
    kept: list[exp.Expr] = []
    for part in [*parts, *rest]:
        found = change.kept(part)
        if found is None:
            return None
        kept += found
    select.set("where", None)
    change.show()
    if len(kept) < len(parts) or change.shown_alone:
        change.leave_others(kept)
    return select.where(*kept, *_flat(change.condition()), copy=False)


class _Change:
    """One SELECT that is given a condition."""

    def __init__(self, select: exp.Select, demand: Demand, schema: Schema) -> None:
        self.select, self.demand, self.schema = select, demand, schema
        self.tables = list(_scope(select, schema).tables())
        own = [w for w, stored in self.tables if stored.name == demand.table.name]
        self.written = own[0] if len(own) == 1 else None
        self.shown_alone = False

    def is_grouped(self) -> bool:
        """Whether there is one row per value of the column."""
        group = self.select.args.get("group")
        return group is not None and any(self._is_own(c) for c in group.find_all(exp.Column))

    def kept(self, part: exp.Expr) -> list[exp.Expr] | None:
        """What stays of a condition, or of what EXCEPT takes away; None where nobody can tell."""
        if part.find(exp.Select) is None and any(map(self._is_own, part.find_all(exp.Column))):
            return []
        if isinstance(part, exp.Binary) and not part.find(exp.Select):
            value, denied = part.expression, isinstance(part, exp.NEQ) and self.demand.negative
            if _says(self.demand.rest, value):  # in Paris without an email: Paris is not denied
                return [exp.EQ(this=part.this, expression=value)] if denied else [part]
            return [] if denied or _says(self.demand.said, value) else [part]
        inner = part if isinstance(part, exp.Select) else part.find(exp.Select)
        if inner is None:
            return [part]
        reads = any(map(self._is_own, part.find_all(exp.Column)))
        denies = isinstance(part, exp.Not | exp.Select | exp.SetOperation) and self.demand.negative
        return self._slipped(inner) if reads or denies else [part]

    def _slipped(self, inner: exp.Select) -> list[exp.Expr] | None:
        """Conditions of a subquery that goes, where they can be said of the rows themselves."""
        where = inner.args.get("where")
        if where is None:
            return []
        parts = [p for p in _flat(where.this) if not any(map(self._is_own, _columns(p)))]
        parts = [p for p in parts if not _says(self.demand.said, p.args.get("expression"))]
        source = inner.args.get("from_")
        name = "" if source is None or inner.args.get("joins") else source.this.name.lower()
        own = name == self.demand.table.bare_name.lower()
        if parts and (not own or where.find(exp.Select)):
            return None
        for column in (c for part in parts for c in _columns(part)):
            column.replace(self._column(column.name))
        return parts

    def show(self) -> None:
        """Count rows and not what is missing in them; show what rows are called, not a flag."""
        for count in self.select.find_all(exp.Count):
            if count.parent_select is self.select and any(map(self._is_own, _columns(count))):
                count.set("this", exp.Star())
        items = self.select.expressions
        if len(items) == 1 and self._is_own(items[0].unalias()):
            self.shown_alone = True
            names = [self._column(name) for name in naming(self.demand.table, self.demand.column)]
            self.select.select(*names, append=False, copy=False)
            self.select.set("distinct", None)
            self.select.set("order", None)
            if not _FEW.search(self.demand.rest):
                self.select.set("limit", None)

    def leave_others(self, kept: list[exp.Expr]) -> None:
        """Read no table that neither the question nor the statement needs any more."""
        others = [(w, t) for w, t in self.tables if w is not self.written]
        if not others or any(named(stored, self.demand.rest) for _, stored in others):
            return
        sources = [self.select.args.get("from_"), *(self.select.args.get("joins") or ())]
        if len(sources) != len(self.tables):
            return
        parts = [self.select.args.get(a) for a in ("group", "having", "order")]
        read = [*self.select.expressions, *kept, *(p for p in parts if p is not None)]
        assert self.written is not None
        alias = self.written.alias_or_name.lower()
        used = [column for one in read for column in _columns(one)]
        if all(column.table.lower() == alias for column in used):
            self.select.set("joins", None)
            self.select.from_(self.written.copy(), copy=False)

    def condition(self) -> exp.Expr:
        """The condition itself."""
        column = self._column(self.demand.column.name)
        if not self.demand.wanted:
            unlike: list[exp.Expr] = [
                exp.Not(this=exp.Is(this=column.copy(), expression=exp.Null()))
                if value is None
                else exp.NEQ(this=column.copy(), expression=exp.convert(value))
                for value in self.demand.values
            ]
            return exp.and_(*unlike, copy=False)
        each: list[exp.Expr] = [
            exp.Is(this=column.copy(), expression=exp.Null())
            if value is None
            else exp.EQ(this=column.copy(), expression=exp.convert(value))
            for value in self.demand.values
        ]
        return each[0] if len(each) == 1 else exp.paren(exp.or_(*each, copy=False), copy=False)

    def _column(self, name: str) -> exp.Column:
        """A column of the table, after its name where other tables are read too."""
        assert self.written is not None
        identifier = exp.to_identifier(name, quoted=quote(name, self.schema.dialect) != name)
        before = self.written.args.get("alias")
        table = (before.this if before is not None else self.written.this).copy()
        return exp.Column(this=identifier, table=table if len(self.tables) > 1 else None)

    def _is_own(self, node: exp.Expr) -> bool:
        """Whether a node is the column, or one of the same name in a table that nobody named."""
        if not isinstance(node, exp.Column) or node.name.lower() != self.demand.column.name.lower():
            return False
        read = {w.alias_or_name.lower(): t for w, t in self.tables}
        table = read.get(node.table.lower())
        return (
            table is None
            or table.name == self.demand.table.name
            or not named(table, self.demand.rest)
        )


def _scope(select: exp.Select, schema: Schema) -> Scope:
    return Scope(select, schema, (), text="", today=date.min)


def _says(text: str, value: exp.Expr | None) -> bool:
    """Whether a value stands in the text, as whole words."""
    words = plainly(value.name) if isinstance(value, exp.Literal) else ""
    return bool(words) and f" {words} " in f" {text} "


def _columns(node: exp.Expr) -> Iterator[exp.Column]:
    return iter(list(node.find_all(exp.Column)))


def _flat(node: exp.Expr) -> list[exp.Expr]:
    return list(node.flatten()) if isinstance(node, exp.And) else [node]


def naming(table: Table, besides: Column) -> list[str]:
    """Return what rows of the table are called by: names, else keys, else whatever comes first."""
    rest = [column for column in table.columns if column is not besides]
    keys = [c.name for c in rest if c.primary_key]
    return labels(table, besides) or keys or [c.name for c in rest[:1]] or [besides.name]


def labels(table: Table, besides: Column) -> list[str]:
    """Return the names of the table's rows; where there are none, their titles."""
    own = plain(table.bare_name)
    parts = {c.name: plain(c.name).removeprefix(own) for c in table.columns if c is not besides}
    names = [name for name, part in parts.items() if _NAME.fullmatch(part)]
    return names or [name for name, part in parts.items() if part in {"title", "label"}]
