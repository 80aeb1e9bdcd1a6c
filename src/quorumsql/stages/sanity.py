"""Signs that a statement makes no sense, or none for this question: trees and keys tell.

bridged: two joined tables both refer to a third, which joins them: every row of the one meets every
row of the other that shares it, and counts and sums multiply ("chasm trap", Howe 2001, Data
Analysis for Database Design). Questions seldom ask for that: 1.1 % of Spider's training queries,
0.3 % without those about three databases of papers and reviews.
nonsense: all that is shown is held to one value by WHERE, a column is shown twice, keys, days or
words are summed up or averaged, or compared with what they cannot be, rows are ordered by what is
the same in all of them, a bare column stands beside a count or a sum without GROUP BY, a total is
compared with a text, the one row of totals is ordered or cut off, or a column has to be two things
at once, or its own name, or both sides of a set operation are the same: 0.3 % of those queries.
undetermined: a column is shown of each group that may differ inside it: 0.7 %.
unheeded: what the question surely asks for is not done, or what is not asked is
(`stages.heed`): 0.5 %.

`stages.weigh` holds them against a result. What is not covered: whether what makes sense was asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Final, TypeAlias

from sqlglot import exp

from quorumsql.domain import Candidate, Column, Question, Schema
from quorumsql.kept import Kept
from quorumsql.sql import TRUTHS, tree_of
from quorumsql.stages.heed import is_unheeded

__all__ = ["SIGNS", "Sanity"]

SIGNS: Final = ("bridged", "nonsense", "undetermined", "unheeded")
_NONE: Final[Mapping[str, float]] = MappingProxyType(dict.fromkeys(SIGNS, 0.0))

_COMPARED: Final = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_TRUTHS: Final = frozenset(word for pair in TRUTHS for word in pair)
_TOTAL: Final = (exp.Count, exp.Sum, exp.Avg, exp.Max, exp.Min)
_Place: TypeAlias = tuple[str, str]
"""Table and column, in lower case."""


class Sanity:
    """Signs of statements about one schema after another; keeps the keys of the last few."""

    def __init__(self) -> None:
        """Begin with no schema."""
        self._keys = Kept(_Keys.of)

    def each(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[Mapping[str, float], ...]:
        """Return the signs of each candidate's SQL; what several wrote alike is looked at once."""
        found = {sql: self.of(question, sql, schema) for sql in {one.sql for one in candidates}}
        return tuple(found[one.sql] for one in candidates)

    def of(self, question: Question, sql: str, schema: Schema) -> Mapping[str, float]:
        """Return 1 or 0 for each of `SIGNS`; nothing is said of SQL that does not parse."""
        keys = self._keys.of(schema)
        tree = tree_of(sql, schema.dialect)
        if tree is None:
            return _NONE
        queries = [_Query(select, keys) for select in tree.find_all(exp.Select)]
        return {
            "bridged": float(any(map(_is_bridged, queries))),
            "nonsense": float(any(map(_is_nonsense, queries)) or _says_it_twice(tree)),
            "undetermined": float(any(map(_is_undetermined, queries))),
            "unheeded": float(is_unheeded(question.text, tree, sql)),
        }


@dataclass(frozen=True)
class _Keys:
    """What refers to what, and the columns of each table; tables without their namespace."""

    columns: Mapping[str, frozenset[str]]
    many: frozenset[tuple[_Place, _Place]]
    """Columns that refer to another, many rows perhaps to one."""
    keys: frozenset[_Place]
    """Columns that identify a row, or refer to one."""
    identify: frozenset[_Place]
    """Columns that identify a row by themselves."""
    stored: Mapping[_Place, Column]
    """Every column."""

    @classmethod
    def of(cls, schema: Schema) -> _Keys:
        bare = {table.name: table.bare_name.lower() for table in schema.tables}
        refers = {
            (
                (bare.get(key.table, key.table.lower()), here.lower()),
                (bare.get(key.referred_table, key.referred_table.lower()), there.lower()),
            )
            for key in schema.foreign_keys
            for here, there in zip(key.columns, key.referred_columns, strict=True)
        }
        identify = set()
        for table in schema.tables:
            primary = [column.name.lower() for column in table.columns if column.primary_key]
            if len(primary) == 1:
                identify.add((bare[table.name], primary[0]))
        many = frozenset(pair for pair in refers if pair[0] not in identify)
        columns = {
            bare[table.name]: frozenset(column.name.lower() for column in table.columns)
            for table in schema.tables
        }
        keys = frozenset(identify | {here for here, _ in refers})
        stored = {(bare[t.name], c.name.lower()): c for t in schema.tables for c in t.columns}
        return cls(columns, many, keys, frozenset(identify), stored)


