"""Intervals of figures that are no means, by drawing whole databases as `metrics` does.

A statistic is given how often each question was drawn, for many draws at once. With a single
database there is nothing to draw but its questions, so they are drawn.

Source: Cameron, Gelbach, Miller 2008, "Bootstrap-Based Improvements for Inference with Clustered
Errors", the pairs cluster bootstrap; percentile intervals.

What is not covered: figures that are means; `metrics.accuracy` is faster for those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Statistic", "intervals"]

Floats: TypeAlias = NDArray[np.float64]

Statistic: TypeAlias = Callable[[Floats], Floats]
"""From weights (draws × questions) to figures (draws × figures)."""

_SAMPLES = 2_000
_CHUNK = 100
_SEED = 20_240_711


def intervals(clusters: Sequence[str], statistic: Statistic) -> list[tuple[float, float]]:
    """Return the 95 % interval of each figure of `statistic`.

    Args:
        clusters: the database of each question, at least one.
        statistic: what is measured on drawn questions.
    """
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    if codes.max() == 0:
        codes = np.arange(len(clusters))
    kinds = int(codes.max()) + 1
    generator = np.random.default_rng(_SEED)
    found = []
    for _ in range(_SAMPLES // _CHUNK):  # in chunks: memory stays small for any size
        drawn = generator.multinomial(kinds, np.full(kinds, 1 / kinds), size=_CHUNK)
        found.append(statistic(drawn[:, codes].astype(np.float64)))
    low, high = np.quantile(np.concatenate(found), (0.025, 0.975), axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
