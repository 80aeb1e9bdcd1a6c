"""Read pools of candidates: what is wrong with a line is said, what is right is kept.

A pool line is `{"id", "db_id", "question", "candidates": [{"generator", "sql"}]}`; `evidence` may
stand beside. Nothing else of a line is read, so nothing else can decide a choice: an answer that
somebody left in it does not exist here.

What is not covered: running candidates (`stages.execute`), choosing among them (`evals.pool`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from quorumsql.db import open_database
from quorumsql.domain import Question
from quorumsql.errors import DatabaseError, UsageError
from quorumsql.evals.datasets import database_file
from quorumsql.ports import Database
from quorumsql.stages.execute import POOL_LIMITS

__all__ = ["Databases", "PoolLine", "Proposal", "read_pool"]

Proposal: TypeAlias = tuple[str, str]  # generator, SQL


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLine:
    """One question and what was proposed, the shortest SQL first. `problem` is in words."""

    id: object
    db_id: str
    question: Question
    proposals: tuple[Proposal, ...]
    problem: str | None = None


def read_pool(pool: Path) -> Iterator[tuple[int, PoolLine]]:
    """Yield the lines of a pool with their numbers; blank lines are skipped.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        with pool.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if raw.strip():
                    yield number, _parse(raw)
    except OSError as error:
        raise UsageError(f"{pool}: cannot be read: {error.strerror}.") from error


class Databases:
    """Opens each database of a folder once, when first asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Take the folder that holds `DB/DB.sqlite`; `stack` closes what was opened.

        Raises:
            UsageError: there is no such folder.
        """
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of databases; give it with --db-dir.")
        self._folder = folder
        self._stack = stack
        self._opened: dict[str, Database] = {}

    def get(self, db_id: str) -> Database | str:
        """Return the database, or in words why there is none."""
        if db_id in self._opened:
            return self._opened[db_id]
        path = database_file(self._folder, db_id)
        if path is None:
            return f"unknown database {db_id!r}: no {self._folder}/{db_id}/{db_id}.sqlite"
        try:
            database = open_database(str(path), limits=POOL_LIMITS)
        except DatabaseError as error:
            return str(error)
        self._stack.callback(database.close)
        self._opened[db_id] = database
        return database


def _parse(raw: bytes) -> PoolLine:
    """Read one line; what is wrong with it is its `problem`, what is right is kept."""
    try:
        entry = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return _unreadable(f"not JSON: {error}")
    if not isinstance(entry, dict):
        return _unreadable("not an object")
    problems = [f"no {key!r}" for key in ("id", "db_id") if entry.get(key) in (None, "")]
    db_id, listed = entry.get("db_id"), entry.get("candidates")
    proposals, dropped = _proposals(listed if isinstance(listed, list) else [])
    if dropped:
        problems.append(f"{dropped} candidates without SQL")
    if not proposals:
        problems.append("no candidate with SQL")
    return PoolLine(
        id=entry.get("id"),
        db_id=db_id if isinstance(db_id, str) else "",
        question=Question(text=_text(entry.get("question")), evidence=_text(entry.get("evidence"))),
        proposals=proposals,
        problem=", ".join(problems) or None,
    )


def _unreadable(problem: str) -> PoolLine:
    return PoolLine(id=None, db_id="", question=Question(text=""), proposals=(), problem=problem)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _proposals(listed: Sequence[object]) -> tuple[tuple[Proposal, ...], int]:
    """Return what can be run, shortest SQL first, and how many entries cannot."""
    found: list[Proposal] = []
    for item in listed:
        sql = item.get("sql") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(sql, str) and sql.strip():
            found.append((_text(item.get("generator")), sql.strip()))
    found.sort(key=lambda proposal: (len(proposal[1]), proposal[1], proposal[0]))
    return tuple(found), len(listed) - len(found)
