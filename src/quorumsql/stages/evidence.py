"""What can be told about a choice besides who won: how large, how clear, how well it reads.

A few numbers of a choice, by name, and a line through them: a logistic regression that gives the
log odds that the answer is right. A selector only weighs the results that there are against each
other, so it can be sure of the best of several wrong ones. The line knows how well that one reads
by itself, how the votes lie, and what of the question it leaves out (`overlap`).

What is not covered: turning the line's value into a chance that can be relied on (`calibrate`), and
what further generators would gain (`cascade`); both look at these numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quorumsql.domain import Choice
from quorumsql.stages.curves import log_odds
from quorumsql.stages.overlap import NOTHING, SAID

__all__ = [
    *("FEATURES", "VOTED", "Line", "Row"),
    *("features", "left_out", "logistic", "table_of"),
]

VOTED = ("share", "margin", "groups", "entropy", "empty", "unanimous", "chance", *SAID)
"""Those that need no reader."""
FEATURES = (*VOTED, "read", "rival", "judged")
"""share: of the votes, of the chosen result. margin: to the largest other share. groups: logarithm
of how many results there are. entropy: of the shares. empty: no rows. unanimous: all first choices
agree. chance: log odds of the selector's raw confidence. SAID: what the SQL leaves out (`overlap`).
read, rival: log odds that the reader gives the best candidate of the chosen result, and the best of
all others. judged: the votes would have chosen another result."""

Row = Mapping[str, float]
Floats = npt.NDArray[np.float64]
_FAR = 8.0
"""Log odds beyond which a reader is as sure as can be."""
_EDGE = 5e-3
"""How near to 0 and 1 a confidence is taken seriously."""
_PENALTY = 2e-2
_FOLDS = 10
_STEPS = 40


def features(
    choice: Choice,
    *,
    empty: bool,
    read: Sequence[float] = (),
    said: Mapping[str, float] = NOTHING,
) -> dict[str, float]:
    """Return the numbers of a choice, by name; see `FEATURES`.

    Args:
        choice: the selector's, not calibrated.
        empty: whether its result has no rows.
        read: the reader's log odds of each candidate; absent where nothing reads.
        said: what of the question the chosen SQL leaves out (`overlap.Overlap`).
    """
    shares = [group.votes for group in choice.groups]
    first, others = (shares[0], shares[1:]) if shares else (0.0, [])
    best = [max((read[i] for i in group.members), default=-_FAR) for group in choice.groups if read]
    return {
        "share": first,
        "margin": first - max(others, default=0.0),
        "groups": math.log(max(len(shares), 1)),
        "entropy": -sum(v * math.log(v) for v in shares if v > 0),
        "empty": float(empty),
        "unanimous": float(choice.rule == "unanimous"),
        "chance": log_odds(min(max(choice.confidence, _EDGE), 1 - _EDGE)),
        **{name: said[name] for name in SAID},
        "read": _near(best[0]) if best else 0.0,
        "rival": _near(max(best[1:], default=-_FAR)) if best else 0.0,
        "judged": float(choice.rule == "judged"),
    }


def _near(odds: float) -> float:
    return min(max(odds, -_FAR), _FAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A linear function of features, each shifted by its mean and divided by its scale."""

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def __call__(self, row: Row) -> float:
        """Return the value for a row that holds the features, and may hold others."""
        parts = zip(self.features, self.means, self.scales, self.weights, strict=True)
        return self.intercept + math.fsum(
            (row[n] - mean) / scale * w for n, mean, scale, w in parts
        )

    def values(self, table: Floats) -> Floats:
        """Return the values of rows whose columns are the features, (N, features) to (N,)."""
        scaled = (table - np.array(self.means)) / np.array(self.scales)
        return np.asarray(self.intercept + scaled @ np.array(self.weights))

    @classmethod
    def read(cls, record: Mapping[str, Any], *, known: Sequence[str] = FEATURES) -> Line:
        """Return the line that JSON keeps as an object of its fields.

        Raises:
            ValueError: it has features that are not known, or not a number for each.
        """
        names = tuple(map(str, record["features"]))
        if unknown := sorted(set(names) - set(known)):
            raise ValueError(f"unknown features {', '.join(unknown)}")
        lists = {name: tuple(map(float, record[name])) for name in ("means", "scales", "weights")}
        if any(len(values) != len(names) for values in lists.values()):
            raise ValueError(f"not {len(names)} features")
        return cls(features=names, intercept=float(record["intercept"]), **lists)


def logistic(
    table: Floats,
    labels: Floats,
    names: Sequence[str],
    *,
    penalty: float = _PENALTY,
    balanced: bool = False,
) -> Line:
    """Return the log odds of a label as a line, by Newton's method.

    Args:
        table: (N, features), in the order of `names`.
        labels: (N,) of 0 and 1, what is to be told from them.
        names: of the features.
        penalty: of the squared weights, per example; the intercept is free.
        balanced: whether both labels weigh the same, however many examples each has.
    """
    means, scales = table.mean(0), table.std(0)
    scales[scales < 1e-9] = 1.0  # what was not looked at weighs nothing
    inputs: Floats = np.c_[(table - means) / scales, np.ones(len(table))]
    worth: Floats = np.ones(len(labels))
    if balanced:
        worth = np.where(labels > 0, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    weights: Floats = np.zeros(inputs.shape[1])
    ridge = np.eye(len(weights)) * penalty * len(table)
    ridge[-1, -1] = 0.0
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        bend = inputs.T @ (inputs * (worth * (p * (1 - p) + 1e-6))[:, None]) + ridge
        step = np.linalg.solve(bend, inputs.T @ (worth * (labels - p)) - ridge @ weights)
        weights += step
        if float(np.abs(step).max()) < 1e-9:
            break
    return Line(
        features=tuple(names),
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(weights[:-1].tolist()),
        intercept=float(weights[-1]),
    )


def left_out(
    table: Floats,
    wanted: Floats,
    databases: Sequence[Hashable],
    fitted: Callable[[Floats, Floats], Line],
    *,
    folds: int = _FOLDS,
) -> Floats:
    """Return each row's value by a line that was fitted without its database.

    What a line says of the rows that it was fitted to is too good; these values are what may be
    judged, or fitted to. With at most `folds` databases each is left out alone; a single one
    leaves nothing to fit to, and all values are 0.
    """
    places = {name: place % folds for place, name in enumerate(dict.fromkeys(databases))}
    home = np.array([places[name] for name in databases])
    found = np.zeros(len(table))
    for fold in sorted(set(places.values())) if len(places) > 1 else ():
        own = home == fold
        found[own] = fitted(table[~own], wanted[~own]).values(table[own])
    return found


def table_of(rows: Sequence[Row], names: Sequence[str]) -> Floats:
    """Return the features named as columns."""
    return np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
