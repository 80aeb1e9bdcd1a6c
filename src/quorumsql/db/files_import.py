"""Make a DuckDB store from data files: text is read into tables once, Parquet stays where it is.

A file of text has no types and no order to search in, so every statement would read all of it
again and could still fail in its last line; read once, all its lines are checked, its types are
those of all its values, and SQL can reach the store but not the file. Parquet has all that
itself, so the store only holds a view of it.

What cannot be read is an error that names the file and the row; what was done to read it
otherwise stands in the table's comment. The work is done by DuckDB in a process of its own, with
the memory that any statement may use, whatever the size of the file.

Of JSON, fields of structures become columns; lists stay lists.

What is not covered: rows that are longer than 2 MB, and JSON objects longer than 64 MB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from quorumsql.db.budget import Budget
from quorumsql.db.duckdb_read import Place, Request, Worker, text_literal
from quorumsql.db.files_find import Source, name_for
from quorumsql.db.files_sheet import Sheet, sheets, write_cells
from quorumsql.db.files_text import (
    Layout,
    column_names,
    is_text,
    layout,
    rewritten,
    wrong_line,
)
from quorumsql.db.files_types import infer, select
from quorumsql.domain import Limits
from quorumsql.errors import DatabaseError

__all__ = ["Tell", "build"]

Tell: TypeAlias = Callable[[str, float], None]
"""Is told the name of the file that is being read, and how much of it is, in percent."""

_UNHURRIED: Final = Limits(seconds=float("inf"), rows=1_000_000, bytes=1024**3)
_DEEPEST: Final = 4
"""Levels of structures that become columns; what is deeper stays a structure."""

_ROW: Final = re.compile(r"CSV Error on Line: (\d+)")
_CELLS: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")


class _Refused(Exception):
    """DuckDB could not read a file in the way it was told to."""


def build(sources: Sequence[Source], store: Path, scratch: Path, *, tell: Tell | None) -> None:
    """Write the tables of `sources` into a new DuckDB file at `store`.

    Args:
        sources: what to read.
        store: does not exist yet.
        scratch: a folder of ours for what does not fit into memory.
        tell: is told how far the reading is.

    Raises:
        DatabaseError: a file cannot be read, or there is no room.
        MissingExtra: what reads such files is not installed.
    """
    worker = Worker(Place(path=store, scratch=scratch, writes=True))
    try:
        builder = _Builder(worker, scratch, tell)
        for source in sources:
            builder.add(source, alone=len(sources) == 1)
        builder.finish()
    finally:
        worker.close()


class _Builder:
    """Adds one table after another to a store."""

    def __init__(self, worker: Worker, scratch: Path, tell: Tell | None) -> None:
        self._worker = worker
        self._scratch = scratch
        self._tell = tell
        self._told: Callable[[float], None] | None = None
        self._names: list[str] = []

    def add(self, source: Source, *, alone: bool) -> None:
        """Add the table of one source, or those of a workbook's sheets."""
        self._told = None if self._tell is None else partial(self._tell, source.path.name)
        try:
            match source.form:
                case "parquet":
                    self._parquet(source)
                case "json":
                    self._json(source)
                case "csv":
                    self._csv(source)
                case "sheet":
                    self._workbook(source, alone=alone)
        except _Refused as error:
            reason = _reason(str(error), source.path)
            raise DatabaseError(f"{source.path} cannot be read: {reason}.") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise DatabaseError(f"{source.path} cannot be read: {reason}.") from error

    def finish(self) -> None:
        """Bring everything into the store's one file."""
        self._ask("CHECKPOINT")

    def _parquet(self, source: Source) -> None:
        files = ", ".join(text_literal(_literal_path(path)) for path in source.paths)
        options = (
            ", union_by_name = true, hive_partitioning = true" if len(source.paths) > 1 else ""
        )
        name = self._named(source.name)
        self._ask(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}]{options})")
        self._ask(f"SELECT * FROM {name} LIMIT 1")

    def _json(self, source: Source) -> None:
        path = text_literal(_literal_path(source.path))
        read = f"read_json({path}, sample_size = -1, maximum_object_size = {64 * 1024**2})"
        if source.path.stat().st_size == 0:
            raise DatabaseError(f"{source.path} is empty: it has no record.")
        name = self._named(source.name)
        self._ask(f"CREATE TABLE {name} AS SELECT * FROM {read}")
        for _ in range(_DEEPEST):
            if not self._flattened(name):
                break

    def _flattened(self, name: str) -> bool:
        """Make the fields of structures columns of their own, and the rows in a list rows.

        `{"data": [{"a": 1}, {"a": 2}]}` is a table of two rows, `{"a": {"b": 1}}` has `a_b`.
        """
        columns = [(str(row[0]), str(row[1])) for row in self._ask(f"DESCRIBE {name}")]
        if len(columns) == 1 and re.fullmatch(r"STRUCT\(.*\)\[\]", columns[0][1], re.DOTALL):
            rows = f"SELECT unnest({_quoted(columns[0][0])}, max_depth := 2) FROM {name}"
            if self._ask(f"SELECT count(*) FROM {name}") == [(1,)]:
                self._ask(f"CREATE OR REPLACE TABLE {name} AS {rows}")
                return True
        if not any(_is_structure(type_) for _, type_ in columns):
            return False
        cells: list[tuple[str, str]] = []
        for column, type_ in columns:
            fields = self._fields(name, column) if _is_structure(type_) else []
            cell = _quoted(column)
            cells += [(f"{cell}.{_quoted(f)}", f"{column}_{f}") for f in fields] or [(cell, column)]
        named = column_names([title for _, title in cells])
        picked = ", ".join(
            f"{cell} AS {_quoted(title)}" for (cell, _), title in zip(cells, named, strict=True)
        )
        self._ask(f"CREATE OR REPLACE TABLE {name} AS SELECT {picked} FROM {name}")
        return len(cells) > len(columns)

    def _fields(self, name: str, column: str) -> list[str]:
        cell = _quoted(column)
        found = self._ask(
            f"SELECT json_keys(to_json({cell})) FROM {name} WHERE {cell} IS NOT NULL LIMIT 1"
        )
        return [str(field) for field in found[0][0]] if found else []

    def _csv(self, source: Source) -> None:
        path, copy = source.path, self._scratch / "rewritten.csv"
        if not is_text(path):
            raise DatabaseError(f"{path} holds binary data, not text: is its ending right?")
        found = layout(path)
        if found is None:
            raise DatabaseError(f"{path} is empty: it has no line with values.")
        name = self._named(source.name)
        notes = [f"above the table stands: {found.title[:200]}"] if found.title else []
        text, padded = path, False
        if found.encoding not in {"utf-8", "utf-8-sig"}:
            text = self._rewritten(path, copy, notes)
        try:
            while True:
                try:
                    self._texts(name, _text_table(text, found, padded=padded), found)
                    break
                except _Refused as error:
                    trouble = str(error)
                    if _lacks_cells(trouble) and not padded:
                        padded = True
                        notes.append("some rows are shorter than the header: the rest is NULL")
                    elif _is_other_text(trouble) and text is path:
                        text = self._rewritten(path, copy, notes)
                    else:
                        raise DatabaseError(
                            f"{path} cannot be read: {_of_csv(trouble)}."
                        ) from error
        finally:
            copy.unlink(missing_ok=True)
        self._comment(name, notes)

    def _rewritten(self, path: Path, copy: Path, notes: list[str]) -> Path:
        encoding = rewritten(path, copy)
        if encoding != "utf-8":
            notes.append(f"read as {encoding}")
        return copy

    def _texts(self, name: str, texts: str, found: Layout) -> None:
        """Make a table of texts one of types."""
        columns = tuple(_quoted(column) for column in found.columns)
        readings = infer(self._ask, texts, columns, separator=found.separator)
        self._ask(
            f"CREATE OR REPLACE TABLE {name} AS SELECT {select(columns, readings)} FROM {texts}"
        )

    def _workbook(self, source: Source, *, alone: bool) -> None:
        found = list(sheets(source.path))
        if not found:
            raise DatabaseError(f"{source.path} is empty: none of its sheets has a cell.")
        for sheet in found:
            if len(found) == 1:
                name = source.name
            else:
                name = sheet.name if alone else f"{source.name}_{sheet.name}"
            self._sheet(self._named(name), sheet)

    def _sheet(self, name: str, sheet: Sheet) -> None:
        cells = self._scratch / "sheet.csv"
        try:
            write_cells(sheet, cells)
            columns = _columns(sheet.columns, sheet.types)
            self._ask(
                f"CREATE TABLE {name} AS SELECT * FROM read_csv({text_literal(str(cells))}, "
                f"auto_detect = false, delim = ',', quote = '\"', escape = '\"', header = false, "
                f"new_line = '\\n', allow_quoted_nulls = false, parallel = false, "
                f"columns = {columns})"
            )
        finally:
            cells.unlink(missing_ok=True)
        self._comment(name, [f"above the table stands: {sheet.title[:200]}"] if sheet.title else [])

    def _named(self, wanted: str) -> str:
        name = name_for(wanted, self._names)
        self._names.append(name)
        return _quoted(name)

    def _comment(self, name: str, notes: Sequence[str]) -> None:
        if notes:
            text = "; ".join(notes)
            self._ask(
                f"COMMENT ON TABLE {name} IS {text_literal(text[0].upper() + text[1:] + '.')}"
            )

    def _ask(self, sql: str) -> list[Any]:
        reply = self._worker.ask(
            Request(sql=sql, trusted=True), Budget(limits=_UNHURRIED), tell=self._told
        )
        match reply:
            case ("rows", _, rows, _):
                return list(rows)
            case ("error", kind, text):
                if kind == "OutOfMemoryException" or re.search(r"No space left|disk", text):
                    raise DatabaseError(
                        "There is not enough room to read the files: free some memory and disk."
                    )
                raise _Refused(text)
            case ("broken", _, text):
                raise DatabaseError(f"Cannot keep what was read: {_one_line(text)}.")
            case _:
                raise DatabaseError("DuckDB's process ended while reading: too little memory?")


