"""Verdicts move confidence: few a little, many a lot, never past the order of answers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.said import Said
from quorumsql.stages.recalibrate import ENOUGH, recalibrated, shift_of
from quorumsql.stores.verdicts import Verdict, VerdictStore

chances = st.floats(min_value=0.01, max_value=0.99)
told = st.lists(st.tuples(chances, st.booleans()), min_size=ENOUGH, max_size=30)


def test_without_verdicts_confidence_stays_as_shipped() -> None:
    assert shift_of([], spread=0.7) == 0.0
    assert shift_of([(0.7, False)] * (ENOUGH - 1), spread=0.7) == 0.0
    assert recalibrated(0.7, 0.0) == 0.7


def test_many_verdicts_decide_and_few_move_little() -> None:
    few, many = (
        recalibrated(0.7, shift_of([(0.7, n % 5 == 0) for n in range(count)], spread=0.7))
        for count in (5, 400)
    )
    assert many == pytest.approx(0.2, abs=0.03)  # one in five was right
    assert many < few < 0.7


def test_verdicts_as_expected_move_nothing() -> None:
    shift = shift_of([(0.75, n % 4 > 0) for n in range(40)], spread=0.7)
    assert recalibrated(0.75, shift) == pytest.approx(0.75, abs=0.01)


def test_databases_that_hardly_differ_are_moved_less() -> None:
    wrong = [(0.8, False)] * 10
    assert shift_of(wrong, spread=1.0) < shift_of(wrong, spread=0.3) < 0
    assert shift_of(wrong, spread=0.0) == 0.0


@settings(deadline=None, max_examples=30)
@given(told, chances, chances)
def test_the_order_of_answers_never_changes(
    verdicts: list[tuple[float, bool]], one: float, other: float
) -> None:
    shift = shift_of(verdicts, spread=0.7)
    low, high = sorted((one, other))
    assert 0 < recalibrated(low, shift) <= recalibrated(high, shift) < 1
    assert shift_of([(c, True) for c, _ in verdicts], spread=0.7) >= 0


def test_confidence_is_nearer_to_the_truth_after_verdicts() -> None:
    dice = random.Random(1)
    before = after = 0.0
    for _ in range(200):
        shift, truth = dice.gauss(0, 1.0), 0.0
        truth = recalibrated(0.6, shift)
        verdicts = [(0.6, dice.random() < truth) for _ in range(15)]
        before += abs(0.6 - truth)
        after += abs(recalibrated(0.6, shift_of(verdicts, spread=1.0)) - truth)
    assert after < 0.7 * before


def test_verdicts_of_a_file_are_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    said = Said(path, spread=0.7)
    assert said.shift() == 0.0
    store = VerdictStore(path)
    for number in range(8):
        store.add(
            Verdict(
                at="now", who="ana", question="q", sql="s", confidence=0.8, right=False,
                id=str(number),
            )
        )  # fmt: skip
    wrong = said.shift()
    assert wrong < 0
    store.undo("3", who="ana", at="now")
    assert wrong < said.shift() < 0
    assert Said(tmp_path, spread=0.7).shift() == 0.0  # a folder: nothing to read
