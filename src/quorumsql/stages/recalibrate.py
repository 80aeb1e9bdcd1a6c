"""Move confidence on one database to what people said of answers there.

    log odds of being right = log odds of the shipped confidence + shift of the database

The shift has a normal prior around 0, whose spread was measured over held-out databases
(`calibrate`), and is the mean of its posterior: a Platt curve (Platt 1999) of which only the level
is fitted. A few verdicts move little, many decide; the order of answers never changes. Without
prior and with equal confidences it is the beta-binomial rule, right answers over all.

What is not covered: whose answers get a verdict. People look twice at what seems wrong, and whoever
judges only wrong answers will see confidence fall below what it should be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from quorumsql.stages.curves import log_odds

__all__ = ["ENOUGH", "recalibrated", "shift_of"]

ENOUGH = 5
"""Verdicts on a database below which its confidence stays as shipped."""
_STEPS = 120
_REACH = 4.0
"""Spreads to either side that the posterior is summed over."""


def shift_of(
    verdicts: Sequence[tuple[float, bool]], *, spread: float, enough: int = ENOUGH
) -> float:
    """Return how far a database's log odds lie from the shipped ones.

    Args:
        verdicts: the shipped confidence of each answer, and whether it was right.
        spread: standard deviation of the shift over databases.
        enough: fewer verdicts shift nothing.
    """
    if len(verdicts) < max(enough, 1) or spread <= 0:
        return 0.0
    odds = [(log_odds(chance), right) for chance, right in verdicts]
    shifts = [spread * _REACH * (2 * step / _STEPS - 1) for step in range(_STEPS + 1)]
    logs = [-((shift / spread) ** 2) / 2 + _likely(odds, shift) for shift in shifts]
    top = max(logs)
    weights = [math.exp(one - top) for one in logs]
    return math.fsum(s * w for s, w in zip(shifts, weights, strict=True)) / math.fsum(weights)


def recalibrated(chance: float, shift: float) -> float:
    """Return the chance whose log odds are `shift` above those of `chance`."""
    if shift == 0.0:
        return chance
    return 1.0 / (1.0 + math.exp(-(log_odds(chance) + shift)))


def _likely(odds: Sequence[tuple[float, bool]], shift: float) -> float:
    return -math.fsum(
        math.log1p(math.exp(-(one + shift) if right else one + shift)) for one, right in odds
    )
