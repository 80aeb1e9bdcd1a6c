"""One database as the ground on which synthetic questions are built, and their examiner.

What is not covered: whether a question reads well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from quorumsql.db import open_database
from quorumsql.domain import Column, ColumnRef, ForeignKey, Limits, Rows, Schema
from quorumsql.forms.grammar import Grammar, terminal_of
from quorumsql.forms.linear import FORMS, linearise
from quorumsql.forms.translate import translate
from quorumsql.forms.tree import Query, Value
from quorumsql.forms.write import Unwritable, implicit, write
from quorumsql.joins import JoinGraph
from quorumsql.neural.targets import GUESSED, align
from quorumsql.neural.tokenise import SchemaPieces, Tokeniser
from quorumsql.ports import Database, ValueIndex
from quorumsql.sql import first_rows, quote_table
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.train.data import Example
from quorumsql.train.synthetic_names import NameKey, Names

__all__ = ["Examiner", "Link", "Rejected", "Target", "classes_of"]

LIMITS = Limits(seconds=0.4, rows=2)
VALUES = 400
MANY = 1_000
REPEATED = re.compile(r"\b([\w ]{3,}) \1\b", re.IGNORECASE)
PLAIN = re.compile(r"[A-Za-z0-9][\w .,&'/:@+-]*")
CODE_WORDS = frozenset(
    "id code number zip phone postal isbn ssn key fax rank ranking order no "
    "advisor major instructor gender sex".split()
)
YEAR_WORDS = frozenset("year founded".split())
NAME_WORDS = frozenset("name title fname lname".split())


class Rejected(ValueError):
    """A synthetic question that would teach the wrong thing; the message is the class of it."""


@dataclass(frozen=True, slots=True)
class Link:
    """One single-column foreign key between two tables."""

    child: ColumnRef
    parent: ColumnRef


@dataclass(frozen=True)
class Target:
    """What building a question about one database needs. Use it in a `with`, it is open."""

    name: str
    schema: Schema
    pieces: SchemaPieces
    names: Names
    database: Database
    index: ValueIndex
    _values: dict[ColumnRef, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def open(cls, example: Example, data: Path, known: Mapping[NameKey, str]) -> Target:
        """Open the database of `example` and index its values."""
        name = example.database
        database = open_database(str(data / "database" / name / f"{name}.sqlite"))
        return cls(
            name=name,
            schema=example.schema,
            pieces=example.pieces,
            names=Names.of(example.schema, name, known),
            database=database,
            index=MemoryValueIndex.build(database, example.schema),
        )

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    @cached_property
    def graph(self) -> JoinGraph:
        """The join graph of the schema."""
        return JoinGraph(self.schema)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """All foreign keys of one column that do not lead back to their own table."""
        return tuple(map(_link, filter(_simple, self.schema.foreign_keys)))

    @cached_property
    def bridges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of tables with a third between them that points to both."""
        ends: dict[str, set[str]] = {}
        for link in self.links:
            ends.setdefault(link.child.table, set()).add(link.parent.table)
        found = ((a, b) for own in ends.values() for a in own for b in own if a != b)
        return tuple(sorted(set(found)))

    @cached_property
    def classes(self) -> dict[ColumnRef, str]:
        """What may stand for what: key, foreign, name, text, year, code, number, date, boolean."""
        return classes_of(self.schema, self.names)

    @cached_property
    def sayable(self) -> dict[str, tuple[ColumnRef, ...]]:
        """By table: its columns whose names can be said."""
        found: dict[str, tuple[ColumnRef, ...]] = {t.name: () for t in self.schema.tables}
        for ref in self.classes:
            if self.names.sayable(self.names.columns[ref]):
                found[ref.table] = (*found[ref.table], ref)
        return found

    def columns(self, table: str, *classes: str) -> list[ColumnRef]:
        """Columns of `table` of these classes whose names can be said."""
        return [ref for ref in self.sayable[table] if self.classes[ref] in classes]

    @cached_property
    def rows(self) -> dict[str, int]:
        """How many rows each table has; beyond `MANY` nobody counts."""
        found = {}
        for table in self.schema.tables:
            query = f"SELECT 1 FROM {quote_table(table, self.schema.dialect)}"
            counted = self.database.execute(
                first_rows(query, MANY, self.schema.dialect), limits=Limits(rows=MANY)
            )
            found[table.name] = len(counted.rows) if isinstance(counted, Rows) else 0
        return found

    @cached_property
    def is_empty(self) -> bool:
        """Whether no table has a row, so that no question can find anything."""
        return not any(self.rows.values())

    def is_category(self, ref: ColumnRef) -> bool:
        """Whether rows share values of this column, so that grouping by it says something."""
        if self.classes[ref] not in {"text", "year", "boolean"}:
            return False
        stored, rows = len(self.values(ref)), self.rows[ref.table]
        return not rows or 1 < stored < min(VALUES, 0.8 * rows + 1)

    def values(self, ref: ColumnRef) -> tuple[str, ...]:
        """Stored values of a column that a question can carry, numbers in their order."""
        if ref not in self._values:
            found = self.database.values(ref.table, ref.column, limit=VALUES)
            texts = [text for value in found if (text := _said(value)) is not None]
            if all(isinstance(value, int | float) for value in found):
                texts.sort(key=float)
            self._values[ref] = tuple(texts)
        return self._values[ref]

    def is_number(self, ref: ColumnRef) -> bool:
        """Whether values of this column are written without quotes."""
        return self.column(ref).kind in {"number", "boolean"}

    def column(self, ref: ColumnRef) -> Column:
        """The column at this address."""
        table = self.schema.table(ref.table)
        column = table.column(ref.column) if table else None
        assert column is not None
        return column

    def value(self, ref: ColumnRef, operator: str, rng: random.Random) -> Value:
        """A value that makes sense beside this column and operator.

        Raises:
            Rejected: the column holds none.
        """
        stored = self.values(ref)
        if not stored:
            raise Rejected("no stored value")
        number = self.is_number(ref)
        if operator in {"contains", "starts", "ends"}:
            return Value(_part(rng.choice(stored), operator, rng))
        if number and operator in {">", ">=", "<", "<="}:
            low, high = (0.1, 0.7) if operator[0] == ">" else (0.3, 0.9)
            place = int(rng.uniform(low, high) * len(stored))
            return Value(_round(stored[place], rng), number=True)
        return Value(rng.choice(stored), number=number)


