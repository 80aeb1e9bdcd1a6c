"""One statement that is about to be changed: its tables, what its words may name, its joins.

What is not covered: what subqueries read; only the outermost FROM is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from sqlglot import exp

from quorumsql.domain import Column, ForeignKey, Hit, Schema, Table

__all__ = ["Scope", "column_of", "is_dated", "is_of_birth", "parts_of", "plain"]

_LABELS = ("name", "fullname", "lastname", "title", "label")
"""What rows are called by, best first: an employee's title is not who it is."""
_ISO = re.compile(r"\s*\d{4}-\d\d")
_BORN = re.compile(r"birth|born|dob", re.IGNORECASE)
_DATED = frozenset("date dates day days time at on of the dt datetime timestamp utc".split())
"""Words in names of columns that only say that they hold dates."""


class Scope:
    """A statement, the schema and the stored values that a follow-up mentions.

    A rule that returns None may have joined tables to `tree`: it is thrown away then.
    """

    def __init__(
        self,
        tree: exp.Select,
        schema: Schema,
        hits: Sequence[Hit],
        *,
        text: str,
        today: date,
        about: str = "",
    ) -> None:
        self.tree, self.schema, self.hits = tree, schema, hits
        self.text, self.today = text, today
        self.about = tuple(_stem(word) for word in re.findall(r"[^\W\d_]+", about.lower()))

    @property
    def of_birth(self) -> bool:
        """Whether the question is about when somebody was born."""
        return any(_BORN.match(word) for word in self.about)

    @property
    def dialect(self) -> str:
        """The SQL that the statement is written in."""
        return self.schema.dialect

    def tables(self) -> Iterator[tuple[exp.Table, Table]]:
        """The stored tables of the outermost FROM, as they are written and as they are stored."""
        for source in [self.tree.args.get("from_"), *(self.tree.args.get("joins") or ())]:
            written = source.this if source is not None else None
            if isinstance(written, exp.Table):
                stored = self._stored(written)
                if stored is not None:
                    yield written, stored

    def aggregates(self) -> Iterator[exp.Expr]:
        """What is shown and counts or adds up."""
        for item in self.tree.expressions:
            if item.find(exp.AggFunc):
                yield item

    def measure(self) -> exp.Expr | None:
        """What the largest is the largest of: the first count or sum, else the only number."""
        item = next(self.aggregates(), None)
        if item is not None:
            return _copied(item.unalias())
        numbers = [shown for shown in self.tree.expressions if self._is_number(shown)]
        return _copied(numbers[0].unalias()) if len(numbers) == 1 else None

    def shown(self, words: str) -> exp.Expr | None:
        """The shown expression of this name; a count or sum by what such things are called."""
        for item in self.tree.expressions:
            if plain(item.alias_or_name) == plain(words):
                return _copied(item.unalias())
        item = next(self.aggregates(), None)
        if item is not None and plain(words) in {"count", "number", "total", "sum", "amount"}:
            return _copied(item.unalias())
        return None

    def column(
        self, words: str, fits: Callable[[Column], bool] = lambda _: True
    ) -> exp.Column | None:
        """The column that the words name, joined to where it takes a table referred to."""
        wanted = plain(words)
        if not wanted:
            return None
        for names in ({wanted}, {f"{wanted}id", f"{wanted}name"}):
            for written, stored in self.tables():
                for one in stored.columns:
                    if names & _names(stored, one) and fits(one):
                        return column_of(one.name, written)
        return self._joined(lambda t: [c for c in t.columns if wanted in _names(t, c) and fits(c)])

    def things(self, words: str) -> tuple[exp.Column, ...] | None:
        """What tells the things that the words name apart: key and name of their table.

        It is one that is joined already, or one that is referred to.
        """
        wanted = plain(words)
        own = list(self.tables())
        for written, stored in own if len(own) > 1 else ():
            told = _told_by(stored) if plain(stored.bare_name) == wanted else None
            if told is not None:
                return column_of(told[0], written), column_of(told[1], written)
        for stored, path in self._referred():
            told = _told_by(stored) if plain(stored.bare_name) == wanted else None
            if told is not None:
                joined = self.join(path)
                if joined is None:
                    return None
                return column_of(told[0], joined), column_of(told[1], joined)
        return None

    def only_number(self) -> exp.Column | None:
        """The only column of numbers that are no keys, where there is just one."""
        found = [
            column_of(one.name, written)
            for written, stored in self.tables()
            for one in stored.columns
            if one.kind == "number" and not self._is_key(stored, one)
        ]
        return found[0] if len(found) == 1 else None

    def day(self, *, born: bool = False) -> exp.Column | None:
        """The column of dates that is meant, joined to where it takes a table referred to."""
        found = self.days(born=born)
        if found or born:
            return next((column for _, _, column in found), None)
        return self._joined(
            lambda t: sorted(
                (c for c in t.columns if is_dated(c) and not _BORN.search(c.name)),
                key=lambda c: -self._said(t, c)[0],
            )[:1]
        )

    def days(self, *, born: bool = False) -> list[tuple[tuple[int, ...], Column, exp.Column]]:
        """The statement's own columns of dates, most likely meant first, with how likely.

        Before others come those whose name says what the question does ("shipped"), that the
        statement names, those of the table whose numbers are added up, that are called as their
        table and the question ("order date"), and those of a table that refers to another: a
        customer's orders are what happens. A date that is to be missing lies in no time.
        """
        named = {plain(one.name) for one in self.tree.find_all(exp.Column)}
        missing = {
            plain(one.this.name)
            for one in self.tree.find_all(exp.Is)
            if isinstance(one.expression, exp.Null) and not isinstance(one.parent, exp.Not)
        }
        own = list(self.tables())
        measured = self._measured()
        found = []
        for written, stored in own:
            others = {other.name for _, other in own if other is not stored}
            refers = any(
                key.table == stored.name and key.referred_table in others
                for key in self.schema.foreign_keys
            )
            for one in stored.columns:
                fits = is_dated(one) and bool(_BORN.search(one.name)) is born
                if fits and plain(one.name) not in missing:
                    own_words, table_words = self._said(stored, one)
                    key = (
                        own_words,
                        int(plain(one.name) in named),
                        int(written.alias_or_name.lower() in measured),
                        table_words,
                        int(refers),
                    )
                    found.append((key, one, column_of(one.name, written)))
        return sorted(found, key=lambda item: [-part for part in item[0]])

    def _measured(self) -> frozenset[str]:
        """What the tables are called whose numbers are shown added up, or their average."""
        own = list(self.tables())
        found = set()
        for item in self.tree.expressions:
            for one in item.find_all(exp.Sum, exp.Avg):
                for column in one.find_all(exp.Column):
                    found |= {
                        written.alias_or_name.lower()
                        for written, stored in own
                        if column.table.lower() in {"", written.alias_or_name.lower()}
                        and stored.column(column.name) is not None
                    }
        return frozenset(found)

    def _said(self, stored: Table, column: Column) -> tuple[int, int]:
        """How many words of a column's name the question says: its own, and those of its table."""
        table = {_stem(word) for word in parts_of(stored.bare_name)}
        words = {_stem(word) for word in parts_of(column.name) if word not in _DATED}
        said = {word for word in words if any(_alike(word, other) for other in self.about)}
        ofs = {word for word in said if any(_alike(word, other) for other in table)}
        return len(said - ofs), len(ofs)

    def year(self) -> exp.Column | None:
        """A column of numbers that are years."""
        for written, stored in self.tables():
            for one in stored.columns:
                if one.kind != "text" and plain(one.name) in {"year", "yr"}:
                    return column_of(one.name, written)
        return None

    def place_of(self, hit: Hit) -> exp.Column | None:
        """The column in which a stored value was found."""
        for written, stored in self.tables():
            if stored.name.lower() == hit.table.lower():
                return column_of(hit.column, written)
        return self._joined(
            lambda t: [
                c
                for c in t.columns
                if t.name.lower() == hit.table.lower() and c.name.lower() == hit.column.lower()
            ]
        )

    def names(self) -> frozenset[str]:
        """Plain names of the statement's tables and their columns."""
        columns = {plain(c.name) for _, stored in self.tables() for c in stored.columns}
        return self.table_names() | columns

    def table_names(self) -> frozenset[str]:
        """Plain names of the statement's tables."""
        return frozenset(plain(stored.bare_name) for _, stored in self.tables())

    def may_be_null(self, key: exp.Expr) -> bool:
        """Whether a column, or what is made of one, may have no value; counts always have one."""
        if isinstance(key, exp.Count):
            return False
        if not isinstance(key, exp.Column):
            return True
        for written, stored in self.tables():
            one = stored.column(key.name)
            if one is not None and key.table.lower() in {"", written.alias_or_name.lower()}:
                joined = written.parent
                outer = isinstance(joined, exp.Join) and bool(joined.side)
                return outer or (one.nullable and not one.primary_key)
        return True

    def _is_number(self, item: exp.Expr) -> bool:
        inner = item.unalias()
        if not isinstance(inner, exp.Column):
            return False
        for written, stored in self.tables():
            one = stored.column(inner.name)
            if one is not None and inner.table in {"", written.alias_or_name}:
                return one.kind == "number" and not self._is_key(stored, one)
        return False

    def _is_key(self, stored: Table, column: Column) -> bool:
        refers = any(
            key.table == stored.name and column.name in key.columns
            for key in self.schema.foreign_keys
        )
        return column.primary_key or refers or plain(column.name).endswith("id")

    def _joined(self, pick: Callable[[Table], list[Column]]) -> exp.Column | None:
        """A column of the nearest table referred to that has just one that fits, joined.

        Of several, that of the table whose part the statement's rows are: lines of an order are
        placed when the order is, not when their product was launched.
        """
        near: list[tuple[Table, tuple[ForeignKey, ...], Column]] = []
        for stored, path in self._referred():
            if near and len(path) > len(near[0][1]):
                break
            near += [(stored, path, column) for column in pick(stored)]
        if len(near) > 1:
            near = [one for one in near if self._is_part(one[1][0])]
        if len(near) != 1:
            return None
        _, path, column = near[0]
        written = self.join(path)
        return None if written is None else column_of(column.name, written)

    def _is_part(self, key: ForeignKey) -> bool:
        """Whether the key is a piece of its table's own: lines of an order are a part of it."""
        stored = self.schema.table(key.table)
        own = {c.name for c in stored.columns if c.primary_key} if stored is not None else set()
        return set(key.columns) < own

    def _referred(self) -> Iterator[tuple[Table, tuple[ForeignKey, ...]]]:
        """Tables that the statement's refer to, nearest first, with the keys that lead there.

        A table that several keys lead to comes once for each.
        """
        seen = {stored.name for _, stored in self.tables()}
        paths: list[tuple[str, tuple[ForeignKey, ...]]] = [(name, ()) for name in sorted(seen)]
        while paths:
            further = [
                (key.referred_table, (*path, key))
                for name, path in paths
                for key in self.schema.foreign_keys
                if key.table == name and key.referred_table not in seen
            ]
            for name, path in further:
                stored = self.schema.table(name)
                if stored is not None:
                    yield stored, path
            seen |= {name for name, _ in further}
            paths = list(dict(further).items())

    def join(self, path: Sequence[ForeignKey]) -> exp.Table | None:
        """Join the tables along `path`, rows without a partner included.

        Returns the last one; None where names of columns could come to mean another.
        """
        if not self._qualified([key.referred_table for key in path]):
            return None
        written: exp.Table | None = None
        for key in path:
            left = written or next(w for w, s in self.tables() if s.name == key.table)
            right = self.schema.table(key.referred_table)
            if right is None:
                return None
            written = _table(right)
            pairs = zip(key.columns, key.referred_columns, strict=True)
            on = [
                exp.EQ(this=column_of(a, left), expression=column_of(b, written)) for a, b in pairs
            ]
            self.tree.join(written, on=exp.and_(*on), join_type="left", copy=False)
        return written

    def _qualified(self, joined: Sequence[str]) -> bool:
        """Write tables before columns, so that those of a joined table change no meaning."""
        if self.tree.find(exp.Subquery, exp.Star) and not self._stars_are_counted():
            return False
        sources = list(self.tables())
        names = {written.alias_or_name.lower() for written, _ in sources}
        if names & {name.lower() for name in joined} or len(sources) != self._count_sources():
            return False
        aliases = {item.alias.lower() for item in self.tree.expressions if item.alias}
        for column in list(self.tree.find_all(exp.Column)):
            if column.table or column.name.lower() in aliases:
                continue
            owners = [w for w, stored in sources if stored.column(column.name) is not None]
            if len(owners) != 1:
                return False
            column.set("table", exp.to_identifier(owners[0].alias_or_name, quoted=True))
        return True

    def _stars_are_counted(self) -> bool:
        if self.tree.find(exp.Subquery):
            return False
        return all(isinstance(star.parent, exp.Count) for star in self.tree.find_all(exp.Star))

    def _count_sources(self) -> int:
        return len(self.tree.args.get("joins") or ()) + (self.tree.args.get("from_") is not None)

    def _stored(self, written: exp.Table) -> Table | None:
        full = f"{written.db}.{written.name}" if written.db else written.name
        return self.schema.table(full) or self.schema.table(written.name)


