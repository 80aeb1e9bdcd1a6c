"""Spend on further generators only where it pays: ask the fast one, stop where they would not help.

Two rules exist. A question goes on while the calibrated confidence after the fast generator is
below a threshold, the one-sided form of window-based early exit. Or a stop rule predicts from the
fast one's candidates what asking the others would gain, as SEEDS emulates a large ensemble from a
few of its members: a ridge regression of the gain (right with all, less right alone: 1, 0 or -1)
on a few numbers of the vote. That the others change an answer is not enough; they must mend it.
Everything was fitted on recorded runs over databases held out of training, the threshold so that a
stated share of all questions goes on.

What is not covered: language models, which `session` asks after the cheap generators, by the
same confidence; and what a call costs. All calls count alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quorumsql.domain import Choice
from quorumsql.errors import ModelError
from quorumsql.stages.calibrate import Calibration, confidence, fit

__all__ = ["FEATURES", "Cascade", "features", "fit_cascade", "load_cascade", "save_cascade"]

FEATURES = ("share", "margin", "groups", "entropy", "empty", "unanimous")

Matrix = npt.NDArray[np.float64]
_RIDGE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Which generator is asked alone first, and when the others are.

    `weights` of the standardised `FEATURES` and the `intercept` give what asking the others is
    expected to gain; they are asked where it is more than `most`. `calibration` is from the first
    one's share of its own vote to the chance that it is right; `calls` is the share of all calls
    that this asked on held-out questions.
    """

    first: str
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    most: float
    calibration: Calibration
    calls: float = 1.0

    def gain(self, choice: Choice, *, empty: bool) -> float:
        """Return how much likelier a right answer is with the others, from -1 to 1."""
        return self.expected(features(choice, empty=empty))

    def expected(self, row: Sequence[float]) -> float:
        """Return the same for a row of `features`."""
        parts = zip(row, self.means, self.scales, self.weights, strict=True)
        return self.intercept + sum((x - mean) / scale * w for x, mean, scale, w in parts)

    def stops(self, choice: Choice, *, empty: bool, below: float | None = None) -> bool:
        """Return whether the choice stands without the others.

        Args:
            choice: that among the first generator's candidates.
            empty: whether its result has no rows.
            below: go on below this calibrated confidence, instead of by the stop rule.
        """
        if choice.candidate is None:
            return False
        if below is not None:
            return self.confidence(choice) >= below
        return self.gain(choice, empty=empty) <= self.most

    def confidence(self, choice: Choice) -> float:
        """Return the calibrated chance that the first generator's choice is right."""
        return confidence(choice.confidence, self.calibration)


def features(choice: Choice, *, empty: bool) -> tuple[float, ...]:
    """Return what the stop rule looks at, in the order of `FEATURES`."""
    votes = sorted((group.votes for group in choice.groups), reverse=True) or [0.0]
    first = choice.groups[0].votes if choice.groups else 0.0
    second = max((v for v in votes if v != first), default=0.0) if first == votes[0] else votes[0]
    entropy = -sum(v * math.log(v) for v in votes if v > 0)
    return (
        first,
        first - second,
        math.log(len(votes)),
        entropy,
        float(empty),
        float(choice.rule == "unanimous"),
    )


def fit_cascade(
    first: str,
    rows: Sequence[Sequence[float]],
    *,
    alone: Sequence[bool],
    together: Sequence[bool],
    shares: Sequence[float],
    going_on: float,
) -> Cascade:
    """Fit the stop rule and the calibration of the fast generator on recorded questions.

    Args:
        first: name of the generator that is asked alone.
        rows: the `features` of its choice, per question.
        alone: whether its choice was right.
        together: whether the choice among all generators' candidates was right.
        shares: the share of its vote that its choice had.
        going_on: the share of questions that may ask the others.
    """
    table = np.asarray(rows, dtype=np.float64)
    gains = np.asarray(together, dtype=np.float64) - np.asarray(alone, dtype=np.float64)
    means, scales = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-6)
    columns = np.column_stack([np.ones(len(table)), (table - means) / scales])
    ridge = _RIDGE * np.eye(columns.shape[1])
    ridge[0, 0] = 0.0
    weights = np.linalg.solve(columns.T @ columns + ridge, columns.T @ gains)
    cascade = Cascade(
        first=first,
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(weights[1:].tolist()),
        intercept=float(weights[0]),
        most=0.0,
        calibration=fit(shares, alone),
    )
    expected = sorted((cascade.expected(row) for row in rows), reverse=True)
    place = min(int(going_on * len(expected)), len(expected) - 1)
    return replace(cascade, most=expected[place])


def save_cascade(cascade: Cascade, path: Path, *, about: str) -> None:
    """Write a cascade as JSON; `about` says what it was fitted on, and by which script."""
    record = {"about": about, **asdict(cascade)}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load_cascade(path: Path) -> Cascade | None:
    """Read what `save_cascade` wrote; None where there is no such file.

    Raises:
        ModelError: the file is no cascade.
    """
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(map(float, record[name])) for name in ("means", "scales", "weights")}
        if any(len(values) != len(FEATURES) for values in lists.values()):
            raise ValueError(f"not {len(FEATURES)} features")
        shares, chances = (tuple(map(float, record["calibration"][n])) for n in _CURVE)
        return Cascade(
            first=str(record["first"]),
            intercept=float(record["intercept"]),
            most=float(record["most"]),
            calibration=Calibration(shares=shares, chances=chances),
            calls=float(record["calls"]),
            **lists,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a cascade ({error!r}); fit it again.") from error


_CURVE = ("shares", "chances")
