"""Judge predictions as BIRD's execution accuracy does.

A prediction is right when the set of its rows is that of the gold query: how often a row occurs and
in which order does not count, the order of columns does, and cells are equal where Python says so.

Source: Li et al. 2023, "Can LLM Already Serve as A Database Interface? A BIg Bench for Large-Scale
Database Grounded Text-to-SQLs", its released evaluation (evaluation_ex.py).

What is not covered: soft F1 and R-VES.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from quorumsql.domain import Failure, Row
from quorumsql.evals.score_items import Item, Options, Verdict
from quorumsql.evals.score_judge import JudgeBase, Remembered, database_files, unscored
from quorumsql.evals.score_sqlite import SqliteRunner

__all__ = ["BirdJudge"]

_GOLDS: Final = 4
_OPEN: Final = 8


class BirdJudge(JudgeBase):
    """BIRD's EX on SQLite files."""

    def __init__(self, options: Options) -> None:
        """Judge by `options`; databases are opened when they are needed."""
        super().__init__(options)
        self._runners: Remembered[SqliteRunner] = Remembered(_OPEN, SqliteRunner.close)
        self._golds: Remembered[frozenset[Row] | Failure] = Remembered(_GOLDS)

    def verdict(self, item: Item, prediction: str) -> Verdict:
        """Return whether both results are the same set of rows."""
        folder = self.options.db_dir
        assert folder is not None
        (path,) = database_files(folder, item.db_id, suite=False)
        expected = self._golds.get_or_make((path, item.gold), partial(self._rows, path, item.gold))
        if isinstance(expected, Failure):
            return unscored(item, "gold does not run", failure=expected)
        found = self._rows(path, prediction)
        if isinstance(found, Failure):
            return Verdict(
                position=item.position, status=found.kind, exec=False, reason=found.message
            )
        right = found == expected
        return Verdict(position=item.position, status="right" if right else "wrong", exec=right)

    def close(self) -> None:
        """Close the databases."""
        for runner in self._runners.values():
            runner.close()
        self._runners.clear()

    def _rows(self, path: Path, sql: str) -> frozenset[Row] | Failure:
        runner = self._runners.get_or_make(path, lambda: SqliteRunner(path, limits=self.limits))
        found = runner.run(sql, lenient=False)
        return found if isinstance(found, Failure) else frozenset(found)
