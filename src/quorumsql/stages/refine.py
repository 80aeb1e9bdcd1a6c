"""Let the database judge the candidates: run each one, pass over what cannot be right.

This is execution-guided decoding after the fact (Wang et al. 2018, arXiv 1807.03100) in the
place of XiYan-SQL's refiner (arXiv 2507.04701, Algorithm 2): an embedded generator has
already written its second thoughts, the further hypotheses of its beam, so that a refused
or suspicious one gives its vote to the next instead of asking the model again.

What is not covered: changing SQL. A generator whose hypotheses all fail stays without a
vote. SQL that runs but answers another question is the chooser's business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from quorumsql.domain import Attempt, Candidate, Execution, Failure, Limits, Rows
from quorumsql.ports import Database
from quorumsql.stages.execute import statement_key

__all__ = ["FAINT", "plausibility", "refine", "suspicious", "with_known"]

_EMPTY, _NOTHING = math.exp(-4.0), math.exp(-2.0)
"""What a hypothesis keeps of its weight when it finds no row, or one row that says nothing.
From databases held out of training (docs/experiments.md): people mostly ask about what is there."""
FAINT = 0.01
"""A hypothesis this much lighter than one of its generator that ran well is not run: of 1,714
questions it decided none, and two of five statements were such (docs/experiments.md)."""


def refine(
    candidates: Sequence[Candidate],
    *,
    database: Database,
    limits: Limits | None = None,
    seconds: float = 30.0,
) -> tuple[Candidate, ...]:
    """Return the candidates that ran, in their order, each with its execution and final weight.

    Every distinct SQL text runs once. The first hypotheses of all generators run before
    the second ones, so that a spent budget costs only the least likely hypotheses. Those too
    `FAINT` beside a better one of their generator are left out, unless their text ran anyhow.

    Args:
        candidates: per generator best first; those that have run already are not run again.
        database: where they run.
        limits: what one statement may cost; its deadline shrinks with what is left overall.
        seconds: wall time for all statements together. What no longer fits fails with
            kind "timeout".

    Returns:
        Passed-over candidates have weight 0. The surviving ones of each generator share 1
        in proportion to weight times plausibility.

    Raises:
        DatabaseError: the database itself is gone.
    """
    runner = _Runner(database, limits or Limits(), seconds)
    executed: dict[int, Candidate] = {}
    heaviest: dict[str, float] = {}
    for index in _by_rank(candidates):
        one = candidates[index]
        least = FAINT * heaviest.get(one.generator, 0.0)
        if one.weight < least and not runner.knows(one):
            continue
        executed[index] = ran = _with_execution(one, runner)
        if isinstance(ran.final.execution, Rows) and not suspicious(ran):
            heaviest[one.generator] = max(heaviest.get(one.generator, 0.0), _trust(ran))
    return _weighted([executed[index] for index in sorted(executed)])


def with_known(
    candidates: Sequence[Candidate], earlier: Sequence[Candidate], *, dialect: str
) -> tuple[Candidate, ...]:
    """Return the candidates, with what came of the same statement among `earlier` ones."""
    known = {statement_key(one.sql, dialect): one.final.execution for one in earlier}
    return tuple(
        replace(one, attempts=(*one.attempts[:-1], Attempt(sql=one.sql, execution=found)))
        if one.final.execution is None
        and (found := known.get(statement_key(one.sql, dialect))) is not None
        else one
        for one in candidates
    )


def suspicious(candidate: Candidate) -> bool:
    """Whether the result looks wrong: all NULL, or empty where a value was guessed.

    An empty result alone is not: for many questions no row is the right answer.
    """
    match candidate.final.execution:
        case Rows(rows=()):
            return candidate.guessed
        case Rows(rows=rows):
            return all(value is None for row in rows for value in row)
        case _:
            return False


def plausibility(candidate: Candidate) -> float:
    """Return what the result leaves of a hypothesis's weight: 1, less for one that says nothing.

    It shifts votes inside one generator's beam only: a generator with one answer keeps its vote.
    """
    match candidate.final.execution:
        case Rows(rows=()):
            return _EMPTY
        case Rows(rows=(row,)) if all(value is None or value == 0 for value in row):
            return _NOTHING
    return 1.0


class _Runner:
    """Runs each distinct SQL once, within what is left of the time."""

    def __init__(self, database: Database, limits: Limits, seconds: float) -> None:
        self._database = database
        self._limits = limits
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._known: dict[str, Execution] = {}

    def knows(self, candidate: Candidate) -> bool:
        """Whether it takes no time to tell what comes of a candidate."""
        return candidate.final.execution is not None or self._key(candidate.sql) in self._known

    def run(self, sql: str) -> Execution:
        key = self._key(sql)
        if key not in self._known:
            self._known[key] = self._fresh(sql)
        return self._known[key]

    def _key(self, sql: str) -> str:
        return statement_key(sql, self._database.dialect)

    def _fresh(self, sql: str) -> Execution:
        left = self._deadline - time.monotonic()
        if left <= 0:
            return Failure(
                kind="timeout", message=f"not run: the {self._seconds:g} s for trials were used up"
            )
        limits = replace(self._limits, seconds=min(self._limits.seconds, left))
        return self._database.execute(sql, limits=limits)


def _with_execution(candidate: Candidate, runner: _Runner) -> Candidate:
    if candidate.final.execution is not None:
        return candidate
    ran = Attempt(sql=candidate.sql, execution=runner.run(candidate.sql))
    return replace(candidate, attempts=(*candidate.attempts[:-1], ran))


def _by_rank(candidates: Sequence[Candidate]) -> list[int]:
    """Indexes of all first hypotheses, then of all second ones, and so on."""
    seen: dict[str, int] = {}
    ranks: list[tuple[int, int]] = []
    for index, candidate in enumerate(candidates):
        rank = seen.get(candidate.generator, 0)
        seen[candidate.generator] = rank + 1
        ranks.append((rank, index))
    return [index for _, index in sorted(ranks)]


def _weighted(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    survivors = {
        id(one)
        for name in dict.fromkeys(c.generator for c in candidates)
        for one in _survivors(c for c in candidates if c.generator == name)
    }
    totals: dict[str, float] = {}
    counts: dict[str, int] = {}
    for one in candidates:
        if id(one) in survivors:
            totals[one.generator] = totals.get(one.generator, 0.0) + _trust(one)
            counts[one.generator] = counts.get(one.generator, 0) + 1
    return tuple(
        replace(one, weight=_share(one, totals, counts) if id(one) in survivors else 0.0)
        for one in candidates
    )


def _survivors(own: Iterable[Candidate]) -> list[Candidate]:
    """What is left of one generator: clean results, else suspicious ones, else nothing."""
    ran = [one for one in own if isinstance(one.final.execution, Rows)]
    clean = [one for one in ran if not suspicious(one)]
    return clean or ran


def _share(one: Candidate, totals: dict[str, float], counts: dict[str, int]) -> float:
    total = totals[one.generator]
    return _trust(one) / total if total > 0 else 1.0 / counts[one.generator]


def _trust(one: Candidate) -> float:
    return max(one.weight, 0.0) * plausibility(one)
