"""Answer only when sure enough: a vote share above which few answers are wrong.

Learn then Test (Angelopoulos et al. 2021, arXiv 2110.01052): each of ten candidate shares is a
hypothesis "more than this rate of the answers above it are wrong", tested by the exact binomial
tail on held-out questions, with the risk of a false promise divided among the ten (Bonferroni).

What is not covered: questions unlike those it was learned from. The promise is about questions
drawn alike, and questions about one database resemble each other more than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["RATES", "RISK", "guarantees", "sure_share"]

RATES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
RISK = 0.05
"""Chance that a promise is false."""
STEPS = 10


def guarantees(shares: Sequence[float], correct: Sequence[bool]) -> tuple[tuple[float, float], ...]:
    """Return pairs of an error rate and the share that keeps it; rates out of reach are missing."""
    found = ((rate, sure_share(shares, correct, rate=rate)) for rate in RATES)
    return tuple((rate, share) for rate, share in found if share is not None)


def sure_share(
    shares: Sequence[float], correct: Sequence[bool], *, rate: float, risk: float = RISK
) -> float | None:
    """Return the lowest share such that at most `rate` of the answers with it or more are wrong.

    With probability 1 - `risk` over the held-out questions this holds for new questions drawn
    alike. None when these questions do not show it for any share.
    """
    ordered = sorted(zip(shares, correct, strict=True), key=lambda pair: -pair[0])
    kept: list[float] = []
    for step in range(1, STEPS + 1):
        place = len(ordered) * step // STEPS
        if not place:
            continue
        lowest = ordered[place - 1][0]
        answered = [right for share, right in ordered if share >= lowest]
        if _tail(answered.count(False), len(answered), rate) <= risk / STEPS:
            kept.append(lowest)
    return min(kept, default=None)


def _tail(wrong: int, count: int, rate: float) -> float:
    """Chance of at most `wrong` errors among `count` answers when each errs with `rate`."""
    logs = (
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(rate) + (count - k) * math.log1p(-rate)
        for k in range(wrong + 1)
    )  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))
