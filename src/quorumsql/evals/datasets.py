"""Read benchmark questions; the one place where gold SQL exists.

A `Task` is what a benchmark asks and expects. Only its question and its evidence are ever
handed to an answerer, so the gold query cannot reach the pipeline.

What is not covered: BIRD, SQL-Eval and JSON-lines files, which come with their metrics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quorumsql.errors import UsageError

__all__ = ["Task", "database_file", "load_spider"]

_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One benchmark question. `index` is its 0-based position in the questions file.

    `database` is the path of the database file that the question is about.
    """

    index: int
    db_id: str
    question: str
    evidence: str
    gold: str
    database: Path


def database_file(db_dir: Path, db_id: str) -> Path | None:
    """Return `db_dir/DB/DB.sqlite`, Spider's layout, or None when there is none."""
    if not db_id or db_id != Path(db_id).name or db_id in {".", ".."}:
        return None  # a name that climbs out of the folder names no database of it
    path = db_dir / db_id / f"{db_id}.sqlite"
    return path if path.is_file() else None


def load_spider(questions: Path, db_dir: Path, *, limit: int | None = None) -> tuple[Task, ...]:
    """Read a file in Spider's format: a JSON list of `db_id`, `question`, `query`.

    Source: Yu et al. 2018, "Spider: A Large-Scale Human-Labeled Dataset for Complex and
    Cross-Domain Semantic Parsing and Text-to-SQL Task" (the released dev.json).

    Args:
        questions: the file; other keys of its entries are ignored.
        db_dir: folder that holds `DB/DB.sqlite` for every `db_id`.
        limit: read no more than the first so many questions.

    Raises:
        UsageError: the file or the folder is missing, an entry is broken (file and line are
            named), or databases do not exist (they are named).
    """
    if not db_dir.is_dir():
        raise UsageError(f"{db_dir}: no such folder of databases; give it with --db-dir.")
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} leaves no question: give 1 or more.")
    tasks: list[Task] = []
    missing: dict[str, int] = {}
    for index, (line, entry) in enumerate(_entries(questions)):
        if index == limit:
            break
        where = f"{questions}:{line}"
        db_id, question, gold = (_text(entry, key, where) for key in ("db_id", "question", "query"))
        path = database_file(db_dir, db_id)
        if path is None:
            missing.setdefault(db_id, line)
            continue
        tasks.append(
            Task(index=index, db_id=db_id, question=question, evidence="", gold=gold, database=path)
        )
    if missing:
        names = ", ".join(f"{name!r} (line {line})" for name, line in missing.items())
        raise UsageError(
            f"{questions}: no database for {names}; looked for {db_dir}/NAME/NAME.sqlite."
        )
    if not tasks:
        raise UsageError(f"{questions}: holds no question.")
    return tuple(tasks)


def _entries(path: Path) -> Iterator[tuple[int, object]]:
    """Yield the items of a JSON list, each with the line it starts on."""
    text = _read(path)
    decoder = json.JSONDecoder()
    start = _skip(text, 0)
    if text[start : start + 1] != "[":
        raise UsageError(f"{path}:{_line(text, start)}: expected a JSON list of questions.")
    at = _skip(text, start + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        try:
            entry, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}:{error.lineno}: not valid JSON: {error.msg}.") from error
        yield _line(text, at), entry
        end = _skip(text, end)
        if text[end : end + 1] == "]":
            return
        if text[end : end + 1] != ",":
            raise UsageError(f"{path}:{_line(text, end)}: expected a comma or the list's end.")
        at = _skip(text, end + 1)


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


def _text(entry: object, key: str, where: str) -> str:
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: expected an object with db_id, question and query.")
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where}: {key!r} is missing, empty or not text.")
    return value