def _text_table(path: Path, found: Layout, *, padded: bool) -> str:
    """SQL of a table in which every cell of a file of separated values is text."""
    columns = _columns(found.columns, ("VARCHAR",) * len(found.columns))
    # The parallel reader cannot pad rows where cells hold line ends.
    padding = ", null_padding = true, parallel = false" if padded else ""
    return (
        f"read_csv({text_literal(_literal_path(path))}, auto_detect = false, "
        f"delim = {text_literal(found.separator)}, quote = '\"', escape = '\"', "
        f"header = false, skip = {found.skip}, allow_quoted_nulls = false, "
        f"columns = {columns}{padding})"
    )


def _columns(names: Sequence[str], types: Sequence[str]) -> str:
    pairs = zip(names, types, strict=True)
    return "{" + ", ".join(f"{text_literal(n)}: {text_literal(t)}" for n, t in pairs) + "}"


def _literal_path(path: Path) -> str:
    """A path in which nothing is a pattern: DuckDB reads `[`, `*` and `?` as those."""
    return re.sub(r"[\[*?]", r"[\g<0>]", str(path))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _is_structure(type_: str) -> bool:
    return type_.startswith("STRUCT(") and not type_.endswith("]")


def _lacks_cells(trouble: str) -> bool:
    found = _CELLS.search(trouble)
    return found is not None and int(found[2]) < int(found[1])


