"""Whether confidence means what it says: of answers that are 80 % sure, 80 % should be right.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (reliability diagram and
expected calibration error); Brier 1950; Wilson 1927 for the intervals of single bins.

What is not covered: fitting; `stages.calibrate` does that, on other questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from quorumsql.evals.predictions import Prediction

__all__ = ["reliability"]

_BINS = 10
_Z = 1.959964  # 95 %


def reliability(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return bins of confidence with the share that is right, `ece` and `brier`.

    Questions without a verdict are left out. Bins that nothing falls into are left out too.
    """
    scored = [p for p in predictions if p.unscored is None]
    bins: list[list[Prediction]] = [[] for _ in range(_BINS)]
    for prediction in scored:
        place = int(min(1.0, max(0.0, prediction.confidence)) * _BINS)
        bins[min(place, _BINS - 1)].append(prediction)
    shown = [_bin(place, part) for place, part in enumerate(bins) if part]
    count = len(scored) or 1
    gaps = (b["n"] * abs(b["execution_accuracy"] - b["confidence"]) for b in shown)
    squares = ((p.confidence - p.correct) ** 2 for p in scored)
    return {
        "n": len(scored),
        "bins": shown,
        "ece": math.fsum(gaps) / count,
        "brier": math.fsum(squares) / count,
    }


def _bin(place: int, part: Sequence[Prediction]) -> dict[str, Any]:
    count = len(part)
    share = sum(p.correct for p in part) / count
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    reach = math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    reach *= _Z / (1 + _Z**2 / count)
    return {
        "from": place / _BINS,
        "to": (place + 1) / _BINS,
        "n": count,
        "confidence": math.fsum(p.confidence for p in part) / count,
        "execution_accuracy": share,
        "ci95": [max(0.0, middle - reach), min(1.0, middle + reach)],
    }
