"""Write a schema as text, the way generators read it: `mschema`, `ddl` or `compact`.

M-Schema is the format of XiYan-SQL (Gao et al., "A Preview of XiYan-SQL", arXiv 2411.08599,
section 3.1), in the exact layout of its released serialiser, retrieved values in front of the
examples included. We differ where that serialiser is ambiguous or loses something: names that SQL
needs quoted are quoted, values holding a comma, a bracket or a quote are written as SQL text, and
foreign keys are kept on every engine and with a selection of columns.

What is not covered: shortening (that is `stages.link`), and values other than the examples that
the schema carries and the hits that are passed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeAlias

from quorumsql.domain import Column, ColumnRef, ForeignKey, Hit, Schema, Table
from quorumsql.errors import UnknownName
from quorumsql.sql import quote, quote_table

__all__ = ["RENDERERS", "Renderer", "render"]

Renderer: TypeAlias = Callable[[Schema, Sequence[Hit]], str]

SHOWN = 3  # examples per column
LONG, TOO_LONG = 20, 50  # characters of an example: then only one is shown, or none


def render(
    schema: Schema,
    format: str = "mschema",
    *,
    columns: Collection[ColumnRef] | None = None,
    hits: Sequence[Hit] = (),
) -> str:
    """Return `schema` as text, without a newline at the end.

    With `columns`, only those (names compared without case), the tables that hold any of them,
    and the foreign keys both of whose ends are among them. Values of `hits` stand before the
    examples of their column, best hit first.

    Raises:
        UnknownName: there is no such format.
    """
    if format not in RENDERERS:
        raise UnknownName("format", format, RENDERERS)
    if columns is not None:
        schema = _selected(schema, {(c.table.lower(), c.column.lower()) for c in columns})
    return RENDERERS[format](schema, hits)


def _selected(schema: Schema, kept: Collection[tuple[str, str]]) -> Schema:
    tables = []
    for table in schema.tables:
        columns = tuple(c for c in table.columns if (table.name.lower(), c.name.lower()) in kept)
        if columns:
            tables.append(replace(table, columns=columns))
    keys = (
        key
        for key in schema.foreign_keys
        if all((key.table.lower(), name.lower()) in kept for name in key.columns)
        and all((key.referred_table.lower(), name.lower()) in kept for name in key.referred_columns)
    )
    return replace(schema, tables=tuple(tables), foreign_keys=tuple(keys))


def _mschema(schema: Schema, hits: Sequence[Hit]) -> str:
    lines = [f"【DB_ID】 {schema.name}", "【Schema】"]
    for table in schema.tables:
        comment = _comment(table.comment)
        head = f"# Table: {_table_name(table, schema)}"
        tuples = [_mschema_tuple(table, column, schema, hits) for column in table.columns]
        lines += [f"{head}, {comment}" if comment else head, "[", ",\n".join(tuples), "]"]
    if schema.foreign_keys:
        lines.append("【Foreign keys】")
        lines += dict.fromkeys(
            f"{ours}={theirs}"
            for key in schema.foreign_keys
            for ours, theirs in _pairs(key, schema)
        )
    return "\n".join(lines)


def _mschema_tuple(table: Table, column: Column, schema: Schema, hits: Sequence[Hit]) -> str:
    kind = column.type.split("(")[0].strip().upper()
    name = quote(column.name, schema.dialect)
    parts = [f"{name}:{kind}" if kind else name]
    if comment := _comment(column.comment):
        parts.append(comment)
    if column.primary_key:
        parts.append("Primary Key")
    if examples := _examples(table, column, hits):
        parts.append(f"Examples: [{', '.join(map(_example, examples))}]")
    return f"({', '.join(parts)})"


def _ddl(schema: Schema, hits: Sequence[Hit]) -> str:
    return "\n\n".join(_create(table, schema, hits) for table in schema.tables)


def _create(table: Table, schema: Schema, hits: Sequence[Hit]) -> str:
    """One table as CREATE TABLE, comments and examples after each column. A view has no keys."""
    keys = [column for column in table.columns if column.primary_key]
    lines: list[tuple[str, str]] = []
    for column in table.columns:
        text = f"{quote(column.name, schema.dialect)} {column.type}".rstrip()
        if keys == [column]:
            text += " PRIMARY KEY"
        elif not column.nullable and not column.primary_key:
            text += " NOT NULL"
        shown = ", ".join(map(_literal, _examples(table, column, hits)))
        notes = [_comment(column.comment), f"e.g. {shown}" if shown else ""]
        lines.append((text, "; ".join(note for note in notes if note)))
    if len(keys) > 1:
        lines.append((f"PRIMARY KEY ({_list((c.name for c in keys), schema)})", ""))
    lines += [
        (_reference(key, schema), "" if key.declared else "not declared, by its name")
        for key in schema.foreign_keys
        if key.table.lower() == table.name.lower()
    ]
    body = "\n".join(
        f"  {text}{',' if i < len(lines) else ''}{f' -- {note}' if note else ''}"
        for i, (text, note) in enumerate(lines, start=1)
    )
    notes = ["view" if table.is_view else "", _comment(table.comment)]
    head = "".join(f"-- {note}\n" for note in notes if note)
    return f"{head}CREATE TABLE {_table_name(table, schema)} (\n{body}\n);"


def _reference(key: ForeignKey, schema: Schema) -> str:
    table = _table_named(key.referred_table, schema)
    columns, referred = (_list(names, schema) for names in (key.columns, key.referred_columns))
    return f"FOREIGN KEY ({columns}) REFERENCES {table} ({referred})"


def _compact(schema: Schema, hits: Sequence[Hit]) -> str:
    """One line per table, `*` after primary keys, `-> t.c` after columns that refer to another.

    Examples are left out, values of hits are not: they are why the question can be answered.
    """
    targets: dict[str, list[str]] = {}
    for key in schema.foreign_keys:
        for ours, theirs in _pairs(key, schema):
            targets.setdefault(ours, []).append(theirs)
    lines = []
    for table in schema.tables:
        name = _table_name(table, schema)
        cells = []
        for column in table.columns:
            own = quote(column.name, schema.dialect)
            cell = f"{own}{'*' if column.primary_key else ''}"
            if found := _found(table, column, hits):
                cell += f" = {' | '.join(map(_literal, found))}"
            cell += "".join(f" -> {target}" for target in targets.get(f"{name}.{own}", ()))
            cells.append(cell)
        lines.append(f"{name}({', '.join(cells)})")
    return "\n".join(lines)


RENDERERS: dict[str, Renderer] = {"mschema": _mschema, "ddl": _ddl, "compact": _compact}


def _pairs(key: ForeignKey, schema: Schema) -> Iterable[tuple[str, str]]:
    """The key's columns, ours and theirs, each as `table.column`."""
    ours, theirs = _table_named(key.table, schema), _table_named(key.referred_table, schema)
    for column, referred in zip(key.columns, key.referred_columns, strict=True):
        yield (
            f"{ours}.{quote(column, schema.dialect)}",
            f"{theirs}.{quote(referred, schema.dialect)}",
        )


