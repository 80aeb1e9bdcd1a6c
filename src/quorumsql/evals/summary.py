"""What a run of predictions says: accuracy, members, majority, oracle, latency.

A member's own accuracy is that of its best surviving hypothesis: of its candidates that
have a vote left after refining, the one with the largest weight, the earlier one on a tie.
`majority` gives every member one vote, for that hypothesis, and breaks ties by the shortest
SQL; `oracle` is right when any candidate is. All of them have every question in their
denominator.

What is not covered: comparing two runs (`compare`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from quorumsql.domain import Usage
from quorumsql.evals.filters import Filter
from quorumsql.evals.metrics import Estimate, accuracy, mcnemar, paired_difference, percentile
from quorumsql.evals.predictions import Prediction, Vote
from quorumsql.evals.reliability import reliability
from quorumsql.evals.slices import by, by_features, sliced

__all__ = ["Summary", "best_votes", "rows_of_summary", "summarise"]

Summary: TypeAlias = dict[str, Any]


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
        "usage": _usage(predictions),
        **_ensemble(predictions, own, clusters),
        "latency_ms": _latency(predictions),
    }


def best_votes(prediction: Prediction) -> dict[str, Vote]:
    """Return each generator's best surviving hypothesis; one with none is absent."""
    best: dict[str, Vote] = {}
    for vote in prediction.candidates:
        if vote.status not in {"ok", "empty"} or vote.weight <= 0:
            continue
        if vote.generator not in best or vote.weight > best[vote.generator].weight:
            best[vote.generator] = vote
    return best


def _ensemble(
    predictions: Sequence[Prediction], own: Sequence[bool], clusters: Sequence[str]
) -> Summary:
    """The figures that need the candidates; empty when no answer carries any."""
    names = sorted({vote.generator for p in predictions for vote in p.candidates})
    if not names:
        return {}
    votes = [best_votes(p) for p in predictions]

    def of(name: str) -> list[bool]:
        return [name in best and best[name].correct for best in votes]

    members = {name: accuracy(of(name), clusters) for name in names}
    leader = max(names, key=lambda name: (members[name].value, name))
    majority = [_majority(best) for best in votes]
    unanimous = [_unanimous(best, len(names)) for best in votes]
    agreed = [right for right, same in zip(own, unanimous, strict=True) if same]
    oracle = [any(v.correct for v in p.candidates) for p in predictions]
    return {
        "members": {name: _plain(members[name]) for name in names},
        "best_member": leader,
        "majority": _plain(accuracy(majority, clusters)),
        "oracle": _plain(accuracy(oracle, clusters)),
        "oracle_of_members": _plain(
            accuracy([any(v.correct for v in b.values()) for b in votes], clusters)
        ),
        "unanimity": {"rate": _share(unanimous), "accuracy": _share(agreed)},
        "ensemble_minus_best_member": {
            **_plain(paired_difference(own, of(leader), clusters)),
            "mcnemar_p": mcnemar(own, of(leader)),
        },
        "ensemble_minus_majority": _plain(paired_difference(own, majority, clusters)),
    }


def _majority(best: Mapping[str, Vote]) -> bool:
    """Whether the group that most members vote for is right; ties to the shortest SQL."""
    groups: defaultdict[int, list[Vote]] = defaultdict(list)
    for vote in best.values():
        if vote.group is not None:
            groups[vote.group].append(vote)
    if not groups:
        return False

    def order(group: list[Vote]) -> tuple[int, int, str]:
        sql = min((v.sql for v in group), key=lambda text: (len(text), text))
        return -len(group), len(sql), sql

    return min(groups.values(), key=order)[0].correct


def _unanimous(best: Mapping[str, Vote], members: int) -> bool:
    """Whether all members of the run have a vote, and all the same."""
    groups = {vote.group for vote in best.values()}
    return len(best) == members and len(groups) == 1 and None not in groups


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


def _plain(estimate: Estimate) -> Summary:
    return {"value": estimate.value, "ci95": [estimate.low, estimate.high]}


def rows_of_summary(summary: Summary) -> list[tuple[str, str]]:
    """Return what people read first, as (figure, value) pairs of text."""
    low, high = _pair(summary["ci95"])
    rows = [
        ("questions", f"{summary['n']}"),
        ("ensemble", f"{_percent(summary['execution_accuracy'])}  [{low}, {high}]"),
    ]
    for name, figures in _mapping(summary.get("members")).items():
        mark = " (best)" if name == summary["best_member"] else ""
        rows.append((f"member {name}{mark}", _interval(figures)))
    for key in ("majority", "oracle_of_members", "oracle"):
        if key in summary:
            rows.append((key.replace("_", " "), _interval(summary[key])))
    for key in ("ensemble_minus_best_member", "ensemble_minus_majority"):
        if key in summary:
            rows.append((key.replace("_", " "), _interval(summary[key], sign="+")))
    unanimity = _mapping(summary.get("unanimity"))
    if unanimity:
        rows.append(("unanimous", _percent(unanimity["rate"])))
        rows.append(("right when unanimous", _percent(unanimity["accuracy"])))
    rows.append(("unscored", f"{summary['unscored']}"))
    if summary["unscored"]:
        rows.append(("ceiling", _percent(summary["ceiling"])))
    rows.append(("abstained", f"{summary['abstained']}"))
    rows.extend(_rows_of_parts(summary))
    for stage, spent in _mapping(summary.get("latency_ms")).items():
        figures = _mapping(spent)
        rows.append(
            (f"{stage} ms, median / p95", f"{figures['median']:.0f} / {figures['p95']:.0f}")
        )
    rows.append(("seconds", f"{summary['seconds']:.0f}"))
    return rows


def _rows_of_parts(summary: Summary) -> list[tuple[str, str]]:
    """Accuracy by hardness, and of the slices that were asked for."""
    parts = [(name, part) for name, part in summary["hardness"].items() if name != "unknown"]
    asked = [(part["filter"], part) for part in summary["slices"]]
    rows = []
    for name, part in (*parts, *asked):
        low, high = _pair(part["ci95"])
        value = f"{_percent(part['execution_accuracy'])}  [{low}, {high}]"
        rows.append((f"{name}, {part['n']} questions", value))
    return rows


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _pair(value: object) -> tuple[str, str]:
    low, high = value if isinstance(value, list) else (None, None)
    return _percent(low), _percent(high)


def _interval(figures: object, *, sign: str = "") -> str:
    known = _mapping(figures)
    low, high = (_percent(bound, sign=sign) for bound in known["ci95"])
    return f"{_percent(known['value'], sign=sign)}  [{low}, {high}]"


def _percent(value: object, *, sign: str = "") -> str:
    return format(100 * value, f"{sign}.1f") + " %" if isinstance(value, int | float) else "–"
