"""Read the entries of a benchmark's file, each with the line it starts on.

Three layouts are known by their first character or their name: a JSON list, JSON lines, and
CSV with a header (`.csv`).

What is not covered: what an entry means; `datasets` and its siblings know.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quorumsql.errors import UsageError

__all__ = ["Entry", "read_csv", "read_json"]

_SPACE = re.compile(r"\s*")
_LONGEST_CELL = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One object of a file; `where` names file and line."""

    where: str
    values: Mapping[str, Any]

    @property
    def line(self) -> int:
        """The line the entry starts on."""
        return int(self.where.rpartition(":")[2])

    def text(self, *keys: str) -> str:
        """Return the first of `keys` that is there, which must be text that is not blank.

        Raises:
            UsageError: none is there, or it is empty or not text.
        """
        key = next((key for key in keys if key in self.values), keys[-1])
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"{self.where}: {key!r} is missing, empty or not text.")
        return value

    def optional(self, *keys: str) -> str:
        """Return the first of `keys` that holds text, or the empty text.

        Raises:
            UsageError: a value is something else than text or null.
        """
        for key in keys:
            value = self.values.get(key)
            if value is not None and not isinstance(value, str):
                raise UsageError(f"{self.where}: {key!r} is not text.")
            if value:
                return value
        return ""


def read_json(path: Path, *, expects: Sequence[str] = ()) -> Iterator[Entry]:
    """Yield the objects of a JSON list or of JSON lines.

    Args:
        path: the file, in UTF-8.
        expects: keys to name where an entry is no object.

    Raises:
        UsageError: the file cannot be read or an entry is broken; file and line are named.
    """
    text = _read(path)
    start = _skip(text, 0)
    found = _lines(path, text) if text[start : start + 1] == "{" else _items(path, text, start)
    for line, value in found:
        where = f"{path}:{line}"
        if not isinstance(value, dict):
            raise UsageError(f"{where}: expected an object with {_listed(expects)}.")
        yield Entry(where=where, values=value)


def read_csv(path: Path, *, expects: Sequence[str]) -> Iterator[Entry]:
    """Yield the rows of a CSV file with a header that has the columns `expects`.

    Raises:
        UsageError: the file cannot be read, is no such CSV, or lacks a column.
    """
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.DictReader(io.StringIO(_read(path), newline=""))
    line = 1
    try:
        missing = [name for name in expects if name not in (reader.fieldnames or ())]
        if missing:
            raise UsageError(f"{path}:1: the header lacks {_listed(missing)}.")
        line = reader.line_num + 1
        for row in reader:
            if None in row or None in row.values():
                raise UsageError(f"{path}:{line}: has not as many cells as the header.")
            yield Entry(where=f"{path}:{line}", values=row)
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{path}:{line}: not valid CSV: {error}.") from error


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "named values"


def _items(path: Path, text: str, start: int) -> Iterator[tuple[int, object]]:
    """Yield the items of a JSON list, each with the line it starts on."""
    decoder = json.JSONDecoder()
    if text[start : start + 1] != "[":
        raise UsageError(
            f"{path}:{_line(text, start)}: expected a JSON list of questions, or JSON lines."
        )
    line, counted = 1, 0
    at = _skip(text, start + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        try:
            item, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}:{error.lineno}: not valid JSON: {error.msg}.") from error
        except RecursionError as error:
            raise UsageError(f"{path}:{line}: not valid JSON: nested too deeply.") from error
        line, counted = line + text.count("\n", counted, at), at
        yield line, item
        end = _skip(text, end)
        if text[end : end + 1] == "]":
            return
        if text[end : end + 1] != ",":
            raise UsageError(f"{path}:{_line(text, end)}: expected a comma or the list's end.")
        at = _skip(text, end + 1)


def _lines(path: Path, text: str) -> Iterator[tuple[int, object]]:
    """Yield the values of JSON lines; blank lines are skipped."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}:{number}: not valid JSON: {error.msg}.") from error
        except RecursionError as error:
            raise UsageError(f"{path}:{number}: not valid JSON: nested too deeply.") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text (byte {error.start}).") from error


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
