from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from evals_cases import make_benchmark
from quorumsql.db import open_database
from quorumsql.domain import Execution, Failure, Limits, Rows, Schema
from quorumsql.evals.metrics import (
    Scorer,
    accuracy,
    mcnemar,
    paired_difference,
    percentile,
)
from quorumsql.ports import Database


class Counting:
    """A database that counts what runs on another one."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.runs: Counter[str] = Counter()
        self.name, self.dialect = inner.name, inner.dialect

    def schema(self) -> Schema:
        return self.inner.schema()

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        self.runs[sql] += 1
        return self.inner.execute(sql, limits=limits)

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        return self.inner.values(table, column, limit=limit)

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def pets(tmp_path: Path) -> Counting:
    make_benchmark(tmp_path)
    return Counting(open_database(str(tmp_path / "database/pets/pets.sqlite")))


@pytest.mark.parametrize(
    ("gold", "sql", "right"),
    [
        ("SELECT name, weight FROM pet", "SELECT weight, name FROM pet", True),
        ("SELECT name FROM pet", "SELECT name FROM pet ORDER BY name", True),
        ("SELECT name FROM pet ORDER BY name", "SELECT name FROM pet ORDER BY name DESC", False),
        ("SELECT name FROM pet", "SELECT DISTINCT name FROM pet", False),
        (
            "SELECT * FROM (SELECT name FROM pet ORDER BY name)",
            "SELECT name FROM pet ORDER BY name DESC",
            True,
        ),
        ("SELECT name FROM pet", "SELECT nome FROM pet", False),
        ("SELECT name FROM pet", "DROP TABLE pet", False),
        ("SELECT nome FROM pet", "SELECT nome FROM pet", False),
        ("SELECT 12", "SELECT max(weight) FROM pet", True),
    ],
)
def test_right_means_the_same_result(pets: Counting, gold: str, sql: str, right: bool) -> None:
    assert Scorer(pets).correct(gold, sql) is right


def test_gold_runs_once_and_known_results_are_not_run_again(pets: Counting) -> None:
    scorer = Scorer(pets)
    gold, sql = "SELECT count(*) FROM pet", "SELECT 4"
    known = pets.inner.execute(sql)
    for _ in range(3):
        assert scorer.correct(gold, sql, known)
    assert pets.runs == {gold: 1}


def test_a_result_cut_by_a_cap_is_run_again_where_that_can_matter(pets: Counting) -> None:
    scorer = Scorer(pets)
    sql = "SELECT name FROM pet WHERE id > 0"
    cut = pets.inner.execute(sql, limits=Limits(rows=2))
    assert isinstance(cut, Rows) and cut.truncated
    assert not scorer.correct("SELECT 1", sql, cut)
    assert pets.runs[sql] == 0
    assert scorer.correct("SELECT name FROM pet", sql, cut)
    assert pets.runs[sql] == 1


def test_a_failure_is_wrong(pets: Counting) -> None:
    failure = Failure(kind="timeout", message="too slow")
    assert not Scorer(pets).correct("SELECT 1", "SELECT 1", failure)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    dice = random.Random(5)
    covered = 0
    for _ in range(60):
        clusters, correct = [], []
        for cluster in range(30):
            skill = dice.betavariate(6, 4)  # mean 0.6
            clusters += [f"db{cluster}"] * 12
            correct += [dice.random() < skill for _ in range(12)]
        figure = accuracy(correct, clusters)
        covered += figure.low <= 0.6 <= figure.high
    assert 52 <= covered <= 60


def test_interval_is_wider_when_databases_differ() -> None:
    correct = [True] * 50 + [False] * 50
    apart = accuracy(correct, ["a"] * 50 + ["b"] * 50)
    mixed = accuracy(correct, [f"db{i % 10}" for i in range(100)])
    assert apart.high - apart.low > mixed.high - mixed.low


def test_interval_is_the_same_every_time_and_contains_the_value() -> None:
    correct, clusters = [True, False, True, True], ["a", "a", "b", "c"]
    first = accuracy(correct, clusters)
    assert first == accuracy(correct, clusters)
    assert first.low <= first.value == 0.75 <= first.high


def test_one_database_draws_its_questions() -> None:
    figure = accuracy([True, False] * 20, ["only"] * 40)
    assert figure.low < 0.5 < figure.high


@pytest.mark.parametrize("databases", [1, 3])
def test_a_few_right_answers_are_no_certainty(databases: int) -> None:
    clusters = [f"db{n % databases}" for n in range(3)]
    figure = accuracy([True] * 3, clusters)
    assert (figure.value, figure.high) == (1.0, 1.0)
    assert figure.low == pytest.approx(0.4385, abs=1e-4)  # Wilson 1927
    none = accuracy([False] * 3, clusters)
    assert none.low == 0.0 and none.high == pytest.approx(0.5615, abs=1e-4)
    scores = accuracy([0.5, 0.5, 0.5], clusters)
    assert scores.low < 0.2 and scores.high > 0.8
    same = paired_difference([True] * 3, [True] * 3, clusters)
    assert same.low == pytest.approx(-0.554, abs=1e-3) and same.high == pytest.approx(
        0.554, abs=1e-3
    )
    better = paired_difference([True] * 3, [False] * 3, clusters)
    assert better.value == better.high == 1.0
    assert -0.11 < better.low < 0, "McNemar's test gives it 25 %"


def test_many_questions_have_the_interval_that_they_had() -> None:
    dice = random.Random(7)
    clusters = [f"db{n % 20}" for n in range(1000)]
    scores = [dice.random() for _ in clusters]
    figure = accuracy(scores, clusters)
    assert figure.high - figure.low < 0.05, "Wilson's would be 0.062: it is for shares"
    sure = accuracy([True] * 1000, clusters)
    assert 0.99 < sure.low < 1.0
    assert paired_difference([True] * 1000, [True] * 1000, clusters).low == 0.0


def test_no_question_has_no_accuracy() -> None:
    figure = accuracy([], [])
    assert (figure.value, figure.low, figure.high) == (0.0, 0.0, 0.0)


def test_paired_difference_is_narrower_than_its_parts() -> None:
    dice = random.Random(1)
    first = [dice.random() < 0.6 for _ in range(400)]
    second = [right and dice.random() < 0.95 for right in first]
    clusters = [f"db{i % 20}" for i in range(400)]
    difference = paired_difference(first, second, clusters)
    assert 0 < difference.low < difference.value < difference.high
    own = accuracy(first, clusters)
    assert difference.high - difference.low < own.high - own.low


def test_pairs_must_be_about_the_same_questions() -> None:
    with pytest.raises(ValueError, match="same questions"):
        paired_difference([True], [True, False], ["a", "b"])


@pytest.mark.parametrize(
    ("wins", "losses", "expected"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 1024), (3, 1, 0.625)]
)
def test_mcnemar_is_the_exact_binomial(wins: int, losses: int, expected: float) -> None:
    first = [True] * wins + [False] * losses + [True] * 3
    second = [False] * wins + [True] * losses + [True] * 3
    assert mcnemar(first, second) == pytest.approx(expected)


def test_percentile_interpolates() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
