"""Turn a vote share into the chance that the answer is right.

A share of 0.8 does not mean right four times in five. The map from one to the other is
fitted once on held-out databases by isotonic regression (pool adjacent violators, Ayer et
al. 1955): it may bend, but a larger share never means a smaller chance.

What is not covered: anything but the share. Two questions with the same share get the
same confidence.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quorumsql.errors import ConfigError, ModelError
from quorumsql.stages.guarantee import guarantees

__all__ = ["Calibration", "confidence", "fit", "load", "promised", "save"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured on held-out databases.

    `shares` rise strictly, `chances` never fall; both empty means that a share stands for
    itself. `ranks` gives each generator's place by accuracy, 0 for the best; `n` is the
    number of questions. `guarantees` pairs rates of error with the share that keeps them.
    """

    shares: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()
    ranks: Mapping[str, int] = field(default_factory=dict)
    n: int = 0
    guarantees: tuple[tuple[float, float], ...] = ()


def promised(max_error: float, calibration: Calibration) -> float:
    """Return the least confidence with which answers err at most at the rate `max_error`.

    Raises:
        ConfigError: what was measured does not show that for any confidence.
    """
    if not calibration.guarantees:
        raise ConfigError("max_error needs embedded generators alone: nothing was measured here.")
    shares = [share for rate, share in calibration.guarantees if rate <= max_error]
    if not shares:
        least = min(rate for rate, _ in calibration.guarantees)
        raise ConfigError(
            f"max_error {max_error:g} cannot be promised; the smallest that can is {least:g}."
        )
    return confidence(min(shares), calibration)


def confidence(share: float, calibration: Calibration) -> float:
    """Return the chance in [0, 1] that the answer with this share of the votes is right.

    Linear between the measured points, constant outside them.
    """
    shares, chances = calibration.shares, calibration.chances
    if not shares:
        return min(max(share, 0.0), 1.0)
    right = bisect_right(shares, share)
    if right == 0:
        return chances[0]
    if right == len(shares):
        return chances[-1]
    low, high = shares[right - 1], shares[right]
    part = (share - low) / (high - low)
    return min(chances[right - 1] + part * (chances[right] - chances[right - 1]), chances[right])


def fit(
    shares: Sequence[float],
    correct: Sequence[bool],
    *,
    ranks: Mapping[str, int] | None = None,
) -> Calibration:
    """Fit the map to one vote share and one verdict per question.

    Chances keep half a question's distance from 0 and 1: no finite sample proves either.
    """
    if len(shares) != len(correct):
        raise ValueError(f"{len(shares)} shares but {len(correct)} verdicts")
    if not shares:
        return Calibration(ranks=dict(ranks or {}))
    import numpy as np

    points, inverse = np.unique(np.round(np.asarray(shares, dtype=float), 6), return_inverse=True)
    counts = np.bincount(inverse).astype(float)
    right = np.bincount(inverse, weights=np.asarray(correct, dtype=float))
    blocks: list[_Block] = []
    for x, count, hits in zip(points.tolist(), counts.tolist(), right.tolist(), strict=True):
        block = _Block(count=count, hits=hits, share=x)
        while blocks and blocks[-1].chance >= block.chance:
            block = blocks.pop().merged(block)
        blocks.append(block)
    margin = 0.5 / len(shares)
    return Calibration(
        shares=tuple(round(b.share, 6) for b in blocks),
        chances=tuple(min(max(b.chance, margin), 1 - margin) for b in blocks),
        ranks=dict(ranks or {}),
        n=len(shares),
        guarantees=guarantees(shares, correct),
    )


def load(path: Path) -> Calibration:
    """Read what `save` wrote; a file that does not exist is the empty calibration.

    Raises:
        ModelError: the file is not a calibration.
    """
    if not path.is_file():
        return Calibration()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        read = Calibration(
            shares=tuple(float(x) for x in record["shares"]),
            chances=tuple(float(x) for x in record["chances"]),
            ranks={str(name): int(rank) for name, rank in record.get("ranks", {}).items()},
            n=int(record.get("n", 0)),
            guarantees=tuple(
                (float(rate), float(share)) for rate, share in record.get("guarantees", ())
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a calibration ({error!r}); fit it again.") from error
    if not _rising(read):
        raise ModelError(f"{path} is not a calibration: its shares or chances fall; fit it again.")
    return read


def save(calibration: Calibration, path: Path) -> None:
    """Write a calibration as a small JSON object."""
    record = {
        "shares": list(calibration.shares),
        "chances": [round(chance, 6) for chance in calibration.chances],
        "ranks": dict(calibration.ranks),
        "n": calibration.n,
        "guarantees": [list(pair) for pair in calibration.guarantees],
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Neighbouring points that share one chance; `share` is their mean."""

    count: float
    hits: float
    share: float

    @property
    def chance(self) -> float:
        return self.hits / self.count

    def merged(self, other: _Block) -> _Block:
        count = self.count + other.count
        share = (self.share * self.count + other.share * other.count) / count
        return _Block(count=count, hits=self.hits + other.hits, share=share)


def _rising(read: Calibration) -> bool:
    strictly = all(a < b for a, b in zip(read.shares, read.shares[1:], strict=False))
    never_falls = all(a <= b for a, b in zip(read.chances, read.chances[1:], strict=False))
    return len(read.shares) == len(read.chances) and strictly and never_falls
