"""Judge predictions as BIRD does: execution accuracy (EX), soft F1, and R-VES on request.

EX: a prediction is right when the set of its rows is that of the gold query: how often a row occurs
and in which order does not count, the order of columns does, and cells are equal where Python says
so. Soft F1 is `score_rows.soft_f1`, R-VES `score_ves.timed_reward`. The databases are SQLite files,
or, as mini-dev also comes, on a PostgreSQL or MySQL server.

Source: Li et al. 2023, "Can LLM Already Serve as A Database Interface? A BIg Bench for Large-Scale
Database Grounded Text-to-SQLs", and its mini-dev: the released evaluations (evaluation_ex.py,
evaluation_f1.py, evaluation_ves.py).

What is not covered: other engines' own meaning of "equal": what a driver returns is compared.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from quorumsql.db import open_database
from quorumsql.domain import Failure, Limits, Row, Rows
from quorumsql.evals.datasets import at_url
from quorumsql.evals.score_items import Item, Options, Verdict
from quorumsql.evals.score_judge import JudgeBase, Remembered, database_files, unscored
from quorumsql.evals.score_rows import distinct, soft_f1
from quorumsql.evals.score_sqlite import SqliteRunner
from quorumsql.evals.score_ves import stopwatch, timed_reward

__all__ = ["BirdJudge"]

_GOLDS: Final = 4
_OPEN: Final = 8

_Found: TypeAlias = dict[Row, None]
"""The different rows of a result in the order in which they came."""


class _Runner(Protocol):
    """One open database."""

    def run(self, sql: str) -> list[Row] | Failure: ...

    def seconds(self, sql: str) -> float | Failure: ...

    def close(self) -> None: ...


class BirdJudge(JudgeBase):
    """BIRD's EX and soft F1; with the metric `bird-ves` also the reward of R-VES."""

    def __init__(self, options: Options) -> None:
        """Judge by `options`; databases are opened when they are needed."""
        super().__init__(options)
        self._runners: Remembered[_Runner] = Remembered(_OPEN, _close)
        self._golds: Remembered[_Found | Failure] = Remembered(_GOLDS)

    def verdict(self, item: Item, prediction: str) -> Verdict:
        """Return whether both results are the same set of rows, and how much they share."""
        place = self._place(item.db_id)
        runner = self._runners.get_or_make(place, partial(self._opened, place))
        expected = self._golds.get_or_make((place, item.gold), lambda: _rows(runner, item.gold))
        if isinstance(expected, Failure):
            return self._named(item, unscored(item, "gold does not run", failure=expected))
        found = _rows(runner, prediction)
        if isinstance(found, Failure):
            return self._nothing(item, found)
        right = found.keys() == expected.keys()
        verdict = Verdict(
            position=item.position,
            status="right" if right else "wrong",
            exec=right,
            f1=soft_f1(list(expected), list(found)),
        )
        return self._named(item, self._timed(item, prediction, runner, verdict))

    def missing(self, item: Item) -> Verdict:
        """A prediction that is not there is wrong, and shares nothing with gold."""
        return self._named(item, replace(super().missing(item), f1=0.0, reward=self._no_reward))

    def close(self) -> None:
        """Close the databases."""
        for runner in self._runners.values():
            runner.close()
        self._runners.clear()

    @property
    def _no_reward(self) -> float | None:
        return 0.0 if self.options.metric == "bird-ves" else None

    def _timed(self, item: Item, sql: str, runner: _Runner, verdict: Verdict) -> Verdict:
        """Add the reward where R-VES is wanted; EX stays what it is."""
        if self.options.metric != "bird-ves" or not verdict.exec:
            return replace(verdict, reward=self._no_reward)
        repeats = self.options.repeats
        seconds = self.options.seconds * repeats
        found = timed_reward(runner.seconds, item.gold, sql, repeats=repeats, seconds=seconds)
        if isinstance(found, Failure):
            return replace(verdict, reward=0.0, reason=f"no R-VES: {found.message}")
        return replace(verdict, reward=found)

    def _nothing(self, item: Item, failure: Failure) -> Verdict:
        return self._named(
            item,
            Verdict(
                position=item.position,
                status=failure.kind,
                exec=False,
                f1=0.0,
                reward=self._no_reward,
                reason=failure.message,
            ),
        )

    def _named(self, item: Item, verdict: Verdict) -> Verdict:
        return replace(verdict, hardness=item.category)

    def _place(self, db_id: str) -> str:
        if self.options.url is not None:
            return at_url(self.options.url)(db_id)[0]
        assert self.options.db_dir is not None
        return str(database_files(self.options.db_dir, db_id, suite=False)[0])

    def _opened(self, place: str) -> _Runner:
        if self.options.url is None:
            return _File(place, limits=self.limits)
        return _Server(place, limits=self.limits)


class _File:
    """An SQLite file, read as the official script reads it."""

    def __init__(self, place: str, *, limits: Limits) -> None:
        self._runner = SqliteRunner(Path(place), limits=limits)
        self.seconds = self._runner.seconds
        self.close = self._runner.close

    def run(self, sql: str) -> list[Row] | Failure:
        return self._runner.run(sql, lenient=False)


class _Server:
    """Any database that has a URL, behind our guard."""

    def __init__(self, place: str, *, limits: Limits) -> None:
        self._database = open_database(place, limits=limits)
        self._limits = limits
        self.seconds = stopwatch(place, self._database, limits=limits)
        self.close = self._database.close

    def run(self, sql: str) -> list[Row] | Failure:
        found = self._database.execute(sql, limits=self._limits)
        if isinstance(found, Rows) and found.truncated:
            return Failure(kind="cap", message="The result is too large.")
        return list(found.rows) if isinstance(found, Rows) else found


def _close(runner: _Runner) -> None:
    runner.close()


def _rows(runner: _Runner, sql: str) -> _Found | Failure:
    found = runner.run(sql)
    return found if isinstance(found, Failure) else distinct(found)
