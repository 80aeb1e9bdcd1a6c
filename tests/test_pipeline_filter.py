"""A large schema is filtered by the ranker that the pipeline is given; a small one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Attempt, Brief, Candidate, ColumnRef, Question, Ranking
from quorumsql.errors import ModelError
from quorumsql.pipeline import Pipeline, Policy
from quorumsql.stores.values import MemoryValueIndex
from sqlite_files import make


class Watching:
    """A generator that remembers what it was shown."""

    name = "watching"

    def __init__(self) -> None:
        self.seen: list[Brief] = []

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        self.seen.append(brief)
        return (Candidate(generator=self.name, attempts=(Attempt(sql="SELECT 1"),)),)


class Ranks:
    """A ranker that wants one column, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.calls = 0
        self._fails = fails

    def rank(self, brief: Brief) -> Ranking:
        self.calls += len(brief.schema.tables) > 0
        if self._fails:
            raise ModelError("no weights")
        return Ranking(columns={ColumnRef(table="t3", column="colour"): 0.9}, tables={})


@pytest.fixture
def database(tmp_path: Path) -> Path:
    script = "".join(
        f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, colour TEXT, size TEXT);" for n in range(8)
    )
    return make(tmp_path / "many.sqlite", script)


def shown(path: Path, ranker: Ranks, max_columns: int) -> Brief:
    opened = open_database(str(path))
    generator = Watching()
    pipeline = Pipeline(
        database=opened,
        generators=[generator],
        index=MemoryValueIndex({}),
        policy=Policy(max_columns=max_columns),
        ranker=ranker,
    )
    pipeline.answer(Question(text="Which colour has t3?"))
    opened.close()
    (brief,) = generator.seen
    return brief


def test_a_schema_that_fits_is_not_filtered(database: Path) -> None:
    ranker = Ranks()
    assert len(shown(database, ranker, 100).schema.tables) == 8
    assert ranker.calls == 0


def test_a_schema_that_does_not_fit_comes_down_to_what_is_needed(database: Path) -> None:
    brief = shown(database, Ranks(), 12)
    found = {t.name: [c.name for c in t.columns] for t in brief.schema.tables}
    assert found == {"t3": ["id", "colour"]}


def test_a_ranker_that_fails_leaves_what_names_say(database: Path) -> None:
    assert len(shown(database, Ranks(fails=True), 12).schema.tables) > 1
