"""Describe tables and columns in plain words, from their profiles and by rules.

The steps are those of XiYan-DBDescGen (arXiv 2502.20657): statistics, a category per column, then
a sentence per column and one per table that says which measures it holds over which dimensions.
There a language model writes the sentences.

What is not covered: what a name stands for where neither its words nor its values tell.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from quorumsql.domain import Column, ForeignKey, Schema, Table
from quorumsql.errors import UsageError
from quorumsql.profiles import ColumnProfile, TableProfile

__all__ = ["Descriptions", "describe", "described", "merged", "read_text", "write_text"]

_K = TypeVar("_K")
_LISTED = 8
_HEAD = """# Descriptions of tables and columns, written by `quorum describe` and yours to edit.
# What you change is kept; comments of the database itself go before these.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptions:
    """Sentences by table, and by table and column."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], str] = field(default_factory=dict)


def describe(schema: Schema, profiles: Sequence[TableProfile]) -> Descriptions:
    """Return a sentence for every table and column that was profiled."""
    by_name = {profile.table: profile for profile in profiles}
    tables: dict[str, str] = {}
    columns: dict[tuple[str, str], str] = {}
    for table in schema.tables:
        profile = by_name.get(table.name)
        if profile is None:
            continue
        tables[table.name] = _of_table(table, profile, schema.foreign_keys)
        for column in table.columns:
            found = profile.column(column.name)
            if found is not None:
                text = _of_column(table, column, found, schema.foreign_keys)
                columns[table.name, column.name] = text
    return Descriptions(tables=tables, columns=columns)


def described(schema: Schema, descriptions: Descriptions) -> Schema:
    """Return `schema` with descriptions where the database has no comment of its own."""
    tables = tuple(
        replace(
            table,
            comment=table.comment or descriptions.tables.get(table.name, ""),
            columns=tuple(
                column
                if column.comment
                else replace(
                    column, comment=descriptions.columns.get((table.name, column.name), "")
                )
                for column in table.columns
            ),
        )
        for table in schema.tables
    )
    return replace(schema, tables=tables)


def merged(new: Descriptions, last: Descriptions, edited: Descriptions) -> Descriptions:
    """Return the new sentences, but those of `edited` where somebody changed the `last` ones."""
    tables = {**new.tables, **_changed(edited.tables, last.tables)}
    columns = {**new.columns, **_changed(edited.columns, last.columns)}
    return Descriptions(tables=tables, columns=columns)


def _changed(edited: Mapping[_K, str], last: Mapping[_K, str]) -> dict[_K, str]:
    return {key: text for key, text in edited.items() if text != last.get(key)}


def write_text(descriptions: Descriptions) -> str:
    """Return descriptions as TOML, a table after the other."""
    lines = [_HEAD]
    names = dict.fromkeys([*descriptions.tables, *(t for t, _ in descriptions.columns)])
    for table in names:
        lines.append(f"[{_text(table)}]")
        if table in descriptions.tables:
            lines.append(f"description = {_text(descriptions.tables[table])}")
        own = {c: text for (t, c), text in descriptions.columns.items() if t == table}
        if own:
            lines.append(f"[{_text(table)}.columns]")
            lines += [f"{_text(column)} = {_text(text)}" for column, text in own.items()]
        lines.append("")
    return "\n".join(lines)


def read_text(text: str, *, name: str) -> Descriptions:
    """Return what `write_text` wrote and people edited; `name` is the file's, for messages.

    Raises:
        UsageError: it is not TOML of that form.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name} cannot be read as TOML: {error}.") from error
    tables: dict[str, str] = {}
    columns: dict[tuple[str, str], str] = {}
    for table, entry in found.items():
        own = entry.get("columns", {}) if isinstance(entry, dict) else None
        if not isinstance(own, dict):
            raise UsageError(f"{name}: {table!r} must hold a description and columns.")
        if isinstance(entry.get("description"), str):
            tables[table] = entry["description"]
        columns |= {(table, c): text for c, text in own.items() if isinstance(text, str)}
    return Descriptions(tables=tables, columns=columns)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _of_column(
    table: Table, column: Column, profile: ColumnProfile, keys: Iterable[ForeignKey]
) -> str:
    """One sentence: what the name says, what the values are."""
    name = _words(column.name)
    for key in keys:
        if key.table == table.name and column.name in key.columns:
            other = key.referred_columns[key.columns.index(column.name)]
            return f"{name}: refers to {key.referred_table}.{other}"
    if profile.private:
        return f"{name}: {'e-mail address' if profile.private == 'email' else 'secret'}"
    text = f"{name}: {_what(profile)}" if _what(profile) else name
    if profile.nulls and profile.rows:
        text += f"; missing in {max(1, round(100 * profile.nulls / profile.rows))} % of rows"
    return text


def _what(profile: ColumnProfile) -> str:
    low, high = profile.minimum, profile.maximum
    match profile.meaning:
        case "identifier":
            return "identifies the row" if profile.unique else "identifier"
        case "enumeration" | "flag":
            values = [_shown(value) for value, _ in profile.top[:_LISTED]]
            more = (
                f" and {profile.distinct - len(values)} more"
                if profile.distinct > len(values)
                else ""
            )
            return f"one of {', '.join(values)}{more}"
        case "measure":
            return f"a number from {_shown(low)} to {_shown(high)}"
        case "date":
            return f"a date by {profile.granularity or 'day'}, {_shown(low)} to {_shown(high)}"
        case "code":
            shape = profile.patterns[0][0] if profile.patterns else ""
            return f"a code like {_shown(profile.top[0][0])}" if profile.top and shape else "a code"
        case "name":
            return f"{profile.distinct:,} different, e.g. {_shown(profile.top[0][0])}"
        case "text":
            return "free text"
        case "empty":
            return "always empty"
        case _:
            return ""


def _of_table(table: Table, profile: TableProfile, keys: Iterable[ForeignKey]) -> str:
    """One sentence: how many, which measures over which dimensions and times, tied to what."""
    keys = tuple(keys)
    by_meaning: dict[str, list[str]] = {}
    for column in profile.columns:
        by_meaning.setdefault(column.meaning, []).append(_words(column.column))
    parts = [f"{_words(table.name)}: {profile.rows:,} {'row' if profile.rows == 1 else 'rows'}"]
    measures = by_meaning.get("measure", [])
    over = [*by_meaning.get("enumeration", []), *by_meaning.get("date", [])]
    if measures and over:
        parts.append(f"{_list(measures)} by {_list(over)}")
    elif measures or over:
        parts.append(_list(measures or over))
    belongs = dict.fromkeys(k.referred_table for k in keys if k.table == table.name)
    if belongs:
        parts.append(f"belongs to {_list(list(belongs))}")
    return "; ".join(parts)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _words(name: str) -> str:
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\W]+", " ", name)
    return " ".join(parts.split()).lower() or name


def _shown(value: object) -> str:
    text = str(value)
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= 40 else f"{text[:39]}…"
