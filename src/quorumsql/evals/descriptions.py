"""What BIRD's CSV files say about columns, as comments in the schema.

Beside `DB/DB.sqlite` lies `DB/database_description/TABLE.csv` with the columns
`original_column_name, column_name, column_description, data_format, value_description`. The files
were written by many hands: encodings differ, headers have spaces, tables are misspelt in case.

What is not covered: other data sets' descriptions, and comments that the engine itself keeps.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from quorumsql.domain import Schema, Table

__all__ = ["commented", "descriptions_beside"]

_LONGEST = 400


def commented(schema: Schema, comments: Mapping[tuple[str, str], str]) -> Schema:
    """Return `schema` with `comments`, which are by table and column, both in lower case."""

    def with_comments(table: Table) -> Table:
        said = [comments.get((table.name.lower(), c.name.lower())) for c in table.columns]
        columns = zip(table.columns, said, strict=True)
        return replace(
            table, columns=tuple(replace(c, comment=words or c.comment) for c, words in columns)
        )

    return replace(schema, tables=tuple(map(with_comments, schema.tables)))


def descriptions_beside(database: str) -> dict[tuple[str, str], str]:
    """Return comments by table and column for a database file; empty where there are none."""
    folder = Path(database).parent / "database_description"
    if "://" in database or not folder.is_dir():
        return {}
    return {
        (path.stem.lower(), name): comment
        for path in sorted(folder.glob("*.csv"))
        for name, comment in _columns(path)
    }


def _columns(path: Path) -> Iterator[tuple[str, str]]:
    """The columns that a file describes; a broken rest of a file is left out."""
    try:
        rows = csv.DictReader(io.StringIO(_text(path), newline=""))
        for row in rows:
            cells = {
                str(key).strip().lower(): value.strip()
                for key, value in row.items()
                if key is not None and isinstance(value, str)
            }
            name = cells.get("original_column_name", "").lower()
            said = [cells.get(key, "") for key in ("column_description", "value_description")]
            if cells.get("column_name", "").lower() not in {"", name}:
                said.insert(0, cells["column_name"])
            comment = "; ".join(" ".join(words.split()) for words in said if words)
            if name and comment:
                yield name, comment[:_LONGEST]
    except csv.Error:
        return


def _text(path: Path) -> str:
    raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")
