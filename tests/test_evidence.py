"""A line through features of a choice: what it finds, what it keeps, and what it must not see."""

from __future__ import annotations

import random

import numpy as np
import pytest

from quorumsql.domain import Choice, Group
from quorumsql.stages.calibrate import Calibration, fit, fit_line, load, save
from quorumsql.stages.curves import brier
from quorumsql.stages.evidence import FEATURES, VOTED, Line, features, left_out, logistic

Known = tuple[list[dict[str, float]], list[bool], list[int]]


def answers(count: int, rng: random.Random) -> Known:
    """Answers whose share says little, and whose reading says much."""
    rows, correct, names = [], [], []
    for name in range(count):
        for _ in range(25):
            read = rng.gauss(0.5, 1.5)
            share = rng.random()
            rows.append(dict.fromkeys(FEATURES, 0.0) | {"read": read, "share": share})
            correct.append(rng.random() < 1 / (1 + np.exp(-1.2 * read - 0.4 * (share - 0.5))))
            names.append(name)
    return rows, correct, names


def chosen(share: float) -> Choice:
    return Choice(candidate=0, groups=(Group(members=(0,), votes=share),), confidence=share)


def test_a_line_finds_the_log_odds() -> None:
    rng = np.random.default_rng(3)
    table = rng.normal(size=(4_000, 2)) * (2.0, 5.0) + (1.0, -3.0)
    labels = (rng.random(4_000) < 1 / (1 + np.exp(-0.3 * table[:, 0] - 0.1))).astype(float)
    line = logistic(table, labels, ("a", "b"), penalty=1e-6)
    assert line({"a": 1.0, "b": 0.0}) - line({"a": 0.0, "b": 0.0}) == pytest.approx(0.3, abs=0.05)
    assert abs(line({"a": 0.0, "b": 1.0}) - line({"a": 0.0, "b": 0.0})) < 0.03
    assert line.values(table)[:3] == pytest.approx(
        [line(dict(zip("ab", row, strict=True))) for row in table[:3]]
    )


def test_what_never_differs_weighs_nothing() -> None:
    table = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 1.0], [1.0, 4.0]])
    line = logistic(table, np.array([0.0, 1.0, 0.0, 1.0]), ("a", "b"))
    assert line.weights[0] == 0.0 < line.weights[1]


def test_values_of_databases_left_out_do_not_know_them() -> None:
    """A feature that only names the database predicts nothing of another one."""
    rng = np.random.default_rng(5)
    names = np.repeat(np.arange(10), 30)
    easy = (rng.random(10) < 0.5).astype(float)
    table = np.eye(10)[names]
    wanted = (rng.random(300) < 0.2 + 0.6 * easy[names]).astype(float)
    inside = logistic(table, wanted, [str(n) for n in range(10)]).values(table)
    outside = left_out(
        table, wanted, names.tolist(), lambda x, y: logistic(x, y, [str(n) for n in range(10)])
    )
    assert np.corrcoef(inside, wanted)[0, 1] > 0.3
    assert np.corrcoef(outside, wanted)[0, 1] < 0.1
    assert not left_out(table, wanted, [1] * 300, lambda x, y: logistic(x, y, "0123456789")).any()


def test_confidence_from_a_line_is_better_than_from_the_share_alone() -> None:
    rng = random.Random(2)
    rows, correct, names = answers(30, rng)
    new, outcomes, _ = answers(30, rng)
    plain = fit([row["share"] for row in rows], correct, databases=names)
    lined = fit_line(rows, correct, databases=names, names=FEATURES)
    by_share = [plain.chance(chosen(row["share"]), row) for row in new]
    by_line = [lined.chance(chosen(row["share"]), row) for row in new]
    assert brier(by_line, outcomes) < brier(by_share, outcomes) - 0.03
    assert all(0 < chance < 1 for chance in by_line)
    blind = fit_line(rows, correct, databases=names, names=VOTED)
    assert brier([blind.chance(chosen(0.5), row) for row in new], outcomes) > brier(
        by_line, outcomes
    )


def test_a_line_is_kept_with_its_calibration(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows, correct, names = answers(6, random.Random(4))
    made = fit_line(rows, correct, databases=names, names=FEATURES, ranks={"a": 0})
    save(fit([0.2, 0.9], [False, True]), tmp_path / "calibration.json")
    save(made, tmp_path / "calibration.json", of="trained")
    kept = load(tmp_path / "calibration.json", "trained")
    assert kept.line == made.line and kept.ranks == {"a": 0}
    assert kept.chance(chosen(0.5), rows[0]) == pytest.approx(made.chance(chosen(0.5), rows[0]))
    assert load(tmp_path / "calibration.json").line is None


def test_no_answers_make_no_line() -> None:
    assert fit_line([], [], databases=[], names=FEATURES) == Calibration()


@pytest.mark.parametrize(
    "change",
    [{"features": ["colour"]}, {"means": [1.0, 2.0]}, {"weights": ["x"]}, {"scales": None}],
)
def test_a_record_that_is_no_line_is_refused(change: dict[str, object]) -> None:
    whole = {"features": ["read"], "means": [0], "scales": [1], "weights": [1], "intercept": 0}
    assert Line.read(whole)({"read": 2.0}) == 2.0
    with pytest.raises((ValueError, TypeError)):
        Line.read(whole | change)


def test_an_empty_choice_has_every_feature() -> None:
    assert tuple(features(Choice(candidate=None), empty=True)) == FEATURES
