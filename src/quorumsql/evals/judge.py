"""Hold answers against what a benchmark expects, on one open database and its test suite.

An answer is right when it has the gold query's result, or the expected rows. Where the database
has a test suite it must be right on every database of it.

What is not covered: predictions that others have made; `quorum score` reads those.
"""

from __future__ import annotations

from contextlib import ExitStack

from quorumsql.api import json_value
from quorumsql.db import open_database
from quorumsql.domain import Execution, Failure, Rows
from quorumsql.evals.datasets import Task
from quorumsql.evals.metrics import SCORING_LIMITS, Scorer
from quorumsql.ports import Database
from quorumsql.results import same_result

__all__ = ["Judge"]


class Judge:
    """Judges answers about one database; close it to close the test suite."""

    def __init__(self, database: Database) -> None:
        """Judge on `database`, which stays the caller's to close."""
        self._database = database
        self._main = Scorer(database)
        self._suite: dict[str, Scorer] = {}
        self._stack = ExitStack()

    @property
    def dialect(self) -> str:
        """Name of the SQL that the database speaks."""
        return self._database.dialect

    def close(self) -> None:
        """Close the databases of the test suite."""
        self._stack.close()

    def expected(self, task: Task) -> Execution:
        """Return the right result; a `Failure` where the gold query does not run."""
        return task.expected if task.expected is not None else self._main.gold(task.gold)

    def run(self, sql: str) -> Execution:
        """Run a statement as gold queries are run."""
        return self._database.execute(sql, limits=SCORING_LIMITS)

    def right(self, task: Task, sql: str, execution: Execution | None) -> bool:
        """Whether `sql`, which has the result `execution` where it has run, is right."""
        if task.expected is not None:
            return self._has_rows(task, task.expected, sql, execution)
        if not self._main.correct(task.gold, sql, execution):
            return False
        return all(self._scorer(path).correct(task.gold, sql) for path in task.suite)

    def _has_rows(self, task: Task, expected: Rows, sql: str, execution: Execution | None) -> bool:
        """Whether the result is `expected`, both as JSON would write them."""
        if execution is None or (isinstance(execution, Rows) and execution.truncated):
            execution = self.run(sql)
        if isinstance(execution, Failure) or execution.truncated:
            return False
        rows = tuple(tuple(json_value(value) for value in row) for row in execution.rows)
        found = Rows(columns=execution.columns, rows=rows)
        return same_result(found, expected, ordered=task.ordered)

    def _scorer(self, path: str) -> Scorer:
        if path not in self._suite:
            database = open_database(path, limits=SCORING_LIMITS)
            self._stack.callback(database.close)
            self._suite[path] = Scorer(database)
        return self._suite[path]
