"""Which files there are to read, and what their tables are called.

A path names one file, several by a pattern, or a folder. In a folder every file of a known kind
is a table (a workbook: one per sheet); a sub-folder that holds only Parquet files is one table
too, as Spark and others write them. Hidden files and those that begin with an underscore are
left out.

What is not covered: other sub-folders, archives, and addresses on the network.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from quorumsql.db.look import DUCKDB, HEADER_BYTES, explained, missing
from quorumsql.errors import DatabaseError

__all__ = [
    "KINDS",
    "Form",
    "Source",
    "Stamp",
    "engine_of",
    "find",
    "is_pattern",
    "name_for",
    "stamp",
]

Form: TypeAlias = Literal["csv", "json", "parquet", "sheet"]
Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
"""Path, size and time of the last change of every file."""

KINDS: Final[dict[str, Form]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".psv", ".txt"), "csv"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".parquet", ".parq", ".pq"), "parquet"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "sheet"),
}
"""What a file is, by its ending."""

_MOST_FILES: Final = 1_000
_UNNAMED: Final = "data"
_PACKED: Final = ".gz"
_OUTSIDE_FOLDERS: Final = frozenset({".txt"})
"""Endings that are taken only from who names the file: notes and licences end so, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One or more files that make one table (a workbook: one per sheet)."""

    form: Form
    name: str
    paths: tuple[Path, ...]
    alone: bool = False

    @property
    def path(self) -> Path:
        """The first of the files, for messages."""
        return self.paths[0]


def engine_of(path: Path) -> Literal["sqlite", "duckdb", "files"]:
    """Return who reads `path`: by its first bytes, else its ending; what is neither is SQLite's.

    A file that is named as DuckDB's is not opened here: see `duckdb_worker`.
    """
    if path.suffix.lower() in {".duckdb", ".ddb"}:
        return "duckdb"
    header = b""
    try:
        if path.is_dir():
            return "files"
        if path.is_file():
            with path.open("rb") as file:
                header = file.read(HEADER_BYTES)
    except (OSError, ValueError):
        header = b""
    sign, place = DUCKDB
    if header[place:].startswith(sign):
        return "duckdb"
    if header.startswith(b"SQLite format 3"):
        return "sqlite"
    return "files" if _form(path) is not None or is_pattern(path) else "sqlite"


def find(path: Path) -> tuple[Source, ...]:
    """Return what is to be read at `path`, in the order of the names.

    Raises:
        DatabaseError: there is nothing that can be read.
    """
    with explained(path):
        if path.is_dir():
            return _in_folder(path)
        form = _form(path)
        if is_pattern(path):
            return _of_pattern(path)
        if not path.exists():
            raise DatabaseError(missing(path).replace("No database", "No file", 1))
        if form is None or not path.is_file():
            raise DatabaseError(f"{path} is no file that can be read: {_known()}.")
        return (Source(form=form, name=name_for(_stem(path)), paths=(path.resolve(),), alone=True),)


def is_pattern(path: Path) -> bool:
    """Whether `path` is no file but a pattern of names: `data/*.csv`, `data/**/*.parquet`."""
    return glob.has_magic(str(path)) and not path.exists()


def stamp(sources: Iterable[Source]) -> Stamp:
    """Return what changes when one of the files does.

    Raises:
        DatabaseError: one of them is gone.
    """
    found = []
    for source in sources:
        for path in source.paths:
            try:
                state = path.stat()
            except OSError as error:
                raise DatabaseError(missing(path).replace("No database", "No file", 1)) from error
            found.append((str(path), state.st_size, state.st_mtime_ns))
    return tuple(found)


def name_for(text: str, taken: Iterable[str] = ()) -> str:
    """Return a name for a table that needs no quotes and is not `taken`.

    `2024 sales (new)` becomes `t_2024_sales_new`; a second one gets `_2`.
    """
    name = re.sub(r"\W+", "_", text.strip()).strip("_") or _UNNAMED
    name = re.sub(r"_{2,}", "_", name)
    name = f"t_{name}" if name[0].isdigit() else name
    used = {other.lower() for other in taken}
    number, unique = 2, name
    while unique.lower() in used:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _in_folder(folder: Path) -> tuple[Source, ...]:
    sources: list[Source] = []
    for entry in sorted(_visible(folder), key=lambda path: path.name.lower()):
        if entry.is_dir():
            parts = _parts(entry)
            form: Form | None = "parquet" if parts else None
        else:
            parts = (entry.resolve(),)
            form = None if entry.suffix.lower() in _OUTSIDE_FOLDERS else _form(entry)
        if form is not None:
            name = name_for(_stem(entry), (source.name for source in sources))
            sources.append(Source(form=form, name=name, paths=parts))
    if not sources and (parts := _parts(folder)):
        sources.append(Source(form="parquet", name=name_for(_stem(folder)), paths=parts))
    if not sources:
        raise DatabaseError(f"The folder {folder} holds no file that can be read: {_known()}.")
    if _is_dataset(folder, sources):
        paths = tuple(path for source in sources for path in source.paths)
        return (Source(form="parquet", name=name_for(_stem(folder)), paths=paths),)
    if sum(len(source.paths) for source in sources) > _MOST_FILES:
        raise DatabaseError(f"{folder} holds more than {_MOST_FILES:,} files: name a sub-folder.")
    return tuple(sources)


def _of_pattern(pattern: Path) -> tuple[Source, ...]:
    found = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True))
    files = [path for path in found if path.is_file() and _form(path) is not None]
    if not files:
        raise DatabaseError(f"No file is named like {pattern}, or none that can be read.")
    if len(files) > _MOST_FILES:
        raise DatabaseError(f"More than {_MOST_FILES:,} files are named like {pattern}.")
    sources: list[Source] = []
    for path in files:
        name = name_for(_stem(path), (source.name for source in sources))
        sources.append(Source(form=_form(path) or "csv", name=name, paths=(path.resolve(),)))
    return tuple(sources)


def _is_dataset(folder: Path, sources: list[Source]) -> bool:
    """Whether a folder is one table in parts, by the names that Spark and others give them."""
    if any(source.form != "parquet" for source in sources):
        return False
    names = [path.name for path in folder.iterdir() if path.name[0] not in "._"]
    return folder.suffix.lower() in KINDS or all(
        re.match(r"part[-.]\d|\w+=", name) for name in names
    )


def _parts(folder: Path) -> tuple[Path, ...]:
    """The Parquet files of a sub-folder that holds nothing else, however deep."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name[0] not in "._"]
    if not files or len(files) > _MOST_FILES or any(_form(p) != "parquet" for p in files):
        return ()
    return tuple(sorted(path.resolve() for path in files))


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.name[0] not in "._~")


def _form(path: Path) -> Form | None:
    suffix = path.suffix.lower()
    if suffix == _PACKED:
        inner = KINDS.get(path.with_suffix("").suffix.lower())
        return inner if inner in {"csv", "json"} else None
    return KINDS.get(suffix)


def _stem(path: Path) -> str:
    name = path.name or path.resolve().name
    for suffix in (_PACKED, *KINDS):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
    return name


def _known() -> str:
    return "CSV, TSV, JSON, Parquet or Excel, by their endings"
