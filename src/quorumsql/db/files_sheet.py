"""Read the sheets of a workbook (Excel, OpenDocument) as tables of typed columns.

Each sheet's first row that is as wide as the sheet holds the names of its columns; what stands
above is its title. Sheets without cells are left out.

What is not covered: formulas (their last result is read), merged cells (the first of them has
the value), several tables on one sheet, and workbooks that need a password.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quorumsql.db.files_text import column_names, is_header
from quorumsql.errors import DatabaseError, MissingExtra

__all__ = ["Sheet", "sheets", "write_cells"]

_TYPES: Final = (
    ({bool}, "BOOLEAN"),
    ({int, float}, "DOUBLE"),
    ({dt.date}, "DATE"),
    ({dt.date, dt.datetime}, "TIMESTAMP"),
    ({dt.time}, "TIME"),
    ({dt.timedelta}, "INTERVAL"),
)
_EXACT_FLOATS: Final = 2**53
"""Beyond it a workbook's numbers have lost their last digits already."""

_FAILED: Final = frozenset(
    {"#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#GETTING_DATA"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table of a workbook. `types` are those of DuckDB, a cell of None is empty."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    title: str = ""


def sheets(path: Path) -> Iterator[Sheet]:
    """Yield the sheets of the workbook at `path` that have cells.

    Raises:
        MissingExtra: what reads workbooks is not installed.
        DatabaseError: it is no workbook, damaged or needs a password.
    """
    if importlib.util.find_spec("python_calamine") is None:
        raise MissingExtra("Reading workbooks", "excel")
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    try:
        book = CalamineWorkbook.from_path(str(path))
        for name in book.sheet_names:
            sheet = _sheet(name, book.get_sheet_by_name(name).to_python(skip_empty_area=True))
            if sheet is not None:
                yield sheet
    except PasswordError as error:
        raise DatabaseError(f"The workbook {path} needs a password: save it without.") from error
    except (CalamineError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DatabaseError(
            f"The workbook {path} cannot be read ({reason}): save it again as .xlsx, "
            "or export it as CSV."
        ) from error


def write_cells(sheet: Sheet, target: Path) -> None:
    """Write the rows as separated values: every text in quotes, nothing for an empty cell."""
    with target.open("w", encoding="utf-8", newline="\n") as out:
        for row in sheet.rows:
            out.write(",".join(_written(cell) for cell in row) + "\n")


def _sheet(name: str, cells: Sequence[Sequence[Any]]) -> Sheet | None:
    rows = [[_cell(cell) for cell in row] for row in cells]
    filled = [row for row in rows if any(cell is not None for cell in row)]
    if not filled:
        return None
    width = max(len(row) for row in filled)
    widths = [sum(cell is not None for cell in row) for row in filled]
    start = next(index for index, found in enumerate(widths) if found > max(widths) // 2)
    title = " ".join(str(c) for row in filled[:start] for c in row if c is not None)
    first = ["" if cell is None else _plain(cell) for cell in filled[start]]
    below = [["" if c is None else _plain(c) for c in row] for row in filled[start + 1 :][:5]]
    named = is_header(first, below)
    body = filled[start + 1 :] if named else filled[start:]
    padded = [(*row, *[None] * (width - len(row))) for row in body]
    names = column_names((*(first if named else ()), *[""] * width)[:width])
    columns = tuple(zip(*padded, strict=True)) if padded else ((),) * width
    types = tuple(_type(column) for column in columns)
    whole = [_whole(c) if t == "BIGINT" else c for c, t in zip(columns, types, strict=True)]
    values = tuple(zip(*whole, strict=True)) if padded else ()
    return Sheet(name=name, columns=names, types=types, rows=values, title=title)


def _cell(cell: object) -> object:
    """An empty cell and the result of a formula that failed are None."""
    return None if cell == "" or (isinstance(cell, str) and cell in _FAILED) else cell


def _type(cells: Sequence[object]) -> str:
    """The type of DuckDB that holds all cells of a column."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds and kinds <= {int, float} and all(_is_whole(c) for c in cells if c is not None):
        return "BIGINT"
    return next((type_ for allowed, type_ in _TYPES if kinds and kinds <= allowed), "VARCHAR")


def _is_whole(cell: Any) -> bool:
    return isinstance(cell, int) or (cell.is_integer() and abs(cell) < _EXACT_FLOATS)


def _whole(cells: Sequence[Any]) -> tuple[object, ...]:
    return tuple(None if cell is None else int(cell) for cell in cells)


def _plain(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT_FLOATS:
        return str(int(cell))
    return str(cell)


def _written(cell: object) -> str:
    return "" if cell is None else '"' + _plain(cell).replace('"', '""') + '"'
