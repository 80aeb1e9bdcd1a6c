"""Selection alone, on anybody's candidates: read a pool, choose, write the choices.

A pool line is `{"id", "db_id", "question", "candidates": [{"generator", "sql"}]}`. Each
distinct SQL of a line runs once, results are grouped, and `stages.choose` picks. Neither
the candidates' names nor their order can matter: names are replaced by numbers that follow
from the SQL's length before anything looks at them.

Every pool line gets an output line, in order. Where nothing ran, or the database is
unknown, the SQL that most candidates wrote is kept with confidence 0; a line that cannot
be read keeps its place with no SQL. The output appears whole or not at all.

What is not covered: methods that need a trained selector.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from quorumsql.db import open_database
from quorumsql.domain import Attempt, Candidate, Choice, Limits
from quorumsql.errors import DatabaseError, UnknownName, UsageError
from quorumsql.evals.datasets import database_file
from quorumsql.evals.predictions import write_atomically
from quorumsql.ports import Database
from quorumsql.sql import normalise
from quorumsql.stages.choose import majority

__all__ = ["METHODS", "POOL_LIMITS", "Chosen", "PoolReport", "choose_pool"]

POOL_LIMITS = Limits(seconds=10.0, rows=100_000)

Proposal: TypeAlias = tuple[str, str]  # generator, SQL


class Method(Protocol):
    """Chooses among candidates that have run and of whose generators nothing is known."""

    def __call__(self, candidates: Sequence[Candidate], *, dialect: str) -> Choice:
        """Return the choice; `candidate` is None only when nothing ran."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One output line. `groups` counts the different results, `group_size` the votes for ours."""

    id: object
    sql: str | None
    generator: str | None
    confidence: float
    group_size: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport:
    """How many lines were read, and what was wrong with which (line number, words)."""

    lines: int
    problems: tuple[tuple[int, str], ...]
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    id: object
    db_id: str
    proposals: tuple[Proposal, ...]
    problem: str | None = None


METHODS: Mapping[str, Method] = {"majority": majority}


def choose_pool(
    pool: Path,
    *,
    databases: Path,
    out: Path,
    method: str = "majority",
    limits: Limits = POOL_LIMITS,
    watch: Callable[[Chosen], None] = lambda _: None,
) -> PoolReport:
    """Choose for every line of `pool`, and write `out` when all are done.

    Args:
        pool: the file of candidates; blank lines are skipped.
        databases: folder that holds `DB/DB.sqlite` for every `db_id`.
        out: the file of choices; an earlier one stays as it is until this one is whole.
        method: a name in `METHODS`.
        limits: what one candidate may cost.
        watch: told every choice as it is made.

    Raises:
        UnknownName: no such method.
        UsageError: `pool` cannot be read, `databases` is no folder, `out` cannot be written.
    """
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    if not databases.is_dir():
        raise UsageError(f"{databases}: no such folder of databases; give it with --db-dir.")
    if not out.parent.is_dir():
        raise UsageError(f"{out}: its folder does not exist; make it first.")
    problems: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()

    def lines() -> Iterator[str]:
        with ExitStack() as stack:
            opened = _Databases(databases, stack)
            for number, raw in _raw_lines(pool):
                line = _parse(raw)
                chosen, problem = _choose_line(line, opened, METHODS[method], limits)
                counts["lines"] += 1
                counts["unread"] += chosen.sql is None
                if problem is not None:
                    problems.append((number, problem))
                watch(chosen)
                yield json.dumps(asdict(chosen), ensure_ascii=False) + "\n"

    write_atomically(out, lines())
    return PoolReport(lines=counts["lines"], problems=tuple(problems), unread=counts["unread"])


class _Databases:
    """Opens each database once, when first asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
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


def _raw_lines(pool: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with pool.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if raw.strip():
                    yield number, raw
    except OSError as error:
        raise UsageError(f"{pool}: cannot be read: {error.strerror}.") from error


def _parse(raw: bytes) -> _Line:
    """Read one line; what is wrong with it is its `problem`, what is right is kept."""
    try:
        entry = json.loads(raw.decode("utf-8-sig"))
    except ValueError as error:
        return _Line(id=None, db_id="", proposals=(), problem=f"not JSON: {error}")
    if not isinstance(entry, dict):
        return _Line(id=None, db_id="", proposals=(), problem="not an object")
    problems = [f"no {key!r}" for key in ("id", "db_id") if entry.get(key) in (None, "")]
    db_id = entry.get("db_id")
    listed = entry.get("candidates")
    proposals, dropped = _proposals(listed if isinstance(listed, list) else [])
    if dropped:
        problems.append(f"{dropped} candidates without SQL")
    if not proposals:
        problems.append("no candidate with SQL")
    return _Line(
        id=entry.get("id"),
        db_id=db_id if isinstance(db_id, str) else "",
        proposals=proposals,
        problem=", ".join(problems) or None,
    )


def _proposals(listed: Sequence[object]) -> tuple[tuple[Proposal, ...], int]:
    """Return what can be run, shortest SQL first, and how many entries cannot."""
    found: list[Proposal] = []
    for item in listed:
        sql = item.get("sql") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(sql, str) and sql.strip():
            name = item.get("generator")
            found.append((name if isinstance(name, str) else "", sql.strip()))
    found.sort(key=lambda proposal: (len(proposal[1]), proposal[1], proposal[0]))
    return tuple(found), len(listed) - len(found)


def _choose_line(
    line: _Line, opened: _Databases, method: Method, limits: Limits
) -> tuple[Chosen, str | None]:
    """Return the choice for a line, and what was wrong with the line, if anything."""
    if not line.proposals:
        return _nothing(line), line.problem
    database = opened.get(line.db_id)
    if isinstance(database, str):
        problem = database if line.db_id else None
        words = ", ".join(part for part in (line.problem, problem) if part)
        return _most_written(line, "sqlite"), words
    try:
        candidates = _executed(line.proposals, database, limits)
    except DatabaseError as error:
        return _most_written(line, database.dialect), str(error)
    choice = method(candidates, dialect=database.dialect)
    if choice.candidate is None:
        return _most_written(line, database.dialect), line.problem
    group = next(group for group in choice.groups if choice.candidate in group.members)
    generator, sql = line.proposals[choice.candidate]
    chosen = Chosen(
        id=line.id,
        sql=sql,
        generator=generator,
        confidence=choice.confidence,
        group_size=len(group.members),
        groups=len(choice.groups),
    )
    return chosen, line.problem


def _executed(
    proposals: Sequence[Proposal], database: Database, limits: Limits
) -> tuple[Candidate, ...]:
    """Run each distinct SQL once; the candidates' names are numbers, unique by design."""
    distinct = {sql: database.execute(sql, limits=limits) for sql in {sql for _, sql in proposals}}
    return tuple(
        Candidate(generator=f"{i:06}", attempts=(Attempt(sql=sql, execution=distinct[sql]),))
        for i, (_, sql) in enumerate(proposals)
    )


def _most_written(line: _Line, dialect: str) -> Chosen:
    """Keep the SQL that most candidates wrote, for want of results to compare."""
    texts = [normalise(sql, dialect) for _, sql in line.proposals]
    counts = Counter(texts)
    best = max(range(len(texts)), key=lambda i: (counts[texts[i]], -i))
    generator, sql = line.proposals[best]
    return Chosen(id=line.id, sql=sql, generator=generator, confidence=0.0, group_size=0, groups=0)


def _nothing(line: _Line) -> Chosen:
    return Chosen(id=line.id, sql=None, generator=None, confidence=0.0, group_size=0, groups=0)
