"""Look at the beginning of a file of separated values: encoding, separator, header.

DuckDB's own sniffer would read a file with one ragged row as a single column, and skip lines
that do not fit; here every line is accounted for.

What is not covered: separators of several characters, quotes other than `"`, and encodings
other than UTF-8, UTF-16, UTF-32 and Windows-1252.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

__all__ = [
    "Layout",
    "column_names",
    "encoding_of",
    "is_header",
    "layout",
    "open_bytes",
    "rewritten",
]

_LOOKED_AT: Final = 256 * 1024
_ROWS: Final = 500
_JSON_AT_ONCE: Final = 64 * 1024 * 1024
_FEW_CONTROLS: Final = 16
_MOST_CONTROLS: Final = 0.05
_PREAMBLE: Final = 20
"""Lines that may stand above a table: a title, a date, a source."""

_SEPARATORS: Final = (",", ";", "\t", "|")
_BY_ENDING: Final = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_VALUE: Final = re.compile(
    r"[+-]?[\d.,]*\d[\d.,]*([eE][+-]?\d+)?%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|true|false",
    re.IGNORECASE,
)
_YEAR: Final = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file of separated values is laid out.

    `skip` lines stand above the first row of values, `title` is the text in those that are
    not the header.
    """

    separator: str
    columns: tuple[str, ...]
    skip: int
    title: str = ""
    encoding: str = "utf-8"


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, unpacking it if it is a gzip archive."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def encoding_of(head: bytes) -> str:
    """Return the encoding that a file which begins so is in."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


def is_text(path: Path) -> bool:
    """Whether the file at `path` begins like text: with few control characters."""
    with open_bytes(path) as file:
        head = file.read(_LOOKED_AT)
    text = head.decode(encoding_of(head), errors="replace")
    odd = sum(character < " " and character not in "\t\n\r\f" for character in text)
    return odd <= max(_FEW_CONTROLS, len(text) * _MOST_CONTROLS)


def layout(path: Path) -> Layout | None:
    """Return the layout of the file at `path`; None when it has no line that is not blank.

    Raises:
        OSError: it cannot be read.
    """
    with open_bytes(path) as file:
        head = file.read(_LOOKED_AT)
    whole = len(head) < _LOOKED_AT
    encoding = encoding_of(head)
    text = head.decode(encoding, errors="replace")
    if not whole:  # the last line may be cut
        text = text[: text.rfind("\n") + 1] or text
    given = _BY_ENDING.get(
        path.with_suffix("").suffix.lower() if path.suffix == ".gz" else path.suffix.lower()
    )
    separator = given or max(_SEPARATORS, key=lambda one: _fit(_rows(text, one)))
    rows = _rows(text, separator)
    filled = [row for _, row in rows if any(cell.strip() for cell in row)]
    if not filled:
        return None
    width = _width(rows)
    start = next(index for index, (_, row) in enumerate(rows) if len(row) >= width and any(row))
    if start > _PREAMBLE or any(len(row) > 1 for _, row in rows[:start]):
        start = next(i for i, (_, row) in enumerate(rows) if any(cell.strip() for cell in row))
    above = start and rows[start - 1][0]
    title = " ".join(cell.strip() for _, row in rows[:start] for cell in row if cell.strip())
    first = rows[start][1]
    below = [row for _, row in rows[start + 1 :]]
    named = is_header(first, below)
    names = column_names(first if named else [""] * len(first))
    lines = rows[start][0] if named else above
    return Layout(separator=separator, columns=names, skip=lines, title=title, encoding=encoding)


def is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: texts, or years beside texts, and not all empty."""
    cells = [cell.strip() for cell in first if cell.strip()]
    if not cells:
        return False
    values = [cell for cell in cells if _VALUE.fullmatch(cell)]
    if not values:
        return True
    years = all(_YEAR.fullmatch(cell) for cell in values) and len(values) < len(cells)
    # A row of years is a header only over columns that hold other things.
    return years and any(not _YEAR.fullmatch(c.strip()) for row in below[:5] for c in row[1:] if c)


def column_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Return a name for each column: as it stands, on one line, unique, never empty."""
    names: list[str] = []
    used: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        name = " ".join(cell.replace("\x00", "").split()) or f"column{number}"
        unique, again = name, 2
        while unique.lower() in used:
            unique, again = f"{name}_{again}", again + 1
        used.add(unique.lower())
        names.append(unique)
    return tuple(names)


def rewritten(path: Path, target: Path) -> str:
    """Write the text of `path` to `target` in UTF-8 with plain line ends; return its encoding.

    Raises:
        OSError: it cannot be read, or there is no room.
    """
    with open_bytes(path) as file:
        encoding = encoding_of(file.read(_LOOKED_AT))
    if encoding == "utf-8" and not _is_utf8(path):
        encoding = "windows-1252"
    # The five bytes that Windows-1252 leaves open become replacement characters.
    with (
        open_bytes(path) as source,
        io.TextIOWrapper(source, encoding=encoding, errors="replace", newline=None) as text,
        target.open("w", encoding="utf-8", newline="\n") as out,
    ):
        while part := text.read(1 << 20):
            out.write(part)
    return encoding.removesuffix("-sig")


def wrong_line(path: Path) -> int:
    """Return the number of the first line that is no JSON; 0 when it cannot be told.

    DuckDB counts records from what it has buffered, so its numbers help nobody to find one.
    """
    with open_bytes(path) as file:
        if path.suffix.lower() not in {".jsonl", ".ndjson"}:
            head = file.read(_JSON_AT_ONCE)
            return _wrong_line(head) if len(head) < _JSON_AT_ONCE else 0
        return next((n for n, line in enumerate(file, start=1) if _wrong_line(line)), 0)


def _wrong_line(text: bytes) -> int:
    if not text.strip():
        return 0
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except (ValueError, RecursionError):
        return 1
    return 0


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as file:
        try:
            while part := file.read(1 << 20):
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The first rows, each with the number of the line that it ends in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            rows.append((reader.line_num, row))
            if len(rows) >= _ROWS:
                break
    except csv.Error:  # a cell of more than 128 KB: what was read until then will do
        pass
    return rows


def _fit(rows: Sequence[tuple[int, Sequence[str]]]) -> tuple[float, int]:
    """How well a separator explains the rows: the share that have the usual width, then width."""
    widths = [len(row) for _, row in rows if any(row)]
    width = _width(rows)
    if not widths or width < 2:
        return (0.0, 0)
    return (round(sum(one == width for one in widths) / len(widths), 2), width)


def _width(rows: Sequence[tuple[int, Sequence[str]]]) -> int:
    """The usual number of cells: that of the most rows, and of the widest among equals."""
    counts = Counter(len(row) for _, row in rows if any(row))
    return max(counts, key=lambda width: (counts[width], width), default=0)
