"""Generators that say what a test tells them to say, and candidates made by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from quorumsql.domain import Attempt, Brief, Candidate, Execution, Failure, Rows
from quorumsql.errors import ModelError


class Scripted:
    """Proposes the same SQL for every question, with falling weights; keeps what it was shown."""

    def __init__(
        self,
        name: str,
        *sqls: str,
        weights: Sequence[float] | None = None,
        guessed: bool = False,
        delay: float = 0.0,
    ) -> None:
        self.name = name
        self.briefs: list[Brief] = []
        self.threads: list[str] = []
        self._sqls = sqls
        self._weights = weights or [0.5**n for n in range(1, len(sqls) + 1)]
        self._guessed = guessed
        self._delay = delay

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        self.briefs.append(brief)
        self.threads.append(threading.current_thread().name)
        time.sleep(self._delay)
        return tuple(
            written(sql, generator=self.name, weight=weight, guessed=self._guessed)
            for sql, weight in zip(self._sqls, self._weights, strict=True)
        )


class Broken:
    """Takes a brief, and raises what it is given."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self._error = error or ModelError(f"{name} has no weights")

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        self.brief = brief
        raise self._error


def written(
    sql: str, *, generator: str = "a", weight: float = 1.0, guessed: bool = False
) -> Candidate:
    """A candidate that has not run."""
    return Candidate(
        generator=generator, attempts=(Attempt(sql=sql),), weight=weight, guessed=guessed
    )


def ran(
    sql: str,
    *rows: tuple[object, ...],
    generator: str = "a",
    weight: float = 1.0,
    guessed: bool = False,
) -> Candidate:
    """A candidate that ran and returned `rows`."""
    width = len(rows[0]) if rows else 1
    execution = Rows(columns=tuple(f"c{n}" for n in range(width)), rows=rows)
    return _with(execution, sql, generator, weight, guessed)


def failed(sql: str, *, generator: str = "a", weight: float = 0.0) -> Candidate:
    """A candidate that the database refused."""
    return _with(Failure(kind="error", message="no such column"), sql, generator, weight, False)


def _with(
    execution: Execution, sql: str, generator: str, weight: float, guessed: bool
) -> Candidate:
    return Candidate(
        generator=generator,
        attempts=(Attempt(sql=sql, execution=execution),),
        weight=weight,
        guessed=guessed,
    )
