"""Answer and score questions, database by database.

The answerer gets a question's text and its evidence and nothing else; the gold query stays
here, with the judge.

What is not covered: where the results go. `run` writes them, from one process or several.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from quorumsql.db import open_database
from quorumsql.domain import Answer, Attempt, Candidate, Execution, Failure, Rows, Status
from quorumsql.errors import DatabaseError, ModelError, UsageError
from quorumsql.evals.datasets import Task
from quorumsql.evals.diagnose import differs_in, error_of
from quorumsql.evals.features import features_of, level_of
from quorumsql.evals.judge import Judge, Metric
from quorumsql.evals.metrics import SCORING_LIMITS
from quorumsql.evals.predictions import Prediction, Preview, Vote

__all__ = ["GOLD_FAILS", "Answerer", "Asks", "Evaluation", "GoldAsPrediction"]

GOLD_FAILS = "gold does not run"

_PREVIEW_ROWS = 5
_PREVIEW_CHARACTERS = 80


class Asks(Protocol):
    """What answers questions about one database; `api.Connection` is one."""

    def ask(self, text: str, *, evidence: str = "") -> Answer:
        """Answer one question."""
        ...


class Answerer(Protocol):
    """Opens databases for asking. It must pickle where a run has several workers."""

    def open(self, database: str) -> AbstractContextManager[Asks]:
        """Return what answers questions about the database at this path or URL, as a context."""
        ...


class GoldAsPrediction:
    """Stands for the answerer that knows every gold query: it measures the benchmark's ceiling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The work of a run: whatever goes wrong with one question is recorded as its `unscored`.

    `repeats` says how often R-VES runs a statement; 0 leaves it out.
    """

    answerer: Answerer | GoldAsPrediction
    metric: Metric = "strict"
    repeats: int = 0
    clock: Callable[[], float] = time.perf_counter

    @contextmanager
    def session(self) -> Iterator[Callable[[Sequence[Task]], Iterator[Prediction]]]:
        """Return what answers jobs; the last database stays open for the next job about it."""
        desk = _Desk(self)
        try:
            yield desk.answer
        finally:
            desk.close()

    def lost(self, item: Task, why: str) -> Prediction:
        """Return the prediction of a question that nobody could answer."""
        return _unscored(item, why)


class _Desk:
    """One worker's open database, and whether the models have ever answered."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._stack = ExitStack()
        self._place: str | None = None
        self._asks: Asks | None = None
        self._judge: Judge | None = None
        self._closed: str | None = None  # why the database at `_place` does not open
        self._answered = False

    def answer(self, tasks: Sequence[Task]) -> Iterator[Prediction]:
        """Yield a prediction for each task; all tasks are about the same database.

        Raises:
            ModelError: the first question already meets models that do not answer, e.g. because
                they are not there; no other question would survive that.
            UsageError: the same with settings that are wrong.
        """
        for task in tasks:
            if task.database != self._place:
                self._move(task.database)
            yield self._one(task)

    def close(self) -> None:
        """Close what is open."""
        self._stack.close()

    def _move(self, place: str) -> None:
        self._stack.close()
        self._place, self._asks, self._judge, self._closed = place, None, None, None
        answerer = self._evaluation.answerer
        try:
            database = open_database(place, limits=SCORING_LIMITS)
            self._stack.callback(database.close)
            self._judge = Judge(
                database,
                metric=self._evaluation.metric,
                place=place,
                repeats=self._evaluation.repeats,
            )
            self._stack.callback(self._judge.close)
        except UsageError as error:  # no database there, or a name that names none
            self._closed = str(error)
            return
        if not isinstance(answerer, GoldAsPrediction):
            try:
                self._asks = self._stack.enter_context(answerer.open(place))
            except DatabaseError as error:
                self._closed = str(error)

    def _one(self, task: Task) -> Prediction:
        if self._closed is not None or self._judge is None:
            return _unscored(task, self._closed or "the database did not open")
        clock = self._evaluation.clock
        started = clock()
        try:
            if self._asks is None:
                return _ceiling(task, self._judge)
            answer = self._asks.ask(task.question, evidence=task.evidence)
            seconds = clock() - started
            self._answered = True
            return _score(task, answer, self._judge, seconds)
        except (ModelError, UsageError) as error:
            if not self._answered and not isinstance(error, DatabaseError):
                raise  # it never worked: the next question would not fare better
            return _unscored(task, traceback.format_exc(), seconds=clock() - started)
        except Exception:  # noqa: BLE001 - the one place: a crash must not hide the other answers
            return _unscored(task, traceback.format_exc(), seconds=clock() - started)


def _score(task: Task, answer: Answer, judge: Judge, seconds: float) -> Prediction:
    expected = judge.expected(task)
    verdicts: dict[str, bool] = {}

    def correct(sql: str, execution: Execution | None) -> bool:
        if sql not in verdicts:
            verdicts[sql] = isinstance(expected, Rows) and judge.right(task, sql, execution)
        return verdicts[sql]

    right = answer.sql is not None and correct(answer.sql, answer.execution)
    gold = judge.gold(task)
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
        unscored=_no_verdict(expected),
        seconds=seconds,
        timings_ms=dict(answer.timings_ms),
        candidates=votes,
        predicted_preview=None if right else _preview(answer.execution),
        gold_preview=None if right else _preview(expected),
        gold=task.gold,
        hardness=task.hardness or level_of(gold, judge.dialect),
        features=features_of(gold, judge.dialect) if gold else None,
        error=None if right else error_of(answer.sql, answer.execution, expected),
        differs=differs_in(answer.sql or "", gold, judge.dialect) if not right else (),
        usage=answer.usage,
        scores=judge.scores(task, answer.sql or "", answer.execution) if answer.sql else {},
    )


def _ceiling(task: Task, judge: Judge) -> Prediction:
    """Score the gold query itself."""
    gold = judge.gold(task)
    if not gold:
        return _unscored(task, "only rows are expected: there is no gold query")
    execution = judge.run(gold)
    answer = Answer(question=task.question, sql=gold, execution=execution, confidence=1.0)
    return _score(task, answer, judge, 0.0)


def _no_verdict(expected: Execution) -> str | None:
    match expected:
        case Failure(message=message):
            return f"{GOLD_FAILS}: {message}"
        case Rows(truncated=True):
            return f"{GOLD_FAILS}: its result is longer than what is kept"
        case _:
            return None


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
        gold=task.gold,
        hardness=task.hardness,
        error="unscored",
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
