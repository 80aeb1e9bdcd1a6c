"""What the reader reads of a candidate: its SQL in one plain form, and the start of its result.

Generators write the same query in many ways. Aliases, quotes, layout and join conditions that
foreign keys imply tell nothing about what is asked, so they go; names become the words that a
question would use; the tables of a join stand in alphabetical order.

What is not covered: SQL that does not parse keeps its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from quorumsql.domain import Execution, Failure, Rows, Schema
from quorumsql.neural.tokenise import readable

__all__ = ["Names", "retell", "tell_result"]

SHOWN_ROWS, SHOWN_COLUMNS, SHOWN_LETTERS = 3, 5, 18
_SPACES = re.compile(r"\s+")


class Names:
    """What the names of one schema stand for; made once per schema."""

    def __init__(self, schema: Schema) -> None:
        self.columns = {t.name.lower(): {c.name.lower() for c in t.columns} for t in schema.tables}
        self.keys = {
            frozenset(((k.table.lower(), a.lower()), (k.referred_table.lower(), b.lower())))
            for k in schema.foreign_keys
            for a, b in zip(k.columns, k.referred_columns, strict=True)
        }
        self.dialect = schema.dialect


def retell(sql: str, names: Names) -> str:
    """Return `sql` in lower case and plain form, with the names of a schema as words."""
    try:
        tree = sqlglot.parse_one(sql, read=names.dialect)
    except (SqlglotError, RecursionError):
        return _plain(sql)
    if tree is None:
        return _plain(sql)
    aliases = {t.alias_or_name.lower(): t.name.lower() for t in tree.find_all(exp.Table)}
    for select in list(tree.find_all(exp.Select)):
        _retell_select(select, names, aliases)
    for column in list(tree.find_all(exp.Column)):
        column.replace(_column(column, names, aliases))
    for table in list(tree.find_all(exp.Table)):
        table.replace(exp.Table(this=_word(readable(table.name) or table.name)))
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
    if not column.table and not any(column.name.lower() in own for own in names.columns.values()):
        return exp.Literal.string(column.name)  # SQLite takes "text" for a text if it is no name
    name = readable(column.name) or column.name
    query = column.parent_select
    if isinstance(query, exp.Select) and query.args.get("joins"):
        table = aliases.get(column.table.lower(), "") or next(
            (t for t in _tables(query) if column.name.lower() in names.columns.get(t, ())), ""
        )
        name = f"{readable(table)} {name}" if table else name
    return exp.Column(this=_word(name))


def _tables(query: exp.Select) -> Iterator[str]:
    sources = [query.args.get("from_"), *(query.args.get("joins") or [])]
    for source in sources:
        if source is not None and isinstance(source.this, exp.Table):
            yield source.this.name.lower()


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
