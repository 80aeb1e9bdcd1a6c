"""What the reader reads of a candidate: its SQL in one plain form, and the start of its result.

Generators write the same query in many ways. Aliases, quotes, layout and join conditions that
foreign keys imply tell nothing about what is asked, so they go; names become the words that a
question would use; the tables of a join stand in alphabetical order.

What is not covered: SQL that does not parse keeps its own words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from quorumsql.domain import Execution, Failure, Rows, Schema
from quorumsql.naming import readable, stem
from quorumsql.neural.relate import COMMON, WORD
from quorumsql.sql import parsed

__all__ = ["Names", "retell", "tell_left_out", "tell_result"]

LISTED, WANTED = 8, 5
"""Columns that are told as left out, at most, and of these, ones that the question has words of."""
SPREAD = 20
"""A word that more columns have than this tells of those only whose table is named best."""
SHOWN_ROWS, SHOWN_COLUMNS, SHOWN_LETTERS = 3, 5, 18
_SPACES = re.compile(r"\s+")


class Names:
    """What the names of one schema stand for; made once per schema."""

    def __init__(self, schema: Schema) -> None:
        self.columns = {
            t.name.lower(): {c.name.lower(): readable(c.name) or c.name.lower() for c in t.columns}
            for t in schema.tables
        }
        self.tables = {t.name.lower(): readable(t.name) or t.name.lower() for t in schema.tables}
        self.keys = {
            frozenset(((k.table.lower(), a.lower()), (k.referred_table.lower(), b.lower())))
            for k in schema.foreign_keys
            for a, b in zip(k.columns, k.referred_columns, strict=True)
        }
        self.dialect = schema.dialect
        self._by_word: dict[str, list[tuple[int, str]]] = {}
        for place, (table, words) in enumerate(self.tables.items()):
            for first in words.split()[:1]:
                self._by_word.setdefault(first, []).append((place, table))
        self._any: dict[str, str] = {}
        self._by_stem: dict[str, list[tuple[str, str]]] = {}
        self._stems = {t: frozenset(map(stem, t.split())) for t in self.tables.values()}
        for table, own in self.columns.items():
            for name, words in own.items():
                self._any.setdefault(name, words)
                for part in {stem(w) for w in words.split()} - COMMON:
                    self._by_stem.setdefault(part, []).append((self.tables[table], words))

    def table(self, name: str) -> str:
        """The words of a table, by the schema's spelling: SQL may write it in any case."""
        return self.tables.get(name.lower()) or readable(name) or name

    def read(self, text: str) -> list[str]:
        """The tables whose words stand in `text`, words with blanks around them, in order."""
        near = sorted(found for word in set(text.split()) for found in self._by_word.get(word, ()))
        return [table for _, table in near if f" {self.tables[table]} " in text]

    def known(self, column: str) -> bool:
        """Whether any table has such a column."""
        return column.lower() in self._any

    def asked(self, question: str) -> list[tuple[str, str]]:
        """Tables and columns, as words, with half their words in `question`; best ones first."""
        words = {stem(m[0]) for m in WORD.finditer(question)} - COMMON
        named = {
            table: len(own & words) / len(own)
            for table, own in self._stems.items()
            if not own.isdisjoint(words)
        }
        found: Counter[tuple[str, str]] = Counter()
        for word in words:
            found.update(_named_best(self._by_stem.get(word, []), named))
        ranked: list[tuple[float, float, tuple[str, str]]] = []
        for name, count in found.items():
            share = count / (1 + name[1].count(" "))
            if share >= 0.5:
                near = named.get(name[0], 0.0)
                ranked.append((-share - 0.5 * (near > 0), -near, name))
        return [name for _, _, name in sorted(ranked)]

    def column(self, name: str, table: str = "") -> str:
        """The words of a column, of `table` if that is known."""
        name = name.lower()
        known = self.columns.get(table.lower(), {}).get(name) or self._any.get(name)
        return known or readable(name) or name


def _named_best(
    columns: list[tuple[str, str]], named: Mapping[str, float]
) -> list[tuple[str, str]]:
    """Of many columns, those whose table the question names best: others would crowd them out."""
    if len(columns) <= SPREAD:
        return columns
    most = max(named.get(table, 0.0) for table, _ in columns)
    return [one for one in columns if named.get(one[0], 0.0) == most]


def retell(sql: str, names: Names) -> str:
    """Return `sql` in lower case and plain form, with the names of a schema as words."""
    tree = parsed(sql, names.dialect)
    if tree is None:
        return _plain(sql)
    aliases = {t.alias_or_name.lower(): t.name.lower() for t in tree.find_all(exp.Table)}
    for select in list(tree.find_all(exp.Select)):
        _retell_select(select, names, aliases)
    for column in list(tree.find_all(exp.Column)):
        column.replace(_column(column, names, aliases))
    for ordered in tree.find_all(exp.Ordered):
        ordered.set("desc", ordered.args.get("desc") or None)  # ASC is what nothing means
    for join in tree.find_all(exp.Join):
        for part in join.find_all(exp.EQ):
            _sort_sides(part)
    for table in list(tree.find_all(exp.Table)):
        table.replace(exp.Table(this=_word(names.table(table.name))))
    return _plain(
        tree.sql(dialect="sqlite", comments=False, unsupported_level=ErrorLevel.IGNORE).replace(
            '"', ""
        )
    )