def plain(text: str) -> str:
    """Letters and digits only, without the plural: "Order Dates" and "order_date" are the same."""
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    return "".join(map(_singular, words))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word.removesuffix("s") if not word.endswith("ss") else word


def parts_of(name: str) -> list[str]:
    """The words of a name: "OrderDate" and "order_date" have two."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _stem(word: str) -> str:
    """What "shipped", "ships", "shipping" and "ship" have in common."""
    bare = re.sub(r"(?:ing|ed|es|s|e|d)$", "", word) if len(word) > 3 else word
    return re.sub(r"([^aeiouls])\1$", r"\1", bare)


def _alike(one: str, other: str) -> bool:
    """Whether two stems are of one word, as "sign" and "signup"."""
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) >= 4 and long.startswith(short))


def _told_by(table: Table) -> tuple[str, str] | None:
    """The columns that name a table's rows and tell them apart, where there is one each."""
    named = {plain(column.name): column.name for column in table.columns}
    wanted = (plain(f"{before} {one}") for one in _LABELS for before in ("", table.bare_name))
    label = next((named[one] for one in wanted if one in named), None)
    keys = [c.name for c in table.columns if c.primary_key]
    return None if label is None or len(keys) != 1 else (label, keys[0])


def is_dated(column: Column) -> bool:
    """Return whether the column holds dates that compare: no years, nor texts as 8/29/2013."""
    some = column.examples
    odd = all(
        isinstance(one, int) or (isinstance(one, str) and not _ISO.match(one)) for one in some
    )
    return column.kind == "date" and not (some and odd)


def is_of_birth(column: Column) -> bool:
    """Return whether the column holds days of birth."""
    return is_dated(column) and _BORN.search(column.name) is not None


def _names(table: Table, column: Column) -> set[str]:
    """What a column may be called: its name, also after that of its table."""
    return {plain(column.name), plain(f"{table.bare_name} {column.name}")}


def column_of(name: str, table: exp.Table) -> exp.Column:
    """Return a column of a table as it is written in a statement."""
    return exp.column(name, table=exp.to_identifier(table.alias_or_name, quoted=_quoted(table)),
                      quoted=True)  # fmt: skip


def _quoted(table: exp.Table) -> bool:
    alias = table.args.get("alias")
    named = alias.this if alias is not None else table.this
    return bool(named.args.get("quoted"))


def _table(stored: Table) -> exp.Table:
    return exp.table_(stored.bare_name, db=stored.schema, quoted=True)


def _copied(item: exp.Expr) -> exp.Expr:
    copied: exp.Expr = item.copy()
    return copied
