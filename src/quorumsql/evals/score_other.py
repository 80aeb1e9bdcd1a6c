"""Judge predictions as SQL-Eval does, or as our own strict metric, on any database we can open.

The verdicts are those of `judge`, which `quorum eval` uses; here they come with a status.

What is not covered: Spider's and BIRD's official metrics (`score_spider`, `score_bird`).
"""

from __future__ import annotations

from typing import Final

from quorumsql.db import open_database
from quorumsql.domain import Failure
from quorumsql.evals.datasets import Task, at_url
from quorumsql.evals.judge import Judge, Metric
from quorumsql.evals.score_items import Item, Options, Verdict
from quorumsql.evals.score_judge import JudgeBase, Remembered, database_files, unscored
from quorumsql.ports import Database

__all__ = ["OpenJudge"]

_OPEN: Final = 4


class OpenJudge(JudgeBase):
    """`sql-eval` or `strict`; what a statement may cost is the same as in `quorum eval`."""

    def __init__(self, options: Options) -> None:
        """Judge by `options`; databases are opened when they are needed."""
        super().__init__(options)
        self._open: Remembered[tuple[Database, Judge]] = Remembered(_OPEN, _close)

    def verdict(self, item: Item, prediction: str) -> Verdict:
        """Return whether the result is, or for SQL-Eval holds, an expected one."""
        place = self._place(item.db_id)
        database, judge = self._open.get_or_make(place, lambda: self._opened(place))
        task = Task(
            index=item.index,
            db_id=item.db_id,
            question=item.question,
            gold=item.gold,
            database=place,
            hardness=item.category,
        )
        expected = judge.expected(task)
        if isinstance(expected, Failure):
            return unscored(item, "gold does not run", failure=expected)
        found = database.execute(prediction, limits=self.limits)
        if isinstance(found, Failure):
            return Verdict(
                position=item.position, status=found.kind, exec=False, reason=found.message
            )
        if found.truncated:
            return Verdict(
                position=item.position, status="cap", exec=False, reason="The result is too large."
            )
        right = judge.right(task, prediction, found)
        return Verdict(position=item.position, status="right" if right else "wrong", exec=right)

    def close(self) -> None:
        """Close the databases."""
        for pair in self._open.values():
            _close(pair)
        self._open.clear()

    def _place(self, db_id: str) -> str:
        if self.options.url is not None:
            return at_url(self.options.url)(db_id)[0]
        assert self.options.db_dir is not None
        return str(database_files(self.options.db_dir, db_id, suite=False)[0])

    def _opened(self, place: str) -> tuple[Database, Judge]:
        database = open_database(place, limits=self.limits)
        metric: Metric = "strict" if self.options.metric == "strict" else "sql-eval"
        return database, Judge(database, metric=metric, limits=self.limits)


def _close(pair: tuple[Database, Judge]) -> None:
    database, judge = pair
    judge.close()
    database.close()
