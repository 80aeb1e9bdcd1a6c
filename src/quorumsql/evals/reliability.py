"""Whether confidence means what it says: of answers that are 80 % sure, 80 % should be right.

Answers are put into ten bins of as many answers each, by confidence; answers of one confidence are
never parted. The expected calibration error is the mean distance between the confidence of a bin
and the share of it that is right.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (reliability diagram and
expected calibration error); Nixon et al. 2019, "Measuring Calibration in Deep Learning" (bins of
equal mass); Brier 1950; Wilson 1927 for the intervals of single bins. Of fewer than `FEW` answers
the calibration error has no interval.

What is not covered: fitting; `stages.calibrate` does that, on other questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from quorumsql.evals.bootstrap import Floats, intervals
from quorumsql.evals.metrics import FEW, accuracy, wilson
from quorumsql.evals.predictions import Prediction

__all__ = ["reliability"]

_BINS: Final = 10


def reliability(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return bins of confidence with the share that is right, `ece` and `brier` with intervals.

    `histogram` counts the answers in tenths of confidence. Questions without a verdict are left
    out.
    """
    ranked = sorted((p for p in predictions if p.unscored is None), key=lambda p: p.confidence)
    if not ranked:
        return {"n": 0, "bins": [], "histogram": [0] * _BINS, "ece": 0.0, "brier": 0.0}
    bins = [ranked[start:end] for start, end in pairwise(_bounds(ranked))]
    tenths = [min(int(max(0.0, p.confidence) * _BINS), _BINS - 1) for p in ranked]
    clusters = [p.db_id for p in ranked]
    ece, around = _calibration_error(bins, clusters)
    brier = accuracy([(p.confidence - p.correct) ** 2 for p in ranked], clusters)
    return {
        "n": len(ranked),
        "bins": [_bin(part) for part in bins],
        "histogram": [tenths.count(place) for place in range(_BINS)],
        "ece": ece,
        "ece_ci95": list(around) if len(ranked) >= FEW else None,
        "brier": brier.value,
        "brier_ci95": [brier.low, brier.high],
    }


def _bounds(ranked: Sequence[Prediction]) -> list[int]:
    """Where bins begin and end: after every tenth of the answers, and those as sure as its last."""
    count, found = len(ranked), [0]
    for place in range(1, _BINS + 1):
        at = max(round(place * count / _BINS), found[-1])
        while 0 < at < count and ranked[at].confidence == ranked[at - 1].confidence:
            at += 1
        if at > found[-1]:
            found.append(at)
    return found


def _calibration_error(
    bins: Sequence[Sequence[Prediction]], clusters: Sequence[str]
) -> tuple[float, tuple[float, float]]:
    """The expected calibration error, and its interval with these bins."""
    gaps = np.asarray([p.correct - p.confidence for part in bins for p in part])
    starts = np.cumsum([0, *(len(part) for part in bins[:-1])])

    def error(weights: Floats) -> Floats:
        apart = np.abs(np.add.reduceat(weights * gaps, starts, axis=1)).sum(axis=1)
        return np.asarray(apart / weights.sum(axis=1))[:, np.newaxis]

    value = float(error(np.ones((1, len(gaps))))[0, 0])
    return value, intervals(clusters, error)[0]


def _bin(part: Sequence[Prediction]) -> dict[str, Any]:
    count = len(part)
    share = sum(p.correct for p in part) / count
    return {
        "from": part[0].confidence,
        "to": part[-1].confidence,
        "n": count,
        "confidence": math.fsum(p.confidence for p in part) / count,
        "execution_accuracy": share,
        "ci95": list(wilson(share, count)),
    }
