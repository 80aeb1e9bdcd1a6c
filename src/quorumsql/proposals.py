"""The examples that verdicts propose: kept once, withdrawn when the verdict no longer stands.

SQL is compared as it means, whatever its layout. What somebody approved stays.

What is not covered: approving (`quorum examples approve`, and reviewers on the page).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from quorumsql.config import Settings
from quorumsql.solved import examples_path
from quorumsql.sql import normalise
from quorumsql.stores.examples import Example, ExampleStore
from quorumsql.stores.verdicts import Verdict

__all__ = ["Proposals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals:
    """The examples of one database: `home` is the name of its folder, `dialect` that of its SQL."""

    settings: Settings
    home: str
    dialect: str

    def propose(self, learn: Callable[[str, str], bool], question: str, sql: str) -> str:
        """Let `learn` keep a solved question; return its id, nothing where one like it is kept.

        Raises:
            UsageError: the statement does not run, or the examples cannot be read or written.
        """
        if any(self._alike(question, sql)):
            return ""
        learn(question, sql)
        return next((one.id for one in self._alike(question, sql)), "")

    def withdraw(self, taken_back: Verdict, standing: Iterable[Verdict]) -> bool:
        """Remove the example that a verdict proposed, unless a standing one says the same.

        Returns whether there was one that nobody had approved.

        Raises:
            UsageError: the examples cannot be read or written.
        """
        sql = _solved(taken_back)
        same = (one for one in standing if one.question == taken_back.question)
        kept = {normalise(_solved(one), self.dialect) for one in same}
        if not sql or normalise(sql, self.dialect) in kept:
            return False
        waiting = [o.id for o in self._alike(taken_back.question, sql) if not o.approved]
        return bool(waiting) and bool(self._store().remove(waiting))

    def _alike(self, question: str, sql: str) -> Iterator[Example]:
        """The examples of the database with this question and this SQL in any layout."""
        wanted = normalise(sql, self.dialect)
        for one in self._store().all():
            if one.home == self.home and one.shot.question == question:
                if normalise(one.shot.sql, self.dialect) == wanted:
                    yield one

    def _store(self) -> ExampleStore:
        return ExampleStore(examples_path(self.settings))


def _solved(verdict: Verdict) -> str:
    """What a verdict says is the right SQL; empty where it knows none."""
    return verdict.correction or (verdict.sql if verdict.right else "")
