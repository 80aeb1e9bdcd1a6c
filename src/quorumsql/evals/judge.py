"""Hold answers against what a benchmark expects, on one open database and its test suite.

| metric | an answer is right when |
|---|---|
| `strict` | it has the gold query's result in our own sense (`results`), on the whole test suite |
| `bird` | the set of its rows is that of the gold query; the order of columns counts |
| `sql-eval` | it has, or has among its columns, the result of one of the reference queries |

With `bird`, soft F1 and on request R-VES come beside the verdict.

Whatever the metric, a question that expects rows instead of a query is held against those, both
as JSON would write them.

Source: BIRD's `evaluation_ex.py`, `_f1` and `_ves`, and Defog's `eval.py`; `quorum score` has
their verdicts, and Spider's, also on predictions of others.

What is not covered: predictions that others have made.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Literal, TypeAlias

from quorumsql.api import json_value
from quorumsql.db import open_database
from quorumsql.domain import Execution, Failure, Limits, Rows
from quorumsql.evals.datasets import Task
from quorumsql.evals.metrics import SCORING_LIMITS, Scorer
from quorumsql.evals.score_frames import asks_for_order, references, same_frame, subset_frame
from quorumsql.evals.score_rows import distinct, soft_f1
from quorumsql.evals.score_ves import Stopwatch, stopwatch, timed_reward
from quorumsql.ports import Database
from quorumsql.results import same_result

__all__ = ["Judge", "Metric"]

Metric: TypeAlias = Literal["strict", "bird", "sql-eval"]


class Judge:
    """Judges answers about one database; close it to close the test suite."""

    def __init__(
        self,
        database: Database,
        *,
        metric: Metric = "strict",
        place: str = "",
        repeats: int = 0,
        limits: Limits = SCORING_LIMITS,
    ) -> None:
        """Judge on `database`, which stays the caller's to close.

        Args:
            database: what the answers are about.
            metric: what makes an answer right.
            place: the path or URL of the database, which R-VES needs.
            repeats: how often R-VES runs a statement; 0 leaves R-VES out.
            limits: what gold, and an answer that must run again, may cost.
        """
        self._database = database
        self._metric = metric
        self._place = place
        self._repeats = repeats
        self._limits = limits
        self._stopwatch: Stopwatch | None = None
        self._main = Scorer(database, limits=limits)
        self._suite: dict[str, Scorer] = {}
        self._stack = ExitStack()

    @property
    def dialect(self) -> str:
        """Name of the SQL that the database speaks."""
        return self._database.dialect

    def close(self) -> None:
        """Close the databases of the test suite."""
        self._stack.close()

    def gold(self, task: Task) -> str:
        """Return one runnable gold query, the first reference; empty where there is none."""
        if self._metric != "sql-eval":
            return task.gold
        return next(iter(references(task.gold)), "")

    def expected(self, task: Task) -> Execution:
        """Return the right result; a `Failure` where no gold query runs."""
        if task.expected is not None:
            return task.expected
        if self._metric != "sql-eval":
            return self._main.gold(task.gold)
        found = [self._main.gold(gold) for gold in references(task.gold)]
        rows = [each for each in found if isinstance(each, Rows)]
        return rows[0] if rows else (found or [Failure(kind="error", message="it is empty")])[0]

    def run(self, sql: str) -> Execution:
        """Run a statement as gold queries are run."""
        return self._database.execute(sql, limits=self._limits)

    def right(self, task: Task, sql: str, execution: Execution | None) -> bool:
        """Whether `sql`, which has the result `execution` where it has run, is right."""
        if task.expected is None and self._metric == "strict":
            return self._main.correct(task.gold, sql, execution) and all(
                self._scorer(path).correct(task.gold, sql) for path in task.suite
            )
        if execution is None or (isinstance(execution, Rows) and execution.truncated):
            execution = self.run(sql)
        if not isinstance(execution, Rows) or execution.truncated:
            return False
        if task.expected is not None:
            return _as_json(execution, task.expected, ordered=task.ordered)
        if self._metric == "bird":
            gold = self._main.gold(task.gold)
            return isinstance(gold, Rows) and (
                distinct(gold.rows).keys() == distinct(execution.rows).keys()
            )
        return any(self._has_frame(task, gold, execution) for gold in references(task.gold))

    def scores(self, task: Task, sql: str, execution: Execution | None) -> dict[str, float]:
        """Return what BIRD measures beside EX: `soft_f1`, and `reward` where R-VES is wanted."""
        if self._metric != "bird" or task.expected is not None:
            return {}
        if execution is None or (isinstance(execution, Rows) and execution.truncated):
            execution = self.run(sql)
        gold = self._main.gold(task.gold)
        f1 = reward = 0.0
        if isinstance(gold, Rows) and isinstance(execution, Rows) and not execution.truncated:
            expected, found = distinct(gold.rows), distinct(execution.rows)
            f1 = soft_f1(list(expected), list(found))
            if self._repeats and expected.keys() == found.keys():
                reward = self._reward(task.gold, sql)
        return {"soft_f1": f1, **({"reward": reward} if self._repeats else {})}

    def _reward(self, gold: str, sql: str) -> float:
        """R-VES's reward for a right statement; 0 where it cannot be timed."""
        if self._stopwatch is None:
            self._stopwatch = stopwatch(self._place, self._database, limits=self._limits)
        seconds = self._limits.seconds * self._repeats
        found = timed_reward(self._stopwatch, gold, sql, repeats=self._repeats, seconds=seconds)
        return 0.0 if isinstance(found, Failure) else found

    def _has_frame(self, task: Task, gold: str, found: Rows) -> bool:
        expected = self._main.gold(gold)
        if not isinstance(expected, Rows):
            return False
        ordered = asks_for_order(task.question, task.hardness)
        return same_frame(expected, found, ordered=ordered) or subset_frame(
            expected, found, ordered=ordered
        )

    def _scorer(self, path: str) -> Scorer:
        if path not in self._suite:
            database = open_database(path, limits=self._limits)
            self._stack.callback(database.close)
            self._suite[path] = Scorer(database, limits=self._limits)
        return self._suite[path]


def _as_json(found: Rows, expected: Rows, *, ordered: bool) -> bool:
    rows = tuple(tuple(json_value(value) for value in row) for row in found.rows)
    return same_result(Rows(columns=found.columns, rows=rows), expected, ordered=ordered)
