"""What the scripts that learn weights share: questions of databases held out, and a file's form.

Weights that ship are learned from the databases that the members held out of Spider train, by the
logistic regression of `stages.evidence` (`filter_fit.py`, `unanswerable.py`).

What is not covered: which features there are; each script has its own.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from quorumsql.evals.datasets import Task
from quorumsql.neural.members import WEIGHTS
from quorumsql.stages.answerable import Regression
from quorumsql.stages.relevance import Relevance


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


def record(
    made: Regression | Relevance, features: Sequence[str], *, by: str, count: int
) -> dict[str, object]:
    """Return what a file of weights holds, fitted by the script `by` on `count` questions."""
    return {
        "about": f"fitted by benchmarks/{by} on {count} questions of held-out databases",
        "features": list(features),
        "means": [round(x, 6) for x in made.means],
        "scales": [round(x, 6) for x in made.scales],
        "weights": [round(x, 6) for x in made.weights],
        "intercept": round(made.intercept, 6),
    }