def _table_named(name: str, schema: Schema) -> str:
    table = schema.table(name)
    return quote(name, schema.dialect) if table is None else _table_name(table, schema)


def _table_name(table: Table, schema: Schema) -> str:
    return quote_table(table, schema.dialect)


def _list(names: Iterable[str], schema: Schema) -> str:
    return ", ".join(quote(name, schema.dialect) for name in names)


def _comment(text: str) -> str:
    """A comment on one line; "None" is what the reference serialiser takes for none."""
    text = " ".join(text.split())
    return "" if text == "None" else text


def _found(table: Table, column: Column, hits: Sequence[Hit]) -> list[object]:
    """The values of the column's hits that can be shown, each once."""
    place = (table.name.lower(), column.name.lower())
    values = (_plain(h.value) for h in hits if (h.table.lower(), h.column.lower()) == place)
    return [value for value in dict.fromkeys(values) if value not in (None, "")]


def _examples(table: Table, column: Column, hits: Sequence[Hit]) -> list[object]:
    """What to show of a column: retrieved values first, then examples, each text once."""
    found = _found(table, column, hits)
    return list(dict.fromkeys([*found, *_fit_to_show(column)]))[: max(SHOWN, len(found))]


def _fit_to_show(column: Column) -> Sequence[object]:
    """The limits of the reference serialiser on length, number and kind of examples."""
    values = [value for value in map(_plain, column.examples) if value not in (None, "")][:SHOWN]
    texts = [str(value) for value in values]
    longest = max(map(len, texts), default=0)
    if longest > TOO_LONG or any(re.search(r"https?://|\S@\S+\.\S", text) for text in texts):
        return ()
    if longest > LONG or _holds_moments(column):
        return values[:1]
    return values


def _holds_moments(column: Column) -> bool:
    declared = column.type.upper().startswith(("DATE", "TIME"))
    return declared or any(isinstance(value, (date, time)) for value in column.examples)


def _plain(value: object) -> object:
    """The value as a number or one line of text; None when it is neither."""
    match value:
        case bool() | int() | float() | None:
            return value
        case Decimal():
            return float(value)
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return None
    text = str(value)
    return text if text.isprintable() else None


def _example(value: object) -> str:
    """The value bare, as M-Schema has it, or as SQL text where bare it would be ambiguous."""
    text = str(value)
    if isinstance(value, str) and (text != text.strip() or re.search(r"[,\[\]'\"]", text)):
        return _literal(value)
    return text


def _literal(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
