"""A larger share of the votes never means a smaller chance, and files survive the trip."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.errors import ModelError
from quorumsql.stages.calibrate import Calibration, confidence, fit, load, save

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
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"calibration\.json is not a calibration"):
        load(path)