class _Query:
    """One SELECT: which tables it reads, and which stored columns its columns are."""

    def __init__(self, select: exp.Select, keys: _Keys) -> None:
        self.select, self.keys = select, keys
        sources = [select.args.get("from_"), *(select.args.get("joins") or [])]
        self.tables = {
            source.this.alias_or_name.lower(): source.this.name.lower()
            for source in sources
            if source is not None and isinstance(source.this, exp.Table)
        }

    def place(self, node: exp.Expr | None) -> _Place | None:
        """The stored column that a node names; None where it is no column of these tables.

        Nor is one of a table that is read twice, whose rows are not the same ones.
        """
        if not isinstance(node, exp.Column):
            return None
        name, alias = node.name.lower(), node.table.lower()
        read = list(self.tables.values())
        owners = [t for t in read if name in self.keys.columns.get(t, ())]
        table = self.tables.get(alias) if alias else next(iter(owners), None)
        return (table, name) if table is not None and read.count(table) == 1 else None

    def conditions(self) -> Iterator[exp.Expr]:
        """The conditions that all hold: those of WHERE and of joins."""
        where = self.select.args.get("where")
        wholes = [where.this] if where is not None else []
        wholes += [on for j in self.select.args.get("joins") or () if (on := j.args.get("on"))]
        for whole in wholes:
            yield from whole.flatten() if isinstance(whole, exp.And) else (whole,)

    def equal(self) -> Iterator[tuple[_Place, _Place]]:
        """Columns that must be equal; where USING says so, only those that a key joins."""
        for one in self.conditions():
            left, right = self.place(one.this), self.place(one.args.get("expression"))
            if isinstance(one, exp.EQ) and left and right:
                yield from ((left, right), (right, left))
        shared = {name.name.lower() for j in self.select.args.get("joins") or ()
                  for name in j.args.get("using") or ()}  # fmt: skip
        if not shared:
            return
        read = set(self.tables.values())
        for here, there in self.keys.many:
            if here[1] == there[1] and here[1] in shared and {here[0], there[0]} <= read:
                yield here, there

    def held(self) -> dict[_Place, set[str]]:
        """Columns that a value is demanded of, and which."""
        found: defaultdict[_Place, set[str]] = defaultdict(set)
        for one in self.conditions():
            if isinstance(one, exp.EQ) and isinstance(one.right, exp.Literal):
                place = self.place(one.left)
                if place is not None:
                    found[place].add(one.right.name)
        return found

    def determined(self, known: Iterable[_Place]) -> set[_Place]:
        """Columns that have one value where the known ones have one: by what is equal, by keys."""
        found, equal = {*known, *self.held()}, tuple(self.equal())
        before = -1
        while len(found) > before:
            before = len(found)
            found.update(there for here, there in equal if here in found)
            for table in set(self.tables.values()):
                columns = self.keys.columns.get(table, frozenset())
                if any((table, one) in found & self.keys.identify for one in columns):
                    found.update((table, one) for one in columns)
        return found


def _is_bridged(query: _Query) -> bool:
    if len(query.tables) < 3 or not _keeps_duplicates(query.select):
        return False
    referring: defaultdict[str, set[str]] = defaultdict(set)
    for here, there in query.equal():
        if (here, there) in query.keys.many:
            referring[there[0]].add(here[0])
    return any(len(tables) > 1 for tables in referring.values())


def _keeps_duplicates(select: exp.Select) -> bool:
    """Whether it matters how often a row comes."""
    parent = select.parent
    while isinstance(parent, exp.Subquery):
        parent = parent.parent
    totals = any(one.parent_select is select for one in select.find_all(exp.AggFunc))
    if totals or select.args.get("group"):
        return not any(isinstance(one.unalias().this, exp.Distinct) for one in select.expressions)
    return not (select.args.get("distinct") or isinstance(parent, exp.SetOperation | exp.In))


