"""The paper's ablations, out of as few runs as possible.

One run of the whole system records every candidate and whether it is right, so that everything that
only chooses differently (majority, one generator, half of the candidates, other orders) is read off
that record at no cost. Only what changes candidates, or asks a model that judges, is run again.
XiYan-SQL, arXiv 2507.04701, Tables III and VIII to XI.

What is not covered: training-time ablations, and significance; n stands beside every figure.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

from quorumsql.evals.predictions import Prediction, Vote

__all__ = ["RERUNS", "Figure", "agreement", "rechosen"]

Pool: TypeAlias = Sequence[Vote]
Rule: TypeAlias = Callable[[Pool, Mapping[str, int]], Vote | None]

RERUNS: Mapping[str, Mapping[str, Any]] = {
    "without filter": {"max_columns": 1_000_000},
    "selector, order s1": {"llm": {"order": "s1"}},
    "selector, order s2": {"llm": {"order": "s2"}},
}
"""What must be run again, and with which settings; orders only where a model judges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: a share of the `n` questions."""

    name: str
    accuracy: float
    n: int


def rechosen(predictions: Sequence[Prediction], ranks: Mapping[str, int]) -> tuple[Figure, ...]:
    """Return what other ways to choose would have reached on recorded candidates.

    `ranks` is each generator's place by accuracy, known from elsewhere.
    """
    rules: dict[str, Rule] = {
        "majority only": _majority,
        "majority, half of the candidates": lambda pool, _: _majority(_half(pool), _),
        "first of order s1 (random)": _first_s1,
        "first of order s2 (accuracy)": _first_s2,
        "first of order s3 (groups)": _first_s3,
        "first of order s3, half of the candidates": lambda pool, r: _first_s3(_half(pool), r),
    }
    for name in _generators(predictions, ranks):
        rules[f"one generator: {name}"] = lambda pool, _, name=name: _best_of(pool, name)  # type: ignore[misc]
    figures = [_figure(name, predictions, rule, ranks) for name, rule in rules.items()]
    any_right = sum(any(v.correct for v in p.candidates) for p in predictions)
    pools = [_candidates(prediction.candidates) for prediction in predictions]
    all_right = sum(bool(pool) and all(vote.correct for vote in pool) for pool in pools)
    n = max(len(predictions), 1)
    figures += [
        Figure(name="upper bound: any candidate", accuracy=any_right / n, n=len(predictions)),
        Figure(name="lower bound: every candidate", accuracy=all_right / n, n=len(predictions)),
    ]
    return tuple(figures)


def agreement(predictions: Sequence[Prediction]) -> Mapping[str, Mapping[str, float]]:
    """Return, per generator, how its right answers are shared (Table XI).

    "R2" is the share of all questions that exactly two generators, it among them, got right;
    "final" the share of final answers that are the result of one of its candidates.
    """
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for prediction in predictions:
        right = {vote.generator for vote in _ran(prediction.candidates) if vote.correct}
        for name in right:
            found[name][f"R{len(right)}"] += 1
        final = {vote.generator for vote in prediction.candidates if vote.group == 0}
        for name in final:
            found[name]["final"] += 1
    n = max(len(predictions), 1)
    return {
        name: {key: count / n for key, count in sorted(counts.items())}
        for name, counts in sorted(found.items())
    }


def _figure(
    name: str, predictions: Sequence[Prediction], rule: Rule, ranks: Mapping[str, int]
) -> Figure:
    chosen = [rule(_candidates(prediction.candidates), ranks) for prediction in predictions]
    right = sum(vote is not None and vote.correct for vote in chosen)
    return Figure(name=name, accuracy=right / max(len(predictions), 1), n=len(predictions))


def _ran(pool: Pool) -> list[Vote]:
    return [vote for vote in pool if vote.status in {"ok", "empty"}]


def _candidates(pool: Pool) -> list[Vote]:
    """What a generator stands for: the tail of a beam is no candidate of the paper's kind."""
    ran = _ran(pool)
    best: defaultdict[str, float] = defaultdict(float)
    for vote in ran:
        best[vote.generator] = max(best[vote.generator], vote.weight)
    return [vote for vote in ran if vote.weight >= best[vote.generator] / 2]


def _groups(pool: Pool) -> list[list[Vote]]:
    """Candidates that ran, by result. One that had no vote is alone with its text."""
    groups: defaultdict[object, list[Vote]] = defaultdict(list)
    for vote in _ran(pool):
        groups[vote.group if vote.group is not None else vote.sql].append(vote)
    return list(groups.values())


def _length(vote: Vote) -> tuple[int, str]:
    return (len(vote.sql), vote.sql)


def _majority(pool: Pool, _: Mapping[str, int]) -> Vote | None:
    """One vote per candidate; the shortest statement of the largest group."""
    groups = _groups(pool)
    if not groups:
        return None
    best = min(groups, key=lambda group: (-len(group), min(map(_length, group))))
    return min(best, key=_length)


def _by_accuracy(ranks: Mapping[str, int]) -> Callable[[Vote], tuple[float, ...]]:
    return lambda vote: (ranks.get(vote.generator, len(ranks)), -vote.weight, len(vote.sql))


def _first_s1(pool: Pool, _: Mapping[str, int]) -> Vote | None:
    voters = sorted(_ran(pool), key=_length)
    seed = sha256("\0".join(vote.sql for vote in voters).encode()).digest()
    return random.Random(seed).choice(voters) if voters else None


def _first_s2(pool: Pool, ranks: Mapping[str, int]) -> Vote | None:
    return min(_ran(pool), key=_by_accuracy(ranks), default=None)


def _first_s3(pool: Pool, ranks: Mapping[str, int]) -> Vote | None:
    groups = _groups(pool)
    if not groups:
        return None
    place = _by_accuracy(ranks)
    best = min(groups, key=lambda group: (-len(group), min(map(place, group))))
    return min(best, key=place)


def _half(pool: Pool) -> list[Vote]:
    """The first half of each generator's candidates: one schema instead of two."""
    by_name: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in pool:
        by_name[vote.generator].append(vote)
    return [vote for own in by_name.values() for vote in own[: (len(own) + 1) // 2]]


def _best_of(pool: Pool, name: str) -> Vote | None:
    """The candidate that a generator alone would have given: its first that ran."""
    own = [vote for vote in _ran(pool) if vote.generator == name]
    return max(own, key=lambda vote: vote.weight, default=None)


def _generators(predictions: Sequence[Prediction], ranks: Mapping[str, int]) -> list[str]:
    names = {vote.generator for prediction in predictions for vote in prediction.candidates}
    return sorted(names, key=lambda name: (ranks.get(name, len(ranks)), name))
