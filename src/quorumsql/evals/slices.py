"""Accuracy over parts of a run: by hardness, by database, and by any filter expression.

What is not covered: whether a part is large enough to conclude from; the interval says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from quorumsql.evals.filters import Facts, Filter, Value, parse_filter
from quorumsql.evals.metrics import accuracy
from quorumsql.evals.predictions import Prediction

__all__ = ["FEATURE_SLICES", "by", "by_features", "facts_of", "sliced"]

FEATURE_SLICES: Final = (
    *("joins = 0", "joins = 1", "joins > 1", "subquery = 0", "subquery > 0"),
    *("conditions = 0", "conditions = 1", "conditions > 1", "aggregates > 0", "groupby > 0"),
    *("having > 0", "orderby > 0", "limit > 0", "distinct > 0", "setops > 0", "or > 0"),
    *("like > 0", "arithmetic > 0", "case > 0", "cte > 0", "window > 0"),
)
_LEVELS: Final = ("easy", "medium", "hard", "extra", "simple", "moderate", "challenging")


def facts_of(prediction: Prediction) -> Facts:
    """Return what filter expressions can ask of a question and its answer."""
    counts: dict[str, Value] = {}
    if prediction.features is not None:
        counts = {"parsed": True, **prediction.features}
    gold = prediction.gold_preview
    return {
        **counts,
        "db": prediction.db_id,
        "hardness": prediction.hardness,
        "status": prediction.status,
        "error": prediction.error or "",
        "question": prediction.question,
        "sql": prediction.sql or "",
        "gold": prediction.gold,
        "index": prediction.index,
        "confidence": prediction.confidence,
        "seconds": prediction.seconds,
        "candidates": len(prediction.candidates),
        "rows": gold.count if gold is not None else 0,
        "correct": prediction.correct,
        "abstained": prediction.abstained,
        "unscored": prediction.unscored is not None,
    }


def sliced(predictions: Sequence[Prediction], filters: Iterable[Filter]) -> list[dict[str, Any]]:
    """Return accuracy with its interval for each filter, those that nothing fits included."""
    facts = [facts_of(prediction) for prediction in predictions]
    found = []
    for each in filters:
        part = [p for p, f in zip(predictions, facts, strict=True) if each.fits(f)]
        found.append({"filter": each.text, **_figures(part)})
    return found


def by_features(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Return accuracy for the usual features of gold queries, where there are any."""
    usual = sliced(predictions, map(parse_filter, FEATURE_SLICES))
    return [figures for figures in usual if figures["n"]]


def by(
    predictions: Sequence[Prediction], key: Callable[[Prediction], str]
) -> dict[str, dict[str, Any]]:
    """Return accuracy with its interval per value of `key`; levels of hardness in their order."""
    parts: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        parts.setdefault(key(prediction), []).append(prediction)

    def order(name: str) -> tuple[int, str]:
        return (_LEVELS.index(name) if name in _LEVELS else len(_LEVELS)), name

    return {name: _figures(parts[name]) for name in sorted(parts, key=order)}


def _figures(part: Sequence[Prediction]) -> dict[str, Any]:
    right = [p.correct for p in part]
    if not part:
        return {"n": 0, "correct": 0, "execution_accuracy": None, "ci95": None}
    estimate = accuracy(right, [p.db_id for p in part])
    return {
        "n": len(part),
        "correct": sum(right),
        "execution_accuracy": estimate.value,
        "ci95": [estimate.low, estimate.high],
    }