def _is_other_text(trouble: str) -> bool:
    """Whether the encoding or the line ends are the trouble."""
    return "Invalid unicode" in trouble or "state machine reached an invalid" in trouble


def _of_csv(trouble: str) -> str:
    """Say what is wrong without the values that DuckDB repeats."""
    row = _ROW.search(trouble)
    where = f"row {row[1]}" if row else "a row"
    if cells := _CELLS.search(trouble):
        return (
            f"{where} has {cells[2]} values where the header has {cells[1]}; "
            "a value that holds the separator belongs in quotes"
        )
    if "Maximum line size" in trouble:
        return f"{where} is longer than 2 MB"
    if "unterminated quote" in trouble:
        return f"{where} has a quote that is never closed, or text after the closing one"
    return f"{where} does not fit the layout of the first ones"


def _reason(trouble: str, path: Path) -> str:
    """Say what is wrong with a file of JSON or Parquet."""
    if "JSON" in trouble and (line := wrong_line(path)):
        return f"line {line} is no valid JSON"
    if "No magic bytes" in trouble or "too small to be a Parquet" in trouble:
        return "it is no whole Parquet file; it may have been cut short: copy it again"
    return _one_line(trouble)


def _one_line(trouble: str) -> str:
    line = re.sub(r"^[A-Z][\w ]*? Error: ", "", trouble.partition("\n")[0])
    return re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", line).strip().rstrip(".")[:200]
