"""Compare two runs question by question: who gained, who lost, and whether it could be chance.

Questions are matched by index, database and text. What only one run has is counted and left out.

What is not covered: more than two runs, and correction for having compared many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quorumsql.errors import UsageError
from quorumsql.evals.metrics import Estimate, accuracy, mcnemar, paired_difference
from quorumsql.evals.predictions import Prediction, read_predictions

__all__ = ["Comparison", "Pair", "compare", "read_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One question in both runs."""

    first: Prediction
    second: Prediction

    @property
    def flipped(self) -> bool:
        """Whether exactly one run is right."""
        return self.first.correct != self.second.correct


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs on the questions that both have; `difference` is second minus first."""

    names: tuple[str, str]
    pairs: tuple[Pair, ...]
    only_first: int
    only_second: int
    accuracies: tuple[Estimate, Estimate]
    difference: Estimate
    mcnemar_p: float

    @property
    def gained(self) -> tuple[Pair, ...]:
        """Questions that only the second run gets right."""
        return tuple(pair for pair in self.pairs if pair.flipped and pair.second.correct)

    @property
    def lost(self) -> tuple[Pair, ...]:
        """Questions that only the first run gets right."""
        return tuple(pair for pair in self.pairs if pair.flipped and pair.first.correct)

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        if not self.gained and not self.lost:
            return "The two runs are right on the same questions."
        better = self.names[1] if self.difference.value > 0 else self.names[0]
        sure = self.difference.low > 0 or self.difference.high < 0
        if sure and self.mcnemar_p < 0.05:
            return f"{better} is better, and chance alone does not explain it."
        return "The difference may be chance: do not conclude that one run is better."

    def summary(self) -> dict[str, Any]:
        """Return the comparison as plain JSON."""
        return {
            "runs": list(self.names),
            "n": len(self.pairs),
            "only_first": self.only_first,
            "only_second": self.only_second,
            "accuracies": [
                {"value": each.value, "ci95": [each.low, each.high]} for each in self.accuracies
            ],
            "difference": {
                "value": self.difference.value,
                "ci95": [self.difference.low, self.difference.high],
                "mcnemar_p": self.mcnemar_p,
            },
            "gained": [pair.second.index for pair in self.gained],
            "lost": [pair.second.index for pair in self.lost],
            "verdict": self.verdict,
        }


def compare(
    first: Iterable[Prediction], second: Iterable[Prediction], *, names: tuple[str, str]
) -> Comparison:
    """Return what changed from `first` to `second`.

    Raises:
        UsageError: they have no question in common.
    """
    left = {_key(prediction): prediction for prediction in first}
    right = {_key(prediction): prediction for prediction in second}
    shared = sorted(left.keys() & right.keys())
    if not shared:
        raise UsageError(f"{names[0]} and {names[1]} have no question in common.")
    pairs = tuple(Pair(first=left[key], second=right[key]) for key in shared)
    one, two = ([getattr(p, side).correct for p in pairs] for side in ("first", "second"))
    clusters = [pair.first.db_id for pair in pairs]
    return Comparison(
        names=names,
        pairs=pairs,
        only_first=len(left) - len(shared),
        only_second=len(right) - len(shared),
        accuracies=(accuracy(one, clusters), accuracy(two, clusters)),
        difference=paired_difference(two, one, clusters),
        mcnemar_p=mcnemar(two, one),
    )


def read_run(folder: Path) -> Mapping[int, Prediction]:
    """Return the predictions of a run's folder, finished or not.

    Raises:
        UsageError: it holds no run.
    """
    path = folder / "predictions.jsonl"
    if not path.is_file():
        raise UsageError(f"{folder}: is no run: it has no predictions.jsonl.")
    predictions = read_predictions(path, repair=False)
    if not predictions:
        raise UsageError(f"{path}: holds no prediction yet.")
    return predictions


def _key(prediction: Prediction) -> tuple[int, str, str]:
    return prediction.index, prediction.db_id, prediction.question