def _is_nonsense(query: _Query) -> bool:
    return (
        _demands_too_much(query)
        or _shows_nothing_new(query)
        or any(_is_mistyped(query, one) for one in query.conditions())
        or any(map(_is_text_for_a_number, query.select.find_all(exp.Predicate)))
        or any(_adds_up_nothing(query, one) for one in query.select.find_all(exp.Sum, exp.Avg))
        or _orders_one_row(query)
    )


def _says_it_twice(tree: exp.Expr) -> bool:
    """Whether both sides of a UNION, INTERSECT or EXCEPT are the same."""
    return any(one.this == one.expression for one in tree.find_all(exp.SetOperation))


def _demands_too_much(query: _Query) -> bool:
    """Whether a column has to be two things at once, or what it is called: a value nobody named."""
    held = query.held().items()
    return any(len(values) > 1 or place[1] in map(str.lower, values) for place, values in held)


def _shows_nothing_new(query: _Query) -> bool:
    """Whether all that is shown is known, a column is shown twice, or one beside a lone total."""
    select, held = query.select, query.held()
    shown = [one.unalias() for one in select.expressions]
    places = [query.place(one) for one in shown]
    if held and shown and all(place in held for place in places):
        return True
    if _is_shown_twice(query, [place for place in places if place is not None]):
        return True
    plain = any(isinstance(one, exp.Column) and not one.is_star for one in shown)
    counts = any(isinstance(one, exp.Count | exp.Sum | exp.Avg) for one in shown)
    return plain and counts and not select.args.get("group") and not select.args.get("distinct")


def _orders_one_row(query: _Query) -> bool:
    """Whether rows are ordered by what is the same in all, or the one row of totals is."""
    select, held = query.select, query.held()
    order = select.args.get("order")
    if order is not None and any(query.place(one.this) in held for one in order.expressions):
        return True
    totals = all(isinstance(one.unalias(), _TOTAL) for one in select.expressions)
    alone = bool(select.expressions) and totals and not select.args.get("group")
    return alone and bool(order or select.args.get("limit"))


def _adds_up_nothing(query: _Query, total: exp.Expr) -> bool:
    """Whether keys, days or words are summed up or averaged."""
    place = query.place(total.this) if total.parent_select is query.select else None
    if place is None:
        return False
    column = query.keys.stored.get(place)
    if place in query.keys.keys or column is None or not column.examples:
        return place in query.keys.keys
    return column.kind in {"date", "text"} and not any(map(_is_number, column.examples))


def _is_shown_twice(query: _Query, places: Sequence[_Place]) -> bool:
    """Whether two of the columns shown are one, or must be equal."""
    equal = set(query.equal())
    return any(one == two or (one, two) in equal for one, two in combinations(places, 2))


def _is_mistyped(query: _Query, one: exp.Expr) -> bool:
    """Whether a column of numbers, days or truths is compared with what can be none of them."""
    value = one.args.get("expression")
    if not (isinstance(one, _COMPARED) and isinstance(value, exp.Literal) and value.name):
        return False
    place = query.place(one.this)
    column = query.keys.stored.get(place) if place is not None else None
    if column is None or not column.examples:
        return False
    match column.kind, _is_number(value.name):
        case "number", number:
            return not number
        case "boolean", number:
            return not number and value.name.lower() not in _TRUTHS
        case "date", number if not any(map(_is_number, column.examples)):
            return len(value.name) < 4 if number else not any(map(str.isdigit, value.name))
    return False


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _is_text_for_a_number(one: exp.Expr) -> bool:
    """Whether a count, a sum or an average is compared with a text that is no number."""
    value = one.args.get("expression")
    if not (isinstance(one.this, exp.Count | exp.Sum | exp.Avg) and isinstance(value, exp.Literal)):
        return False
    return value.is_string and not value.name.strip().replace(".", "", 1).isdigit()


def _is_undetermined(query: _Query) -> bool:
    """Whether a bare column is shown that the groups do not determine; MAX and MIN may do that."""
    group = query.select.args.get("group")
    if group is None or query.select.find(exp.Max, exp.Min) is not None:
        return False
    by = [query.place(one) for one in group.expressions]
    known = [place for place in by if place is not None]
    if len(known) < len(by) or not by:
        return False
    found = query.determined(known)
    shown = (query.place(one.unalias()) for one in query.select.expressions)
    return any(place is not None and place not in found for place in shown)
