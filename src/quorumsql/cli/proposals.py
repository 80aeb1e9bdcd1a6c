"""The examples that verdicts propose: kept once, withdrawn when the verdict no longer stands.

SQL is compared as it means, whatever its layout. What somebody approved stays.

What is not covered: approving (`quorum examples approve`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from quorumsql.sql import normalise

if TYPE_CHECKING:
    from quorumsql.api import Connection
    from quorumsql.config import Settings
    from quorumsql.stores.examples import Example, ExampleStore
    from quorumsql.stores.verdicts import Verdict

__all__ = ["propose", "withdraw"]


def propose(settings: Settings, url: str, database: Connection, question: str, sql: str) -> str:
    """Propose a solved question as an example; return its id, nothing where one like it is kept.

    Raises:
        UsageError: the statement does not run, or the examples cannot be read or written.
    """
    store = _store(settings)
    if any(_alike(store, settings, url, question, sql, database.dialect)):
        return ""
    database.learn(question, sql)
    made = _alike(store, settings, url, question, sql, database.dialect)
    return next((one.id for one in made), "")


def withdraw(
    settings: Settings, url: str, taken_back: Verdict, standing: Iterable[Verdict], dialect: str
) -> bool:
    """Remove the example that a verdict proposed, unless a standing one says the same.

    Returns whether there was one that nobody had approved.
    """
    sql = _solved(taken_back)
    kept = {normalise(_solved(v), dialect) for v in standing if v.question == taken_back.question}
    if not sql or normalise(sql, dialect) in kept:
        return False
    store = _store(settings)
    found = list(_alike(store, settings, url, taken_back.question, sql, dialect))
    waiting = [one.id for one in found if not one.approved]
    return bool(waiting) and bool(store.remove(waiting))


def _alike(
    store: ExampleStore, settings: Settings, url: str, question: str, sql: str, dialect: str
) -> Iterator[Example]:
    """The examples of a database with this question and this SQL in any layout."""
    from quorumsql.config import database_home

    home, wanted = database_home(settings, url).name, normalise(sql, dialect)
    for one in store.all():
        if one.home == home and one.shot.question == question:
            if normalise(one.shot.sql, dialect) == wanted:
                yield one


def _solved(verdict: Verdict) -> str:
    """What a verdict says is the right SQL; empty where it knows none."""
    return verdict.correction or (verdict.sql if verdict.right else "")


def _store(settings: Settings) -> ExampleStore:
    from quorumsql.assemble import examples_path
    from quorumsql.stores.examples import ExampleStore

    return ExampleStore(examples_path(settings))
