"""A larger share of the votes never means a smaller chance, and files survive the trip."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.errors import ModelError
from quorumsql.stages.calibrate import (
    Calibration,
    confidence,
    fit,
    held_out_chances,
    load,
    save,
)
from quorumsql.stages.curves import brier, expected_error

shares = st.floats(min_value=0, max_value=1)


def test_without_a_calibration_the_share_stands_for_itself() -> None:
    assert [confidence(s, Calibration()) for s in (0.0, 0.37, 1.0)] == [0.0, 0.37, 1.0]


def test_between_points_the_map_is_linear_outside_constant() -> None:
    known = Calibration(shares=(0.2, 0.6), chances=(0.1, 0.5))
    assert [round(confidence(s, known), 6) for s in (0.0, 0.2, 0.4, 0.6, 1.0)] == [
        0.1, 0.1, 0.3, 0.5, 0.5,
    ]  # fmt: skip


def test_violators_are_pooled() -> None:
    fitted = fit([0.2, 0.4, 0.6, 0.8], [False, True, False, True])
    assert fitted.shares == (0.2, 0.5, 0.8)
    assert fitted.chances == (0.125, 0.5, 0.875)
    assert fitted.n == 4


def test_equal_shares_are_one_point() -> None:
    fitted = fit([1.0, 1.0, 1.0, 1.0], [True, True, True, False])
    assert (fitted.shares, fitted.chances) == ((1.0,), (0.75,))


def test_many_questions_give_back_the_rates_they_were_made_from() -> None:
    pairs = [(s, k < 100 * s * s) for s in (0.2, 0.4, 0.6, 0.8, 1.0) for k in range(100)]
    fitted = fit([s for s, _ in pairs], [right for _, right in pairs])
    for share in (0.2, 0.4, 0.6, 0.8):
        assert confidence(share, fitted) == pytest.approx(share * share, abs=0.011)


def test_no_questions_give_the_empty_calibration() -> None:
    assert fit([], [], ranks={"a": 0}) == Calibration(ranks={"a": 0})


def test_unequal_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 shares but 1"):
        fit([0.1, 0.2], [True])


@settings(deadline=None)
@given(st.lists(st.tuples(shares, st.booleans()), max_size=60), st.lists(shares, max_size=20))
def test_confidence_never_falls(pairs: list[tuple[float, bool]], asked: list[float]) -> None:
    fitted = fit([s for s, _ in pairs], [right for _, right in pairs])
    found = [confidence(share, fitted) for share in sorted(asked)]
    assert all(a <= b for a, b in itertools.pairwise(found))
    assert all(0 <= c <= 1 for c in found)


@settings(deadline=None)
@given(st.lists(st.tuples(shares, st.booleans()), max_size=60))
def test_a_fit_survives_the_file(tmp_path_factory, pairs) -> None:  # type: ignore[no-untyped-def]
    fitted = fit([s for s, _ in pairs], [right for _, right in pairs], ranks={"embedded/a": 1})
    path = tmp_path_factory.mktemp("fit") / "calibration.json"
    save(fitted, path)
    again = load(path)
    assert again.shares == fitted.shares
    assert again.chances == pytest.approx(fitted.chances, abs=1e-6)
    assert (again.ranks, again.n) == (fitted.ranks, fitted.n)


def test_a_file_that_does_not_exist_is_no_calibration(tmp_path: Path) -> None:
    assert load(tmp_path / "none.json") == Calibration()


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"shares": [0.1]}',
        '{"shares": [0.1], "chances": []}',
        '{"shares": [0.2, 0.1], "chances": [0.1, 0.2]}',
        '{"shares": [0.1, 0.2], "chances": [0.2, 0.1]}',
        '{"shares": ["x"], "chances": [0.2]}',
        '{"version": 2, "of": []}',
        '{"version": 2, "of": {"vote": {"shares": [0.2, 0.1], "chances": [0.1, 0.2]}}}',
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"calibration\.json is not a calibration"):
        load(path)


def databases_like(count: int, seed: int) -> tuple[list[float], list[bool], list[str]]:
    """Questions of `count` databases, some of which are harder than their scores say."""
    dice = random.Random(seed)
    scores: list[float] = []
    correct: list[bool] = []
    names: list[str] = []
    for number in range(count):
        shift = dice.gauss(0, 0.7)
        for _ in range(dice.randint(10, 60)):
            odds = dice.gauss(0.7, 1.4)
            scores.append(1 / (1 + math.exp(-odds)))
            correct.append(dice.random() < 1 / (1 + math.exp(0.5 - 1.3 * odds - shift)))
            names.append(f"db{number}")
    return scores, correct, names


def test_a_platt_curve_finds_the_chances_behind_the_scores() -> None:
    scores, correct, _ = databases_like(150, 1)
    known = fit(scores, correct, method="platt")
    assert known.method == "platt" and len(known.shares) == len(known.chances) > 10
    for score in (0.3, 0.5, 0.8, 0.95):
        odds = math.log(score / (1 - score))
        assert confidence(score, known) == pytest.approx(
            1 / (1 + math.exp(0.5 - 1.3 * odds)), abs=0.06
        )


def test_scores_that_are_no_shares_are_calibrated_too() -> None:
    scores, correct, names = databases_like(60, 2)
    odds = [9 * math.log(score / (1 - score)) - 100 for score in scores]
    chances = held_out_chances(odds, correct, names)
    assert expected_error(chances, correct) < 0.06
    assert brier(chances, correct) < brier([0.5] * len(correct), correct)


def test_the_curve_with_the_smaller_error_on_other_databases_is_kept() -> None:
    dice = random.Random(3)
    names = [number // 40 for number in range(400)]
    odds = [dice.gauss(0, 2) for _ in names]
    scores = [1 / (1 + math.exp(-one)) for one in odds]
    smooth = [dice.random() < score for score in scores]
    assert fit(scores, smooth, databases=names).method == "platt"  # made by that very curve
    stepped = [dice.random() < (0.9 if score > 0.1 else 0.1) for score in scores * 20]
    assert fit(scores * 20, stepped, databases=names * 20).method == "isotonic"


def test_scores_of_one_chance_are_promised_together() -> None:
    scores = [0.99] * 300 + [0.5] * 300
    correct = [number % 25 > 0 for number in range(600)]  # both alike: one step of the curve
    known = fit(scores, correct)
    assert len(known.shares) == 1
    assert dict(known.guarantees)[0.08] == 0.5


def test_databases_are_left_out_whole() -> None:
    scores = [0.5] * 40
    correct = [True] * 20 + [False] * 20
    chances = held_out_chances(scores, correct, ["a"] * 20 + ["b"] * 20, method="isotonic")
    assert chances[0] < 0.1 and chances[-1] > 0.9  # each only knows the other


def test_how_much_databases_differ_is_measured() -> None:
    scores, correct, names = databases_like(80, 4)
    assert 0.4 <= fit(scores, correct, databases=names).spread <= 1.0
    dice = random.Random(5)
    alike = [dice.random() < 0.6 for _ in scores]
    assert fit(scores, alike, databases=names).spread <= 0.3


def test_a_file_keeps_one_calibration_per_selector(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    vote = fit([0.2, 0.8], [False, True], ranks={"embedded/a": 0})
    save(vote, path)
    save(fit([-3.0, 5.0], [False, True]), path, of="trained")
    assert load(path).shares == (0.2, 0.8)
    assert load(path, of="trained").shares == (-3.0, 5.0)
    assert load(path, of="trained").ranks == {"embedded/a": 0}
    assert load(path, of="another") == Calibration(ranks={"embedded/a": 0})
    save(vote, path)
    assert load(path, of="trained").shares == ()  # new weights: nothing else was measured


def test_a_file_of_the_first_version_is_the_votes(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text('{"shares": [0.1], "chances": [0.3], "ranks": {"a": 0}, "n": 5}')
    assert load(path).chances == (0.3,)
    save(Calibration(shares=(1.0,), chances=(0.5,)), path, of="trained")
    assert (load(path).chances, load(path).ranks) == ((0.3,), {"a": 0})


def test_calibration_error_is_of_bins_of_equal_mass() -> None:
    assert expected_error([0.9] * 10, [True] * 9 + [False]) == pytest.approx(0.0)
    assert expected_error([1.0] * 10, [True] * 5 + [False] * 5) == pytest.approx(0.5)
    mixed = expected_error([0.0] * 50 + [1.0] * 50, [False] * 50 + [True] * 40 + [False] * 10)
    assert mixed == pytest.approx(0.1)
    assert expected_error([], []) == 0.0


def test_a_score_that_is_a_chance_already_stays_as_it_is() -> None:
    rng = random.Random(8)
    scores = [rng.random() for _ in range(900)]
    correct = [rng.random() < score for score in scores]
    kept = fit(scores, correct, databases=[n % 30 for n in range(900)], method="as_it_is")
    assert confidence(0.37, kept) == pytest.approx(0.37)
    assert 0 < confidence(0.0, kept) < 0.001 and 0.999 < confidence(1.0, kept) < 1
    odds = fit([4 * s - 2 for s in scores], correct, method="as_it_is")
    assert all(0 < confidence(s, odds) < 1 for s in (-9.0, 0.0, 9.0))
