"""Answer and score the questions about one database.

The answerer gets a question's text and its evidence and nothing else; the gold query stays
here, with the scorer.

What is not covered: where the results go. `run` writes them, from one process or several.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

from quorumsql.db import open_database
from quorumsql.domain import Answer, Attempt, Candidate, Execution, Failure, Rows, Status
from quorumsql.errors import DatabaseError, ModelError
from quorumsql.evals.datasets import Task
from quorumsql.evals.metrics import SCORING_LIMITS, Scorer
from quorumsql.evals.predictions import Prediction, Preview, Vote

__all__ = ["Answerer", "Asks", "answer_all"]

_PREVIEW_ROWS = 5
_PREVIEW_CHARACTERS = 80


class Asks(Protocol):
    """What answers questions about one database; `api.Connection` is one."""

    def ask(self, text: str, *, evidence: str = "") -> Answer:
        """Answer one question."""
        ...


class Answerer(Protocol):
    """Opens databases for asking. It must pickle where a run has several workers."""

    def open(self, database: Path) -> AbstractContextManager[Asks]:
        """Return what answers questions about this database file, as a context."""
        ...


def answer_all(
    tasks: Sequence[Task], answerer: Answerer, *, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Prediction]:
    """Yield a prediction for each task; all tasks are about the same database.

    Whatever goes wrong with one question is recorded as its `unscored` and does not stop the
    others. A database that does not open makes all its questions unscored.

    Raises:
        ModelError: the first question already meets models that do not answer, e.g. because
            they are not there; no other question would survive that.
    """
    with ExitStack() as stack:
        try:
            database = open_database(str(tasks[0].database), limits=SCORING_LIMITS)
            stack.callback(database.close)
            asks = stack.enter_context(answerer.open(tasks[0].database))
        except DatabaseError as error:
            yield from (_unscored(task, str(error)) for task in tasks)
            return
        scorer = Scorer(database)
        answered = 0
        for task in tasks:
            started = clock()
            try:
                answer = asks.ask(task.question, evidence=task.evidence)
                seconds = clock() - started
                answered += 1
                prediction = _score(task, answer, scorer, seconds)
            except ModelError:
                if not answered:  # it never worked: the next question would not fare better
                    raise
                prediction = _unscored(task, traceback.format_exc(), seconds=clock() - started)
            except Exception:  # noqa: BLE001 - the one place: a crash must not hide the other answers
                prediction = _unscored(task, traceback.format_exc(), seconds=clock() - started)
            yield prediction


def _score(task: Task, answer: Answer, scorer: Scorer, seconds: float) -> Prediction:
    gold = scorer.gold(task.gold)
    verdicts: dict[str, bool] = {}

    def correct(sql: str, execution: Execution | None) -> bool:
        if sql not in verdicts:
            verdicts[sql] = scorer.correct(task.gold, sql, execution)
        return verdicts[sql]

    right = answer.sql is not None and correct(answer.sql, answer.execution)
    groups = {i: place for place, g in enumerate(answer.choice.groups) for i in g.members}
    votes = tuple(
        Vote(
            generator=candidate.generator,
            sql=candidate.sql,
            status=candidate.status,
            weight=candidate.weight,
            group=groups.get(i),
            correct=correct(candidate.sql, candidate.final.execution),
        )
        for i, candidate in enumerate(answer.candidates)
    )
    return Prediction(
        index=task.index,
        db_id=task.db_id,
        question=task.question,
        sql=answer.sql,
        confidence=answer.confidence,
        abstained=answer.abstained,
        correct=right,
        status=_status(answer),
        reason=answer.reason,
        unscored=f"gold does not run: {gold.message}" if isinstance(gold, Failure) else None,
        seconds=seconds,
        timings_ms=dict(answer.timings_ms),
        candidates=votes,
        predicted_preview=None if right else _preview(answer.execution),
        gold_preview=None if right else _preview(gold),
    )


def _status(answer: Answer) -> Status:
    """How the answer's own statement ended, in the words of a candidate's status."""
    attempt = Attempt(sql=answer.sql or "", execution=answer.execution)
    return Candidate(generator="", attempts=(attempt,)).status


def _unscored(task: Task, why: str, *, seconds: float = 0.0) -> Prediction:
    return Prediction(
        index=task.index,
        db_id=task.db_id,
        question=task.question,
        sql=None,
        confidence=0.0,
        abstained=False,
        correct=False,
        status="error",
        unscored=why,
        seconds=seconds,
    )


def _preview(execution: Execution | None) -> Preview:
    match execution:
        case Rows(columns=columns, rows=rows):
            shown = tuple(tuple(_cell(value) for value in row) for row in rows[:_PREVIEW_ROWS])
            return Preview(columns=columns, rows=shown, count=len(rows))
        case Failure(kind=kind, message=message):
            return Preview(error=f"{kind}: {message}")
        case _:
            return Preview(error="nothing ran")


def _cell(value: object) -> str:
    text = "NULL" if value is None else str(value)
    return text if len(text) <= _PREVIEW_CHARACTERS else text[: _PREVIEW_CHARACTERS - 1] + "…"