def classes_of(schema: Schema, names: Names) -> dict[ColumnRef, str]:
    """Return the class of every column of `schema`."""
    foreign = {(k.table, c) for k in schema.foreign_keys for c in k.columns}
    found: dict[ColumnRef, str] = {}
    for table in schema.tables:
        alone = sum(c.primary_key for c in table.columns) == 1
        for column in table.columns:
            ref = ColumnRef(table=table.name, column=column.name)
            if column.primary_key and alone:
                found[ref] = "key"
            elif column.primary_key or (table.name, column.name) in foreign:
                found[ref] = "foreign"
            else:
                found[ref] = _class(column, set(names.columns[ref].split()))
    return found


def _class(column: Column, words: set[str]) -> str:
    if column.kind == "number":
        return "year" if words & YEAR_WORDS else "code" if words & CODE_WORDS else "number"
    named = column.kind == "text" and words & NAME_WORDS
    return "name" if named else column.kind


def _simple(key: ForeignKey) -> bool:
    return len(key.columns) == 1 and key.table != key.referred_table


def _link(key: ForeignKey) -> Link:
    return Link(
        ColumnRef(table=key.table, column=key.columns[0]),
        ColumnRef(table=key.referred_table, column=key.referred_columns[0]),
    )


def _said(value: object) -> str | None:
    """The value as a question would carry it; None for what nobody types."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value)
    if isinstance(value, float) and (not value.is_integer() and len(text) > 8):
        return None
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    fits = 1 <= len(text) <= 32 and len(text.split()) <= 5 and text == text.strip()
    return text if fits and (PLAIN.fullmatch(text) or not isinstance(value, str)) else None


def _part(text: str, operator: str, rng: random.Random) -> str:
    words = [word for word in re.findall(r"[^\W\d_]{3,}", text)]
    if operator == "contains" and words:
        return rng.choice(words)
    if operator == "starts":
        return text[0].upper()
    if operator == "ends" and text[-1].isalpha():
        return text[-1]
    raise Rejected("no part of a value")


def _round(text: str, rng: random.Random) -> str:
    """A rounder number near `text` half of the time: people ask for more than 5000."""
    digits = text.lstrip("-")
    if not digits.isdigit() or len(digits) < 2 or len(digits) == 4 or rng.random() < 0.5:
        return text
    return str(round(int(text), 1 - len(digits)) or text)


class Examiner:
    """Accepts what a member could be trained to write, as an `Example`."""

    def __init__(
        self, tokeniser: Tokeniser, *, limits: Limits = LIMITS, patient: bool = True
    ) -> None:
        """Run each statement within `limits`; `patient`, what takes longer is accepted unseen."""
        self._tokeniser, self._limits, self._patient = tokeniser, limits, patient
        self._grammars = {form: Grammar(form) for form in FORMS}

    def accept(self, question: str, tree: Query, target: Target) -> Example:
        """Return the example of `question` and `tree`.

        Raises:
            Rejected: it reads wrong, cannot be written, finds nothing, or has a value that
                no span of the question says.
        """
        if not 3 <= len(question.split()) <= 45 or REPEATED.search(question):
            raise Rejected("wording")
        slim = implicit(tree, target.graph)
        self._runs(tree, slim, target)
        hits = target.index.mentions(question)
        bare = SchemaPieces(((target.pieces.tables[0][0], ()),))  # spans need no schema
        encoded = self._tokeniser.encode(question, bare, hits)
        trees = {"tables": tree, "columns": slim, "plan": slim}
        for form, own in trees.items():
            tokens = linearise(align(own, encoded, target.schema), form)
            if GUESSED in tokens:
                raise Rejected("value without a span")
            grammar, state = self._grammars[form], self._grammars[form].start
            for token in tokens:
                state = grammar.step(state, terminal_of(token))
        return Example(target.name, question, target.schema, target.pieces, hits, trees)

    def _runs(self, tree: Query, slim: Query, target: Target) -> None:
        try:
            sql = write(tree, target.schema, target.graph)
            same = write(slim, target.schema, target.graph)
        except Unwritable as error:
            raise Rejected("no join") from error
        if sorted(sql.split()) != sorted(same.split()) and sql.count("JOIN") != same.count("JOIN"):
            raise Rejected("the tables change")
        found = target.database.execute(translate(sql, target.schema), limits=self._limits)
        if isinstance(found, Rows):
            empty = not found.rows or found.rows[0] in ((0,), (None,))
            if empty and found.rows[1:] == () and not target.is_empty:
                raise Rejected("finds nothing")
        elif found.kind == "error" or not self._patient:
            raise Rejected("does not run")
