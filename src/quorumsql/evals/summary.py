"""What a run of predictions says: accuracy, parts, confidence, generators, latency.

All figures have every question in their denominator, but for those about confidence, which leave
out questions without a verdict.

What is not covered: comparing two runs (`compare`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from quorumsql.domain import Usage
from quorumsql.evals.agreement import best_votes, ensemble, estimated
from quorumsql.evals.figures import (
    count,
    percent,
    points,
    spread_of_points,
    whole,
    with_spread,
)
from quorumsql.evals.filters import Filter
from quorumsql.evals.metrics import accuracy, percentile
from quorumsql.evals.predictions import Prediction
from quorumsql.evals.reliability import reliability
from quorumsql.evals.risk import coverage_at_risk
from quorumsql.evals.score_ves import efficiency
from quorumsql.evals.slices import by, by_features, sliced

__all__ = ["BOUNDS", "Summary", "best_votes", "rows_of_summary", "summarise"]

Summary: TypeAlias = dict[str, Any]

BOUNDS: Final = ("oracle_of_members", "oracle", "lower_bound_of_members", "lower_bound")
"""The best and the worst that any choice among the candidates could have reached."""


def summarise(predictions: Sequence[Prediction], *, slices: Sequence[Filter] = ()) -> Summary:
    """Return the contents of summary.json; every value is plain JSON.

    `slices` are filter expressions whose accuracy is wanted beside the usual parts.
    """
    clusters = [p.db_id for p in predictions]
    own = [p.correct for p in predictions]
    total = accuracy(own, clusters)
    return {
        "execution_accuracy": total.value,
        "ci95": [total.low, total.high],
        "n": len(predictions),
        "correct": sum(own),
        "unscored": sum(p.unscored is not None for p in predictions),
        "abstained": sum(p.abstained for p in predictions),
        "accuracy_when_answered": _share([p.correct for p in predictions if not p.abstained]),
        "ceiling": _share([p.unscored is None for p in predictions]),
        "seconds": round(sum(p.seconds for p in predictions), 3),
        "hardness": by(predictions, lambda p: p.hardness or "unknown"),
        "databases": by(predictions, lambda p: p.db_id),
        "features": by_features(predictions),
        "slices": sliced(predictions, slices),
        "statuses": _counts(p.status for p in predictions),
        "errors": _counts(p.error or "unknown" for p in predictions if not p.correct),
        "differs": _counts(part for p in predictions for part in p.differs),
        "reliability": reliability(predictions),
        "coverage_at_risk": coverage_at_risk(predictions),
        "usage": _usage(predictions),
        **_beside(predictions, clusters),
        **ensemble(predictions),
        "latency_ms": _latency(predictions),
    }


def _beside(predictions: Sequence[Prediction], clusters: Sequence[str]) -> Summary:
    """What BIRD measures beside accuracy, where it was measured: soft F1 and R-VES, as shares."""
    found: Summary = {}
    if any("soft_f1" in p.scores for p in predictions):
        found["soft_f1"] = estimated([p.scores.get("soft_f1", 0.0) for p in predictions], clusters)
    if any("reward" in p.scores for p in predictions):
        rewards = [p.scores.get("reward", 0.0) for p in predictions]
        found["r_ves"] = estimated(efficiency(rewards), clusters)
    return found


def _counts(words: Iterable[str]) -> Summary:
    return dict(sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0])))


def _usage(predictions: Sequence[Prediction]) -> Summary:
    """What language models were paid for, in all; `usd` is null where a price is unknown."""
    known = (p.usage for p in predictions if p.usage is not None)
    return asdict(sum(known, start=Usage()))


def _latency(predictions: Sequence[Prediction]) -> Summary:
    """Median and 95th percentile per stage, and of the whole answer, in milliseconds."""
    stages: defaultdict[str, list[float]] = defaultdict(list)
    for prediction in predictions:
        for stage, spent in prediction.timings_ms.items():
            stages[stage].append(spent)
        if prediction.timings_ms:
            stages["answer"].append(prediction.seconds * 1000)
    return {
        stage: {
            "median": round(percentile(spent, 0.5), 3),
            "p95": round(percentile(spent, 0.95), 3),
            "total": round(math.fsum(spent), 3),
        }
        for stage, spent in stages.items()
    }


def _share(outcomes: Sequence[bool]) -> float | None:
    return sum(outcomes) / len(outcomes) if outcomes else None


def rows_of_summary(summary: Summary) -> list[tuple[str, str]]:
    """Return what people read first, as (figure, value) pairs of text."""
    rows = [
        ("questions", f"{summary['n']}"),
        ("ensemble", with_spread(summary["execution_accuracy"], summary["ci95"])),
    ]
    for key, words in (("soft_f1", "soft F1"), ("r_ves", "R-VES")):
        if key in summary:
            rows.append((words, _interval(summary[key])))
    rows.extend(_rows_of_generators(summary))
    rows.append(("unscored", f"{summary['unscored']}"))
    if summary["unscored"]:
        rows.append(("ceiling", percent(summary["ceiling"])))
    rows.append(("abstained", f"{summary['abstained']}"))
    rows.extend(_rows_of_confidence(summary))
    rows.extend(_rows_of_parts(summary))
    for stage, spent in _mapping(summary.get("latency_ms")).items():
        figures = _mapping(spent)
        rows.append(
            (f"{stage} ms, median / p95", f"{figures['median']:.0f} / {figures['p95']:.0f}")
        )
    rows.append(("seconds", f"{summary['seconds']:.0f}"))
    return rows


def _rows_of_generators(summary: Summary) -> list[tuple[str, str]]:
    """What the generators reach alone and together."""
    rows = []
    for name, figures in _mapping(summary.get("members")).items():
        mark = " (best)" if name == summary["best_member"] else ""
        rows.append((f"member {name}{mark}", _interval(figures)))
    for key in ("majority", *BOUNDS):
        if key in summary:
            rows.append((key.replace("_", " "), _interval(summary[key])))
    for key in ("ensemble_minus_best_member", "ensemble_minus_majority"):
        if key in summary:
            found = summary[key]
            words = f"{points(found['value'])}  ({spread_of_points(found['ci95'])})"
            rows.append((key.replace("_", " "), words))
    unanimity = _mapping(summary.get("unanimity"))
    if unanimity:
        rate = {"value": unanimity["rate"], "ci95": unanimity["ci95"]}
        right = {"value": unanimity["accuracy"], "ci95": unanimity["accuracy_ci95"]}
        rows += [("unanimous", _interval(rate)), ("right when unanimous", _interval(right))]
    calls = _mapping(summary.get("calls"))
    if calls and calls["made"] < calls["of"]:
        words = f"{percent(calls['saved'])}  ({calls['made']} of {calls['of']} made)"
        rows.append(("calls saved", words))
    return rows


def _rows_of_confidence(summary: Summary) -> list[tuple[str, str]]:
    """How many questions can be answered at a risk, and whether confidence is honest."""
    rows = [
        (
            f"answered at most {whole(point['risk'])} wrong",
            with_spread(point["coverage"], point["ci95"]),
        )
        for point in summary["coverage_at_risk"]
    ]
    found = summary["reliability"]
    if found["n"]:
        rows.append(("calibration error", with_spread(found["ece"], found["ece_ci95"])))
        low, high = (f"{bound:.3f}" for bound in found["brier_ci95"])
        rows.append(("Brier score", f"{found['brier']:.3f}  ({low} to {high})"))
    return rows


def _rows_of_parts(summary: Summary) -> list[tuple[str, str]]:
    """Accuracy by hardness, and of the slices that were asked for."""
    parts = [(name, part) for name, part in summary["hardness"].items() if name != "unknown"]
    asked = [(part["filter"], part) for part in summary["slices"]]
    rows = []
    for name, part in (*parts, *asked):
        value = with_spread(part["execution_accuracy"], part["ci95"])
        rows.append((f"{name}, {count(part['n'], 'question')}", value))
    return rows


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _interval(figures: object) -> str:
    known = _mapping(figures)
    return with_spread(known["value"], known["ci95"])