def _plain(text: str) -> str:
    return _SPACES.sub(" ", text).strip().rstrip(";").strip().lower()


def _word(text: str) -> exp.Identifier:
    return exp.to_identifier(text, quoted=True)


def _retell_select(select: exp.Select, names: Names, aliases: Mapping[str, str]) -> None:
    """Drop what only names things, and the joins that keys imply."""
    select.set("expressions", [e.unalias() for e in select.expressions])
    joins = select.args.get("joins") or []
    source = select.args.get("from_")
    if source is None or not joins:
        return
    tables, kept = [source.this], []
    for join in joins:
        condition = join.args.get("on")
        inner = not join.side and not join.args.get("using") and isinstance(join.this, exp.Table)
        if inner and (condition is None or _implied(condition, names, aliases)):
            tables.append(join.this)
        else:
            kept.append(join)
    if all(isinstance(table, exp.Table) for table in tables):
        tables.sort(key=lambda table: (table.name.lower(), table.alias_or_name.lower()))
    source.set("this", tables[0])
    commas = [exp.Join(this=table) for table in tables[1:]]
    select.set("joins", [*commas, *kept])


def _sort_sides(part: exp.EQ) -> None:
    """Let a = b and b = a join alike."""
    left, right = part.this, part.expression
    if left.sql() > right.sql():
        part.set("this", right)
        part.set("expression", left)


def _implied(condition: exp.Expr, names: Names, aliases: Mapping[str, str]) -> bool:
    parts = condition.flatten() if isinstance(condition, exp.And) else (condition,)
    return all(_is_key(part, names, aliases) for part in parts)


def _is_key(part: exp.Expr, names: Names, aliases: Mapping[str, str]) -> bool:
    if not isinstance(part, exp.EQ):
        return False
    sides = [side for side in (part.left, part.right) if isinstance(side, exp.Column)]
    pair = frozenset(
        (aliases.get(side.table.lower(), side.table.lower()), side.name.lower()) for side in sides
    )
    return len(sides) == 2 and pair in names.keys


def _column(column: exp.Column, names: Names, aliases: Mapping[str, str]) -> exp.Expr:
    """The column as words, with its table's where its query reads several."""
    if isinstance(column.this, exp.Star):
        return exp.Star()
    if not column.table and not names.known(column.name):
        return exp.Literal.string(column.name)  # SQLite takes "text" for a text if it is no name
    query = column.parent_select
    table = aliases.get(column.table.lower(), "")
    if isinstance(query, exp.Select):
        table = table or next(
            (t for t in _tables(query) if column.name.lower() in names.columns.get(t, ())), ""
        )
    words = names.column(column.name, table)
    if table and isinstance(query, exp.Select) and query.args.get("joins"):
        words = f"{names.table(table)} {words}"
    return exp.Column(this=_word(words))


def _tables(query: exp.Select) -> Iterator[str]:
    sources = [query.args.get("from_"), *(query.args.get("joins") or [])]
    for source in sources:
        if source is not None and isinstance(source.this, exp.Table):
            yield source.this.name.lower()


def tell_left_out(told: str, asked: Sequence[tuple[str, str]], names: Names) -> str:
    """Return which columns the retold SQL does not name, those that a question asks for first.

    `asked` comes from `Names.asked`. Columns of the tables that are read follow, as they stand.
    """
    text = f" {' '.join(WORD.findall(told))} "
    read = names.read(text)
    near = [(names.tables[t], words) for t in read[:4] for words in names.columns[t].values()]

    def left(name: tuple[str, str]) -> bool:
        table, column = name
        used = f" {table} {column} " in text or (len(read) < 2 and f" {column} " in text)
        return not used

    wanted = islice(filter(left, asked), WANTED)  # a large schema has thousands
    found: dict[str, list[str]] = {}
    for table, column in list(dict.fromkeys((*wanted, *filter(left, near))))[:LISTED]:
        found.setdefault(table, []).append(column)
    return "; ".join(f"{table}: {', '.join(columns)}" for table, columns in found.items())


def tell_result(execution: Execution | None) -> str:
    """Return what came out, in a line: how much, and the start of the first rows."""
    if not isinstance(execution, Rows):
        return f"failed: {execution.kind}" if isinstance(execution, Failure) else "not run"
    rows = execution.rows
    size = f"{len(execution.columns)} columns, {_about(len(rows))} rows"
    shown = (", ".join(map(_cell, row[:SHOWN_COLUMNS])) for row in rows[:SHOWN_ROWS])
    return " | ".join((size, *shown))


def _about(count: int) -> str:
    """Small numbers exactly, since one row or none means something; large ones roughly."""
    return str(count) if count <= 20 else f"over {10 ** (len(str(count)) - 1)}"


def _cell(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.4g}"
    return _SPACES.sub(" ", str(value))[:SHOWN_LETTERS].lower()
