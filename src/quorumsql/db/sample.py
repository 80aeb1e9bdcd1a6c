"""Examples of a column's values, and its kind as they show it.

One bounded read per table serves all its columns: the first distinct values in the order in
which the engine stores rows, so that the same data always give the same examples. Nothing is
ever read in full.

What is not covered: representative samples. The first rows may be the oldest, or look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from quorumsql.db.kinds import kind_of
from quorumsql.domain import Column, Row, Schema, Table
from quorumsql.errors import UnknownName
from quorumsql.sql import first_rows, quote, quote_table

__all__ = [
    *("SAMPLED_BYTES", "SAMPLED_ROWS"),
    *("named_column", "sample_query", "values_query", "with_examples"),
]

SAMPLED_ROWS: Final = 100
SAMPLED_BYTES: Final = 2 * 1024 * 1024
"""Whoever reads the rows stops at either."""

SCANNED_ROWS: Final = 100_000
"""Rows of a table that are looked at for its distinct values."""

_EXAMPLES: Final = 5
_LONGEST: Final = 100
"""Longer texts are no examples: cut, they would be values that the database does not hold."""

_BINARY: Final = ("BLOB", "BINARY", "BYTEA", "IMAGE", "GEOMETRY", "GEOGRAPHY")
_LONG_TEXTS: Final = ("TEXT", "LONGTEXT", "MEDIUMTEXT", "JSON", "XML")


def named_column(schema: Schema, table: str, column: str) -> tuple[Table, Column]:
    """Return the table and column of these names.

    Raises:
        UnknownName: there is no such table or column.
    """
    found = schema.table(table)
    if found is None:
        raise UnknownName("table", table, (t.name for t in schema.tables))
    named = found.column(column)
    if named is None:
        raise UnknownName("column", column, (c.name for c in found.columns))
    return found, named


def with_examples(table: Table, rows: Sequence[Row]) -> Table:
    """Return `table` with examples and kinds from `rows`, whose cells follow its columns."""
    cells = zip(*rows, strict=True) if rows else ((),) * len(table.columns)
    columns = (_shown(c, values) for c, values in zip(table.columns, cells, strict=True))
    return replace(table, columns=tuple(columns))


def sample_query(table: Table, *, dialect: str) -> str:
    """Return the query for the first rows of `table`, a cell for each of its columns.

    Binary columns are not read, and of long texts only as much as tells that they are long.
    """
    cells = ", ".join(_cell(column, dialect) for column in table.columns)
    return first_rows(f"SELECT {cells} FROM {quote_table(table, dialect)}", SAMPLED_ROWS, dialect)


def values_query(table: Table, column: Column, *, limit: int, dialect: str) -> str:
    """Return the query for distinct values of a column, in the order of their first rows."""
    cell, source = _compared(column, dialect), quote_table(table, dialect)
    if dialect == "mysql":  # DISTINCT keeps the order there, and ROW_NUMBER() does not
        scanned = first_rows(f"SELECT {cell} AS v FROM {source}", SCANNED_ROWS, dialect)
        query = f"SELECT DISTINCT v FROM ({scanned}) s WHERE v IS NOT NULL"
    else:
        numbered = f"SELECT {cell} AS v, ROW_NUMBER() OVER () AS n FROM {source}"
        scanned = first_rows(numbered, SCANNED_ROWS, dialect)
        query = f"SELECT v FROM ({scanned}) s WHERE v IS NOT NULL GROUP BY v ORDER BY MIN(n)"
    return first_rows(query, max(0, limit), dialect)


def _cell(column: Column, dialect: str) -> str:
    name = quote(column.name, dialect)
    type_ = column.type.upper()
    if any(word in type_ for word in _BINARY):
        return "NULL"
    if dialect in {"postgres", "mysql"} and type_.startswith(_LONG_TEXTS):
        return f"LEFT({_compared(column, dialect)}, {_LONGEST + 1})"
    return name


def _compared(column: Column, dialect: str) -> str:
    """The column as a value that can be compared: PostgreSQL's JSON and XML cannot."""
    name = quote(column.name, dialect)
    if dialect == "postgres" and column.type.upper().startswith(("JSON", "XML")):
        return f"CAST({name} AS TEXT)"
    return name


def _shown(column: Column, cells: Iterable[object]) -> Column:
    values = [v for v in dict.fromkeys(cells) if v is not None and v != ""]
    fitting = (v for v in values if _is_example(v))
    examples = column.examples or tuple(islice(fitting, _EXAMPLES))
    return replace(column, kind=kind_of(column.type, values), examples=examples)


def _is_example(value: object) -> bool:
    return not isinstance(value, bytes) and not (isinstance(value, str) and len(value) > _LONGEST)
