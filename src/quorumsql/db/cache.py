"""A described schema, kept in a file of ours until the catalogue changes.

Describing a large database takes seconds, reading one fingerprint of its catalogue does not. The
file holds example values, so only its owner may read it. A file that cannot be read, or that
another version wrote, is as good as none.

What is not covered: values. Examples may be as old as the file, which is thrown away after a week.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Any, Final

from quorumsql.domain import Column, ForeignKey, Schema, Table

__all__ = ["load_schema", "store_schema"]

_FILE: Final = "schema.json"
_FORMAT: Final = 1
_SECONDS: Final = 7 * 24 * 3600
_TAG: Final = "$"


def load_schema(folder: Path, fingerprint: str) -> Schema | None:
    """Return the schema that was stored with this very fingerprint, if it is not too old."""
    path = folder / _FILE
    try:
        if time.time() - path.stat().st_mtime > _SECONDS:
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        if (found["format"], found["fingerprint"]) != (_FORMAT, fingerprint):
            return None
        return _schema(found["schema"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return None


def store_schema(folder: Path, fingerprint: str, schema: Schema) -> None:
    """Keep `schema` for `load_schema`; where that is not possible, it is described again."""
    plain = asdict(schema)
    for table in plain["tables"]:
        for column in table["columns"]:
            column["examples"] = [_packed(value) for value in column["examples"]]
    with suppress(OSError, ValueError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = {"format": _FORMAT, "fingerprint": fingerprint, "schema": plain}
        text = json.dumps(content, ensure_ascii=False)
        # A temporary file is readable by its owner alone, and replacing is all or nothing.
        file = NamedTemporaryFile("w", dir=folder, encoding="utf-8", delete=False)
        try:
            with file:
                file.write(text)
            os.replace(file.name, folder / _FILE)
        finally:
            Path(file.name).unlink(missing_ok=True)


def _schema(found: Mapping[str, Any]) -> Schema:
    tables = tuple(_table(table) for table in found["tables"])
    keys = tuple(_key(key) for key in found["foreign_keys"])
    return Schema(**{**found, "tables": tables, "foreign_keys": keys})


def _key(found: Mapping[str, Any]) -> ForeignKey:
    columns, referred = tuple(found["columns"]), tuple(found["referred_columns"])
    return ForeignKey(**{**found, "columns": columns, "referred_columns": referred})


def _table(found: Mapping[str, Any]) -> Table:
    columns = tuple(
        Column(**{**column, "examples": tuple(_unpacked(value) for value in column["examples"])})
        for column in found["columns"]
    )
    return Table(**{**found, "columns": columns})


def _packed(value: object) -> object:
    """A value as JSON; what JSON has no word for has its type beside it."""
    match value:
        case tuple():
            return {_TAG: "tuple", "value": [_packed(item) for item in value]}
        case Decimal():
            return {_TAG: "decimal", "value": str(value)}
        case timedelta():
            return {_TAG: "timedelta", "value": [value.days, value.seconds, value.microseconds]}
        case datetime() | date() | clock():
            return {_TAG: type(value).__name__, "value": value.isoformat()}
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


_READERS: Final[Mapping[str, Callable[[Any], object]]] = MappingProxyType(
    {
        "tuple": lambda value: tuple(_unpacked(item) for item in value),
        "decimal": Decimal,
        "timedelta": lambda value: timedelta(*value),
        "datetime": datetime.fromisoformat,
        "date": date.fromisoformat,
        "time": clock.fromisoformat,
    }
)


def _unpacked(value: Any) -> object:
    return _READERS[value[_TAG]](value["value"]) if isinstance(value, dict) else value
