"""Curves from a raw score to a chance, and how far chances are from what happens.

| curve | source |
|---|---|
| `isotonic` | pool adjacent violators, Ayer et al. 1955: may bend, never falls |
| `platt` | Platt 1999: a logistic curve in the score's log odds, two numbers |
| `as_it_is` | the score is a chance already, as that of a logistic regression may be |

All come as points to interpolate between, so that whoever uses a curve need not know its kind.
`expected_error` is the expected calibration error of Guo et al. 2017 with bins of equal mass
(Nixon et al. 2019): bins of equal width stand nearly empty where most answers are sure.

What is not covered: which curve to take; `stages.calibrate` tries them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    *("CURVES", "Points", "as_it_is", "brier", "expected_error"),
    *("isotonic", "log_odds", "platt"),
]

Points: TypeAlias = tuple[tuple[float, float], ...]
"""Scores, strictly rising, each with its chance, which never falls."""

_KNOTS = 33
_EDGE = 1e-3
"""Scores are kept so far from 0 and 1 before their odds are taken."""
_STEPS = 50


def isotonic(scores: Sequence[float], correct: Sequence[bool]) -> Points:
    """Return the rising steps that fit best.

    Chances keep half a question's distance from 0 and 1: no finite sample proves either.
    """
    import numpy as np

    points, inverse = np.unique(np.round(np.asarray(scores, dtype=float), 6), return_inverse=True)
    counts = np.bincount(inverse).astype(float)
    right = np.bincount(inverse, weights=np.asarray(correct, dtype=float))
    blocks: list[_Block] = []
    for x, count, hits in zip(points.tolist(), counts.tolist(), right.tolist(), strict=True):
        block = _Block(count=count, hits=hits, score=x)
        while blocks and blocks[-1].chance >= block.chance:
            block = blocks.pop().merged(block)
        blocks.append(block)
    margin = 0.5 / len(scores)
    return tuple((round(b.score, 6), min(max(b.chance, margin), 1 - margin)) for b in blocks)


def platt(scores: Sequence[float], correct: Sequence[bool]) -> Points:
    """Return points of the logistic curve that fits best; it never falls either.

    Verdicts count as a little less than sure, as Platt proposes, so that the curve stays finite.
    """
    import numpy as np

    x = _odds(np.asarray(scores, dtype=float))
    y = np.asarray(correct, dtype=float)
    right, wrong = y.sum(), len(y) - y.sum()
    target = np.where(y > 0.5, (right + 1) / (right + 2), 1 / (wrong + 2))
    slope, level = _logistic(x, target)
    knots = np.unique(np.round(np.quantile(np.asarray(scores), np.linspace(0, 1, _KNOTS)), 6))
    chances = 1.0 / (1.0 + np.exp(-(slope * _odds(knots) + level)))
    return tuple(zip(knots.tolist(), chances.tolist(), strict=True))


def as_it_is(scores: Sequence[float], correct: Sequence[bool]) -> Points:
    """Return points of the straight line on which a score between 0 and 1 is its own chance.

    Chances keep half a question's distance from 0 and 1. Scores that are no chances have the
    logistic curve.
    """
    if min(scores) < 0 or max(scores) > 1 or len(scores) < 2:
        return platt(scores, correct)
    margin = 0.5 / len(scores)
    return ((margin, margin), (1 - margin, 1 - margin))


def expected_error(chances: Sequence[float], correct: Sequence[bool], *, bins: int = 10) -> float:
    """Return how far chances are from the share that is right, over bins of equal mass.

    Equal chances are never split: what is said to be equally sure is judged together.
    """
    ordered = sorted(zip(chances, correct, strict=True), key=lambda pair: pair[0])
    gap, start = 0.0, 0
    for number in range(1, bins + 1):
        end = max(len(ordered) * number // bins, start)
        while start < end < len(ordered) and ordered[end][0] == ordered[end - 1][0]:
            end += 1
        part = ordered[start:end]
        gap += abs(math.fsum(chance - right for chance, right in part))
        start = end
    return gap / max(len(ordered), 1)


def brier(chances: Sequence[float], correct: Sequence[bool]) -> float:
    """Return the mean squared distance between chances and verdicts (Brier 1950)."""
    squares = ((chance - right) ** 2 for chance, right in zip(chances, correct, strict=True))
    return math.fsum(squares) / max(len(chances), 1)


def log_odds(chance: float) -> float:
    """Return the logarithm of a chance's odds; finite also at 0 and 1."""
    kept = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))


def _odds(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log odds of scores between 0 and 1; other scores stand for themselves."""
    import numpy as np

    if scores.min() < 0 or scores.max() > 1:
        return scores
    kept = np.clip(scores, _EDGE, 1 - _EDGE)
    return np.log(kept / (1 - kept))


def _logistic(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Slope (never negative) and level by Newton's method, with a touch of ridge on the slope."""
    import numpy as np

    inputs = np.stack([x, np.ones_like(x)], axis=1)
    ridge = np.diag([1e-3, 1e-6])
    weights = np.zeros(2)
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        bend = inputs.T @ (inputs * (p * (1 - p) + 1e-9)[:, None]) + ridge
        step = np.linalg.solve(bend, inputs.T @ (y - p) - ridge @ weights)
        weights = weights + np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-9:
            break
    if weights[0] >= 0:
        return float(weights[0]), float(weights[1])
    return 0.0, log_odds(float(y.mean()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Neighbouring points that share one chance; `score` is their mean."""

    count: float
    hits: float
    score: float

    @property
    def chance(self) -> float:
        return self.hits / self.count

    def merged(self, other: _Block) -> _Block:
        count = self.count + other.count
        score = (self.score * self.count + other.score * other.count) / count
        return _Block(count=count, hits=self.hits + other.hits, score=score)


CURVES: Final[Mapping[str, Callable[[Sequence[float], Sequence[bool]], Points]]] = MappingProxyType(
    {"isotonic": isotonic, "platt": platt, "as_it_is": as_it_is}
)
