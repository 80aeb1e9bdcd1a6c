"""How many questions can be answered when only so many of the answers may be wrong.

Answers are given from the surest downwards. The coverage at a risk is the largest share of
questions that can be answered so that at most that share of the answers is wrong.

Source: Geifman, El-Yaniv 2017, "Selective Classification for Deep Neural Networks" (risk and
coverage). Intervals are never narrower than Wilson's.

What is not covered: a promise for other questions. The threshold here is the best one in hindsight;
`--max-error` (`stages.guarantee`) keeps a promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from quorumsql.evals.bootstrap import Floats, intervals
from quorumsql.evals.metrics import wilson
from quorumsql.evals.predictions import Prediction

__all__ = ["RISKS", "coverage_at_risk"]

RISKS: Final = (0.01, 0.05, 0.10)
_EXACT: Final = 1e-9


def coverage_at_risk(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Return coverage with its interval for each of `RISKS`.

    Questions without a verdict are left out. Answers of one confidence are given together or not
    at all; `confidence` is the least one that is still answered, None where none is.
    """
    scored = [p for p in predictions if p.unscored is None]
    if not scored:
        return []
    ranked = sorted(scored, key=lambda p: -p.confidence)
    sure = np.asarray([p.confidence for p in ranked])
    wrong = np.asarray([not p.correct for p in ranked], dtype=np.float64)
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))

    def answered(weights: Floats) -> Floats:
        """Per draw and risk, the share of questions that can be answered."""
        given = np.cumsum(weights, axis=1)[:, ends]
        errors = np.cumsum(weights * wrong, axis=1)[:, ends]
        shares = [
            np.where(errors <= risk * given + _EXACT, given, 0.0).max(axis=1) / given[:, -1]
            for risk in RISKS
        ]
        return np.stack(shares, axis=1)

    values = answered(np.ones((1, len(ranked))))[0]
    bounds = [
        (min(low, least), max(high, most))
        for value, (low, high) in zip(
            values, intervals([p.db_id for p in ranked], answered), strict=True
        )
        for least, most in [wilson(float(value), len(ranked))]
    ]
    return [
        {
            "risk": risk,
            "coverage": float(value),
            "ci95": [min(low, float(value)), max(high, float(value))],
            "confidence": float(sure[round(value * len(ranked)) - 1]) if value else None,
            "n": round(value * len(ranked)),
        }
        for risk, value, (low, high) in zip(RISKS, values, bounds, strict=True)
    ]
