"""Spend on further generators only where it pays: ask the fast one, and stop when its vote is sure.

A question goes on while the calibrated confidence after the fast generator is below a threshold,
the one-sided form of window-based early exit. Or a stop rule predicts from the first candidates
whether the answer of all would be another one, and goes on where that is likely; this is what
SEEDS does for weather, emulating a large ensemble from a few of its members. Both are logistic or
isotonic maps of few numbers, fitted on recorded runs over databases held out of training. The
threshold is the one that asks a stated share of all calls.

What is not covered: language models, which `session` asks after the cheap generators, by the
same confidence; and what a call costs. All calls count alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
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
_RIDGE = 1.0
_ROUNDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Which generator is asked alone first, and when the others are.

    `weights` of the standardised `FEATURES` and the `intercept` give the chance that the others
    change the answer; they are asked where it is more than `most`. `calibration` is from the
    first one's share of its own vote to the chance that it is right; `calls` is the share of all
    calls that this asked on held-out questions.
    """

    first: str
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    most: float
    calibration: Calibration
    calls: float = 1.0

    def change(self, choice: Choice, *, empty: bool) -> float:
        """Return the chance that the others change what is chosen after the first generator."""
        return self.chance(features(choice, empty=empty))

    def chance(self, row: Sequence[float]) -> float:
        """Return the same for a row of `features`."""
        parts = zip(row, self.means, self.scales, self.weights, strict=True)
        score = self.intercept + sum((x - mean) / scale * w for x, mean, scale, w in parts)
        return 1 / (1 + math.exp(-max(min(score, 30.0), -30.0)))

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
        return self.change(choice, empty=empty) <= self.most

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
    changed: Sequence[bool],
    shares: Sequence[float],
    correct: Sequence[bool],
    going_on: float,
) -> Cascade:
    """Fit the stop rule and the calibration of the fast generator on recorded questions.

    Args:
        first: name of the generator that is asked alone.
        rows: the `features` of its choice, per question.
        changed: whether the choice among all generators' candidates had another result.
        shares: the share of its vote that its choice had.
        correct: whether its choice was right.
        going_on: the share of questions that may ask the others.
    """
    fitted = _fit_weights(rows, changed)
    cascade = Cascade(
        first=first,
        means=fitted["means"],
        scales=fitted["scales"],
        weights=fitted["weights"],
        intercept=fitted["intercept"][0],
        most=0.0,
        calibration=fit(shares, correct),
    )
    chances = sorted((cascade.chance(row) for row in rows), reverse=True)
    place = min(int(going_on * len(chances)), len(chances) - 1)
    return replace(cascade, most=chances[place])


def _fit_weights(
    rows: Sequence[Sequence[float]], changed: Sequence[bool]
) -> Mapping[str, tuple[float, ...]]:
    """Return means, scales and weights of a ridge logistic regression, and its intercept."""
    found = np.asarray(rows, dtype=np.float64)
    target = np.asarray(changed, dtype=np.float64)
    means = found.mean(axis=0)
    scales = np.maximum(found.std(axis=0), 1e-6)
    table = np.column_stack([np.ones(len(found)), (found - means) / scales])
    ridge = _RIDGE * np.eye(table.shape[1])
    ridge[0, 0] = 1e-6
    weights = np.zeros(table.shape[1])
    for _ in range(_ROUNDS):  # Newton
        chance = 1 / (1 + np.exp(-np.clip(table @ weights, -30, 30)))
        slope = table.T @ (target - chance) - ridge @ weights
        curve = (table * (chance * (1 - chance))[:, None]).T @ table + ridge
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return {
        "means": tuple(means.tolist()),
        "scales": tuple(scales.tolist()),
        "weights": tuple(weights[1:].tolist()),
        "intercept": (float(weights[0]),),
    }


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
