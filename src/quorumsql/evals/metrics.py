"""Execution accuracy by our own definition of "same result", and how sure we are of it.

A prediction is right when its result is the gold query's result (`results.same_result`,
strict); row order counts only when the gold's outermost query orders.

Intervals are percentile bootstraps that draw whole databases, because questions about one
database succeed and fail together (Cameron, Gelbach, Miller 2008, "Bootstrap-Based
Improvements for Inference with Clustered Errors", the pairs cluster bootstrap). Drawing again what
was seen cannot show what was not: where three of three answers are right, every draw is. So the
interval of a share is never narrower than Wilson's (1927), and on fewer than `FEW` questions that
of a mean is not either, nor that of a difference narrower than the one of Bonett and Price (2012,
"Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on Paired Data").

What is not covered: the official metrics of Spider, BIRD and SQL-Eval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from quorumsql.domain import Execution, Limits, Rows
from quorumsql.ports import Database
from quorumsql.results import same_result
from quorumsql.sql import is_ordered

__all__ = [
    "FEW",
    "SCORING_LIMITS",
    "Estimate",
    "Scorer",
    "accuracy",
    "mcnemar",
    "paired_difference",
    "percentile",
    "wilson",
]

FEW = 30
"""Of fewer questions a bootstrap says too little."""
_Z = 1.959964  # 95 %

SCORING_LIMITS = Limits(seconds=60.0, rows=1_000_000, bytes=512 * 1024 * 1024)
_SAMPLES = 10_000
_CHUNK = 500
_SEED = 20_240_711


class Scorer:
    """Scores predictions against gold queries of one database.

    Every gold query runs once, however many predictions are held against it.
    """

    def __init__(self, database: Database, *, limits: Limits = SCORING_LIMITS) -> None:
        """Score on `database`; `limits` are what gold and re-run predictions may cost."""
        self._database = database
        self._limits = limits
        self._gold: dict[str, Execution] = {}

    def gold(self, sql: str) -> Execution:
        """Return the result of a gold query, from the cache after its first run."""
        if sql not in self._gold:
            self._gold[sql] = self._database.execute(sql, limits=self._limits)
        return self._gold[sql]

    def correct(self, gold: str, sql: str, execution: Execution | None = None) -> bool:
        """Whether `sql` has the result of `gold`.

        Args:
            gold: the gold query. One that does not run makes every prediction wrong; ask
                `gold` first to tell this case apart.
            sql: the prediction.
            execution: its result where it has already run. It is run again only when a cap
                cut it short and the gold result is longer than what was kept.
        """
        expected = self.gold(gold)
        if not isinstance(expected, Rows):
            return False
        if execution is None:
            execution = self._database.execute(sql, limits=self._limits)
        elif isinstance(execution, Rows) and execution.truncated:
            if len(expected.rows) <= len(execution.rows):
                return False  # the prediction has more rows than gold, whatever they are
            execution = self._database.execute(sql, limits=self._limits)
        if not isinstance(execution, Rows) or execution.truncated or expected.truncated:
            return False
        ordered = is_ordered(gold, self._database.dialect)
        return same_result(execution, expected, ordered=ordered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float


def accuracy(correct: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """Return the share of `correct`, or the mean of scores, with an interval.

    The interval draws whole clusters.

    With a single cluster there is nothing to draw but its questions, so they are drawn.
    """
    values = np.asarray(correct, dtype=np.float64)
    found, count = _estimate(values, clusters), len(values)
    is_share = bool(np.isin(values, (0.0, 1.0)).all())
    if not count or not (is_share or count < FEW) or not 0 <= values.min() <= values.max() <= 1:
        return found
    return _widened(found, wilson(found.value, count))


def paired_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[str]
) -> Estimate:
    """Return accuracy of `first` minus accuracy of `second` on the same questions."""
    if len(first) != len(second):
        raise ValueError("paired outcomes must be about the same questions")
    one, two = (np.asarray(outcomes, dtype=np.float64) for outcomes in (first, second))
    found, count = _estimate(one - two, clusters), len(one)
    if not 0 < count < FEW or float(np.abs(one - two).max()) > 1:
        return found
    gained, lost = (
        (float(np.maximum(side, 0).sum()) + 1) / (count + 2) for side in (one - two, two - one)
    )
    reach = _Z * math.sqrt((gained + lost - (gained - lost) ** 2) / (count + 2))
    return _widened(found, (max(gained - lost - reach, -1.0), min(gained - lost + reach, 1.0)))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of `count` questions.

    Of other means between 0 and 1 it is too wide rather than too narrow.
    """
    scale = 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / scale
    reach = math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) * _Z / scale
    return max(0.0, middle - reach), min(1.0, middle + reach)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return the two-sided exact McNemar probability that both are equally good.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated
    proportions or percentages"; the exact form is the binomial test on discordant pairs.
    """
    wins = sum(a and not b for a, b in zip(first, second, strict=True))
    losses = sum(b and not a for a, b in zip(first, second, strict=True))
    total = wins + losses
    tail = sum(comb(total, k) for k in range(min(wins, losses) + 1))
    return float(min(1.0, 2 * tail / 2**total))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of `values` lie (linear between neighbours)."""
    return float(np.quantile(np.asarray(values, dtype=np.float64), share))


def _widened(found: Estimate, bounds: tuple[float, float]) -> Estimate:
    low, high = min(found.low, bounds[0]), max(found.high, bounds[1])
    return Estimate(value=found.value, low=min(low, found.value), high=max(high, found.value))


def _estimate(values: NDArray[np.float64], clusters: Sequence[str]) -> Estimate:
    if len(values) != len(clusters):
        raise ValueError("every outcome needs a cluster")
    if not len(values):
        return Estimate(value=0.0, low=0.0, high=0.0)
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    if codes.max() == 0:
        return _of_one_cluster(values)
    sums = np.bincount(codes, weights=values)
    sizes = np.bincount(codes).astype(np.float64)
    generator = np.random.default_rng(_SEED)
    means: list[NDArray[np.float64]] = []
    for _ in range(_SAMPLES // _CHUNK):  # in chunks: memory stays small for any size
        drawn = generator.integers(len(sums), size=(_CHUNK, len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return Estimate(value=float(values.mean()), low=float(low), high=float(high))


def _of_one_cluster(values: NDArray[np.float64]) -> Estimate:
    """Draw questions. How often each value is drawn is multinomial, whatever their number."""
    kinds, counts = np.unique(values, return_counts=True)
    generator = np.random.default_rng(_SEED)
    means = [
        generator.multinomial(len(values), counts / len(values), size=_CHUNK) @ kinds
        for _ in range(_SAMPLES // _CHUNK)  # in chunks: scores may be of as many kinds as questions
    ]
    low, high = np.quantile(np.concatenate(means) / len(values), (0.025, 0.975))
    return Estimate(value=float(values.mean()), low=float(low), high=float(high))
