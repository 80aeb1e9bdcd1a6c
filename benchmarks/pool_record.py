"""The pool of published answers, run once: candidates, and which of them are right.

    QUORUM_DATA=DIR python benchmarks/simple_choosers.py

is what most of its figures come from; this file only reads for it and its siblings.

What is not covered: figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quorumsql.domain import Candidate, Question, Rows, Schema
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.metrics import Scorer
from quorumsql.evals.pool import run_candidates
from quorumsql.evals.pool_lines import Databases, read_pool
from quorumsql.evals.recorded import Recorded
from quorumsql.stages.choose import by_length, group, ran

__all__ = ["Asked", "asked", "recorded_of"]


@dataclass(frozen=True)
class Asked:
    """One question of the pool. `groups` are positions of candidates with the same result."""

    db_id: str
    question: Question
    schema: Schema
    candidates: tuple[Candidate, ...]
    groups: tuple[tuple[int, ...], ...]
    right: tuple[bool, ...]

    def correct(self, candidate: int | None) -> bool:
        """Whether a choice is right."""
        return candidate is not None and self.right[candidate]


def asked(data: Path, *, limit: int | None = None) -> Iterator[Asked]:
    """Yield the questions of the pool with their candidates run and held against gold."""
    databases = data / "spider/database"
    tasks = {task.index: task for task in load_spider(data / "spider/dev.json", databases)}
    with ExitStack() as stack:
        opened = Databases(databases, stack)
        scorers: dict[str, Scorer] = {}
        for number, line in read_pool(data / "pools/spider_dev_a.jsonl"):
            if limit is not None and number > limit:
                return
            database = opened.get(line.db_id)
            assert not isinstance(database, str), database
            candidates = run_candidates(line, database)
            voters = [place for place, one in enumerate(candidates) if ran(one)]
            groups = group(candidates, voters, dialect=database.dialect)
            gold = tasks[int(str(line.id).rpartition("-")[2])].gold
            scorer = scorers.setdefault(line.db_id, Scorer(database))
            yield Asked(
                db_id=line.db_id,
                question=line.question,
                schema=database.schema(),
                candidates=candidates,
                groups=groups,
                right=_right(candidates, scorer, gold),
            )


def _right(candidates: tuple[Candidate, ...], scorer: Scorer, gold: str) -> tuple[bool, ...]:
    """Each candidate by its own result: whether order counts is for gold to say."""
    known: dict[str, bool] = {}
    for one in candidates:
        found = one.final.execution
        if one.sql not in known:
            whole = found if isinstance(found, Rows) and not found.truncated else None
            known[one.sql] = ran(one) and scorer.correct(gold, one.sql, whole)
    return tuple(known[one.sql] for one in candidates)


def recorded_of(questions: Sequence[Asked]) -> Recorded:
    """Return the pool as what ratings of sub-ensembles need."""
    names = tuple(sorted({c.generator for one in questions for c in one.candidates}))
    column = {name: place for place, name in enumerate(names)}
    size = (len(questions), len(names))
    groups, places = np.full(size, -1), np.full(size, len(names))
    empty, right = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    for row, one in enumerate(questions):
        home = {i: number for number, part in enumerate(one.groups) for i in part}
        order = sorted(range(len(one.candidates)), key=lambda i: by_length(one.candidates[i]))
        rank = {i: place for place, i in enumerate(order)}
        for i, candidate in enumerate(one.candidates):
            m = column[candidate.generator]
            groups[row, m], places[row, m] = home.get(i, -1), rank[i]
            empty[row, m], right[row, m] = candidate.status == "empty", one.right[i]
    return Recorded(
        names=names,
        db_ids=tuple(one.db_id for one in questions),
        groups=groups,
        places=places,
        empty=empty,
        right=right,
    )
