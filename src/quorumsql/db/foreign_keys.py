"""Foreign keys: those declared made sound, and those that only names imply.

Databases made by hand often declare few keys or none, yet name them well: `Has_Pet.StuID`
can only mean `Student.StuID`. The rules are conservative, because a wrong key makes wrong
joins and a missing one only makes longer paths:

1. a column named like the single-column primary key of exactly one other table;
2. a column named like another table and its key: `airline_id` → `airlines.id`;
3. the same two for a column with a role before it: `home_team_id` → `team.team_id`;
4. a column of numbers named like another table: `airline` → `airlines.uid`;
5. two tables that are still unconnected and share exactly one column that is no key.

A table without a declared primary key is taken to be identified by `id` or `<table>_id`.

What is not covered: keys of several columns that only names imply, keys whose names have
nothing in common (`lives_in` → `city.id`), and whether the values agree.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from quorumsql.domain import Column, ForeignKey, Schema, Table

__all__ = ["infer_foreign_keys", "resolve_foreign_keys"]

_GENERIC = frozenset(
    {"id", "name", "code", "key", "no", "nr", "num", "number", "pk", "uid", "uuid", "type", "year"}
    | {"date", "title", "rank", "status", "index", "rowid", "time", "month", "day", "season"}
    | {"ssn", "email", "phone", "description", "comment", "notes", "value", "url"}
)
"""Key names that say nothing about what they identify: alone they imply no reference."""

_KEY_ENDINGS = ("id", "code", "key", "no", "number", "num", "nr")

_SEPARATORS = str.maketrans("", "", "_- ")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")

_Target: TypeAlias = tuple[Table, Column]


def resolve_foreign_keys(
    keys: Iterable[ForeignKey], tables: Sequence[Table]
) -> tuple[ForeignKey, ...]:
    """Return `keys` with names as the tables spell them, each once, dropping what leads nowhere.

    A key without referred columns means the referred table's primary key (SQLite). A key to a
    table or column that does not exist is dropped: nothing can be joined along it.
    """
    by_name = {table.name.lower(): table for table in tables}
    sound = (_resolve(key, by_name) for key in keys)
    return tuple(dict.fromkeys(key for key in sound if key is not None))


def _resolve(key: ForeignKey, by_name: Mapping[str, Table]) -> ForeignKey | None:
    table, referred = by_name.get(key.table.lower()), by_name.get(key.referred_table.lower())
    if table is None or referred is None:
        return None
    targets = key.referred_columns or tuple(c.name for c in referred.columns if c.primary_key)
    own = [table.column(name) for name in key.columns]
    others = [referred.column(name) for name in targets]
    pairs = [(a.name, b.name) for a, b in zip(own, others, strict=False) if a and b]
    if not pairs or not len(pairs) == len(own) == len(others):
        return None
    if table is referred and all(a == b for a, b in pairs):
        return None
    return replace(
        key,
        table=table.name,
        referred_table=referred.name,
        columns=tuple(a for a, _ in pairs),
        referred_columns=tuple(b for _, b in pairs),
    )


def infer_foreign_keys(schema: Schema) -> tuple[ForeignKey, ...]:
    """Return the keys that names imply and `schema` does not have yet, in schema order.

    Every returned key has one column and `declared=False`; none repeats a declared pair of
    columns, in either direction.
    """
    links = _Links(schema.foreign_keys)
    targets = _Targets(schema)
    for table in schema.tables:
        for column in table.columns if not table.is_view else ():
            target = targets.of(table, column, declared=links.declares(table, column))
            if target is not None:
                links.add(table, column, *target)
    for table, column, other, key in _shared(schema, links):
        links.add(table, column, other, key)
    return tuple(links.inferred)


class _Links:
    """The pairs of columns that keys connect so far, and the keys inferred on the way."""

    def __init__(self, keys: Iterable[ForeignKey]) -> None:
        self.inferred: list[ForeignKey] = []
        self._pairs: set[frozenset[tuple[str, str]]] = set()
        self._declared: set[tuple[str, str]] = set()
        self._touched: set[str] = set()
        for key in keys:
            self._touched |= {key.table, key.referred_table}
            # A member of a composite key may refer elsewhere by itself as well.
            if len(key.columns) == 1:
                self._declared.add((key.table, key.columns[0]))
            for own, other in zip(key.columns, key.referred_columns, strict=True):
                self._pairs.add(frozenset({(key.table, own), (key.referred_table, other)}))

    def declares(self, table: Table, column: Column) -> bool:
        """Whether `column` has a declared key of its own."""
        return (table.name, column.name) in self._declared

    def touches(self, table: Table) -> bool:
        """Whether any key leads from or to `table`."""
        return table.name in self._touched

    def add(self, table: Table, column: Column, other: Table, key: Column) -> None:
        """Infer a key, unless these two columns are connected already."""
        pair = frozenset({(table.name, column.name), (other.name, key.name)})
        if pair in self._pairs:
            return
        self._pairs.add(pair)
        self._touched |= {table.name, other.name}
        self.inferred.append(
            ForeignKey(
                table=table.name,
                columns=(column.name,),
                referred_table=other.name,
                referred_columns=(key.name,),
                declared=False,
            )
        )


class _Targets:
    """What can be referred to: tables by their single-column key, and by their own name."""

    def __init__(self, schema: Schema) -> None:
        self._by_key: defaultdict[str, list[_Target]] = defaultdict(list)
        self._by_table: defaultdict[str, list[_Target]] = defaultdict(list)
        self._identities = {t.name: _identity(t) for t in schema.tables if not t.is_view}
        for table in schema.tables:
            key = self._identities.get(table.name)
            if key is None:
                continue
            self._by_key[_fold(key.name)].append((table, key))
            for form in _singulars(_fold(table.name)):
                self._by_table[form].append((table, key))

    def of(self, table: Table, column: Column, *, declared: bool) -> _Target | None:
        """Return the one table and key that `column` of `table` must mean, or None.

        Where the column has a declared key, only a key of exactly its name counts: some
        databases declare `actor.musical_id` to refer to `actor`.
        """
        if declared:
            choices: Iterable[Sequence[_Target]] = (self._named(_fold(column.name)),)
        else:
            choices = self._choices(column, roles=column is not self._identities.get(table.name))
        for choice in choices:
            if any(other is table and key is column for other, key in choice):
                continue
            others = [t for t in choice if t[0] is not table and _compatible(column, t[1])]
            if len(others) == 1:
                return others[0]
        return None

    def _choices(self, column: Column, *, roles: bool) -> Iterator[Sequence[_Target]]:
        """Yield what a name can mean, the surest first; without `roles` only the whole name."""
        words = [word.lower() for word in _WORD.findall(column.name)] if roles else []
        for start in range(max(1, len(words) - 1)):
            folded = "".join(words[start:]) if start else _fold(column.name)
            yield self._named(folded)
            yield self._by_table.get(_stem(folded), ())
        if column.kind == "number":
            yield self._by_table.get(_fold(column.name), ())

    def _named(self, folded: str) -> Sequence[_Target]:
        return () if folded in _GENERIC else self._by_key.get(folded, ())


def _shared(schema: Schema, links: _Links) -> Iterator[tuple[Table, Column, Table, Column]]:
    """Yield the only column that two otherwise unconnected tables share, where there is one."""
    holders: defaultdict[str, list[_Target]] = defaultdict(list)
    for table in schema.tables:
        if not table.is_view and not links.touches(table):
            for column in table.columns:
                if not column.primary_key and _fold(column.name) not in _GENERIC:
                    holders[_fold(column.name)].append((table, column))
    pairs: defaultdict[tuple[str, str], list[tuple[_Target, _Target]]] = defaultdict(list)
    for found in holders.values():
        if len(found) == 2 and _compatible(found[0][1], found[1][1]):
            pairs[found[0][0].name, found[1][0].name].append((found[0], found[1]))
    for shared in pairs.values():
        if len(shared) == 1:
            (table, column), (other, key) = shared[0]
            yield table, column, other, key


def _identity(table: Table) -> Column | None:
    keys = [c for c in table.columns if c.primary_key]
    if keys:
        return keys[0] if len(keys) == 1 else None
    names = {form + ending for form in _singulars(_fold(table.name)) for ending in ("id", "code")}
    return next((c for c in table.columns if _fold(c.name) in names | {"id"}), None)


def _fold(name: str) -> str:
    return name.lower().translate(_SEPARATORS)


def _singulars(folded: str) -> frozenset[str]:
    forms = {folded}
    if folded.endswith("ies"):
        forms.add(folded[:-3] + "y")
    if folded.endswith("es"):
        forms.add(folded[:-2])
    if folded.endswith("s"):
        forms.add(folded[:-1])
    return frozenset(forms)


def _stem(folded: str) -> str:
    ending = next((e for e in _KEY_ENDINGS if folded.endswith(e)), "")
    return folded.removesuffix(ending) if ending else ""


def _compatible(column: Column, key: Column) -> bool:
    return not column.type or not key.type or column.kind == key.kind
