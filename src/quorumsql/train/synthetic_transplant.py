"""Templates of real questions filled with the names and values of another schema.

The joins of the target must have the same shape, keys stand for keys, numbers for numbers,
and what groups rows must have values that several rows share.

What is not covered: fitness of meaning; "the airport with the highest id" can come out.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from quorumsql.domain import ColumnRef
from quorumsql.forms.linear import TableRef, Token, parse
from quorumsql.forms.tree import Query, Value
from quorumsql.forms.write import path_of
from quorumsql.train.synthetic_names import plural
from quorumsql.train.synthetic_target import Rejected, Target
from quorumsql.train.synthetic_templates import Slot, Template, inner_first

__all__ = ["fill"]


def fill(template: Template, target: Target, rng: random.Random) -> tuple[str, Query]:
    """Return the question and tree of `template` over the names and values of `target`.

    Raises:
        Rejected: the target has nothing that fits.
    """
    tables, columns = _Match(template, target, rng).found()
    tokens: list[Token] = []
    values: dict[int, Value] = {}
    for place, token in enumerate(template.tokens):
        match token:
            case ColumnRef():
                tokens.append(columns[token])
            case TableRef(table):
                tokens.append(TableRef(tables[table]))
            case Value() if place in template.values:
                ref, operator = template.values[place]
                values[place] = _value(template, place, columns[ref], operator, values, target, rng)
                tokens.append(values[place])
            case _:
                tokens.append(token)
    tree = parse(tokens, "tables")
    shapes = []
    for query in inner_first(tree):
        path = path_of(query, target.graph)
        shapes.append(frozenset(path.tables) if path else frozenset())
    if shapes != [frozenset(tables[t] for t in shape) for shape in template.shapes]:
        raise Rejected("another join")
    return _say(template, tables, columns, values, target, rng), tree


def _value(
    template: Template,
    place: int,
    ref: ColumnRef,
    operator: str,
    used: Mapping[int, Value],
    target: Target,
    rng: random.Random,
) -> Value:
    source = template.tokens[place]
    for other, value in used.items():
        if template.tokens[other] == source and template.values[other] == template.values[place]:
            return value
    value = target.value(ref, operator, rng)
    if value in used.values():
        raise Rejected("one value twice")
    before = used.get(place - 1)
    if before and value.number and float(value.text) <= float(before.text):
        raise Rejected("an empty range")
    return value


class _Match:
    """Maps the tables and columns of a template to those of a target, at random."""

    def __init__(self, template: Template, target: Target, rng: random.Random) -> None:
        self._template, self._target, self._rng = template, target, rng
        self._tables: dict[str, str] = {}
        self._columns: dict[ColumnRef, ColumnRef] = {}

    def found(self) -> tuple[dict[str, str], dict[ColumnRef, ColumnRef]]:
        template, target = self._template, self._target
        said = {part.what for part in template.parts if isinstance(part, Slot)}
        for table in template.tables:
            if table not in self._tables:
                self._start(table)
            self._follow()
        for column, kind in template.classes.items():
            if column not in self._columns:
                self._place(column, kind)
        for table, own in self._tables.items():
            if table in said and not target.names.is_noun(own):
                raise Rejected("table cannot be said")
            if table not in said and not self._clear(table):
                raise Rejected("whose column")
        if not all(t and target.names.is_person(self._tables[t]) for t in template.people):
            raise Rejected("not people")
        return self._tables, self._columns

    def _start(self, table: str) -> None:
        free = [t.name for t in self._target.schema.tables if t.name not in self._tables.values()]
        edges = [e for e in self._template.edges if any(c.table == table for c in e)]
        links = self._target.links
        if edges:
            child = edges[0][0].table == table
            free = [
                t for t in free if any((k.child if child else k.parent).table == t for k in links)
            ]
        if not free:
            raise Rejected("no table fits")
        self._tables[table] = self._rng.choice(free)

    def _follow(self) -> None:
        """Map all tables that keys connect to those already mapped."""
        again = True
        while again:
            again = False
            for child, parent in self._template.edges:
                known = (child.table in self._tables, parent.table in self._tables)
                if not any(known) or (child in self._columns and parent in self._columns):
                    continue
                self._connect(child, parent)
                again = True

    def _connect(self, child: ColumnRef, parent: ColumnRef) -> None:
        taken = set(self._tables.values())
        links = [
            link
            for link in self._target.links
            if _fits(link.child, child, self._tables, self._columns, taken)
            and _fits(link.parent, parent, self._tables, self._columns, taken)
        ]
        if not links:
            raise Rejected("no key fits")
        link = self._rng.choice(links)
        self._columns[child], self._columns[parent] = link.child, link.parent
        self._tables[child.table], self._tables[parent.table] = link.child.table, link.parent.table

    def _place(self, column: ColumnRef, kind: str) -> None:
        target, table = self._target, self._tables[column.table]
        taken = set(self._columns.values())
        if kind in {"key", "foreign"}:
            found = [c for c, k in target.classes.items() if c.table == table and k == kind]
        else:
            found = target.columns(table, kind, *(("text",) if kind == "name" else ()))
        if column in self._template.grouped and kind in {"name", "text", "year"}:
            found = [c for c in found if target.is_category(c)]
        found = [c for c in found if c not in taken]
        if column in self._template.silent and kind not in {"key", "foreign"}:
            found = [c for c in found if target.classes[c] == "name"]
        elif column not in self._template.silent:
            found = [c for c in found if target.names.sayable(target.names.columns[c])]
        if not found:
            raise Rejected("no column fits")
        self._columns[column] = self._rng.choice(found)

    def _clear(self, table: str) -> bool:
        """Whether a table that is not said follows from its columns' names."""
        own = [
            c for c in self._template.classes if c.table == table and c not in self._template.silent
        ]
        names = self._target.names.columns
        return all(list(names.values()).count(names[self._columns[c]]) == 1 for c in own)


def _fits(
    end: ColumnRef,
    source: ColumnRef,
    tables: Mapping[str, str],
    columns: Mapping[ColumnRef, ColumnRef],
    taken: set[str],
) -> bool:
    if source in columns:
        return columns[source] == end
    if source.table in tables:
        return tables[source.table] == end.table and end not in columns.values()
    return end.table not in taken


def _say(
    template: Template,
    tables: Mapping[str, str],
    columns: Mapping[ColumnRef, ColumnRef],
    values: Mapping[int, Value],
    target: Target,
    rng: random.Random,
) -> str:
    names = target.names
    said: dict[ColumnRef, str] = {}
    text = ""
    for part in template.parts:
        if isinstance(part, str):
            text += part
            continue
        match part.what:
            case int():
                text += values[part.what].text
                continue
            case ColumnRef():
                ref = columns[part.what]
                short = names.short(ref) if rng.random() < 0.7 else names.columns[ref]
                words = said.setdefault(ref, short)
            case _:
                words = names.tables[tables[part.what]]
        words = plural(words) if part.many else words
        text += words[0].upper() + words[1:] if not text.strip() else words
    return text
