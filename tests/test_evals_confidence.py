"""Coverage at a risk, calibration, agreement and contributions, against figures worked out here."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from evals_cases import Scripted, make_benchmark
from quorumsql.domain import Status
from quorumsql.evals.agreement import ensemble
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.predictions import Prediction, Vote
from quorumsql.evals.reliability import reliability
from quorumsql.evals.report_generators import contributions_section
from quorumsql.evals.risk import RISKS, coverage_at_risk
from quorumsql.evals.run import evaluate
from quorumsql.evals.summary import rows_of_summary, summarise


def answers(
    outcomes: Sequence[tuple[float, bool]], *, databases: int = 5, unscored: Sequence[int] = ()
) -> list[Prediction]:
    return [
        Prediction(
            index=index,
            db_id=f"db{index % databases}",
            question=f"q{index}",
            sql="SELECT 1",
            confidence=confidence,
            abstained=False,
            correct=correct,
            status="ok",
            unscored="gold does not run" if index in unscored else None,
        )
        for index, (confidence, correct) in enumerate(outcomes)
    ]


def random_answers(dice: random.Random, count: int) -> list[Prediction]:
    levels = [dice.random() for _ in range(dice.choice([3, 40, count]))]
    drawn = [dice.choice(levels) for _ in range(count)]
    return answers([(level, dice.random() < level) for level in drawn], databases=12)


def test_coverage_is_the_largest_share_that_keeps_the_risk() -> None:
    outcomes = [(1 - n / 100, n != 6) for n in range(10)]  # the seventh surest is wrong
    random.Random(1).shuffle(outcomes)
    found = {p["risk"]: p for p in coverage_at_risk(answers(outcomes))}
    assert [found[risk]["coverage"] for risk in RISKS] == [0.6, 0.6, 1.0]
    assert [found[risk]["n"] for risk in RISKS] == [6, 6, 10]
    assert [found[risk]["confidence"] for risk in RISKS] == [0.95, 0.95, 0.91]


def test_coverage_is_what_trying_every_threshold_finds() -> None:
    dice = random.Random(2)
    for _ in range(20):
        predictions = random_answers(dice, 200)
        for point in coverage_at_risk(predictions):
            best = 0
            for threshold in {p.confidence for p in predictions}:
                given = [p for p in predictions if p.confidence >= threshold]
                if sum(not p.correct for p in given) <= point["risk"] * len(given) + 1e-9:
                    best = max(best, len(given))
            assert point["coverage"] == pytest.approx(best / 200)
            assert point["ci95"][0] <= point["coverage"] <= point["ci95"][1]


def test_answers_that_are_equally_sure_are_given_together_or_not_at_all() -> None:
    found = coverage_at_risk(answers([(0.5, n != 3) for n in range(10)]))
    assert [p["coverage"] for p in found] == [0.0, 0.0, 1.0]
    assert found[0]["confidence"] is None


def test_questions_without_a_verdict_say_nothing_about_confidence() -> None:
    outcomes = [(0.9, True), (0.8, False), (0.7, True), (0.6, True)]
    found = coverage_at_risk(answers(outcomes, unscored=[1]))
    assert [p["coverage"] for p in found] == [1.0, 1.0, 1.0]
    assert reliability(answers(outcomes, unscored=[1]))["n"] == 3
    nothing = answers(outcomes, unscored=range(4))
    assert coverage_at_risk(nothing) == [] and reliability(nothing)["bins"] == []
    assert dict(rows_of_summary(summarise(nothing)))["unscored"] == "4"


def test_bins_hold_as_many_answers_each() -> None:
    dice = random.Random(3)
    found = reliability(answers([(dice.random() ** 3, dice.random() < 0.5) for _ in range(203)]))
    assert {b["n"] for b in found["bins"]} <= {20, 21} and len(found["bins"]) == 10
    assert sum(found["histogram"]) == 203
    assert all(a["to"] <= b["from"] for a, b in zip(found["bins"], found["bins"][1:], strict=False))


def test_the_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    dice = random.Random(4)
    for _ in range(20):
        found = reliability(random_answers(dice, 150))
        gaps = (b["n"] * abs(b["confidence"] - b["execution_accuracy"]) for b in found["bins"])
        assert found["ece"] == pytest.approx(sum(gaps) / 150)
        assert found["ece_ci95"][0] <= found["ece_ci95"][1]
        assert found["brier_ci95"][0] <= found["brier"] <= found["brier_ci95"][1]


def test_answers_of_one_confidence_are_never_parted() -> None:
    outcomes = [(0.3, False)] * 55 + [(0.9, True)] * 45
    found = reliability(answers(outcomes))
    assert [(b["from"], b["to"], b["n"]) for b in found["bins"]] == [(0.3, 0.3, 55), (0.9, 0.9, 45)]
    assert found["ece"] == pytest.approx(0.55 * 0.3 + 0.45 * 0.1)
    assert found["brier"] == pytest.approx(0.55 * 0.09 + 0.45 * 0.01)


def test_perfect_confidence_has_no_error() -> None:
    found = reliability(answers([(1.0, True)] * 30 + [(0.0, False)] * 10, databases=1))
    assert found["ece"] == found["brier"] == 0.0 and found["ece_ci95"] == [0.0, 0.0]


def test_few_answers_have_no_interval_of_the_calibration_error() -> None:
    few = answers([(0.9, True)] * 5)
    found = reliability(few)
    assert found["ece"] == pytest.approx(0.1) and found["ece_ci95"] is None
    assert found["brier_ci95"][1] > 0.4
    assert all(point["ci95"][0] < 0.6 for point in coverage_at_risk(few))
    shown = dict(rows_of_summary(summarise(few)))
    assert shown["calibration error"] == "10.0 %  (too few to say)"
    assert shown["ensemble"] == "100.0 %  (56.6 to 100.0 %)"


def vote(name: str, group: int | None, *, right: bool, sql: str = "", weight: float = 1.0) -> Vote:
    status: Status = "ok" if group is not None else "error"
    return Vote(
        generator=name,
        sql=sql or f"{name} {group}",
        status=status,
        weight=weight if group is not None else 0.0,
        group=group,
        correct=right,
    )


def voted(index: int, sql: str, correct: bool, *votes: Vote) -> Prediction:
    return Prediction(
        index=index,
        db_id=f"db{index}",
        question="q",
        sql=sql,
        confidence=0.5,
        abstained=False,
        correct=correct,
        status="ok",
        candidates=votes,
    )


VOTED = [
    # all agree and are right
    voted(0, "a 0", True, vote("a", 0, right=True), vote("b", 0, right=True)),
    # a alone is right and wrote the answer
    voted(1, "a 0", True, vote("a", 0, right=True), vote("b", 1, right=False)),
    # both wrote the same wrong statement, but a has a better one that was not taken
    voted(
        2,
        "same",
        False,
        vote("b", 0, right=False, sql="same"),
        vote("a", 0, right=False, sql="same", weight=0.4),
        vote("a", 1, right=True, weight=0.6),
    ),
    # b fails
    voted(3, "a 0", False, vote("a", 0, right=False), vote("b", None, right=False)),
]


def test_bounds_are_the_best_and_worst_of_any_choice() -> None:
    found = ensemble(VOTED)
    assert found["oracle"]["value"] == 3 / 4
    assert found["lower_bound"]["value"] == 1 / 4
    assert found["oracle_of_members"]["value"] == 3 / 4
    assert found["lower_bound_of_members"]["value"] == 1 / 4
    low, high = found["lower_bound"]["ci95"]
    assert low <= 1 / 4 <= high


def test_contributions_count_where_not_all_agree() -> None:
    found = ensemble(VOTED)
    unanimity = found["unanimity"]
    assert (unanimity["rate"], unanimity["accuracy"], unanimity["n"]) == (1 / 4, 1.0, 1)
    assert found["contributions"]["n"] == 3
    a, b = (found["contributions"]["generators"][name] for name in "ab")
    assert a["answers"]["value"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert b["answers"]["value"] == pytest.approx((0 + 1 / 2 + 0) / 3)
    assert a["agrees"]["value"] == pytest.approx(2 / 3), "its hypothesis for the third is another"
    assert b["agrees"]["value"] == pytest.approx(1 / 3)
    assert (a["right"]["value"], b["right"]["value"]) == (pytest.approx(2 / 3), 0.0)
    assert a["alone"]["value"] == pytest.approx(2 / 3)
    assert a["right_with"] == {"R1": 2 / 4, "R2": 1 / 4} and b["right_with"] == {"R2": 1 / 4}
    assert all(
        each[key]["ci95"][0] <= each[key]["value"] <= each[key]["ci95"][1]
        for each in (a, b)
        for key in ("answers", "agrees", "right", "alone")
    )


def test_calls_that_a_cascade_saved_are_counted() -> None:
    everybody = ensemble(VOTED)["calls"]
    assert (everybody["made"], everybody["of"], everybody["saved"]) == (8, 8, 0.0)
    alone = [voted(n, "x", True, vote("a", 0, right=True)) for n in range(10, 14)]
    silent = voted(20, "x", False)
    found = ensemble([*VOTED, *alone, silent])["calls"]
    assert (found["made"], found["of"], found["saved"]) == (12, 16, 0.25)
    assert (found["alone"], found["by_generator"]) == (0.5, {"a": 8, "b": 4})
    summary = summarise([*VOTED, *alone])
    assert ("calls saved", "25.0 %  (12 of 16 made)") in rows_of_summary(summary)
    assert "12 of 16 calls were made" in contributions_section(summary)
    assert "calls saved" not in dict(rows_of_summary(summarise(VOTED)))
    assert "calls were made" not in contributions_section(summarise(VOTED))


def test_answers_without_candidates_have_no_generators() -> None:
    assert ensemble(answers([(0.5, True)])) == {}


def test_nobody_ever_agreeing_is_no_figure_but_a_blank() -> None:
    found = ensemble(VOTED[1:])
    assert found["unanimity"]["rate"] == 0.0 and found["unanimity"]["accuracy"] is None
    assert ensemble(VOTED[:1])["contributions"]["n"] == 0


def test_the_reports_show_all_of_it(tmp_path: Path) -> None:
    tasks = load_spider(make_benchmark(tmp_path), tmp_path / "database")
    run = tmp_path / "run"
    evaluate(tasks, Scripted(), out=run, config={})
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert [p["risk"] for p in summary["coverage_at_risk"]] == list(RISKS)
    for name in ("report.html", "report.md"):
        text = (run / name).read_text(encoding="utf-8")
        for words in (
            *("What each generator contributes", "wrote the answer", "lower bound"),
            *("Expected calibration error", "Brier score", "R1 ", "alone right"),
        ):
            assert words in text, (name, words)
    page, plain = ((run / n).read_text(encoding="utf-8") for n in ("report.html", "report.md"))
    assert "at most 5 % wrong" in page and "wrong answers, at most" in plain
    for text in (page, plain):
        assert "too few to say" in text
    shown = dict(rows_of_summary(summary))
    assert "points" in shown["ensemble minus best member"]
    assert "%" not in shown["ensemble minus best member"]
    assert "answered at most 10 % wrong" in shown and "calibration error" in shown
