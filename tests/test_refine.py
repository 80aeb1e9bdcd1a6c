"""The database judges: what is refused or suspicious gives its vote to the next hypothesis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Candidate, Execution, Limits, Schema
from quorumsql.ports import Database
from quorumsql.stages.refine import refine, suspicious
from scripted import ran, written

SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


class Counting:
    """The real database, which also notes what it was asked to run."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.statements: list[str] = []
        self.seconds: list[float] = []

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def dialect(self) -> str:
        return self._inner.dialect

    def schema(self) -> Schema:
        return self._inner.schema()

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        self.statements.append(sql)
        self.seconds.append(limits.seconds if limits else 0.0)
        return self._inner.execute(sql, limits=limits)

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        return self._inner.values(table, column, limit=limit)

    def close(self) -> None:
        self._inner.close()


@pytest.fixture
def database(shop: Path) -> Iterator[Counting]:
    counting = Counting(open_database(str(shop)))
    yield counting
    counting.close()


def weights(candidates: tuple[Candidate, ...]) -> list[float]:
    return [round(c.weight, 6) for c in candidates]


def test_each_distinct_sql_runs_once_and_the_result_is_shared(database: Counting) -> None:
    refined = refine(
        [
            written("SELECT name FROM city", generator="a"),
            written("SELECT  name\nFROM city ;", generator="b"),
            written("SELECT 'a  b' FROM city", generator="c"),
            written("SELECT 'a b' FROM city", generator="d"),
        ],
        database=database,
    )
    assert len(database.statements) == 3
    assert refined[0].final.execution is refined[1].final.execution
    assert [c.status for c in refined] == ["ok"] * 4


def test_a_refused_hypothesis_is_passed_over_but_stays_to_be_seen(database: Counting) -> None:
    refined = refine(
        [
            written("SELECT nonsense FROM city", weight=0.6),
            written("SELECT name FROM city", weight=0.3),
            written("SELECT country FROM city", weight=0.1),
        ],
        database=database,
    )
    assert weights(refined) == [0.0, 0.75, 0.25]
    assert [c.status for c in refined] == ["error", "ok", "ok"]
    assert refined[0].sql == "SELECT nonsense FROM city"


def test_a_statement_that_would_write_is_refused(database: Counting) -> None:
    (refined,) = refine([written("DELETE FROM city")], database=database)
    assert (refined.status, refined.weight) == ("refused", 0.0)


def test_an_empty_result_with_a_guessed_value_gives_way(database: Counting) -> None:
    sqls = ("SELECT name FROM city WHERE name = 'Atlantis'", "SELECT name FROM city")
    guesses = [written(sql, weight=0.5, guessed=True) for sql in sqls]
    assert weights(refine(guesses, database=database)) == [0.0, 1.0]
    certain = [written(sql, weight=0.5) for sql in sqls]
    empty, found = weights(refine(certain, database=database))
    assert 0 < empty < 0.05 < found < 1


def test_a_result_that_says_nothing_keeps_little_of_its_vote(database: Counting) -> None:
    sqls = ("SELECT count(*) FROM city WHERE name = 'Atlantis'", "SELECT count(*) FROM city")
    nothing, found = weights(refine([written(s, weight=0.5) for s in sqls], database=database))
    assert 0 < nothing < 0.2 < found < 1
    (alone,) = weights(refine([written(sqls[0])], database=database))
    assert alone == 1.0


def test_a_result_of_nothing_but_null_gives_way(database: Counting) -> None:
    refined = refine(
        [
            written("SELECT max(population) FROM city WHERE id > 100", weight=0.9),
            written("SELECT max(population) FROM city", weight=0.1),
        ],
        database=database,
    )
    assert weights(refined) == [0.0, 1.0]


