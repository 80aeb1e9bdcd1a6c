"""Rows as files to download: CSV and Parquet.

What is not covered: taking formulas out of text. A CSV holds what the database holds, so that it
can be read back; a spreadsheet may take text that begins with `=` for a formula.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from quorumsql.api import json_value
from quorumsql.domain import Rows
from quorumsql.errors import MissingExtra

__all__ = ["csv_of", "parquet_of"]


def csv_of(rows: Rows) -> bytes:
    """Return header and rows as CSV in UTF-8; NULL is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows.columns)
    writer.writerows([json_value(value) for value in row] for row in rows.rows)
    return text.getvalue().encode("utf-8", "replace")


def parquet_of(rows: Rows) -> bytes:
    """Return rows as Parquet, columns of one kind typed, others as text.

    Raises:
        MissingExtra: DuckDB, which writes it, is not installed.
    """
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise MissingExtra("Parquet", "duckdb") from error
    kinds = [_kind([row[place] for row in rows.rows]) for place in range(len(rows.columns))]
    names = _distinct(rows.columns)
    with tempfile.TemporaryDirectory(prefix="quorum-") as folder:
        source, target = Path(folder) / "rows.jsonl", Path(folder) / "rows.parquet"
        with source.open("w", encoding="utf-8", errors="replace") as file:
            for row in rows.rows:
                cells = (_cell(v, kind) for v, kind in zip(row, kinds, strict=True))
                record = {f"c{place}": value for place, value in enumerate(cells)}
                file.write(json.dumps(record) + "\n")
        types = {f"c{place}": kind for place, kind in enumerate(kinds)}
        shown = ", ".join(f"c{place} AS {_quoted(name)}" for place, name in enumerate(names))
        with duckdb.connect(":memory:") as connection:
            read = (
                f"SELECT {shown} FROM read_json($path, format='newline_delimited', columns={types})"
            )
            connection.sql(read, params={"path": str(source)}).write_parquet(str(target))
        return target.read_bytes()


def _kind(values: Sequence[object]) -> str:
    """DuckDB's type for values that are all alike, else text."""
    held = [value for value in values if value is not None]
    if held and all(isinstance(v, bool) for v in held):
        return "BOOLEAN"
    if held and all(isinstance(v, int) and not isinstance(v, bool) for v in held):
        small = all(isinstance(v, int) and -(2**63) <= v < 2**63 for v in held)
        return "BIGINT" if small else "VARCHAR"
    if held and all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in held):
        return "DOUBLE"
    if held and all(isinstance(v, datetime.datetime) and v.tzinfo is None for v in held):
        return "TIMESTAMP"
    if held and all(
        isinstance(v, datetime.date) and not isinstance(v, datetime.datetime) for v in held
    ):
        return "DATE"
    return "VARCHAR"


def _cell(value: object, kind: str) -> object:
    plain = json_value(value)
    if plain is None or kind != "VARCHAR":
        return plain
    return plain if isinstance(plain, str) else json.dumps(plain)


def _distinct(columns: Sequence[str]) -> list[str]:
    """The names, later ones numbered where they repeat."""
    found: list[str] = []
    for name in columns:
        fresh, number = name or "column", 2
        while fresh.lower() in {one.lower() for one in found}:
            fresh, number = f"{name or 'column'}_{number}", number + 1
        found.append(fresh)
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("\x00", "") + '"'
