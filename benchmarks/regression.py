"""What the scripts that learn weights share: questions of databases held out, and the regression.

Weights that ship are learned from the databases that the members held out of Spider train, by a
logistic regression with a small penalty (`filter_fit.py`, `unanswerable.py`).

What is not covered: which features there are; each script has its own.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quorumsql.evals.datasets import Task
from quorumsql.neural.members import WEIGHTS

Floats = npt.NDArray[np.float64]


def held_out(folder: Path = WEIGHTS) -> set[str]:
    """Return the databases of Spider train that the members in `folder` were not trained on."""
    return set(json.loads((folder / "manifest.json").read_bytes())["held_out"])


def some_of(tasks: Sequence[Task], names: set[str], most: int) -> list[Task]:
    """Return up to `most` questions of each of the databases `names`, the same ones each time."""
    shuffled = [task for task in tasks if task.db_id in names]
    random.Random(3).shuffle(shuffled)
    taken: Counter[str] = Counter()
    found = []
    for task in shuffled:
        taken[task.db_id] += 1
        if taken[task.db_id] <= most:
            found.append(task)
    return found


@dataclass(frozen=True)
class Line:
    """A linear function of features that are shifted by `means` and divided by `scales`."""

    means: list[float]
    scales: list[float]
    weights: list[float]
    intercept: float

    def record(self, about: str, features: Sequence[str]) -> dict[str, object]:
        """Return what a file of weights holds; `about` says what they were fitted on."""
        return {
            "about": about,
            "features": list(features),
            "means": [round(x, 6) for x in self.means],
            "scales": [round(x, 6) for x in self.scales],
            "weights": [round(x, 6) for x in self.weights],
            "intercept": round(self.intercept, 6),
        }


def logistic(
    rows: Sequence[Sequence[float]],
    labels: Sequence[bool],
    *,
    penalty: float,
    balanced: bool = False,
) -> Line:
    """Return the log odds of a label as a line, by Newton's method.

    Args:
        rows: features, the same number for each example.
        labels: what is to be told from them.
        penalty: of the squared weights, per example; the intercept is free.
        balanced: whether both labels weigh the same, however many examples each has.
    """
    table, wanted = np.array(rows, dtype=np.float64), np.array(labels, dtype=np.float64)
    means, scales = table.mean(0), table.std(0)
    scales[scales < 1e-9] = 1.0  # what was not looked at weighs nothing
    inputs: Floats = np.c_[(table - means) / scales, np.ones(len(table))]
    worth: Floats = np.ones(len(wanted))
    if balanced:
        worth = np.where(wanted > 0, 0.5 / wanted.mean(), 0.5 / (1 - wanted.mean()))
    weights: Floats = np.zeros(inputs.shape[1])
    ridge = np.eye(len(weights)) * penalty * len(table)
    ridge[-1, -1] = 0.0
    for _ in range(40):
        p = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        bend = inputs.T @ (inputs * (worth * (p * (1 - p) + 1e-6))[:, None]) + ridge
        weights += np.linalg.solve(bend, inputs.T @ (worth * (wanted - p)) - ridge @ weights)
    return Line(means.tolist(), scales.tolist(), weights[:-1].tolist(), float(weights[-1]))