def test_a_suspicious_result_stands_when_there_is_nothing_better(database: Counting) -> None:
    refined = refine(
        [
            written("SELECT population FROM city WHERE id = 5", weight=0.4, generator="a"),
            written("SELECT nonsense", weight=0.6, generator="a"),
            written("SELECT 1", weight=0.2, generator="b"),
        ],
        database=database,
    )
    assert weights(refined) == [1.0, 0.0, 1.0]


def test_weights_of_zero_become_equal_shares(database: Counting) -> None:
    refined = refine(
        [written("SELECT 1", weight=0), written("SELECT 2", weight=0)], database=database
    )
    assert weights(refined) == [0.5, 0.5]


def test_what_has_run_is_not_run_again(database: Counting) -> None:
    (refined,) = refine([ran("SELECT 7", (7,), weight=0.2)], database=database)
    assert database.statements == []
    assert refined.weight == 1.0


def test_a_line_that_ends_a_comment_makes_another_statement(database: Counting) -> None:
    texts = [f"SELECT id FROM city -- all{end}WHERE id = 1" for end in ("\n", " ")]
    one, everything = refine([written(sql) for sql in texts], database=database)
    assert database.statements == texts
    assert one.final.execution != everything.final.execution


def test_first_hypotheses_of_all_generators_run_before_second_ones(database: Counting) -> None:
    refine(
        [
            written("SELECT 1", generator="a"),
            written("SELECT 2", generator="a"),
            written("SELECT 3", generator="b"),
        ],
        database=database,
    )
    assert database.statements == ["SELECT 1", "SELECT 3", "SELECT 2"]


def test_what_is_too_faint_to_matter_is_not_run(database: Counting) -> None:
    refined = refine(
        [
            written("SELECT 1", weight=0.9, generator="a"),
            written("SELECT 2", weight=0.09, generator="a"),
            written("SELECT 3", weight=0.005, generator="a"),
            written("SELECT 4", weight=0.005, generator="a"),
            written("SELECT 3", weight=1.0, generator="b"),
        ],
        database=database,
    )
    assert database.statements == ["SELECT 1", "SELECT 3", "SELECT 2"]
    assert [one.sql[-1] for one in refined if one.generator == "a"] == ["1", "2", "3"]
    assert sum(weights(refined)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "first", ["SELECT nonsense", "SELECT id FROM city WHERE id < 0", "SELECT NULL"]
)
def test_a_faint_hypothesis_is_run_where_the_first_one_says_nothing(
    first: str, database: Counting
) -> None:
    refine([written(first, weight=0.99), written("SELECT 2", weight=0.001)], database=database)
    assert database.statements == [first, "SELECT 2"]


def test_the_stage_keeps_its_deadline(database: Counting) -> None:
    refined = refine(
        [written(SLOW), written(SLOW + " WHERE i > 0"), written("SELECT 1")],
        database=database,
        limits=Limits(seconds=10),
        seconds=0.5,
    )
    assert [c.status for c in refined] == ["timeout"] * 3
    assert len(database.statements) == 1
    assert 0 < database.seconds[0] <= 0.5
    assert weights(refined) == [0.0, 0.0, 0.0]


def test_each_statement_keeps_its_own_deadline(database: Counting) -> None:
    refined = refine(
        [written(SLOW), written("SELECT 1")], database=database, limits=Limits(seconds=0.5)
    )
    assert [c.status for c in refined] == ["timeout", "ok"]


def test_no_candidates_are_no_work(database: Counting) -> None:
    assert refine([], database=database) == ()


@pytest.mark.parametrize(
    ("candidate", "verdict"),
    [
        (ran("q", (None,)), True),
        (ran("q", (None, None), (None, None)), True),
        (ran("q", (None, 0)), False),
        (ran("q"), False),
        (ran("q", guessed=True), True),
        (ran("q", ("x",), guessed=True), False),
        (written("q"), False),
    ],
)
def test_what_is_suspicious(candidate: Candidate, verdict: bool) -> None:
    assert suspicious(candidate) is verdict
